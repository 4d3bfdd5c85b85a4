"""Decisions about devices and places that must not be made are noticed."""

import pytest

from atoll.gateway.member import Change, State
from atoll.sim.world import Violation


def noticed(kind, call, *arguments):
    with pytest.raises(Violation) as found:
        call(*arguments)
    assert found.value.kind == kind
    return str(found.value)


@pytest.fixture
def placed(stored):
    """The look at decisions, and a shard with data."""
    core = stored.gateway.core
    shard = next(s for s in core.catalog.all_shards() if s.streams and not s.pinned)
    return stored, stored.gateway.placing, shard


def test_a_death_of_what_the_gateway_did_not_hear(site):
    placing = site.gateway.placing
    placing.listens_since = placing.awake
    assert "listened" in noticed("wrong", placing.changed, Change("d01", State.SUSPECT, State.DEAD))


def test_a_death_while_nearly_all_are_silent(site):
    placing, members = site.gateway.placing, site.gateway.core.members.members
    site.world.run(60.0)
    placing._heard.clear()
    placing.listens_since = 0.0
    for member in members.values():
        member.state = State.SUSPECT
    assert "fleet" in noticed("wrong", placing.changed, Change("d01", State.SUSPECT, State.DEAD))


def test_a_move_without_a_reason(placed):
    site, placing, shard = placed
    placing._fresh.clear()
    other = next(d for d in site.devices if d not in shard.goal)
    assert "I8" in noticed("wrong", placing.planned, shard, (shard.goal[0], other))


def test_a_move_to_a_device_that_gets_slots_only_now(placed):
    """It was being emptied when it came first, and moves nothing by coming back but that."""
    site, placing, shard = placed
    members = site.gateway.core.members.members
    other = next(d for d in site.devices if d not in shard.goal)
    for quota, fresh in ((3, set()), (0, {other})):
        placing._fresh.clear()
        members[other].row = members[other].row._replace(quota=quota)
        placing.changed(Change(other, State.STOPPED, State.READY))
        assert placing._fresh == fresh


def test_what_is_drained_may_leave_to_another_zone_only(placed):
    site, placing, shard = placed
    members = site.gateway.core.members.members
    stays, leaves = shard.goal
    members[leaves].row = members[leaves].row._replace(draining=1)
    other = next(d for d in site.devices if d not in shard.goal)
    for name, member in members.items():
        zone = "same" if name in (stays, other) else name
        member.row = member.row._replace(zone=zone)
    assert "I7" in noticed("wrong", placing.planned, shard, (stays, other))
    members[other].row = members[other].row._replace(zone="apart")
    placing.planned(shard, (stays, other))


def test_a_stall_is_no_silence(site):
    placing = site.gateway.placing
    before = placing.awake
    site.gateway.pause()
    site.world.run(site.world.now + 20.0)
    site.gateway.resume()
    assert placing.awake - before < 0.5
    site.world.run(site.world.now + 5.0)
    states = {m.state for m in site.gateway.core.members.members.values()}
    assert states == {State.READY}


def test_a_stop_during_which_it_had_nothing_to_do_is_no_stall(site):
    gateway, placing = site.gateway, site.gateway.placing
    while (due := gateway.core.next_wakeup()) < site.world.now + 0.3:
        site.world.run(site.world.now + 0.01)
    stood = placing._stood_s
    gateway.pause()
    site.world.run(due + 0.1)
    gateway.resume()
    assert placing._stood_s == stood
