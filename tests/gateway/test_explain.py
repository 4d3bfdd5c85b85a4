"""What is explained is what moves: the same site, explained and then done."""

import json

import pytest
from gateway_data import data_of, filled

from atoll.gateway.catalog import pinned_shard
from atoll.wire import messages as wire

DATA = data_of(40, most=2_000)


def fleet(*names, profile="demo", **options):
    return filled(*names, data=DATA, profile=profile, **options)


def explained(site, what):
    return site.command("explain", what)


def places(site):
    return {s.id: set(s.owners) for s in site.core.catalog.all_shards()}


def listed(answer):
    return {(m["dataset"], m["shard"], m["to"]) for m in answer["list"]}


def come(before, after):
    """(dataset, shard, device) of each copy that was not there before."""
    return {(*shard, d) for shard, owners in after.items() for d in owners - before[shard]}


def settled(site, most_s=120.0):
    site.run(1.0)
    end = site.now + most_s
    while site.core.owners.astray or site.core.owners.waiting:
        assert site.now < end
        site.run(1.0)
    site.run(2.0)


def test_drain():
    site = fleet("a", "b", "c", "d", "e")
    answer = explained(site, "drain b")
    before, moved = places(site), site.core.moves.moved_bytes
    assert answer["moves"] == len([1 for owners in before.values() if "b" in owners]) > 8
    assert places(site) == before, "nothing has moved yet"
    assert answer["at_a_time"] == 8
    site.command("drain", "b")
    assert len(site.core.owners.astray) <= 8
    settled(site)
    assert come(before, places(site)) == listed(answer)
    assert site.core.moves.moved_bytes - moved == answer["bytes"] > 0
    assert explained(site, "drain b")["moves"] == 0


def test_drain_where_nobody_else_can_take_it():
    """Of two devices one keeps its copies: nothing moves, and without it one copy is left."""
    site = fleet("a", "b")
    answer = explained(site, "drain b")
    filled_ones = {s.id for s in site.core.catalog.all_shards() if s.streams}
    assert answer["moves"] == 0
    assert len(answer["stay"]) == len(filled_ones) > 0
    assert answer["left"] == 1
    before = places(site)
    site.command("drain", "b")
    site.run(60.0)
    assert places(site) == before
    assert explained(site, "drain a")["left"] == 1
    larger = fleet("a", "b", "c")
    answer = explained(larger, "drain b")
    assert (answer["stay"], answer["left"]) == ([], -1)


def test_lose_a_device():
    site = fleet("a", "b", "c", "d", "e")
    answer = explained(site, "lose c")
    before, moved = places(site), site.core.moves.moved_bytes
    assert (answer["held"], answer["lost"], answer["short"]) == ("", [], [])
    assert answer["shards"] == answer["moves"]
    site.cut.add("c")
    site.run(answer["out_after_s"] - 0.5)
    assert places(site) == before, "the copies begin when it is out"
    settled(site)
    assert come(before, places(site)) == listed(answer)
    assert site.core.moves.moved_bytes - moved == answer["bytes"]


def test_lose_a_zone_of_two():
    site = fleet("m")
    for name, zone in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c"), ("d1", "d")):
        site.add(name, zone=zone)
    settled(site)
    answer = explained(site, "lose zone a")
    before, moved = places(site), site.core.moves.moved_bytes
    site.cut |= {"a1", "a2"}
    site.run(answer["out_after_s"] + 1.0)
    settled(site)
    assert len(come(before, places(site))) == answer["moves"]
    assert site.core.moves.moved_bytes - moved == answer["bytes"]


def test_lose_a_zone_of_three_is_a_partition_and_explained_as_one():
    site = fleet("m", "n")
    for number in range(3):
        site.add(f"a{number}", zone="a")
    settled(site)
    answer = explained(site, "lose zone a")
    assert "taken for a partition" in answer["held"]
    before = places(site)
    site.cut |= {"a0", "a1", "a2"}
    site.run(20.0)
    assert places(site) == before


