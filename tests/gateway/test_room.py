"""What fits where, and what is said of what does not."""

from gateway_data import device_row
from gateway_device import ScriptedDevice
from gateway_fleet import Fleet

from atoll.gateway.catalog import Catalog, ShardId
from atoll.gateway.desk import Desk
from atoll.gateway.member import Member
from atoll.gateway.placement import UNBOUNDED
from atoll.gateway.room import RESERVE_BYTES, free_of, limit_of, most_room, size_text
from atoll.wire.messages import Health

MIB = 1_048_576


def member(name="a", free=-1, **fields):
    one = Member(device_row(name, state="ready", **fields))
    one.health = Health(*[-1] * 8)._replace(storage_free_bytes=free)
    return one


def test_what_is_free_is_what_the_disk_says_less_a_reserve():
    assert free_of(member(free=100 * MIB)) == 100 * MIB - RESERVE_BYTES
    assert free_of(member(free=10 * MIB)) == 0
    assert free_of(member(storage_bytes=1 << 30)) == (1 << 30) - RESERVE_BYTES
    assert free_of(member(storage_bytes=0)) == UNBOUNDED


def test_the_limit_is_what_is_there_and_what_is_free():
    catalog = Catalog(Desk())
    one = member(free=100 * MIB)
    empty = limit_of(one, catalog)
    catalog.by_device["a"] = {ShardId("v", 1): 5 * MIB, ShardId("v", 70_000): 7 * MIB}
    assert limit_of(one, catalog) - empty == 5 * MIB + 65_536, "its own streams are not placed"
    assert limit_of(member(storage_bytes=0), catalog) == UNBOUNDED


def test_who_has_the_most():
    assert most_room([member("a", 100 * MIB), member("b", 900 * MIB)])[0] == "b"
    assert most_room([]) == ("no device", 0)


def test_sizes_are_read_by_people():
    assert [size_text(n) for n in (5, 2_048, 3 * MIB, 5 << 40)] == [
        "5 bytes", "2.0 KiB", "3.0 MiB", "5120.0 GiB",
    ]  # fmt: skip


def test_what_fits_nowhere_is_told_once_with_both_sizes_and_placed_when_there_is_room():
    fleet = Fleet("a")
    for index in range(30):
        fleet.put("v", {"k": b"\1\0" * 30_000}, index=index)
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    shard = fleet.core.catalog.datasets["v"].shards[stream.shard]
    assert shard.byte_count > 1_700_000
    fleet.devices["b"] = small = ScriptedDevice("b")
    small.health = full(1 << 20)
    small.birth()
    small.ask_lease()
    fleet.settle()
    fleet.run(5.0)
    assert shard.owners == ("a",)
    small.health = full(8 << 20)
    fleet.run(2.0)
    said = [text for kind, text in fleet.events if kind == "unfit"]
    assert [text for text in said if f"v/{stream.shard} " in text] == [
        f"v/{stream.shard} is on 1 of 2: 1.7 MiB fit on no other device;"
        " the most room is 1.0 MiB on b"
    ]
    fleet.core.owners.reconsider()
    fleet.run(5.0)
    assert set(shard.owners) == {"a", "b"}


def full(free):
    return Health(*[-1] * 8)._replace(storage_free_bytes=RESERVE_BYTES + free)


def test_a_plan_that_needs_much_memory_keeps_shards_from_small_boards():
    fleet = Fleet("a")
    fleet.put("v", {"k": b"\1\0" * 100})
    fleet.core.owners.plan_memory = lambda dataset: 1 << 20
    small = fleet.devices["b"] = ScriptedDevice("b")
    small.memory_bytes = 2 << 20
    small.birth()
    small.ask_lease()
    fleet.settle()
    fleet.run(5.0)
    assert fleet.core.owners.owned.get("b", {}) == {}
    assert any("1.0 MiB of memory for its jobs" in text for _, text in fleet.events)
    fleet.core.owners.plan_memory = lambda dataset: 1 << 19
    fleet.core.owners.reconsider()
    fleet.run(5.0)
    assert len(fleet.core.owners.owned["b"]) == 64
