"""The gateway's process: killed before, between and after its acts; what outlives it."""

import pytest


@pytest.mark.parametrize("limit", [-1, 0, 1, 3])
def test_it_dies_where_it_is_told_to_and_goes_on_from_its_ledger(stored, limit):
    gateway, world = stored.gateway, stored.world
    term = gateway.core.term
    gateway.die_at_flush = limit
    stored.clients[0].put()
    world.run(world.now + 1.0)
    assert gateway.core is None
    gateway.start()
    assert gateway.core.term == term + 1
    world.run(world.now + 30.0)
    assert not stored.clients[0].open


def test_what_cannot_be_read_is_counted_and_stops_nobody(stored):
    for leaf in ("lease", "block", "partial", "birth", "status", "request"):
        stored.gateway._received("d01", leaf, b"\xff\xff")
    assert sum(stored.gateway.core._desk.refused.values()) == 6
