"""Faults: each has its words, each comes, and all are healed."""

from atoll.sim import ending
from atoll.sim.nemesis import KINDS, Nemesis
from atoll.sim.network import Faults


def test_every_kind_is_drawn_by_some_seed_and_has_its_words(site):
    drawn = set()
    for site.seed in range(60):
        drawn.update(Nemesis(site, tuple(KINDS)).kinds)
    assert drawn == set(KINDS)
    assert all(KINDS.values())


def test_after_the_end_everybody_is_back(stored):
    nemesis = Nemesis(stored, ("crash", "zone"))
    nemesis.begin()
    stored.network.faults = Faults(loss=0.5)
    for kind in (
        "crash",
        "cut",
        "clog",
        "pause",
        "slow",
        "health",
        "stop",
        "drain",
        "flap",
        "stall",
        "gateway",
    ):
        getattr(nemesis, f"_{kind}")()
    stored.world.run(stored.world.now + 2.0)
    nemesis.end()
    stored.world.run(stored.world.now + 120.0)
    assert all(device.alive for device in stored.devices.values())
    assert stored.network.faults == Faults()
    assert ending.settled(stored)


def test_who_is_emptied_is_taken_back(stored):
    """Also where the faults end before the gateway has said yes."""
    nemesis = Nemesis(stored, ("drain",))
    nemesis.begin()
    members = stored.gateway.core.members.members
    nemesis._drain()
    stored.world.run(stored.world.now + 0.1)
    assert sum(member.row.draining for member in members.values()) == 1
    nemesis.end()
    nemesis._drain()
    stored.world.run(stored.world.now + 60.0)
    assert not any(member.row.draining for member in members.values())
    assert not any(client.open for client in stored.clients)
    assert ending.settled(stored)


def test_only_what_is_elsewhere_is_wiped(stored):
    held = {n for n, d in stored.devices.items() if d.disk.blocks}
    assert held
    name = sorted(held - {"d00", "d01"})[0]
    assert stored.spared(name)
    others = [d for n, d in stored.devices.items() if n != name]
    for device in others:
        device.disk.blocks.clear()
    assert not stored.spared(name)
