"""The record frame of a segment file: what the index needs, in 60 fixed bytes before each encoded
block.

A segment is a file header, then records of frame, encoded block (`wire.block`, with its own
checksum) and padding to 8 bytes. Opening a store walks the frames alone, so its time depends on the
number of blocks and not on their bytes. Each frame carries

- its own CRC-32C, seeded with the segment's number and the record's offset: a record that was
moved, or a frame that happens to lie inside somebody's samples, does not pass;
- the CRC-32C of its block, checked at every read: rot shows as a missing block, never as a wrong
number;
- `synced`: how much of the file was known to be on disk when the frame was written. After a power
cut only what lies beyond the largest `synced` can be torn, and only that is read again in full.
"""

import struct
from typing import NamedTuple

from atoll.wire._native import crc32c

FORMAT = 1  # of the file; a store of a later format is refused, not guessed at
FILE_HEADER = struct.Struct("<8sHHI")
FILE_MAGIC = b"ATOLLSEG"
FRAME = struct.Struct("<4sIIIIIIQQqQ")
FRAME_MAGIC = b"\xa7ATR"
ALIGN = 8
_SEED = struct.Struct("<QQ")

GAP = 1 << 31  # in `sample_count`: the block does not continue the one before it


class Frame(NamedTuple):
    """One record's frame. `stream` numbers streams within the segment; `length` is the encoded
    block's, whose samples begin at `data_start`; `sample_count` samples, with `GAP` set where they
    do not continue the block before.
    """

    length: int
    stream: int
    body_crc: int
    sample_count: int
    data_start: int
    seq: int
    first_sample: int
    wall_ms: int
    synced: int


def record_bytes(length: int) -> int:
    """Bytes that a record with an encoded block of `length` bytes takes in the file."""
    return -(-(FRAME.size + length) // ALIGN) * ALIGN


def _frame_crc(packed: bytes, segment: int, offset: int) -> int:
    return crc32c(packed, crc32c(_SEED.pack(segment, offset)))


def pack_frame(frame: Frame, segment: int, offset: int) -> bytes:
    """The frame's bytes at `offset` of segment number `segment`."""
    packed = FRAME.pack(FRAME_MAGIC, 0, *frame)[8:]
    crc = _frame_crc(packed, segment, offset)
    return FRAME_MAGIC + crc.to_bytes(4, "little") + packed


def unpack_frame(data: bytes, segment: int, offset: int) -> Frame | None:
    """The frame at the beginning of `data`, or None where there is none that belongs here."""
    if len(data) < FRAME.size or data[:4] != FRAME_MAGIC:
        return None
    crc = int.from_bytes(data[4:8], "little")
    if crc != _frame_crc(data[8 : FRAME.size], segment, offset):
        return None
    return Frame._make(FRAME.unpack_from(data)[2:])


def file_header() -> bytes:
    """The first bytes of a segment file."""
    head = FILE_HEADER.pack(FILE_MAGIC, FORMAT, 0, 0)[:12]
    return head + crc32c(head).to_bytes(4, "little")


def file_format(data: bytes) -> int | None:
    """The format version in a segment's first bytes; None where they are torn or damaged."""
    if len(data) < FILE_HEADER.size or data[:8] != FILE_MAGIC:
        return None
    if crc32c(data[:12]) != int.from_bytes(data[12:16], "little"):
        return None
    return int.from_bytes(data[8:10], "little")
