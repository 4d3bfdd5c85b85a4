"""Sessions, wills, retained messages and each fault of the network."""

import pytest

from atoll.sim.network import HUB, KEEPALIVE_S, Ear, Faults, Network
from atoll.sim.world import World


class Node:
    def __init__(self, network, name, will=b""):
        self.heard, self.links = [], []
        ear = Ear(
            lambda: self.links.append("up"),
            lambda: self.links.append("down"),
            lambda sender, leaf, data: self.heard.append((sender, leaf, data)),
        )
        network.join(name, ear, will)

    def data(self):
        return [data for _, _, data in self.heard]


@pytest.fixture
def two():
    world = World(3)
    network = Network(world)
    hub, device = Node(network, HUB), Node(network, "d", b"will")
    world.run(1.0)
    return world, network, hub, device


def said(network, count=200, qos=1):
    for number in range(count):
        network.send("d", HUB, "x", b"%d" % number, qos=qos)


def test_messages_arrive_once_and_in_order(two):
    world, network, hub, _ = two
    said(network)
    world.run(2.0)
    assert hub.data() == [b"%d" % n for n in range(200)]


def test_each_fault_does_what_it_says(two):
    world, network, hub, _ = two
    network.faults = Faults(loss=0.5)
    said(network, qos=0)
    world.run(10.0)
    assert 50 < len(hub.heard) < 150
    hub.heard.clear()
    said(network)
    world.run(20.0)
    assert sorted(hub.data()) == sorted(b"%d" % n for n in range(200))
    hub.heard.clear()
    network.faults = Faults(duplication=0.5)
    said(network)
    world.run(30.0)
    assert 250 < len(hub.heard) < 350
    hub.heard.clear()
    network.faults = Faults(reordering=0.5)
    said(network)
    world.run(40.0)
    assert hub.data() != [b"%d" % n for n in range(200)]
    assert len(hub.heard) == 200
    hub.heard.clear()
    network.faults = Faults(garbage=0.5)
    said(network)
    world.run(50.0)
    assert 250 < len(hub.heard) < 350


def test_a_cut_holds_messages_until_it_heals(two):
    world, network, hub, device = two
    network.block("d", incoming=False, outgoing=True)
    said(network, 3)
    network.send(HUB, "d", "y", b"heard")
    world.run(2.0)
    assert (hub.heard, device.data()) == ([], [b"heard"])
    network.heal("d")
    world.run(3.0)
    assert len(hub.heard) == 3


def test_a_long_cut_ends_the_session_and_publishes_the_will(two):
    world, network, hub, device = two
    network.block("d", incoming=True, outgoing=True)
    said(network, 3)
    world.run(2.0 + KEEPALIVE_S)
    assert hub.data() == [b"will"]
    assert device.links == ["up", "down"]
    network.heal("d")
    world.run(5.0 + KEEPALIVE_S)
    assert device.links == ["up", "down", "up"]
    assert hub.data() == [b"will"]  # what was held was lost with the session


def test_what_is_retained_comes_with_the_session_until_the_broker_forgets(two):
    world, network, _, device = two
    network.send(HUB, "d", "map", b"m", retain=True)
    world.run(2.0)
    network.drop("d")
    world.run(5.0)
    assert device.data() == [b"m", b"m"]
    network.restart_broker()
    world.run(10.0)
    assert device.data() == [b"m", b"m"]
    assert network.retained == {}


def test_a_goodbye_has_no_will_and_the_dead_hear_nothing(two):
    world, network, hub, device = two
    network.send(HUB, "d", "y", b"too late")
    network.leave("d", goodbye=True)
    world.run(3.0)
    assert (hub.heard, device.heard) == ([], [])
