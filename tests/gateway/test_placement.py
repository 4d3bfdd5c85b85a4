"""Placement against its definition, its bounds and a slow twin."""

import shutil
import subprocess
from array import array
from collections import Counter
from math import ceil
from pathlib import Path
from random import Random

import pytest

from atoll.gateway import placement
from atoll.gateway._native import Planning, ideal, mix
from atoll.gateway.placement import (
    UNBOUNDED,
    Load,
    Site,
    Snapshot,
    fmix32,
    overrides,
    plan,
    probes,
    shard_point,
    slow_overrides,
    slow_plan,
    walk,
)
from atoll.gateway.slots import SlotTable

# Shared with whoever computes placements in another language: seed, weights, zones as below.
VECTOR_SEED = 0x5EED1234
POINTS = [0x7C466F25, 0x19327400, 0xD3844ABD]
VECTORS = [(0, 1, 3), (3, 1, 0), (2, 1, 0), (1, 2, 3), (3, 0, 1), (4, 1, 3), (3, 1, 2), (1, 3, 2)]


C_PROGRAM = """
#include <stdio.h>
#include "walk.h"
static const uint16_t owner[] = {%(owner)s};
static const uint16_t threshold[] = {%(threshold)s};
static const uint32_t points[] = {%(points)s};
static const int32_t zone[] = {0, 1, 2, 3, 0};
int main(void)
{
    const uint32_t mask = sizeof owner / sizeof owner[0] - 1;
    struct atoll_walk walk = {owner, threshold, mask, %(seed)uu, 0, 0, 0};
    uint16_t found[3];
    for (unsigned at = 0; at < sizeof points / sizeof points[0]; at++) {
        uint32_t count;
        atoll_walk_begin(&walk, points[at]);
        count = atoll_walk_place(&walk, zone, found, 3);
        for (uint32_t number = 0; number < count; number++)
            printf("%%u ", (unsigned)found[number]);
        printf("\\n");
    }
    return 0;
}
"""


def site(weights, zones=None, size=1024):
    table = SlotTable(size)
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
    values = [0, 1, 0xFFFFFFFF]
    assert [fmix32(v) for v in values] == [0, 0x514E28B7, 0x81F16F39]
    assert [mix(v) for v in values] == [fmix32(v) for v in values]


def test_vectors():
    """Fixed for all twins: a change here moves every shard of every site."""
    table, sites = site([100, 200, 50, 100, 25], zones=4)
    assert [shard_point("vibration", s) for s in (0, 1, 63)] == POINTS
    points = [shard_point("vibration", s) for s in range(8)]
    assert [walk(VECTOR_SEED, point, table, sites, 3) for point in points] == VECTORS
    owner, zones = array("H", [max(who, 0) for who in table.owner]), array("i", [0, 1, 2, 3, 0])
    compiled = [ideal(VECTOR_SEED, p, owner, table.threshold, zones, 3) for p in points]
    assert compiled == VECTORS


