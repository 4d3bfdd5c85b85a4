"""The shard store: blocks on disk, acknowledged only after the sync, found again after a power cut.

    DIR/shards/<dataset>/<shard>/<number>.seg      segments, numbered through the store

`stage` writes a block behind the others of its shard, `commit` syncs all that was staged and only
then enters it in the index: what a reader sees, and what is acknowledged, would survive a power
cut. One thread stages, commits, retains and deletes; any thread may read. The keeper (`keeper.py`)
decides when to commit: one sync for many blocks.
"""

from collections.abc import Iterable
from errno import EDQUOT, ENOSPC
from threading import Lock
from typing import NamedTuple

from atoll.runtime.catalog import Catalog, Handles, Shard
from atoll.runtime.errors import Missing, Refused
from atoll.runtime.files import Files
from atoll.runtime.frame import FILE_HEADER, FRAME, Frame, file_header, unpack_frame
from atoll.runtime.index import Row, StreamIndex, run_of
from atoll.runtime.past import NAME as PAST
from atoll.runtime.past import write_pasts
from atoll.runtime.recovery import Recovered, recover
from atoll.runtime.retention import remembered, segments_to_drop
from atoll.runtime.sealed import Rows, index_path, write_index
from atoll.runtime.segment import Segment, append, body_is_good
from atoll.wire.block import decode_block
from atoll.wire.errors import WireError
from atoll.wire.messages import BlockRun, HeldStream, Past, StreamInfo

# A segment is the unit of retention: small enough that dropping one frees little at once, large
# enough that a board's files stay in the hundreds.
SEGMENT_BYTES = 8 * 1_048_576
SEGMENT_AGE_MS = 3_600_000
# Left free on the file system for the outbox, the state file and the people who must log in to
# clean up.
RESERVE_BYTES = 8 * 1_048_576
# Reads of several blocks at once are joined in memory: one task's samples.
READ_BYTES_MAX = 16 * 1_048_576


class Added(NamedTuple):
    """A block that is now on disk, as a run of one."""

    info: StreamInfo
    shard: int
    run: BlockRun


class Commit(NamedTuple):
    """What a commit did: blocks that are synced, and tickets that failed with the reason."""

    added: list[Added]
    tickets: list[int]
    failed: list[tuple[int, str]]


class _Staged(NamedTuple):
    ticket: int
    stream: StreamIndex
    segment: Segment
    row: Row


