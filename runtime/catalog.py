"""What a store holds in memory: shards with their segments and streams, and the file handles in
use.

Changed under the store's lock; no file is touched here but through `Handles`, which keeps a bounded
number of segment files open and closes none that somebody reads.
"""

from threading import Lock

from atoll.runtime.files import Files
from atoll.runtime.index import StreamIndex
from atoll.runtime.segment import Segment
from atoll.wire.messages import Past, StreamInfo

# Of the 1,024 that a process usually may have open; sockets and the outbox need few.
HANDLES_MAX = 256


class Shard:
    """One shard's segments, oldest first, and its streams."""

    __slots__ = ("name", "pasts", "path", "segments", "streams")

    def __init__(self, dataset: str, number: int, root: str) -> None:
        self.name = (dataset, number)
        self.path = f"{root}/{dataset}/{number}"
        self.segments: list[Segment] = []
        self.streams: list[StreamIndex] = []
        self.pasts: dict[str, Past] = {}  # of streams whose oldest blocks are gone, by key


class Catalog:
    """All shards, streams and segments by name."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.shards: dict[tuple[str, int], Shard] = {}
        self.streams: dict[tuple[str, str], StreamIndex] = {}
        self.segments: dict[int, Segment] = {}
        self.stored_bytes = 0
        self.next_segment = 1

    def shard(self, dataset: str, number: int) -> Shard:
        """The shard of that name, made if it is new."""
        found = self.shards.get((dataset, number))
        if found is None:
            found = self.shards[dataset, number] = Shard(dataset, number, self.root)
        return found

    def new_segment(self, shard: Shard) -> Segment:
        """A segment with a number that no other has had since the store was opened."""
        number = self.next_segment
        self.next_segment += 1
        segment = self.segments[number] = Segment(number, f"{shard.path}/{number:08x}.seg")
        return segment

    def add_stream(self, info: StreamInfo, shard: int) -> StreamIndex:
        """An empty index for a new stream."""
        stream = StreamIndex(info, shard)
        self.streams[info.dataset, info.key] = stream
        self.shard(info.dataset, shard).streams.append(stream)
        return stream

    def drop_stream(self, stream: StreamIndex) -> None:
        """Forget a stream that has no blocks."""
        del self.streams[stream.info.dataset, stream.info.key]
        self.shard(stream.info.dataset, stream.shard).streams.remove(stream)

    def drop_shard(self, shard: Shard) -> None:
        """Forget a shard whose segments are gone."""
        for stream in shard.streams:
            self.streams.pop((stream.info.dataset, stream.info.key), None)
        self.shards.pop(shard.name, None)

    def forget(self, shard: Shard, segments: set[int]) -> int:
        """Drop all rows in these segments; how many they were."""
        dropped = 0
        for stream in shard.streams:
            before = sum(stream.row(at).length for at in range(len(stream)))
            dropped += stream.forget(segments)
            after = sum(stream.row(at).length for at in range(len(stream)))
            self.stored_bytes -= before - after
        for number in segments:
            self.segments.pop(number, None)
        return dropped


class Handles:
    """At most `HANDLES_MAX` open segment files; the ones opened longest ago go first."""

    def __init__(self, files: Files, lock: Lock) -> None:
        self._files = files
        self._lock = lock
        self._open: dict[int, Segment] = {}

    def opened(self, segment: Segment) -> None:
        """Note a handle that the caller opened. The lock is held."""
        self._open[segment.number] = segment
        if len(self._open) > HANDLES_MAX:
            for number, other in list(self._open.items()):
                # A file with unsynced records must be synced through a handle that saw them
                # written.
                if not other.readers and other.synced == other.size and other is not segment:
                    self._close(other)
                    del self._open[number]
                    break

    def open_for_writing(self, segment: Segment) -> None:
        """Make sure that the segment has a handle."""
        with self._lock:
            self._ensure(segment)

    def _ensure(self, segment: Segment) -> None:
        if segment.handle < 0:
            segment.handle = self._files.open(segment.path)
            self.opened(segment)

    def acquire(self, catalog: Catalog, number: int) -> Segment | None:
        """The segment with an open handle that stays open until `release`; None if it is gone."""
        with self._lock:
            segment = catalog.segments.get(number)
            if segment is None:
                return None
            try:
                self._ensure(segment)
            except OSError:
                return None
            segment.readers += 1
            return segment

    def release(self, segment: Segment) -> None:
        """The caller has read what it wanted."""
        with self._lock:
            segment.readers -= 1
            if segment.doomed and not segment.readers:
                self._close(segment)

    def retire(self, segment: Segment) -> None:
        """The segment is deleted: close it as soon as nobody reads."""
        with self._lock:
            self._open.pop(segment.number, None)
            segment.doomed = True
            if not segment.readers:
                self._close(segment)

    def _close(self, segment: Segment) -> None:
        if segment.handle >= 0:
            self._files.close(segment.handle)
            segment.handle = -1

    def close_all(self) -> None:
        """Give all handles back."""
        with self._lock:
            for segment in self._open.values():
                self._close(segment)
            self._open.clear()
