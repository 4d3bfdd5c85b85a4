"""One segment file: records appended at its end, found again by walking the frames.

`scan` is what makes a store survive a power cut. It walks the frames; where the chain breaks it
looks for the next frame that belongs at its place. Nothing behind the break: the tail was torn, and
the file ends at the break. Something behind it: a record in the middle is damaged, it is left out
and counted. Records beyond the length that was known to be synced are read in full and checked,
since their frames may have reached the disk without their samples.
"""

from typing import NamedTuple

from atoll.runtime.errors import StoreError
from atoll.runtime.files import Files
from atoll.runtime.frame import (
    ALIGN,
    FILE_HEADER,
    FORMAT,
    FRAME,
    FRAME_MAGIC,
    Frame,
    file_format,
    pack_frame,
    record_bytes,
    unpack_frame,
)
from atoll.wire._native import crc32c

SEARCH_BYTES = 65_536  # read at a time when looking for the next good record
_PADDING = bytes(ALIGN)


class Segment:
    """A segment file and what is known of it. `synced` bytes would survive a power cut; `size` are
    written.

    `readers` counts reads under way on `handle`; the handle is closed only at zero.
    """

    __slots__ = (
        "_streams",
        "born_ms",
        "broken",
        "doomed",
        "handle",
        "indexed",
        "newest_ms",
        "next_stream",
        "number",
        "path",
        "readers",
        "size",
        "synced",
    )

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.handle = -1
        self.readers = 0
        self.size = 0
        self.synced = 0
        self.born_ms = 0  # wall time of the first record since this process opened it for writing
        self.newest_ms = -(1 << 63)  # newest wall time of a block: retention by age
        self.broken = False  # an append or a sync failed, or a record is damaged: not written again
        self.indexed = False  # its index file says what it holds
        self.doomed = False  # deleted while somebody reads
        self.next_stream = 0  # after a restart a stream may get a second number: harmless
        self._streams: dict[object, int] = {}

    def stream_number(self, stream: object) -> int:
        """The number of a stream within this segment, given out in order of appearance."""
        number = self._streams.get(stream)
        if number is None:
            number = self._streams[stream] = self.next_stream
            self.next_stream += 1
        return number

    def seal(self) -> None:
        """No more records: what only a writer needs is let go."""
        self._streams = {}


def append(files: Files, segment: Segment, frame: Frame, encoded: bytes) -> int:
    """Write one record; its offset. After an OSError the file is cut back, or the segment is
    broken.
    """
    offset = segment.size
    padding = _PADDING[: record_bytes(len(encoded)) - FRAME.size - len(encoded)]
    try:
        head = pack_frame(frame, segment.number, offset)
        segment.size += files.append(segment.handle, (head, encoded, padding))
    except OSError:
        try:
            files.truncate(segment.handle, offset)
        except OSError:
            segment.broken = True
        raise
    return offset


class Found(NamedTuple):
    """A record that a scan found good."""

    offset: int
    frame: Frame


class Scan(NamedTuple):
    """What a segment file holds. `end` is where its good part ends; bytes behind it are torn."""

    found: list[Found]
    end: int
    torn_bytes: int
    damaged: int


def scan(files: Files, handle: int, number: int, path: str) -> Scan:
    """Walk a segment file. Raises `StoreError` for a later format."""
    size = files.size(handle)
    version = file_format(files.read(handle, FILE_HEADER.size, 0))
    if version is not None and version > FORMAT:
        raise StoreError(f"{path} has format {version}; this version reads up to {FORMAT}")
    found: list[Found] = []
    damaged = 0 if version is not None else 1
    offset = end = FILE_HEADER.size
    while offset < size:
        frame = unpack_frame(files.read(handle, FRAME.size, offset), number, offset)
        if frame is None or offset + record_bytes(frame.length) > size:
            better = _next_record(files, handle, number, offset + ALIGN)
            if better < 0:
                break
            damaged += 1
            offset = better
            continue
        found.append(Found(offset, frame))
        offset = end = offset + record_bytes(frame.length)
    if version is None and not found:
        return Scan([], 0, size, 0)
    kept, end = _drop_torn(files, handle, found, end)
    damaged += sum(1 for one in found if one.offset < end) - len(kept)
    return Scan(kept, end, max(0, size - end), damaged)


def _next_record(files: Files, handle: int, number: int, start: int) -> int:
    """The offset of the next whole record at or after `start`; -1 if there is none."""
    size = files.size(handle)
    base = start
    while base < size:
        chunk = files.read(handle, SEARCH_BYTES + FRAME.size, base)
        at = chunk.find(FRAME_MAGIC)
        while 0 <= at < SEARCH_BYTES:
            offset = base + at
            frame = unpack_frame(chunk[at : at + FRAME.size], number, offset)
            if frame is not None and offset + record_bytes(frame.length) <= size:
                return offset
            at = chunk.find(FRAME_MAGIC, at + 1)
        base += SEARCH_BYTES
    return -1


def _drop_torn(files: Files, handle: int, found: list[Found], end: int) -> tuple[list[Found], int]:
    """Check the records that may not have been synced; the good ones and the end of the last good
    one.
    """
    synced = max((one.frame.synced for one in found), default=0)
    kept = []
    good_end = FILE_HEADER.size
    for one in found:
        if one.offset >= synced and not body_is_good(
            files.read(handle, one.frame.length, one.offset + FRAME.size), one.frame.body_crc
        ):
            continue
        kept.append(one)
        good_end = one.offset + record_bytes(one.frame.length)
    return kept, good_end


def body_is_good(body: bytes | memoryview, crc: int) -> bool:
    """Whether an encoded block is whole: its own checksum and the frame's agree with its bytes."""
    return (
        len(body) > 4
        and crc32c(memoryview(body)[:-4]) == crc
        and int.from_bytes(body[-4:], "little") == crc
    )