def test_vectors_in_plain_c(tmp_path):
    """The header that microcontrollers build, with the warnings of the firmware."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc: not installed (scripts/setup run)")
    table, _ = site([100, 200, 50, 100, 25], zones=4)
    owner = ",".join(str(max(who, 0)) for who in table.owner)
    threshold = ",".join(map(str, table.threshold))
    points = ",".join(f"{shard_point('vibration', s)}u" for s in range(8))
    (tmp_path / "walk.c").write_text(
        C_PROGRAM % {"owner": owner, "threshold": threshold, "points": points, "seed": VECTOR_SEED}
    )
    program = tmp_path / "walk"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=undefined"]
    folder = Path(placement.__file__).parent / "parts"
    subprocess.run(["gcc", *flags, f"-I{folder}", tmp_path / "walk.c", "-o", program], check=True)
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert [tuple(map(int, line.split())) for line in said.splitlines()] == VECTORS


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
    assert overrides(Snapshot(7, table, sites, loads)) < 0.05 * 4_000


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
    assert list(probes(1, 2, SlotTable(64))) == []


@pytest.mark.parametrize("shard", [0, 1, 65_535, 2**31 - 1])
def test_points_are_32_bits(shard):
    assert 0 <= shard_point("d", shard) < 2**32


def random_snapshot(seed):
    """Anything that may come: dead, closed and emptied devices, few zones, shards half placed."""
    random = Random(seed)
    count, zones = random.randint(1, 16), random.choice([1, 2, 3, 16])
    table, sites = SlotTable(64), {}
    for number in range(0, count * 2, 1 + seed % 2):
        weight = random.choice([0, 10, 50, 100, 400])
        table.admit(number, max(weight, 1))
        if random.random() < 0.1:
            table.set_weight(number, weight // 2)
        alive, opened = random.random() > 0.1, random.random() > 0.1
        limit = random.choice([UNBOUNDED, UNBOUNDED, random.randint(0, 10**10)])
        memory = random.choice([UNBOUNDED, 1_000])
        sites[number] = Site(
            f"d{number}", f"z{random.randrange(zones)}", weight, alive, opened, limit, memory
        )
    wanted, owners = random.randint(1, 4), list(sites)
    loads = [
        Load(
            shard_point("v", shard),
            random.choice([65_536, random.randint(1, 10**9)]),
            wanted,
            tuple(random.sample(owners, min(count, random.randint(0, wanted)))),
            random.choice([0, 0, 2_000]),
        )
        for shard in range(random.choice([10, 60]))
    ]
    fresh = frozenset(random.sample(owners, min(count, random.choice([0, 0, 1, 3]))))
    settle = random.choice([0, 0, 1, 5, 1_000])
    return Snapshot(random.getrandbits(32), table, sites, loads, fresh, settle)


@pytest.mark.parametrize("seed", range(120))
def test_the_compiled_plan_is_the_readable_one(seed):
    snapshot = random_snapshot(seed)
    owners = slow_plan(snapshot)
    assert plan(snapshot) == owners
    assert overrides(snapshot) == slow_overrides(snapshot, owners)


def test_the_bound_holds_for_each_device_to_the_byte():
    """Where shares are of many shards nobody is above ceil(1.10 times its own, however small."""
    table, sites = site([1_000, 200, 200, 24, 24] * 4)
    random = Random(4)
    loads = [
        Load(shard_point("v", s), random.randint(500_000, 1_500_000), 3, ()) for s in range(4_000)
    ]
    held = Counter()
    for load, who in zip(loads, placed(table, sites, loads), strict=True):
        for device in who:
            held[device] += load.load
    weights = {n: s.weight for n, s in sites.items()}
    for number, weight in weights.items():
        assert held[number] <= ceil(1.10 * sum(held.values()) * weight / sum(weights.values()))


@pytest.mark.parametrize(
    "loads",
    [[None], [(1, 2)], [Load(1, -1, 2, ())], [Load(1, 1, 17, ())], [Load(1, 1, 1, (0,) * 17)]],
)
def test_what_is_no_shard_is_refused(loads):
    with pytest.raises((TypeError, ValueError)):
        Planning(loads, bytearray(3))


def test_a_table_that_names_nobody_is_refused():
    planning = Planning([Load(1, 1, 1, ())], bytearray(b"\1"))
    for owner, threshold in (([3, 0], [9, 0]), ([0] * 3, [9] * 3), ([0, 0], [9]), ([], [])):
        with pytest.raises(ValueError, match="slot"):
            planning.place(1, array("H", owner), array("H", threshold), [])


def test_nothing_is_put_where_it_does_not_fit():
    table, sites = site([100, 100, 100])
    sites[2] = sites[2]._replace(limit=5_000)
    owners = placed(table, sites, loads_of(60))
    held = counts(owners)
    assert held[2] == 5
    assert all(len(who) == 2 for who in owners), "the others have room"
    sites[1] = sites[1]._replace(limit=30_000)
    owners = placed(table, sites, loads_of(60))
    assert (counts(owners)[1], counts(owners)[2]) == (30, 5)
    assert {len(who) for who in owners} == {1, 2}, "rather one replica than one that cannot be"


def test_the_memory_of_a_plan_is_room_too():
    table, sites = site([100, 100, 100])
    sites[2] = sites[2]._replace(memory=1_000)
    loads = [load._replace(memory=2_000) for load in loads_of(60)]
    assert counts(placed(table, sites, loads)) == {0: 60, 1: 60}
    loads = [load._replace(memory=1_000) for load in loads]
    assert set(counts(placed(table, sites, loads))) == {0, 1, 2}


def test_who_runs_full_sheds_what_is_too_much_and_no_more():
    table, sites = site([100] * 4)
    before = placed(table, sites, loads_of(80))
    sites[0] = sites[0]._replace(limit=counts(before)[0] * 1_000 - 2_500)
    after = placed(table, sites, again(loads_of(80), before))
    assert moved(before, after) == 3
    assert counts(after)[0] == counts(before)[0] - 3


def test_shares_go_to_those_who_can_hold_them():
    table, sites = site([100, 100, 800])
    owners = placed(table, sites, loads_of(100))
    assert counts(owners)[2] == 100, "one replica of each, and no two"
    assert abs(counts(owners)[0] - counts(owners)[1]) <= 30


def test_overrides_go_home_a_few_at_a_time_and_nothing_else_moves():
    table, sites = site([100] * 8)
    before = placed(table, sites, loads_of(160))
    away = {d: s._replace(alive=d != 3) for d, s in sites.items()}
    during = placed(table, away, again(loads_of(160), before))
    during = placed(table, sites, again(loads_of(160), during))  # who is above its bound sheds
    snapshot = Snapshot(7, table, sites, again(loads_of(160), during), settle=4)
    after = plan(snapshot)
    assert moved(during, after) == 4
    assert slow_overrides(snapshot, after) == slow_overrides(snapshot, during) - 4
    owners, rounds = during, 0
    while True:
        snapshot = snapshot._replace(loads=again(loads_of(160), owners))
        owners, old = plan(snapshot), owners
        rounds += 1
        if not moved(old, owners):
            break
    assert rounds < 40
    assert slow_overrides(snapshot, owners) < slow_overrides(snapshot, during) / 2
    held = counts(owners)
    assert max(held.values()) <= ceil(1.25 * 40)