class Store:
    """The blocks of one device. Open it with a lock held on the directory: one process for one
    store.
    """

    def __init__(
        self,
        root: str,
        files: Files,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._files = files
        self._root = root
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes
        self._lock = Lock()
        self._catalog = Catalog(f"{root}/shards")
        self._handles = Handles(files, self._lock)
        self._staged: dict[tuple[StreamIndex, int], _Staged] = {}
        self._sealed: list[Shard] = []  # with a full segment, to be indexed after the next sync
        self._tickets = 0
        self.bytes_written = 0
        self.damaged_reads = 0
        files.make_directory(f"{root}/shards")
        self.recovered: Recovered = recover(files, self._catalog, self._handles)

    # --- writing ---------------------------------------------------------------------------------

    def stage(self, encoded: bytes, now_ms: int) -> int:
        """Write a block behind its shard's others; the ticket that `commit` answers, 0 if it is
        stored already.

        Raises `Refused`: damaged, at odds with what is here, or no room.
        """
        try:
            block = decode_block(encoded)
        except WireError as error:
            raise Refused(str(error)) from None
        stream = self._stream(block.info, block.shard)
        row = Row(
            *(block.seq, block.first_sample, block.wall_ms, 0, 0, len(encoded)),
            *(block.sample_count, len(encoded) - 4 - len(block.data), block.gap),
        )
        try:
            known = self._known(stream, row, encoded)
            if known is not None:
                return known
            self._check_room(len(encoded))
            shard = self._catalog.shard(block.info.dataset, block.shard)
            return self._write(shard, stream, row, encoded, now_ms)
        except OSError as error:
            self._drop_if_empty(stream)
            raise Refused(self._reason(error)) from None
        except Refused:
            self._drop_if_empty(stream)
            raise

    def _drop_if_empty(self, stream: StreamIndex) -> None:
        if not len(stream) and not any(one is stream for one, _ in self._staged):
            with self._lock:
                self._catalog.drop_stream(stream)

    def _stream(self, info: StreamInfo, shard: int) -> StreamIndex:
        stream = self._catalog.streams.get((info.dataset, info.key))
        if stream is None:
            with self._lock:
                return self._catalog.add_stream(info, shard)
        if stream.info != info or stream.shard != shard:
            if len(stream) or any(one is stream for one, _ in self._staged):
                raise Refused(f"stream {info.key} is here as {stream.info} in shard {stream.shard}")
            with self._lock:
                self._catalog.drop_stream(stream)
                return self._catalog.add_stream(info, shard)
        return stream

    def _known(self, stream: StreamIndex, row: Row, encoded: bytes) -> int | None:
        """0 if the block is on disk, its ticket if it is staged, None if it is new."""
        staged = self._staged.get((stream, row.seq))
        if staged is not None:
            same = self._read_record(staged.segment, staged.row)
            ticket = staged.ticket
        elif (at := stream.find(row.seq)) >= 0:
            ticket = 0
            try:
                same = self._read_block(stream, stream.row(at))
            except Missing:  # rotten: the copy that came takes its place
                return None
        else:
            reason = stream.conflict(row)
            if reason:
                raise Refused(f"stream {stream.info.key}: {reason}")
            return None
        if same != encoded:
            raise Refused(f"block {row.seq} of {stream.info.key} is here with other bytes")
        return ticket

    def _check_room(self, size: int) -> None:
        free = self._files.free_bytes(self._root)
        if free < self._reserve_bytes + size + FRAME.size:
            raise Refused(f"disk full: {free} bytes free, {self._reserve_bytes} kept in reserve")

    def _reason(self, error: OSError) -> str:
        why = error.strerror or error
        if error.errno not in (ENOSPC, EDQUOT):
            return f"disk error: {why}"
        return f"disk full: {self._files.free_bytes(self._root)} bytes free ({why})"

    def _write(
        self, shard: Shard, stream: StreamIndex, row: Row, encoded: bytes, now_ms: int
    ) -> int:
        segment = self._writable(shard, len(encoded), now_ms)
        crc = int.from_bytes(encoded[-4:], "little")
        count = row.sample_count | int(row.gap) << 31
        number = segment.stream_number(stream)
        size, times = len(encoded), (row.seq, row.first_sample, row.wall_ms, segment.synced)
        frame = Frame(size, number, crc, count, row.data_start, *times)
        try:
            offset = append(self._files, segment, frame, encoded)
        except OSError:
            if segment.broken:
                segment.seal()
            raise
        self.bytes_written += segment.size - offset
        row = row._replace(segment=segment.number, offset=offset)
        self._tickets += 1
        self._staged[stream, row.seq] = _Staged(self._tickets, stream, segment, row)
        return self._tickets

    def _writable(self, shard: Shard, size: int, now_ms: int) -> Segment:
        """The shard's segment to append to; a new one when the last is full, old or broken."""
        last = shard.segments[-1] if shard.segments else None
        if last is not None and not last.broken:
            if not last.born_ms:
                last.born_ms = now_ms
            fresh = now_ms - last.born_ms < SEGMENT_AGE_MS
            if fresh and last.size + size + FRAME.size <= self._segment_bytes:
                self._handles.open_for_writing(last)
                last.indexed = False
                return last
            last.seal()
            self._sealed.append(shard)
        segment = self._catalog.new_segment(shard)
        self._files.make_directory(shard.path)
        segment.handle = self._files.open(segment.path, create=True)
        segment.born_ms = now_ms
        try:
            segment.size = self._files.append(segment.handle, (file_header(),))
        except OSError:
            self._files.close(segment.handle)
            self._files.remove(segment.path)
            raise
        with self._lock:
            shard.segments.append(segment)
            self._handles.opened(segment)
        return segment

    def commit(self) -> Commit:
        """Sync all that was staged; then, and only then, it is there for readers."""
        staged = list(self._staged.values())
        self._staged.clear()
        outcome = Commit([], [], [])
        if not staged:
            return outcome
        problems = self._sync({one.segment.number: one.segment for one in staged}.values())
        with self._lock:
            for one in staged:
                problem = problems.get(one.segment.number) or self._enter(one)
                if problem:
                    outcome.failed.append((one.ticket, problem))
                else:
                    outcome.tickets.append(one.ticket)
                    outcome.added.append(Added(one.stream.info, one.stream.shard, run_of(one.row)))
        sealed, self._sealed = self._sealed, []
        for shard in sealed:
            self._write_indexes(shard, shard.segments[:-1])
        return outcome

    def _write_indexes(self, shard: Shard, segments: Iterable[Segment]) -> None:
        """Put what segments hold beside them; one without is scanned at the next start."""
        chosen = {
            segment.number: segment
            for segment in segments
            if not (segment.indexed or segment.broken) and segment.synced == segment.size
        }
        if not chosen:
            return
        with self._lock:
            found = [(one.info, one.rows_in(set(chosen))) for one in shard.streams]
        for number, segment in chosen.items():
            rows = [
                Rows(info, shard.name[1], words[number]) for info, words in found if number in words
            ]
            try:
                self.bytes_written += write_index(self._files, segment, rows)
                segment.indexed = True
            except OSError:
                continue

    def _enter(self, one: _Staged) -> str:
        if one.stream.find(one.row.seq) >= 0:  # a rotten block that is replaced
            one.stream.forget_block(one.row.seq)
        problem = one.stream.conflict(one.row)
        if not problem:
            one.stream.add(one.row)
            self._catalog.stored_bytes += one.row.length
            one.segment.newest_ms = max(one.segment.newest_ms, one.row.wall_ms)
        return problem

    def _sync(self, segments: Iterable[Segment]) -> dict[int, str]:
        """Sync files, then the directories that hold new ones; segment numbers that failed, with
        the reason.
        """
        problems: dict[int, str] = {}
        for segment in segments:
            try:
                self._files.sync(segment.handle)
                if segment.synced == 0:
                    self._files.sync_directory(segment.path.rpartition("/")[0])
                segment.synced = segment.size
            except OSError as error:
                segment.broken = True
                segment.seal()
                problems[segment.number] = f"sync failed: {error.strerror or error}"
        return problems

    # --- reading (any thread) --------------------------------------------------------------------

    def read(
        self, dataset: str, key: str, start: int, stop: int
    ) -> tuple[StreamInfo, bytes | memoryview]:
        """A stream's samples [start, stop), little-endian, interleaved. Raises `Missing`."""
        stream = self._catalog.streams.get((dataset, key))
        with self._lock:
            rows = self._rows(stream, start, stop)
        if not rows or stream is None:
            raise Missing(f"stream {dataset}/{key}: samples {start} to {stop} are not here")
        pieces = []
        width = 0
        for row in rows:
            body = memoryview(self._read_block(stream, row))[row.data_start : -4]
            width = len(body) // row.sample_count
            first = max(0, start - row.first_sample) * width
            last = (min(stop, row.end_sample) - row.first_sample) * width
            pieces.append(body[first:last])
        return stream.info, pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _rows(self, stream: StreamIndex | None, start: int, stop: int) -> list[Row]:
        """The rows that hold [start, stop) without a gap; empty if there are none such."""
        if stream is None or stop <= start:
            return []
        at = stream.holding(start)
        rows: list[Row] = []
        position, size = start, 0
        while at >= 0 and position < stop and at < len(stream):
            row = stream.row(at)
            at += 1
            if rows and (row.gap or row.seq != rows[-1].seq + 1):
                return []
            if not row.first_sample <= position < row.end_sample:
                return []
            size += row.length
            if size > READ_BYTES_MAX:
                raise Missing(f"more than {READ_BYTES_MAX} bytes in one read")
            rows.append(row)
            position = row.end_sample
        return rows if position >= stop else []

    def _read_block(self, stream: StreamIndex, row: Row) -> bytes:
        """The encoded block of a row, checked; a rotten one leaves the index. Raises `Missing`."""
        segment = self._handles.acquire(self._catalog, row.segment)
        if segment is not None:
            try:
                body = self._read_record(segment, row)
            except OSError:
                body = b""
            finally:
                self._handles.release(segment)
            if body:
                return body
            with self._lock:
                self.damaged_reads += 1
                if stream.forget_block(row.seq):
                    self._catalog.stored_bytes -= row.length
        info = stream.info
        raise Missing(f"stream {info.dataset}/{info.key}: block {row.seq} cannot be read whole")

    def _read_record(self, segment: Segment, row: Row) -> bytes:
        """The encoded block; empty if it is damaged, or another one in its place."""
        size = FRAME.size + row.length
        record = memoryview(self._files.read(segment.handle, size, row.offset))
        frame = unpack_frame(bytes(record[: FRAME.size]), segment.number, row.offset)
        body = record[FRAME.size :]
        if frame is None or frame.length != len(body) or frame.seq != row.seq:
            return b""
        return bytes(body) if body_is_good(body, frame.body_crc) else b""

    def block(self, dataset: str, key: str, seq: int) -> bytes:
        """An encoded block as it came. Raises `Missing`."""
        stream = self._catalog.streams.get((dataset, key))
        with self._lock:
            at = stream.find(seq) if stream is not None else -1
            row = stream.row(at) if stream is not None and at >= 0 else None
        if stream is None or row is None:
            raise Missing(f"stream {dataset}/{key}: block {seq} is not here")
        return self._read_block(stream, row)

    def streams(self, dataset: str = "") -> list[HeldStream]:
        """What is here, by stream: of one dataset, or of all."""
        with self._lock:
            chosen = [
                stream
                for stream in self._catalog.streams.values()
                if len(stream) and (not dataset or stream.info.dataset == dataset)
            ]
            return [HeldStream(stream.info, stream.shard, stream.runs()) for stream in chosen]

    def names(self) -> tuple[list[tuple[str, str]], int]:
        """All streams that have blocks, and how many blocks they have together."""
        with self._lock:
            streams = [one for one in self._catalog.streams.values() if len(one)]
            return [(one.info.dataset, one.info.key) for one in streams], sum(map(len, streams))

    def block_after(self, dataset: str, key: str, seq: int) -> int:
        """The number of a stream's first block behind block `seq`; -1 if there is none."""
        with self._lock:
            stream = self._catalog.streams.get((dataset, key))
            at = stream.after(seq) if stream is not None else 0
            return stream.row(at).seq if stream is not None and at < len(stream) else -1

    @property
    def stored_bytes(self) -> int:
        """Bytes of blocks that can be read."""
        return self._catalog.stored_bytes

    # --- letting go ------------------------------------------------------------------------------

    def delete(self, dataset: str, shard: int) -> int:
        """Delete a shard and its files; the number of blocks that were in it."""
        found = self._catalog.shards.get((dataset, shard))
        if found is None:
            return 0
        self.commit()
        dropped = self._drop(found, {segment.number for segment in found.segments})
        with self._lock:
            self._catalog.drop_shard(found)
        if self._files.names(found.path) == [PAST]:
            try:
                self._files.remove(f"{found.path}/{PAST}")
            except OSError:
                return dropped
        if self._files.names(found.path) == []:
            try:
                self._files.remove_directory(found.path)
                self._files.sync_directory(found.path.rpartition("/")[0])
            except OSError:
                pass  # an empty directory is no shard
        return dropped

    def retain(self, dataset: str, shard: int, keep_s: int, keep_bytes: int, now_ms: int) -> int:
        """Drop a shard's oldest segments by age and bytes (0: keep); how many blocks they held."""
        found = self._catalog.shards.get((dataset, shard))
        if found is None or not (keep_s or keep_bytes):
            return 0
        staged = {one.segment.number for one in self._staged.values()}
        old = segments_to_drop(found, staged, keep_s, keep_bytes, now_ms)
        if not old:
            return 0
        pasts = remembered(found, old)
        try:
            self.bytes_written += write_pasts(self._files, found.path, pasts.values())
        except OSError:
            return 0  # they stay: what only they tell is not kept yet
        with self._lock:
            found.pasts = pasts
        return self._drop(found, old)

    def pasts(self, dataset: str = "", shard: int = -1) -> list[Past]:
        """What is remembered of streams whose oldest blocks are gone: of one shard, or of all."""
        with self._lock:
            chosen = [
                one
                for name, one in self._catalog.shards.items()
                if shard < 0 or name == (dataset, shard)
            ]
            return [past for one in chosen for past in one.pasts.values()]

    def _drop(self, shard: Shard, numbers: set[int]) -> int:
        """Take segments out of the index, then off the disk."""
        with self._lock:
            gone = [segment for segment in shard.segments if segment.number in numbers]
            shard.segments = [one for one in shard.segments if one.number not in numbers]
            dropped = self._catalog.forget(shard, numbers)
        for segment in gone:
            self._handles.retire(segment)
        try:
            for segment in gone:
                self._remove(segment)
            if gone:
                self._files.sync_directory(shard.path)
        except OSError:
            pass  # found again at the next start, listed, and released anew
        return dropped

    def _remove(self, segment: Segment) -> None:
        path = index_path(segment)
        folder, _, name = path.rpartition("/")
        if segment.indexed or name in self._files.names(folder):
            self._files.remove(path)
        self._files.remove(segment.path)

    def close(self) -> None:
        """Sync what is staged and give the files back."""
        self.commit()
        for shard in self._catalog.shards.values():
            self._write_indexes(shard, shard.segments)
        self._handles.close_all()


__all__ = ["FILE_HEADER", "Added", "Commit", "Store"]