def test_lose_what_has_no_other_copy():
    site = fleet("a")
    answer = explained(site, "lose a")
    shards = {s.id for s in site.core.catalog.all_shards() if s.streams}
    assert len(answer["lost"]) == len(shards) > 10
    assert answer["moves"] == 0


def test_a_live_stream_of_which_nothing_is_told_yet_goes_with_its_sampler_alone():
    """It was counted as lost whatever one asked about: no device was known to hold any of it."""
    site = fleet("a", "b", "c")
    info = wire.StreamInfo("proc", "a/cpu", "i16", 1, 10.0, 1.0, "")
    device, stream = site.devices["a"], wire.HeldStream(info, pinned_shard("a/cpu"), [])
    device.out.append(wire.Held(*device.head, False, False, [stream]))
    site.settle()
    assert site.core.catalog.datasets["proc"].shards
    for what in ("drain a", "drain b", "lose b", "add 1"):
        assert explained(site, what)["lost"] == [], what
    assert explained(site, "lose a")["lost"] == [f"proc/{pinned_shard('a/cpu')}"]


@pytest.mark.parametrize("capacity", [0.5, 1.0, 2.0])
def test_add(capacity):
    site = fleet("a", "b", "c")
    answer = explained(site, f"add {capacity}")
    before, moved = places(site), site.core.moves.moved_bytes
    site.add("new", capacity=capacity)
    settled(site)
    new = {(*shard, "(new)" if d == "new" else d) for *shard, d in come(before, places(site))}
    assert new == listed(answer)
    assert site.core.moves.moved_bytes - moved == answer["bytes"] > 0


def test_add_of_no_capacity_moves_nothing():
    site = fleet("a", "b")
    assert explained(site, "add 0")["moves"] == 0
    to_a = explained(site, "add 1 a")["list"]
    assert to_a
    assert {move["from"] for move in to_a} <= {"a", "b"}


def test_explaining_changes_nothing():
    site = fleet("a", "b", "c")
    batches = len(site.batches)
    slots = site.core.owners.table.slots()
    for what in ("drain a", "lose a", "lose zone b", "add 3 z", "v/7"):
        explained(site, what)
    assert len(site.batches) == batches
    assert site.core.owners.table.slots() == slots
    assert not site.core.owners.astray


def test_seconds_follow_what_was_measured():
    site = fleet("a", "b", "c")
    answer = explained(site, "drain a")
    assert not answer["rate_measured"]
    site.core.moves.pace.ended(("x",), 2, 0.0, 1.0, 1 << 17)
    faster = explained(site, "drain a")
    assert faster["rate_measured"]
    assert faster["seconds"] == pytest.approx(
        answer["seconds"] * answer["rate_bytes_s"] / (1 << 17), rel=0.02, abs=0.002
    )


def test_why_a_shard_is_where_it_is():
    site = fleet("a", "b", "c", "d")
    for shard in site.core.catalog.all_shards():
        answer = explained(site, f"v/{shard.id.number}")
        assert answer["owners"] == list(shard.owners)
        ideal = [step["device"] for step in answer["walk"] if step["ideal"]]
        assert ideal == answer["ideal"]
        assert len(ideal) == 2
        for line in answer["why"]:
            device, _, reason = line.partition(": ")
            assert ("the walk names it" in reason) == (device in ideal)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("", "explain drain ID"),
        ("drain", "explain drain ID"),
        ("drain x", "no device 'x'; there are: a, b"),
        ("lose zone x", "no zone 'x'; there are: a, b"),
        ("add much", "a number from 0 to 600"),
        ("add -1", "a number from 0 to 600"),
        ("add nan", "a number from 0 to 600"),
        ("v/64", "0 to 63"),
        ("v/x", "0 to 63"),
        ("w/1", "no dataset 'w'"),
    ],
)
def test_what_cannot_be_explained(what, says):
    site = fleet("a", "b")
    reply = site.ask(wire.Command(site.number(), "explain", what))
    assert reply.status == wire.FAILED
    assert says in json.loads(reply.body)["error"]
