"""The map: owners, roles, epochs, and who is told."""

from gateway_data import data_of, filled
from gateway_fleet import Fleet

from atoll.gateway import owners as owners_module
from atoll.wire import messages as wire


def maps(fleet, name):
    return [m for m in fleet.devices[name].told if isinstance(m, wire.Map)]


def test_a_dataset_is_placed_at_once_in_one_epoch():
    fleet = Fleet("a", "b", "c")
    before = {name: len(maps(fleet, name)) for name in "abc"}
    fleet.put("v", {"k": b"\0\0"})
    assert fleet.core.epoch == 1
    assert all(len(maps(fleet, name)) == before[name] + 1 for name in "abc")
    entries = [entry for name in "abc" for entry in maps(fleet, name)[-1].shards]
    assert len(entries) == 128
    assert sorted(e.shard for e in entries if e.role == 0) == list(range(64))


def test_a_second_dataset_leaves_the_first_alone():
    fleet = filled("a", "b", "c", data=data_of(3))
    before = {s.id: s.owners for s in fleet.core.catalog.all_shards()}
    fleet.put("w", {"k": b"\0\0"}, put_id=b"w" * 16)
    after = {s.id: s.owners for s in fleet.core.catalog.all_shards()}
    assert all(after[shard] == owners for shard, owners in before.items())
    assert len(after) == 128


def test_shards_spread_before_their_bytes_are_known():
    fleet = Fleet(*(f"d{n}" for n in range(8)))
    fleet.put("v", {"k": b"\0\0"})
    counts = [len(fleet.core.owners.owned[f"d{n}"]) for n in range(8)]
    assert max(counts) <= 1.25 * 16 + 1


def test_more_capacity_is_more_shards():
    fleet = Fleet()
    for name, capacity in (("a", 1.0), ("b", 1.0), ("c", 4.0)):
        fleet.add(name, capacity=capacity)
    fleet.put("v", {"k": b"\0\0"}, replicas=1)
    owned = {name: len(fleet.core.owners.owned[name]) for name in "abc"}
    assert owned["c"] > owned["a"] + owned["b"]


def test_replicas_are_in_other_zones():
    fleet = Fleet()
    for number in range(6):
        fleet.add(f"d{number}", zone="left" if number % 2 else "right")
    fleet.put("v", {"k": b"\0\0"})
    for shard in fleet.core.catalog.all_shards():
        zones = {fleet.core.members.members[d].row.zone for d in shard.owners}
        assert zones == {"left", "right"}


def test_an_unchanged_map_is_not_sent_again():
    fleet = filled("a", "b", data=data_of(2))
    before = {name: len(maps(fleet, name)) for name in "ab"}
    fleet.run(20.0)
    fleet.query("moments", "v")
    assert {name: len(maps(fleet, name)) for name in "ab"} == before


def test_the_epoch_only_grows():
    fleet = filled("a", "b", "c", data=data_of(5), profile="demo")
    fleet.cut.add("a")
    fleet.run(10.0)
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.run(10.0)
    for name in "abc":
        epochs = [m.epoch for m in maps(fleet, name)]
        assert epochs == sorted(epochs)
        assert all(e.shard_epoch <= m.epoch for m in maps(fleet, name) for e in m.shards)


def test_many_that_come_at_once_are_planned_for_together(monkeypatch):
    """Each plan looks at every device: one for each of them would be quadratic."""
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": b"\0\0"})
    plans = []
    real = owners_module.goals_of
    monkeypatch.setattr(
        owners_module, "goals_of", lambda *given, **more: plans.append(1) or real(*given, **more)
    )
    for number in range(owners_module.PAUSE_LEAST - 4):
        fleet.add(f"d{number:03}")
    alone = len(plans)
    assert alone >= owners_module.PAUSE_LEAST - 4, "a small fleet is planned for at once"
    for number in range(300):
        fleet.add(f"e{number:03}")
    assert len(plans) - alone < 30
    fleet.run(2.0)
    owned = fleet.core.owners.owned
    goals = {d for s in fleet.core.catalog.all_shards() for d in (*s.goal, *s.owners)}
    assert goals & {f"e{number:03}" for number in range(300)}, "and what was put off is done"
    assert owned
    before = len(plans)
    fleet.run(2.0)
    assert len(plans) == before


def test_without_shards_nothing_is_planned(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("there is nothing to plan")

    monkeypatch.setattr(owners_module, "goals_of", refused)
    fleet = Fleet(*(f"d{n}" for n in range(5)))
    assert set(fleet.states().values()) == {"ready"}


def test_what_had_too_few_places_gets_them_when_somebody_is_healthy_again():
    fleet = Fleet("a", "b", "c")
    empty = wire.Health(*[-1] * 8)._replace(battery_percent=3)
    for name in "bc":
        fleet.devices[name].health = empty
    fleet.run(5.0)
    assert [fleet.core.members.members[d].weight for d in "bc"] == [0, 0]
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=2)
    assert {len(s.goal) for s in fleet.core.catalog.all_shards()} == {1}
    fleet.devices["b"].health = empty._replace(battery_percent=90)
    fleet.run(120.0)
    assert fleet.core.members.members["b"].weight > 0
    assert {len(s.goal) for s in fleet.core.catalog.all_shards()} == {2}
    fleet.run(10.0)
    shard = next(s for s in fleet.core.catalog.all_shards() if s.streams)
    assert fleet.core.moves.live_copies(shard) == 2


def test_a_device_that_is_back_moves_nothing_by_choice():
    """A plan made while somebody is silent for a second would move shards of the others."""
    fleet = filled("a", "b", "c", "d", "e", data=data_of(40), profile="fast")
    before = {s.id: (s.goal, s.owners) for s in fleet.core.catalog.all_shards()}
    owners = fleet.core.owners
    shards, wants = owners.wants()
    planned = owners_module.goals_of(owners.world(), wants)
    names = {m.row.number: m.id for m in fleet.core.members.members.values()}
    uneven = [
        s for s, goal in zip(shards, planned, strict=True) if {*map(names.get, goal)} != {*s.goal}
    ]
    assert uneven, "a plan would move something"
    fleet.cut.add("a")
    fleet.run(10.0)
    assert fleet.states()["a"] == "dead"
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.run(20.0)
    assert fleet.states()["a"] == "ready"
    assert {s.id: (s.goal, {*s.owners}) for s in fleet.core.catalog.all_shards()} == {
        shard: (goal, {*held}) for shard, (goal, held) in before.items()
    }


def test_a_fleet_that_only_flaps_keeps_two_copies():
    """All comers and goers: nobody else is there to take a second copy, so one of them does."""
    fleet = filled("a", "b", "c", data=data_of(12), profile="fast")
    for _ in range(4):
        for name in "abc":
            fleet.cut.add(name)
            fleet.run(5.0)
            fleet.cut.discard(name)
            fleet.devices[name].ask_lease()
            fleet.run(1.0)
    members = fleet.core.members.members
    assert all(m.damper.suppressed and not m.takes for m in members.values())
    gone = "b"
    fleet.cut.add(gone)
    fleet.run(700.0)
    assert fleet.states()[gone] == "out"
    for shard in fleet.core.catalog.all_shards():
        assert len(shard.goal) == 2
        assert gone not in shard.goal
        if shard.streams:
            assert fleet.core.moves.live_copies(shard) == 2
    fleet.put("w", {"k": b"\1\0" * 100}, replicas=2)
    assert {len(s.goal) for s in fleet.core.catalog.all_shards()} == {2}
