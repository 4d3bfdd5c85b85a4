"""The core's doors: order of effects, wake-ups, bounds on what strangers say."""

import gateway_fleet
from gateway_data import data_of, filled
from gateway_fleet import Fleet

from atoll.gateway import events as on
from atoll.gateway.core import QUERIES_A_TERM, GatewayCore, Options
from atoll.gateway.effects import Commit, Tell
from atoll.gateway.records import SettingSet
from atoll.wire import messages as wire


def test_an_empty_core_wants_no_waking():
    core = GatewayCore(Options("t"))
    core.restore([], 0.0, 0)
    core.handle(on.LinkOpened(0), 0.0)
    assert core.next_wakeup() is None


def test_waking_early_or_often_changes_nothing():
    fleet = filled("a", "b", data=data_of(2))
    for _ in range(50):
        assert not fleet.core.handle(on.Woken(fleet.wall), fleet.now)


def test_the_term_grows_with_every_start():
    rows = []
    for term in (1, 2, 3):
        core = GatewayCore(Options("t", seed=9))
        (commit,) = core.restore(rows, 0.0, 0)
        assert core.term == term
        rows = commit.records


def test_acknowledgements_follow_the_commit_they_speak_of():
    fleet = filled("a", "b", data=data_of(2))
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    worker = next(device for device in fleet.devices.values() if device.tasks)
    worker.work()
    effects = fleet.core.handle(on.DeviceSpoke(worker.name, worker.out.pop(), 0), fleet.now)
    assert isinstance(effects[0], Commit)
    acks = [at for at, e in enumerate(effects) if isinstance(e, Tell) and e.leaf == "ack"]
    assert acks
    assert not any(isinstance(effect, Commit) for effect in effects[1:])


def test_strangers_are_refused_and_counted():
    fleet = Fleet("a")
    for message in (
        wire.Stored(1, 0, 0, 5, []),
        wire.Blocks(1, 0, 0, 5, False, []),
        wire.Held(1, 0, 0, True, False, []),
        wire.TransferFailed(1, 0, 0, 5, "x"),
    ):
        fleet.handle(on.DeviceSpoke("stranger", message, 0))
    assert fleet.core._desk.refused == {"unknown device": 4}
    assert "stranger" not in fleet.states()


def test_the_same_events_give_the_same_effects():
    one, two = (filled("a", "b", "c", data=data_of(5)) for _ in range(2))
    assert one.batches == two.batches
    assert one.events == two.events


def started(rows, wall_ms):
    core = GatewayCore(Options("t"))
    (commit,) = core.restore(rows, 0.0, wall_ms)
    return core.term, commit.records


def test_a_gateway_without_a_ledger_has_a_term_above_that_of_the_one_before():
    """Its devices may have outlived it, and refuse a lower term than they have seen."""
    wall_ms = 1_800_000_000_000
    first, rows = started([], wall_ms)
    second, _ = started(rows, wall_ms)
    assert second == first + 1
    fresh, _ = started([], wall_ms + 2 * 60_000)
    assert fresh > second
    unset_clock, _ = started([], 0)
    assert unset_clock == 1


def test_a_result_of_before_is_none_of_a_query_of_a_gateway_without_a_ledger(monkeypatch):
    """Both ask their first query of tasks that look alike; the old result lies in an outbox."""
    asked = []
    for wall_ms, plan in ((1_800_000_000_000, "count"), (1_800_000_120_000, "moments")):
        monkeypatch.setattr(gateway_fleet, "WALL", wall_ms)
        fleet = filled("a", "b", data=data_of(1))
        for device in fleet.devices.values():
            device.mute = True
        fleet.query(plan, "v")
        (job,) = fleet.core.jobs.open
        asked.append(job)
        if len(asked) == 1:
            worker = next(device for device in fleet.devices.values() if device.tasks)
            worker.work()
            result = worker.out.pop()
            assert result.job == job
    fleet.handle(on.DeviceSpoke(worker.name, result, fleet.wall))
    assert fleet.core.jobs.open[job].done == 0
    assert fleet.core._desk.counters["late results"] == 1


def test_queries_are_numbered_on_over_restarts():
    (commit,) = (core := GatewayCore(Options("t"))).restore([], 0.0, 1_800_000_000_000)
    base = core.jobs._numbers
    assert base >= QUERIES_A_TERM
    again = GatewayCore(Options("t"))
    again.restore(commit.records, 0.0, 1_800_000_060_000)
    assert again.jobs._numbers == base


def test_an_old_copy_of_the_ledger_begins_above_what_devices_have_seen():
    """Terms count minutes at least, so that the copy's gateway is followed and not refused."""
    later_ms = 1_767_225_600_000 + 100 * 60_000
    core = GatewayCore(Options("t"))
    core.restore([SettingSet("term", 7)], 0.0, later_ms)
    assert core.term == 101
    core = GatewayCore(Options("t"))
    core.restore([SettingSet("term", 5_000)], 0.0, later_ms)
    assert core.term == 5_001
