"""Room: what fits on a device, and what is said where it does not.

A device's limit is what it has of shards now and what its disk has free, less a reserve; as long as
it has not said how much is free, its whole storage. What cannot fit is refused with both sizes.
"""

from collections.abc import Iterable

from atoll.gateway.catalog import PINNED, Catalog
from atoll.gateway.member import Member
from atoll.gateway.placement import UNBOUNDED

RESERVE_BYTES = 64 * 1_048_576  # for the outbox, logs and what a file system needs to work
EMPTY_SHARD_BYTES = 65_536  # what placement counts for an empty shard, owners.py


def reserve_of(member: Member) -> int:
    """Bytes that are left alone: a part of a small disk, so that it holds something at all."""
    storage = member.row.storage_bytes
    return min(RESERVE_BYTES, storage // 8) if storage else RESERVE_BYTES


def free_of(member: Member) -> int:
    """Bytes that a device's disk has for blocks that it does not have; UNBOUNDED if unknown."""
    if member.health is not None and member.health.storage_free_bytes >= 0:
        return max(0, member.health.storage_free_bytes - reserve_of(member))
    if member.row.storage_bytes:
        return max(0, member.row.storage_bytes - member.stored_bytes - reserve_of(member))
    return UNBOUNDED


def limit_of(member: Member, catalog: Catalog) -> int:
    """The most that a device may have of shards which placement puts there, as placement counts."""
    free = free_of(member)
    if free >= UNBOUNDED:
        return UNBOUNDED
    held = [
        size + EMPTY_SHARD_BYTES
        for shard, size in catalog.by_device.get(member.id, {}).items()
        if shard.number < PINNED
    ]
    return sum(held) + free


def most_room(members: Iterable[Member]) -> tuple[str, int]:
    """Who has the most room, and how much."""
    found = [(free_of(member), member.id) for member in members]
    free, device = max(found, default=(0, "no device"))
    return device, free


def size_text(size: int) -> str:
    """Bytes for people."""
    number = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError
