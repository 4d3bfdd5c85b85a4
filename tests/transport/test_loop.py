"""Timers, descriptors, calls from threads, signals."""

import os
import signal
import socket
import threading

import pytest

from atoll.transport.loop import Loop


def test_timers_come_in_order_and_cancelled_ones_never(loop):
    seen = []
    now = loop.now()
    loop.call_at(now + 0.02, seen.append, "late")
    loop.call_at(now + 0.01, seen.append, "early")
    loop.call_at(now + 0.01, seen.append, "early, second")
    cancelled = loop.call_at(now + 0.015, seen.append, "never")
    cancelled.cancel()
    cancelled.cancel()
    assert loop.run_until(lambda: "late" in seen, 5.0)
    assert seen == ["early", "early, second", "late"]


def test_a_timer_may_cancel_another_that_is_due(loop):
    seen = []
    other = loop.call_at(loop.now() + 0.001, seen.append, "other")
    loop.call_at(loop.now(), other.cancel)
    loop.call_later(0.01, seen.append, "end")
    assert loop.run_until(lambda: seen, 5.0)
    assert seen == ["end"]


def test_cancelled_timers_do_not_pile_up(loop):
    for _ in range(10_000):
        loop.call_later(3_600.0, print).cancel()
    assert len(loop._timers) < 200


def test_a_descriptor_is_watched_for_what_was_asked(loop):
    ours, theirs = socket.socketpair()
    seen = []
    with ours, theirs:
        loop.watch(ours.fileno(), readable=lambda: seen.append(ours.recv(10)))
        theirs.send(b"x")
        assert loop.run_until(lambda: seen == [b"x"], 5.0)
        loop.watch(ours.fileno(), writable=lambda: seen.append(b"writable"))
        assert loop.run_until(lambda: b"writable" in seen, 5.0)
        loop.watch(ours.fileno())
        theirs.send(b"y")
        assert not loop.run_until(lambda: b"y" in seen, 0.02)
        loop.unwatch(ours.fileno())


def test_a_watch_that_its_own_callback_ends_is_not_called_again(loop):
    ours, theirs = socket.socketpair()
    seen = []
    with ours, theirs:

        def readable():
            seen.append("readable")
            loop.unwatch(ours.fileno())

        theirs.send(b"x")
        loop.watch(ours.fileno(), readable=readable, writable=lambda: seen.append("writable"))
        loop.step()
    assert seen == ["readable"]


def test_threads_post_and_the_loop_wakes(loop):
    seen = []
    threads = [
        threading.Thread(target=lambda: [loop.post(seen.append, n) for n in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert loop.run_until(lambda: len(seen) == 400, 5.0)
    for thread in threads:
        thread.join()
    assert {threading.current_thread()} == {threading.main_thread()}


def test_what_is_posted_from_the_loop_itself_wakes_nothing(loop, monkeypatch):
    """It is looked at before the loop waits; a call of the system would only cost."""
    wakes, seen = [], []
    monkeypatch.setattr(os, "eventfd_write", lambda *_: wakes.append(1))
    loop.call_later(0.0, lambda: loop.post(loop.post, seen.append, "posted"))
    assert loop.run_until(lambda: seen == ["posted"], 5.0)
    assert wakes == []


def test_before_it_waits_comes_after_all_else_of_the_turn(loop):
    seen = []

    def turn():
        loop.before_wait(lambda: seen.append("last"))
        loop.post(seen.append, "posted, of the next turn")
        seen.append("timer")

    loop.call_later(0.0, turn)
    loop.call_later(0.0, seen.append, "second timer")
    assert loop.run_until(lambda: len(seen) == 4, 5.0)
    assert seen == ["timer", "second timer", "last", "posted, of the next turn"]


def test_outside_of_a_turn_there_is_nothing_to_wait_for(loop):
    seen = []
    loop.before_wait(lambda: seen.append("at once"))
    assert seen == ["at once"]
    loop.post(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loop.step()
    loop.before_wait(lambda: seen.append("after a turn that failed"))
    assert len(seen) == 2


def test_what_is_due_before_a_wait_comes_also_when_the_loop_ends(loop):
    seen = []

    def end():
        loop.before_wait(lambda: seen.append("last"))
        loop.stop()

    loop.post(end)
    loop.run()
    assert seen == ["last"]


def test_what_posts_itself_does_not_starve_timers(loop):
    seen = []

    def again():
        loop.post(again)

    again()
    loop.call_later(0.01, seen.append, "timer")
    assert loop.run_until(lambda: seen, 5.0)


def test_signals_become_callbacks_until_the_loop_is_closed():
    loop = Loop()
    seen = []
    before = signal.getsignal(signal.SIGUSR1)
    loop.on_signal(signal.SIGUSR1, seen.append)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert loop.run_until(lambda: seen, 5.0)
    assert seen == [signal.SIGUSR1]
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_run_stops_when_told(loop):
    loop.call_later(0.01, loop.stop)
    loop.run()
    threading.Timer(0.01, loop.post, [loop.stop]).start()
    loop.run()


def test_run_until_gives_up(loop):
    assert not loop.run_until(lambda: False, 0.01)


def test_an_exception_leaves_run(loop):
    loop.post(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        loop.run()


def test_lag_is_the_longest_step(loop):
    def hold():
        until = loop.now() + 0.03
        while loop.now() < until:
            pass

    loop.post(hold)
    loop.step()
    assert 0.03 <= loop.take_lag() < 1.0
    assert loop.take_lag() == 0.0


def test_a_late_post_to_a_closed_loop_is_harmless():
    loop = Loop()
    loop.close()
    loop.post(print)
