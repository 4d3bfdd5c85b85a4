"""What a device remembers besides its blocks, in messages that fit: for a gateway that has lost its
ledger and asks.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from atoll.wire import limits
from atoll.wire.messages import (
    DatasetEntry,
    Memory,
    OrderEntry,
    Past,
    ShardEntry,
    Standing,
)

# Of one message; the bytes that an entry takes besides its texts, at its largest integers.
MEMORY_BYTES_MAX = 48_000
ENTRY_BYTES = 48
MARK_BYTES = 12


class Remembered(NamedTuple):
    """All of it; `pasts` come from the store, the rest from the core."""

    term: int
    datasets: Sequence[DatasetEntry]
    shards: Sequence[ShardEntry]
    orders: Sequence[Standing]
    pasts: Sequence[Past] = ()


def memory_messages(head: tuple[int, int, int], what: Remembered) -> list[Memory]:
    """One message at least; all but the last say that more follow."""
    groups: list[list[tuple[int, Any]]] = [[]]
    size = 0
    for kind, cost, entry in _entries(what):
        if groups[-1] and (size + cost > MEMORY_BYTES_MAX or len(groups[-1]) == limits.ENTRIES_MAX):
            groups.append([])
            size = 0
        groups[-1].append((kind, entry))
        size += cost
    last = len(groups) - 1
    return [
        Memory(*head, what.term, at < last, *_columns(group)) for at, group in enumerate(groups)
    ]


def _entries(what: Remembered) -> Iterator[tuple[int, int, Any]]:
    """Each entry with the list that it belongs to and its size in a message."""
    for dataset in what.datasets:
        yield 0, ENTRY_BYTES + _size(dataset.dataset), dataset
    for shard in what.shards:
        yield 1, ENTRY_BYTES + _size(shard.dataset), shard
    for order in what.orders:
        for entry in _bounded(order):
            marks = sum(MARK_BYTES + _size(mark.key) for mark in entry.marks)
            yield 2, ENTRY_BYTES + _size(entry.job, entry.dataset) + len(entry.plan) + marks, entry
    for past in what.pasts:
        yield 3, ENTRY_BYTES + _size(past.dataset, past.key), past


def _bounded(order: Standing) -> Iterator[OrderEntry]:
    """An order with as many marks at a time as one entry has room for."""
    at = 0
    while True:
        marks = order.marks[at : at + limits.STREAMS_MAX // 2]
        at += len(marks)
        yield OrderEntry(
            order.job, order.plan, order.dataset, order.every, order.every_ms, list(marks)
        )
        if at >= len(order.marks):
            return


def _columns(group: list[tuple[int, Any]]) -> list[list[Any]]:
    return [[entry for kind, entry in group if kind == column] for column in range(4)]


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)
