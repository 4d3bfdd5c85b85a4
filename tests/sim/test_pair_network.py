"""Two gateways on one broker: who hears what, and the order on the topic of who leads."""

import pytest

from atoll.sim.network import HUB, Ear, Faults
from atoll.sim.pair_network import FROM_LEADER, LEAD, PAIR, RETAINED, PairNetwork
from atoll.sim.world import World


class Node:
    def __init__(self, network, name, leaves):
        self.heard = []
        ear = Ear(lambda: None, lambda: None, lambda *message: self.heard.append(message))
        network.join_host(name, ear, frozenset(leaves))


@pytest.fixture
def net():
    world = World(4)
    network = PairNetwork(world)
    one = Node(network, "a", (HUB, LEAD))
    other = Node(network, "b", (LEAD, FROM_LEADER))
    world.run(1.0)
    return world, network, one, other


def test_devices_are_heard_by_whoever_leads_and_gateways_by_whoever_is_subscribed(net):
    world, network, one, other = net
    network.join("d", Ear(lambda: None, lambda: None, lambda *message: None))
    world.run(2.0)
    network.send("d", HUB, "lease", b"x")
    network.send("a", PAIR, FROM_LEADER, b"y")
    world.run(3.0)
    assert one.heard == [("d", "lease", b"x")]
    assert other.heard == [("a", FROM_LEADER, b"y")]


def test_the_order_of_who_leads_is_kept_whatever_is_lost_or_late(net):
    world, network, one, other = net
    network.faults = Faults(loss=0.5, duplication=0.3, reordering=0.5, jitter_s=3.0, retry_s=2.0)
    for number in range(100):
        network.send("ab"[number % 2], PAIR, LEAD, b"%03d" % number, retain=True)
    world.run(300.0)
    for node in (one, other):
        data = [data for _, _, data in node.heard]
        assert data == sorted(data)
        assert len(set(data)) == 100


def test_what_is_retained_comes_first_and_a_broker_that_is_killed_forgets_it(net):
    world, network, _, _ = net
    network.send("a", PAIR, LEAD, b"turn", retain=True)
    world.run(2.0)
    late = Node(network, "c", (LEAD,))
    world.run(3.0)
    assert late.heard == [(RETAINED, LEAD, b"turn")]
    network.restart_broker()
    world.run(10.0)
    assert network.lead == b""
    assert late.heard == [(RETAINED, LEAD, b"turn")]
