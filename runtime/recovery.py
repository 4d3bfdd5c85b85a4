"""Opening a store: every segment file is walked once, the index is built from what is good.

A segment whose tail was torn by a power cut is cut back to its last whole record; records damaged
in the middle stay where they are and are left out of the index, so that they show as missing. Both
are counted. What was found is synced before anybody hears of it, names included: a process that was
killed, and not the power, may have left it unsynced.
"""

from typing import NamedTuple

from atoll.runtime.catalog import Catalog, Handles, Shard
from atoll.runtime.errors import StoreError
from atoll.runtime.files import Files
from atoll.runtime.frame import FRAME, GAP
from atoll.runtime.index import Row, StreamIndex
from atoll.runtime.segment import Found, Segment, scan
from atoll.wire.block import peek_block
from atoll.wire.errors import WireError

# A block's header with names at their longest (wire.block.OVERHEAD_BYTES_MAX is 303).
_PEEK_BYTES = 512


class Recovered(NamedTuple):
    """What opening a store found."""

    blocks: int
    torn: int
    torn_bytes: int
    damaged: int


def recover(files: Files, catalog: Catalog, handles: Handles) -> Recovered:
    """Fill an empty catalog from the disk. Raises `StoreError` if a file is of a later format or
    unreadable.
    """
    total = Recovered(0, 0, 0, 0)
    datasets = files.names(catalog.root)
    for dataset in datasets:
        folder = f"{catalog.root}/{dataset}"
        shards = [name for name in files.names(folder) if name.isdecimal()]
        for name in shards:
            shard = catalog.shard(dataset, int(name))
            one = _recover_shard(files, catalog, shard, handles)
            total = Recovered._make(a + b for a, b in zip(total, one, strict=True))
        if shards:
            files.sync_directory(folder)
    if datasets:
        files.sync_directory(catalog.root)
    return total


def _recover_shard(files: Files, catalog: Catalog, shard: Shard, handles: Handles) -> Recovered:
    total = Recovered(0, 0, 0, 0)
    for name in files.names(shard.path):
        stem, dot, kind = name.partition(".")
        if not dot or kind != "seg":
            continue
        try:
            segment = Segment(int(stem, 16), f"{shard.path}/{name}")
            one = _recover_segment(files, catalog, shard, segment)
        except (OSError, ValueError) as error:
            raise StoreError(f"{shard.path}/{name} cannot be read: {error}") from None
        if segment.handle >= 0:
            handles.opened(segment)
        total = Recovered._make(a + b for a, b in zip(total, one, strict=True))
    if shard.segments:
        files.sync_directory(shard.path)
    return total


def _recover_segment(files: Files, catalog: Catalog, shard: Shard, segment: Segment) -> Recovered:
    segment.handle = files.open(segment.path)
    catalog.next_segment = max(catalog.next_segment, segment.number + 1)
    result = scan(files, segment.handle, segment.number, segment.path)
    if not result.end:
        files.close(segment.handle)
        segment.handle = -1
        files.remove(segment.path)
        return Recovered(0, 1 if result.torn_bytes else 0, result.torn_bytes, 0)
    if result.torn_bytes:
        files.truncate(segment.handle, result.end)
    files.sync(segment.handle)
    segment.size = segment.synced = result.end
    # A frame behind a damaged record would vouch for it: `scan` reads only what was not synced.
    segment.broken = result.damaged > 0
    segment.next_stream = max((one.frame.stream for one in result.found), default=-1) + 1
    catalog.segments[segment.number] = segment
    shard.segments.append(segment)
    entered = _enter(files, catalog, shard, segment, result.found)
    lost = len(result.found) - entered
    torn = 1 if result.torn_bytes else 0
    return Recovered(entered, torn, result.torn_bytes, result.damaged + lost)


def _enter(
    files: Files, catalog: Catalog, shard: Shard, segment: Segment, found: list[Found]
) -> int:
    """Enter a segment's records in the index; how many went in."""
    streams: dict[int, StreamIndex] = {}
    entered = 0
    for one in found:
        frame = one.frame
        stream = streams.get(frame.stream) or _identify(files, catalog, shard, segment, one)
        if stream is None:
            continue
        streams[frame.stream] = stream
        row = Row(
            *(frame.seq, frame.first_sample, frame.wall_ms, segment.number, one.offset),
            *(frame.length, frame.sample_count & ~GAP, frame.data_start),
            bool(frame.sample_count & GAP),
        )
        # Written again in place of a rotten copy: the later one counts.
        if stream.find(row.seq) >= 0:
            stream.forget_block(row.seq)
        if stream.conflict(row):
            continue
        stream.add(row)
        catalog.stored_bytes += row.length
        segment.newest_ms = max(segment.newest_ms, row.wall_ms)
        entered += 1
    return entered


def _identify(
    files: Files, catalog: Catalog, shard: Shard, segment: Segment, one: Found
) -> StreamIndex | None:
    """The stream of a record, read from its block's own header."""
    size = min(_PEEK_BYTES, one.frame.length)
    try:
        block = peek_block(files.read(segment.handle, size, one.offset + FRAME.size))
    except WireError:
        return None
    if (block.info.dataset, block.shard) != shard.name:
        return None
    known = catalog.streams.get((block.info.dataset, block.info.key))
    if known is None:
        return catalog.add_stream(block.info, block.shard)
    return known if known.info == block.info else None
