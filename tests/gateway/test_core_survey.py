"""Asking devices for all that they know: who is waited for, and when it is over."""

from gateway_device import HEALTH
from gateway_fleet import WALL

from atoll.gateway import core_survey
from atoll.gateway import events as on
from atoll.gateway.core_survey import Survey
from atoll.wire import messages as wire

INFO = wire.StreamInfo("v", "k", "i16", 1, 1.0, 1.0, "")
RUN = wire.BlockRun(0, 1, 0, 20, WALL, False, 100)


def survey(**options):
    asked = Survey(500, **options)
    asked.handle(on.LinkOpened(WALL), 0.0)
    return asked


def say(asked, message, now=0.0, device="a"):
    return asked.handle(on.DeviceSpoke(device, message, WALL), now)


def held(boot=1, *, more=False, inventory=True):
    return wire.Held(boot, 7, 2, inventory, more, [wire.HeldStream(INFO, 3, [RUN])])


def memory(boot=1, *, more=False):
    return wire.Memory(boot, 7, 2, 90, more, [], [], [], [])


def asks(effects):
    return [e.device for e in effects if isinstance(e.message, wire.InventoryAsk)]


def test_whoever_is_known_of_is_asked_and_asked_again():
    asked = survey()
    (tell,) = asked.handle(on.StatusSeen("a", "ready", 4, WALL), 0.0)
    assert tell.message == wire.InventoryAsk(500, 0, 0, True)
    assert asks(asked.handle(on.Woken(WALL), 1.0)) == []
    assert asks(asked.handle(on.Woken(WALL), core_survey.ASK_AGAIN_S)) == ["a"]


def test_nobody_is_asked_without_a_link():
    asked = Survey(500)
    assert asked.handle(on.StatusSeen("a", "ready", 4, WALL), 0.0) == []
    assert asks(asked.handle(on.LinkOpened(WALL), 1.0)) == ["a"]


def test_a_device_without_a_birth_is_asked_for_it_and_gets_no_lease():
    asked = survey()
    effects = say(asked, wire.LeaseRequest(3, 7, 2, 11, 0, 0, 0, HEALTH))
    (lease,) = [e.message for e in effects if isinstance(e.message, wire.Lease)]
    assert (lease.birth_wanted, lease.duration_ms, lease.number) == (True, 0, 11)
    assert (lease.device_boot, lease.lease) == (3, 2)


def test_a_device_has_told_all_with_its_list_and_its_memory():
    asked = survey()
    say(asked, held(more=True))
    say(asked, held())
    assert not asked.devices["a"].whole(0.0)
    say(asked, memory(more=True))
    assert not asked.devices["a"].whole(0.0)
    say(asked, memory())
    assert asked.devices["a"].whole(0.0)
    assert asked.devices["a"].term == 90
    assert asked.devices["a"].epoch == 7
    assert asked.devices["a"].blocks == 4


def test_a_device_that_remembers_nothing_is_waited_for_a_moment():
    asked = survey()
    say(asked, held())
    assert not asked.devices["a"].whole(1.0)
    assert asked.devices["a"].whole(core_survey.MEMORY_PATIENCE_S)


def test_it_is_over_when_nobody_new_comes():
    asked = survey()
    say(asked, held())
    say(asked, memory())
    assert not asked.done(1.0)
    assert asked.done(core_survey.QUIET_S)


def test_it_is_over_with_so_many_devices():
    asked = survey(least=2)
    for device in "ab":
        assert not asked.done(1.0)
        say(asked, held(), device=device)
        say(asked, memory(), device=device)
    assert asked.done(1.0)


def test_a_silent_device_is_waited_for_until_the_end_and_named():
    asked = survey(most_s=20.0)
    say(asked, held())
    say(asked, memory())
    asked.handle(on.StatusSeen("b", "lost", 4, WALL), 0.0)
    assert not asked.done(19.0)
    assert asked.done(20.0)
    assert [t.name for t in asked.answered] == ["a"]
    assert [t.name for t in asked.silent] == ["b"]


def test_nobody_at_all_is_waited_for_until_the_end():
    asked = survey(most_s=20.0)
    assert not asked.done(15.0)
    assert asked.done(20.0)


def test_a_list_of_another_boot_counts_anew_and_an_older_one_not():
    asked = survey()
    say(asked, held(more=True))
    say(asked, held(2))
    assert asked.devices["a"].blocks == 2
    say(asked, held(1))
    assert asked.refused == {"stale boot": 1}


def test_news_of_live_streams_are_no_list():
    asked = survey()
    say(asked, held(inventory=False))
    assert asked.devices["a"].streams == {}


def test_an_endless_list_is_cut_off(monkeypatch):
    monkeypatch.setattr(core_survey, "RUNS_MAX", 5)
    asked = survey()
    for _ in range(8):
        say(asked, held(more=True))
    assert asked.refused["list too long"] == 3


def test_wake_ups_are_ahead():
    asked = survey()
    assert asked.next_wakeup(0.0) == core_survey.QUIET_S
    say(asked, held())
    assert asked.next_wakeup(0.0) == core_survey.MEMORY_PATIENCE_S
    assert asked.next_wakeup(1e9) > 1e9
