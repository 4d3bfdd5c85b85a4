"""One of two gateways: stopped and killed between its acts."""

import pytest


def passes(site, seconds):
    site.world.run(site.world.now + seconds)


def test_a_leader_that_was_stopped_says_nothing_that_counts_when_it_goes_on(pair):
    a, b = pair.gateway.hosts
    a.pause()
    passes(pair, 8.0)
    assert pair.gateway.leading is b
    term = b.core.term
    a.resume()
    passes(pair, 6.0)
    assert pair.gateway.settled
    assert all(device.disk.state.term == term for device in pair.devices.values())


def test_a_stop_during_which_it_had_nothing_to_do_is_no_stall(pair):
    a = pair.gateway.leading
    while (due := a.core.next_wakeup()) < pair.world.now + 0.3:
        passes(pair, 0.01)
    stood = a.placing._stood_s
    a.pause()
    pair.world.run(due + 0.1)
    a.resume()
    assert a.placing._stood_s == stood


@pytest.mark.parametrize("limit", [-1, 0, 1, 3])
def test_it_dies_where_it_is_told_to_and_the_other_one_goes_on(pair, limit):
    a, b = pair.gateway.hosts
    a.die_at_flush = limit
    pair.clients[0].put()
    passes(pair, 1.0)
    assert not a.alive
    passes(pair, 15.0)
    assert pair.gateway.leading is b
    assert not pair.clients[0].open
    pair.gateway.heal()
    passes(pair, 8.0)
    assert pair.gateway.settled


def test_what_was_under_way_when_it_was_killed_does_not_go_on(pair):
    """One effect of several kills it: those behind it are of nobody."""
    a = pair.gateway.leading
    feeder, lead = a.feeder, pair.network.lead
    a.kill()
    feeder.stamp_wanted()
    feeder.send(a.topic("lead"), b"of a dead one", "gateway", True, 1)
    passes(pair, 0.5)
    assert not a._flushing
    assert pair.network.lead == lead
