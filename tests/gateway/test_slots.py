"""The slot table: who owns what, and that doubling changes no probe."""

import pytest

from atoll.gateway.placement import Site, shard_point, walk
from atoll.gateway.slots import FREE, QUANTUM, SLOTS_MAX, Slot, SlotTable


def table_of(*weights, size=256):
    table = SlotTable(size)
    for owner, weight in enumerate(weights):
        table.admit(owner, weight)
    return table


def test_a_device_owns_slots_by_its_weight():
    table = table_of(100, 50, 10)
    assert [len(table.owned(owner)) for owner in range(3)] == [4, 2, 1]
    assert [table.threshold[table.owned(owner)[0]] for owner in range(3)] == [65535, 65535, 26214]


def test_a_changed_weight_changes_thresholds_only():
    table = table_of(100, 100)
    before = list(table.owner)
    table.set_weight(0, 50)
    assert list(table.owner) == before
    assert {table.threshold[n] for n in table.owned(0)} == {32768}
    table.set_weight(0, 1_000_000)
    assert {table.threshold[n] for n in table.owned(0)} == {65535}


def test_removal_frees_exactly_what_was_owned():
    table = table_of(100, 100, 100)
    table.remove(1)
    assert table.owned(1) == []
    assert [n for n, who in enumerate(table.owner) if who == FREE][:4] == [4, 5, 6, 7]
    table.admit(9, 100)
    assert table.owned(9) == [4, 5, 6, 7]


def test_doubling_moves_nothing():
    table = table_of(100, 75, 200, 33, size=32)
    sites = {n: Site(str(n), str(n), 100) for n in range(4)}
    before = [walk(5, shard_point("d", s), table, sites, 2) for s in range(500)]
    table.mirror()
    assert table.size == 64
    assert [walk(5, shard_point("d", s), table, sites, 2) for s in range(500)] == before


def test_a_full_table_doubles_and_only_the_new_device_gains():
    table = table_of(*[100] * 8, size=32)
    sites = {n: Site(str(n), str(n), 100) for n in range(9)}
    before = [walk(5, shard_point("d", s), table, sites, 1) for s in range(2_000)]
    table.admit(8, 100)
    after = [walk(5, shard_point("d", s), table, sites, 1) for s in range(2_000)]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert table.size == 64
    assert len(table.owned(8)) == 8
    assert set(moved) == {(8,)}


def test_a_table_comes_back_from_its_rows():
    table = table_of(100, 30, size=64)
    table.mirror()
    again = SlotTable.from_slots(table.size, table.slots(), table.quota)
    assert again.slots() == table.slots()
    assert again.quota == table.quota
    assert all(isinstance(slot, Slot) for slot in again.slots())


def test_a_table_does_not_grow_without_end():
    table = SlotTable(SLOTS_MAX)
    with pytest.raises(ValueError, match="full"):
        table.mirror()


def test_the_smallest_weight_still_owns_a_slot():
    table = table_of(0)
    assert len(table.owned(0)) == 1
    assert table.threshold[table.owned(0)[0]] == round(65535 / QUANTUM)


def test_a_growing_fleet_keeps_its_shares():
    """Thirty times what the first table has room for, one device after the other."""
    table = table_of(*[100, 400, 50] * 100, size=64)
    ratios = [len(table.owned(owner)) / table.quota[owner] for owner in range(300)]
    assert 1.0 <= min(ratios) <= max(ratios) <= 2.0
    assert max(ratios[1::3]) - min(ratios[1::3]) < 0.1  # the large ones: no rounding to speak of
    assert table.size < 4 * sum(table.quota.values())


def test_what_is_lent_is_all_beyond_the_quota():
    table = table_of(*[100, 75, 200, 33] * 12, size=32)
    for owner, quota in table.quota.items():
        mine = table.slots_of(owner)
        assert len([slot for slot in mine if not slot.lent]) == quota
    table.remove(5)
    again = SlotTable.from_slots(table.size, table.slots(), table.quota)
    for one in (table, again):
        one.admit(99, 250)
    assert table.slots() == again.slots()


def test_a_doubling_is_told():
    table = table_of(*[100] * 8, size=32)
    assert table.admit(8, 100)
    assert not table.admit(9, 25)
