"""The index of a segment beside the segment: what a scan would find, in one small read.

    <number>.idx   magic, format, segment number, segment size, next stream number, streams
                   per stream: its description as an empty block, rows, 40 bytes a row (index.py)
                   CRC-32C

Written when a segment is full and synced, and at a clean end; neither synced nor needed: one that
is torn, damaged or of another size than its segment is ignored, and the segment is scanned. Opening
ten gigabytes so reads seven megabytes. It also vouches for the segment's length: a file that was
cut off just behind a record is whole by itself and shorter than its index says.
"""

import struct
from array import array
from typing import NamedTuple

from atoll.runtime.files import Files
from atoll.runtime.index import WORDS
from atoll.runtime.segment import Segment
from atoll.wire._native import crc32c
from atoll.wire.block import DTYPE_SIZES, Block, decode_block, encode_block
from atoll.wire.messages import StreamInfo

FORMAT = 1
_MAGIC = b"ATOLLIDX"
_HEAD = struct.Struct("<8sHHIQII")
_COUNTS = struct.Struct("<II")  # bytes of the description, rows
_CRC_BYTES = 4
# A segment of 8 MiB holds at most 50,000 of the smallest blocks, at 40 bytes a row.
INDEX_BYTES_MAX = 4 * 1_048_576


class Sealed(NamedTuple):
    """What an index file says: the size of its segment, the number that its frames give to no
    stream yet, and rows by stream.
    """

    size: int
    next_stream: int
    streams: "list[Rows]"


class Rows(NamedTuple):
    """A stream's blocks in one segment; `words` as in index.py."""

    info: StreamInfo
    shard: int
    words: "array[int]"


def index_path(segment: Segment) -> str:
    """The index file of a segment."""
    return segment.path.removesuffix("seg") + "idx"


def write_index(files: Files, segment: Segment, streams: list[Rows]) -> int:
    """Write a segment's index; the bytes written. Raises OSError."""
    numbers = (segment.number, segment.size, segment.next_stream, len(streams))
    parts = [_HEAD.pack(_MAGIC, FORMAT, 0, *numbers)]
    for info, shard, words in streams:
        described = _describe(info, shard)
        parts += [_COUNTS.pack(len(described), len(words) // WORDS), described, words.tobytes()]
    body = b"".join(parts)
    path = index_path(segment)
    name = path.rpartition("/")
    if name[2] in files.names(name[0]):
        files.remove(path)
    handle = files.open(path, create=True)
    try:
        return files.append(handle, (body, crc32c(body).to_bytes(_CRC_BYTES, "little")))
    finally:
        files.close(handle)


def read_index(files: Files, segment: Segment) -> Sealed | None:
    """A segment's index; None if there is none that can be believed."""
    try:
        handle = files.open(index_path(segment))
    except OSError:
        return None
    try:
        data = files.read(handle, INDEX_BYTES_MAX, 0)
    except OSError:
        return None
    finally:
        files.close(handle)
    if len(data) < _HEAD.size + _CRC_BYTES:
        return None
    body = data[:-_CRC_BYTES]
    magic, version, _, number, size, next_stream, count = _HEAD.unpack_from(body)
    if (magic, version, number) != (_MAGIC, FORMAT, segment.number):
        return None
    if crc32c(body) != int.from_bytes(data[-_CRC_BYTES:], "little"):
        return None
    streams: list[Rows] = []
    at = _HEAD.size
    for _ in range(count):
        size_described, rows = _COUNTS.unpack_from(body, at)
        at += _COUNTS.size
        block = decode_block(body[at : at + size_described])
        at += size_described
        words = array("Q")
        words.frombytes(body[at : at + rows * WORDS * 8])
        at += rows * WORDS * 8
        streams.append(Rows(block.info, block.shard, words))
    return Sealed(size, next_stream, streams)


def _describe(info: StreamInfo, shard: int) -> bytes:
    """A stream's description in the form that the disk knows already: a block of one zero."""
    data = bytes(DTYPE_SIZES[info.dtype] * info.channels)
    return encode_block(Block(info, shard, 0, 0, 1, 0, 0, 0, 0, False, data))
