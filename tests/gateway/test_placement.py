"""Placement against its definition, its bounds and a slow twin."""

from collections import Counter
from random import Random

import pytest

from atoll.gateway.placement import (
    Load,
    Site,
    Snapshot,
    fmix32,
    overrides,
    plan,
    probes,
    shard_point,
    walk,
)
from atoll.gateway.slots import SlotTable

# Shared with whoever computes placements in another language: seed, weights, zones as below.
VECTOR_SEED = 0x5EED1234
POINTS = [0x7C466F25, 0x19327400, 0xD3844ABD]
VECTORS = [(0, 1, 3), (3, 1, 0), (2, 1, 0), (1, 2, 3), (3, 0, 1), (4, 1, 3), (3, 1, 2), (1, 3, 2)]


def site(weights, zones=None, size=1024):
    table = SlotTable(size, size)
    sites = {}
    for number, weight in enumerate(weights):
        table.admit(number, weight)
        zone = f"z{number}" if zones is None else f"z{number % zones}"
        sites[number] = Site(f"d{number}", zone, weight)
    return table, sites


def loads_of(count, wanted=2, load=1000):
    return [Load(shard_point("v", s), load, wanted, ()) for s in range(count)]


def placed(table, sites, loads, fresh=frozenset()):
    return plan(Snapshot(7, table, sites, loads, fresh))


def again(loads, owners):
    return [shard._replace(owners=who) for shard, who in zip(loads, owners, strict=True)]


def counts(owners):
    return Counter(d for who in owners for d in who)


def moved(before, after):
    return sum(len(set(new) - set(old)) for old, new in zip(before, after, strict=True))


def test_the_mixer_is_murmurs():
    # Values of MurmurHash3's fmix32 from its reference implementation.
    assert [fmix32(v) for v in (0, 1, 0xFFFFFFFF)] == [0, 0x514E28B7, 0x81F16F39]


def test_vectors():
    """Fixed for all twins: a change here moves every shard of every site."""
    table, sites = site([100, 200, 50, 100, 25], zones=4)
    assert [shard_point("vibration", s) for s in (0, 1, 63)] == POINTS
    walks = [walk(VECTOR_SEED, shard_point("vibration", s), table, sites, 3) for s in range(8)]
    assert walks == VECTORS


def slow_walk(seed, point, table, sites, wanted):
    """The definition of docs/gateway.md word for word, over a plain list of (owner, threshold)."""
    slots = list(zip(table.owner, table.threshold, strict=True))
    found, used, t = [], set(), 0
    base = fmix32(seed ^ point)
    while len(found) < wanted and t < 100_000:
        t += 1
        a = fmix32((base + t * 0x9E3779B9) % 2**32)
        b = fmix32(a ^ seed)
        owner, threshold = slots[a % len(slots)]
        if b % 65536 < threshold and sites[owner].zone not in used:
            found.append(owner)
            used.add(sites[owner].zone)
    return tuple(found)


def test_the_walk_is_its_definition():
    table, sites = site([100, 200, 50, 100, 25, 400], zones=4)
    for shard in range(300):
        point = shard_point("x", shard)
        assert walk(99, point, table, sites, 3) == slow_walk(99, point, table, sites, 3)


def test_first_owners_follow_the_weights():
    weights = [100, 200, 50, 400]
    table, sites = site(weights)
    first = Counter(walk(3, shard_point("w", s), table, sites, 1)[0] for s in range(6_000))
    for number, weight in enumerate(weights):
        share = 6_000 * weight / sum(weights)
        assert abs(first[number] - share) < 5 * share**0.5


def test_replicas_are_in_different_zones():
    table, sites = site([100] * 12, zones=4)
    for owners in placed(table, sites, loads_of(400, wanted=3)):
        assert len({sites[d].zone for d in owners}) == 3


def test_one_zone_is_better_than_one_copy():
    table, sites = site([100] * 3, zones=1)
    for owners in placed(table, sites, loads_of(50)):
        assert len(set(owners)) == 2


def test_fewer_devices_than_replicas():
    table, sites = site([100])
    assert placed(table, sites, loads_of(5)) == [(0,)] * 5
    assert plan(Snapshot(7, SlotTable(), {}, loads_of(2))) == [(), ()]


def test_load_stays_within_its_bound():
    random = Random(1)
    weights = [random.choice([50, 100, 400]) for _ in range(20)]
    table, sites = site(weights, zones=10)
    loads = [Load(shard_point("v", s), random.randint(1_000, 9_000), 2, ()) for s in range(2_000)]
    owners = placed(table, sites, loads)
    total = sum(load.load for load in loads) * 2
    held = Counter()
    for load, who in zip(loads, owners, strict=True):
        for device in who:
            held[device] += load.load
    for number, weight in enumerate(weights):
        share = total * weight / sum(weights)
        assert held[number] <= max(1.10 * share, share + 9_000) + 1
    assert overrides(Snapshot(7, table, sites, loads), owners) < 0.05 * 4_000


def test_a_loss_moves_the_lost_and_nothing_else():
    table, sites = site([100, 250, 40] * 7, zones=10)
    loads = loads_of(1_500)
    before = placed(table, sites, loads)
    gone = {**sites, 5: sites[5]._replace(alive=False)}
    table.remove(5)
    after = placed(table, gone, again(loads, before))
    assert moved(before, after) == counts(before)[5]
    assert all(len(who) == 2 and 5 not in who for who in after)


def test_a_silent_device_keeps_its_shards_and_gets_none():
    table, sites = site([100] * 6)
    loads = loads_of(300)
    before = placed(table, sites, loads)
    silent = {**sites, 2: sites[2]._replace(open=False)}
    assert placed(table, silent, again(loads, before)) == before
    assert all(2 not in who for who in placed(table, silent, loads))


def test_an_emptied_device_gives_up_everything():
    table, sites = site([100] * 6)
    loads = loads_of(300)
    before = placed(table, sites, loads)
    drained = {**sites, 2: sites[2]._replace(weight=0)}
    after = placed(table, drained, again(loads, before))
    assert all(2 not in who and len(set(who)) == 2 for who in after)
    assert moved(before, after) == counts(before)[2]


def test_a_new_device_pulls_its_share_and_nothing_else_moves():
    table, sites = site([100] * 9)
    loads = loads_of(1_500)
    before = placed(table, sites, loads)
    table.admit(9, 100)
    grown = {**sites, 9: Site("d9", "z9", 100)}
    after = placed(table, grown, again(loads, before), frozenset({9}))
    gained = counts(after)[9]
    assert moved(before, after) == gained
    assert 0.8 * 300 <= gained <= 300


def test_without_news_nothing_moves():
    table, sites = site([100, 300, 50, 80], zones=3)
    loads = loads_of(500)
    before = placed(table, sites, loads)
    assert placed(table, sites, again(loads, before)) == before


def test_the_order_of_shards_does_not_matter_to_the_ideal():
    table, sites = site([100] * 5)
    one = [walk(1, shard_point("v", s), table, sites, 2) for s in range(100)]
    two = [walk(1, shard_point("v", s), table, sites, 2) for s in reversed(range(100))]
    assert one == two[::-1]


def test_probes_end_on_an_empty_table():
    assert list(probes(1, 2, SlotTable(64, 64))) == []


@pytest.mark.parametrize("shard", [0, 1, 65_535, 2**31 - 1])
def test_points_are_32_bits(shard):
    assert 0 <= shard_point("d", shard) < 2**32
