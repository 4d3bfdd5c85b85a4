"""What a service manager hears, on a socket of the test's own."""

import os
import socket

import pytest

from atoll.transport.notify import Notifier, from_environment


@pytest.fixture
def manager(tmp_path):
    """Waits for the next words at a socket as systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(10)
        yield lambda: line.recv(4_096).decode()


def test_ready_once_then_signs_of_life_within_half_the_time(manager, loop, tmp_path):
    one = Notifier(str(tmp_path / "notify"), watchdog_s=0.04)
    one.ready(loop, "boot 3")
    assert manager() == "READY=1\nSTATUS=boot 3"
    assert manager() == "WATCHDOG=1"
    timer = loop._timers[0][0]
    assert timer - loop.now() <= 0.02
    loop.run_until(lambda: loop._timers[0][0] > timer, 5.0)
    assert manager() == "WATCHDOG=1"
    one.stopping()
    assert manager() == "STOPPING=1\nSTATUS=draining"


def test_a_second_loop_is_no_second_start(manager, loop, tmp_path):
    one = Notifier(str(tmp_path / "notify"))
    one.ready(loop, "follows")
    one.ready(loop, "leads")
    assert [manager(), manager()] == ["READY=1\nSTATUS=follows", "STATUS=leads"]
    assert not loop._timers  # no signs of life where none are awaited


def test_the_environment_names_the_manager_and_children_do_not_see_it(manager, loop, tmp_path):
    given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000", "HOME": "/"}
    one = from_environment(given)
    assert given == {"HOME": "/"}
    one.ready(loop, "x")
    assert [manager(), manager()] == ["READY=1\nSTATUS=x", "WATCHDOG=1"]
    assert loop._timers[0][0] - loop.now() <= 1.0


@pytest.mark.parametrize(
    ("process", "period", "beats"),
    [("own", "1000000", True), ("1", "1000000", False), ("", "soon", False)],
)
def test_whose_life_is_watched(manager, loop, tmp_path, process, period, beats):
    given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": period}
    process = str(os.getpid()) if process == "own" else process
    from_environment(given | {"WATCHDOG_PID": process}).ready(loop, "x")
    assert bool(loop._timers) == beats


def test_an_abstract_address(loop):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        name = f"atoll-test-{os.getpid()}"
        line.bind(f"\0{name}")
        line.settimeout(10)
        Notifier(f"@{name}").ready(loop, "x")
        assert line.recv(100) == b"READY=1\nSTATUS=x"


def test_nobody_listens_and_nothing_fails(loop, tmp_path):
    from_environment({}).ready(loop, "x")
    assert not loop._timers
    Notifier(str(tmp_path / "gone"), 0.1).ready(loop, "x")
    Notifier(str(tmp_path / "gone")).stopping()
