"""Opening a store: a segment's index file is read, or the segment is walked once, and the index is
built from what is good.

A segment whose tail was torn by a power cut is cut back to its last whole record; records damaged
in the middle stay where they are and are left out of the index, so that they show as missing. Both
are counted. What was found is synced before anybody hears of it, names included: a process that was
killed, and not the power, may have left it unsynced.
"""

from typing import NamedTuple

from atoll.runtime.catalog import Catalog, Handles, Shard
from atoll.runtime.errors import StoreError
from atoll.runtime.files import Files
from atoll.runtime.frame import FILE_HEADER, FORMAT, FRAME, GAP, file_format
from atoll.runtime.index import WORDS, Row, StreamIndex, rows_of
from atoll.runtime.past import NAME as PAST
from atoll.runtime.past import read_pasts
from atoll.runtime.sealed import Sealed, read_index
from atoll.runtime.segment import Found, Segment, body_is_good, scan
from atoll.wire.block import peek_block
from atoll.wire.errors import WireError
from atoll.wire.messages import StreamInfo


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
    names = files.names(shard.path)
    if PAST in names:
        shard.pasts = read_pasts(files, shard.path)
    for name in names:
        stem, dot, kind = name.partition(".")
        if kind == "idx" and f"{stem}.seg" not in names:
            _drop_orphan(files, catalog, stem, f"{shard.path}/{name}")
        if not dot or kind != "seg":
            continue
        try:
            segment = Segment(int(stem, 16), f"{shard.path}/{name}")
            one = _recover_segment(files, catalog, shard, segment)
        except (OSError, ValueError) as error:
            raise StoreError(f"{shard.path}/{name} cannot be read: {error}") from None
        if segment.handle >= 0 and segment.indexed:
            files.close(segment.handle)  # opened again when somebody reads
            segment.handle = -1
        elif segment.handle >= 0:
            handles.opened(segment)
        total = Recovered._make(a + b for a, b in zip(total, one, strict=True))
    if shard.segments:
        files.sync_directory(shard.path)
    return total


def _drop_orphan(files: Files, catalog: Catalog, stem: str, path: str) -> None:
    """An index whose segment is gone. Its number is not used again: should the index come back
    with a power cut, it would speak of another segment's blocks.
    """
    try:
        catalog.next_segment = max(catalog.next_segment, int(stem, 16) + 1)
        files.remove(path)
    except (OSError, ValueError):
        return


def _recover_segment(files: Files, catalog: Catalog, shard: Shard, segment: Segment) -> Recovered:
    segment.handle = files.open(segment.path)
    catalog.next_segment = max(catalog.next_segment, segment.number + 1)
    sealed = read_index(files, segment)
    head = file_format(files.read(segment.handle, FILE_HEADER.size, 0))
    if sealed is not None and head == FORMAT and sealed.size == files.size(segment.handle):
        return _take_index(catalog, shard, segment, sealed)
    found = _scan_segment(files, catalog, shard, segment)
    if sealed is not None and sealed.size > segment.size:
        # Cut off where a record ends: whole to look at, and less than there was.
        promised = sum(len(rows.words) // WORDS for rows in sealed.streams)
        return found._replace(damaged=found.damaged + max(1, promised - found.blocks))
    return found


def _take_index(catalog: Catalog, shard: Shard, segment: Segment, sealed: Sealed) -> Recovered:
    """Enter what the index file lists; nothing else is read."""
    catalog.segments[segment.number] = segment
    shard.segments.append(segment)
    segment.size = segment.synced = sealed.size
    segment.next_stream = sealed.next_stream
    segment.indexed = True
    entered = lost = 0
    for info, number, words in sealed.streams:
        rows = rows_of(words)
        stream = _stream_of(catalog, shard, info, number)
        if stream is None:
            lost += len(rows)
            continue
        if not stream.extend(words):
            rows = [row for row in rows if _enter_row(stream, row)]
        entered += len(rows)
        catalog.stored_bytes += sum(row.length for row in rows)
        newest = max((row.wall_ms for row in rows), default=segment.newest_ms)
        segment.newest_ms = max(segment.newest_ms, newest)
    return Recovered(entered, 0, 0, lost)


def _stream_of(catalog: Catalog, shard: Shard, info: StreamInfo, number: int) -> StreamIndex | None:
    """The stream of this description, made if it is new; None if it cannot be of this shard."""
    if (info.dataset, number) != shard.name:
        return None
    known = catalog.streams.get((info.dataset, info.key))
    if known is None:
        return catalog.add_stream(info, number)
    return known if known.info == info else None


def _scan_segment(files: Files, catalog: Catalog, shard: Shard, segment: Segment) -> Recovered:
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
        if _enter_row(stream, row):
            catalog.stored_bytes += row.length
            segment.newest_ms = max(segment.newest_ms, row.wall_ms)
            entered += 1
    return entered


def _enter_row(stream: StreamIndex, row: Row) -> bool:
    """Enter a block; False if it cannot be one of the stream."""
    # Written again in place of a rotten copy: the later one counts.
    if stream.find(row.seq) >= 0:
        stream.forget_block(row.seq)
    if stream.conflict(row):
        return False
    stream.add(row)
    return True


def _identify(
    files: Files, catalog: Catalog, shard: Shard, segment: Segment, one: Found
) -> StreamIndex | None:
    """The stream of a record by its block, which must be whole: what it is called here, all others
    of the same number are called, too.
    """
    body = files.read(segment.handle, one.frame.length, one.offset + FRAME.size)
    if not body_is_good(body, one.frame.body_crc):
        return None
    try:
        block = peek_block(body)
    except WireError:
        return None
    return _stream_of(catalog, shard, block.info, block.shard)
