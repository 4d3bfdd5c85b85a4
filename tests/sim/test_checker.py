"""Each invariant notices what it is there for."""

import pytest

from atoll.gateway import records as r
from atoll.gateway.member import Change, State
from atoll.runtime import effects as do
from atoll.sim.client import PLANS
from atoll.sim.world import Violation
from atoll.wire import messages as wire


def broken(kind, call, *arguments):
    with pytest.raises(Violation) as found:
        call(*arguments)
    assert found.value.kind == kind
    return str(found.value)


def test_numbers_that_go_back(site):
    device = site.devices["d00"]
    site.checker._heads["d00"] = (9, 9, 9)
    request = wire.TransferFailed(9, 8, 9, 1, "")
    assert "I3" in broken("wrong", site.checker.said, device, request)


def test_blocks_without_a_lease(site):
    device = site.devices["d00"]
    effect = do.StoreBlocks(7, [])
    site.checker.storing(device, effect)
    site.checker.device_started(device)
    broken("double_owners", site.checker.storing, device, effect)


def test_a_confirmation_of_what_is_not_on_the_disk(stored):
    device = next(d for d in stored.devices.values() if d.disk.blocks)
    block = next(iter(next(iter(device.disk.blocks.values())).values()))
    stored.checker._transfers[device.name, 5] = [block.encoded]
    head = stored.checker._heads[device.name]
    message = wire.Stored(*head, 5, [])
    stored.checker.said(device, message)
    device.disk.blocks.clear()
    broken("lost", stored.checker.said, device, message)


def test_a_death_under_a_lease(site):
    change = Change("d00", State.SUSPECT, State.DEAD)
    broken("double_owners", site.checker.changed, change)
    site.devices["d00"].crash()
    site.checker.changed(change)


def test_a_partial_merged_twice(stored):
    rows = [r.PartialsAdded([(7, 0, b"x"), (7, 0, b"x")])]
    broken("duplicated", stored.checker.committing, rows)
    window = r.WindowSet("s", "k", 0, b"x")
    broken("duplicated", stored.checker.committing, [window, window])


def test_a_second_place_for_a_piece(stored):
    place = next(iter(stored.checker._places.values()))
    moved = place._replace(first_sample=place.first_sample + 9)
    broken("duplicated", stored.checker.committing, [moved])


def test_an_answer_that_is_not_what_was_put(stored):
    client, checker = stored.clients[0], stored.checker
    name = next(iter(checker.content))
    first, data = next(iter(checker.content[name].items()))
    checker.content[name][first] = bytes(len(data))
    client.query(PLANS[0], dataset="v", then=lambda reply: None)
    with pytest.raises(Violation, match="I10"):
        stored.world.run(stored.world.now + 10.0)


def test_an_answer_that_lacks_what_was_promised(stored):
    client, checker, replies = stored.clients[0], stored.checker, []
    client.query(PLANS[0], dataset="v", then=replies.append)
    stored.world.run(stored.world.now + 10.0)
    query = list(checker.queries.values())[-1]
    checker.covers(query)
    (dataset, key, first), data = next(iter(checker.acked.items()))
    checker.acked[dataset, key, first + 100_000] = data
    broken("lost", checker.covers, query)


def test_a_put_that_is_on_no_disk(stored):
    checker = stored.checker
    key, place = next(iter(checker._places.items()))
    checker.put_done([(key, checker.pieces[key])])
    for device in stored.devices.values():
        device.disk.blocks.pop((place.dataset, place.key), None)
    broken("lost", checker.put_done, [(key, checker.pieces[key])])


def test_results_acknowledged_before_they_are_committed(stored):
    client, checker = stored.clients[0], stored.checker
    client.query(PLANS[0], dataset="v", then=lambda reply: None)
    query = None
    while query is None:
        stored.world.run(stored.world.now + 0.001)
        query = next(iter(checker.queries.values()), None)
    result = wire.Result("k", 999, False, b"", 0)
    broken("lost", checker._acknowledged, wire.Partials(1, 1, 1, 1, query.job, [result]))


def test_one_block_with_two_contents(stored):
    device = next(d for d in stored.devices.values() if d.disk.blocks)
    block = next(iter(next(iter(device.disk.blocks.values())).values()))
    other = block._replace(encoded=b"other")
    broken("wrong", stored.checker.stored, device, 1, [other])


def test_two_messages_of_results_with_one_number(site):
    device = site.devices["d00"]
    first = wire.Partials(1, 1, 1, 7, "q1", [wire.Result("k", 1, False, b"x", 0)])
    site.checker.said(device, first)
    site.checker.said(device, first._replace(epoch=2))  # said again later
    other = first._replace(results=[wire.Result("k", 2, False, b"x", 0)])
    assert "I2" in broken("wrong", site.checker.said, device, other)


def test_a_stream_that_goes_on_over_a_boot(stored):
    device = next(d for d in stored.devices.values() if d.disk.blocks)
    stored_block = next(iter(next(iter(device.disk.blocks.values())).values()))

    def sampled(seq, *, boot, gap):
        device.disk.state = device.disk.state._replace(boot=boot)
        block = stored_block.block._replace(seq=seq, gap=gap)
        one = stored_block._replace(encoded=bytes([seq]), block=block)
        stored.checker.stored(device, None, [one])

    sampled(90, boot=7, gap=False)
    sampled(91, boot=7, gap=False)
    sampled(92, boot=8, gap=True)
    with pytest.raises(Violation, match="I10"):
        sampled(93, boot=9, gap=False)


def test_a_disk_that_refuses_what_was_sampled(site):
    device = site.devices["d00"]
    site.checker.refused(device, [])
    refusal = wire.Refusal(0, "another block is here")
    assert "another block" in broken("wrong", site.checker.refused, device, [refusal])


def test_an_answer_of_a_query_that_is_forgotten_in_the_same_commit(stored, monkeypatch):
    monkeypatch.setattr("atoll.gateway.jobs.QUERIES_KEPT_MAX", 0)
    replies = []
    stored.clients[0].query(PLANS[0], dataset="v", then=replies.append)
    stored.world.run(stored.world.now + 10.0)
    assert [reply.status for reply in replies] == [wire.DONE]
    assert not stored.gateway.core.jobs.finished
