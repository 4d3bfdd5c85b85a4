"""What a seed must end with is missed when it is not there."""

import pytest

from atoll.gateway.effects import Commit
from atoll.gateway.records import HoldingSet, SettingSet
from atoll.sim import ending
from atoll.sim.world import Violation
from atoll.wire import messages as wire


@pytest.fixture
def running(stored):
    """A standing job over what is stored, all of it merged."""
    client = stored.clients[0]
    client.ask(lambda number: wire.Start(number, "job", "moments", "v", "8"))
    stored.world.run(stored.world.now + 20.0)
    assert ending.settled(stored)
    ending.look(stored)
    return stored


def missed(kind, site):
    with pytest.raises(Violation) as found:
        ending.look(site)
    assert found.value.kind == kind
    assert not ending.settled(site) or kind != "unfinished"
    return str(found.value)


def test_a_window_that_was_never_merged(running):
    job = running.gateway.core.standing.jobs["job"]
    line = next(iter(job.streams.values())).lines[0]
    line.mark -= 8
    line.ahead.clear()
    assert "not merged" in missed("lost", running)


def test_a_copy_that_is_on_no_disk(running):
    key = next(iter(running.checker.acked))
    core = running.gateway.core
    stream = core.catalog.datasets[key[0]].streams[key[1]]
    owner = core.catalog.datasets[key[0]].shards[stream.shard].owners[1]
    del running.devices[owner].disk.blocks[key[0], key[1]]
    assert owner in missed("lost", running)


def test_a_stopped_job_that_runs(running):
    running.checker.stopped.add("job")
    assert "was stopped" in missed("wrong", running)


def test_books_that_are_not_true(running):
    ledger = running.checker.ledger
    row = next(iter(ledger.tables[HoldingSet].values()))
    ledger.commit([row._replace(last_seq=row.last_seq + 1)])
    assert f"books of {row.device}" in missed("lost", running)


def test_a_copy_of_one_that_is_no_owner_stands_for_nobody(running):
    core = running.gateway.core
    shards = (s for s in core.catalog.all_shards() if s.streams and len(s.owners) == 2)
    shard = next(s for s in shards if all(len(one.held) == 2 for one in s.streams.values()))
    other = next(d for d in running.devices if d not in shard.owners)
    for stream in shard.streams.values():
        stream.held[other] = stream.held.pop(shard.owners[1])
    assert core.moves.live_copies(shard) >= core.owners.wanted(shard)
    assert "I9" in missed("unfinished", running)


def test_a_device_that_is_busy_for_ever(running):
    running.devices["d01"].disk.outbox[3] = b"x"
    assert "d01" in missed("unfinished", running)


def test_a_shard_that_is_not_where_it_shall_be(running):
    shard = next(s for s in running.gateway.core.catalog.all_shards() if s.streams)
    shard.goal = (shard.goal[0],)
    assert "I9" in missed("unfinished", running)


def test_a_list_that_is_awaited_is_waited_for(running):
    """What the ledger says of that device may not be so."""
    device = next(iter(running.devices))
    running.gateway.core.inventory.ask(device)
    assert not ending.settled(running)
    running.gateway.core.inventory.device_lost(device)
    assert ending.settled(running)


def test_what_is_decided_and_not_committed_is_waited_for(running):
    """The books are those of the ledger."""
    core = running.gateway.core
    running.gateway._collect([Commit([SettingSet("epoch", core.epoch)])])
    assert not ending.settled(running)
    running.world.run(running.world.now + 1.0)
    assert ending.settled(running)
