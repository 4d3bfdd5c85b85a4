"""A block: consecutive samples of one stream, as stored on disk and sent over the wire.

A block explains itself: its header carries the stream's whole description, so that a device's disk
can be read without anything else. Layout, little-endian, sizes in bytes (docs/wire.md has the
table):

    magic "ATB1" | fixed header, 80 in all | dataset, key, unit in UTF-8 | zeros to a multiple of 8
    | samples | CRC-32C (4)

The CRC covers all bytes before it. The samples are interleaved by channel and start at a multiple
of 8 bytes from the block's start. `sample_count` counts samples per channel. The magic ends in the
layout's version.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from atoll.wire import limits
from atoll.wire._native import crc32c
from atoll.wire.errors import DecodeError, EncodeError
from atoll.wire.messages import StreamInfo

__all__ = ["Block", "block_size", "crc32c", "decode_block", "encode_block", "peek_block"]

DTYPE_SIZES = {"i16": 2, "i32": 4, "f32": 4}
_DTYPES = ("i16", "i32", "f32")  # by code


def frame_bytes(info: StreamInfo) -> int:
    """Bytes of one sample in time: a number of each channel, side by side."""
    return DTYPE_SIZES[info.dtype] * info.channels


# Quality of the wall clock when the block was made.
CLOCK_UNKNOWN, CLOCK_BOOT, CLOCK_SET, CLOCK_SYNCHRONISED = range(4)

_MAGIC = b"ATB1"
# magic, header size, flags, clock, shard, seq, first sample, sample count, boot, mono, wall, rate,
# scale, data size, dtype, channels, sizes of dataset, key and unit, zeros
_HEADER = Struct("<4sHBBIQQIIQqddIBBBBB3x")
_RATE_AT, _SCALE_END = 52, 68
_RATE_AND_SCALE = Struct("<dd")
_CRC = Struct("<I")
_GAP = 1
_INFINITE = float("inf")
# Header, texts and CRC at their largest.
OVERHEAD_BYTES_MAX = (
    _HEADER.size
    + limits.NAME_BYTES_MAX
    + limits.KEY_BYTES_MAX
    + limits.UNIT_BYTES_MAX
    + 7
    + _CRC.size
)


class Block(NamedTuple):
    """Samples [first_sample, first_sample + sample_count) of a stream; block number `seq` of it.

    `gap`: the samples do not continue those of the block before. `boot`, `mono_ms`, `wall_ms`,
    `clock`: when the first sample was taken, by whose clock, and how good the wall clock was
    (`CLOCK_...`). `data` is little-endian.
    """

    info: StreamInfo
    shard: int
    seq: int
    first_sample: int
    sample_count: int
    boot: int
    mono_ms: int
    wall_ms: int
    clock: int
    gap: bool
    data: bytes


def encode_block(block: Block) -> bytes:
    """The block's bytes, CRC included. Raises `EncodeError` if a field is out of bounds or `data`
    has another size.
    """
    info = block.info
    texts = [text.encode() for text in (info.dataset, info.key, info.unit)]
    problem = _problem(block, [len(text) for text in texts], len(block.data))
    if problem:
        raise EncodeError("block", problem)
    size = _padded(_HEADER.size + sum(map(len, texts)))
    try:
        header = _HEADER.pack(
            *(_MAGIC, size, _GAP if block.gap else 0, block.clock, block.shard, block.seq),
            *(block.first_sample, block.sample_count, block.boot, block.mono_ms, block.wall_ms),
            *(info.rate_hz, info.scale, len(block.data), _DTYPES.index(info.dtype), info.channels),
            *map(len, texts),
        )
    except Exception as error:  # struct.error: importing its class costs more than it says
        raise EncodeError("block", f"a header field is out of range: {error}") from None
    body = b"".join((header, *texts)).ljust(size, b"\0") + block.data
    return body + _CRC.pack(crc32c(body))


def decode_block(data: bytes | memoryview) -> Block:
    """The block that fills `data` exactly, its CRC checked. Raises `DecodeError`."""
    block, start, end = _read_header(data)
    if len(data) != end + _CRC.size:
        raise DecodeError("size", f"a block of {end + _CRC.size} bytes in {len(data)}")
    view = memoryview(data)
    (crc,) = _CRC.unpack_from(data, end)
    if crc32c(view[:end]) != crc:
        raise DecodeError("crc", f"block {block.seq} of {block.info.key} is damaged")
    return Block(*block[:-1], bytes(view[start:end]))


def peek_block(data: bytes | memoryview) -> Block:
    """The header of the block at the start of `data`, with empty `data` and the CRC unchecked.
    Raises `DecodeError`.
    """
    return _read_header(data)[0]


def block_size(data: bytes | memoryview) -> int:
    """Bytes, CRC included, of the block at the start of `data`. Raises `DecodeError`."""
    return _read_header(data)[2] + _CRC.size


def _read_header(data: bytes | memoryview) -> tuple[Block, int, int]:
    """The header, where the samples start and where they end."""
    if len(data) < _HEADER.size:
        raise DecodeError("truncated", f"{len(data)} bytes are no block")
    (
        magic, size, flags, clock, shard, seq, first_sample, sample_count, boot, mono_ms, wall_ms,
        _, _, data_size, dtype, channels, s1, s2, s3,
    ) = _HEADER.unpack_from(data)  # fmt: skip
    if magic != _MAGIC:
        raise DecodeError("magic", "no block, or of a layout that is not known here")
    if size != _padded(_HEADER.size + s1 + s2 + s3) or flags & ~_GAP or dtype >= len(_DTYPES):
        raise DecodeError("block", "a block's header does not agree with itself")
    if len(data) < size:
        raise DecodeError("truncated", f"{len(data)} bytes of a block's header of {size}")
    texts = bytes(data[_HEADER.size : size])
    info = _info(texts, (s1, s2, s3), _DTYPES[dtype], channels, bytes(data[_RATE_AT:_SCALE_END]))
    block = Block(
        info, shard, seq, first_sample, sample_count, boot, mono_ms, wall_ms, clock,
        flags == _GAP, b"",
    )  # fmt: skip
    problem = _problem(block, (s1, s2, s3), data_size)
    if problem:
        raise DecodeError("block", problem)
    return block, size, size + data_size


@lru_cache(maxsize=64)
def _info(
    data: bytes, sizes: tuple[int, int, int], dtype: str, channels: int, numbers: bytes
) -> StreamInfo:
    """The stream of a header's texts, and of rate and scale as they stand there: blocks come by the
    many of each stream.
    """
    dataset, key, unit = _texts(data, sizes)
    rate_hz, scale = _RATE_AND_SCALE.unpack(numbers)
    return StreamInfo(dataset, key, dtype, channels, rate_hz, scale, unit)


def _texts(data: bytes, sizes: tuple[int, int, int]) -> tuple[str, str, str]:
    """The header's texts; what follows them is zeros."""
    first, second, third = sizes
    second += first
    third += second
    try:
        found = data[:first].decode(), data[first:second].decode(), data[second:third].decode()
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", f"a block's header: {error}") from None
    if data[third:].strip(b"\0"):
        raise DecodeError("block", "a block's padding is not zero")
    return found


def _problem(block: Block, text_sizes: Sequence[int], data_size: int) -> str:
    """What is wrong with a block's fields; empty if nothing is."""
    info = block.info
    if info.dtype not in DTYPE_SIZES:
        return f"dtype {info.dtype!r} is none of {', '.join(_DTYPES)}"
    dataset, key, unit = text_sizes
    if (
        dataset > limits.NAME_BYTES_MAX
        or key > limits.KEY_BYTES_MAX
        or unit > limits.UNIT_BYTES_MAX
    ):
        bounds = (limits.NAME_BYTES_MAX, limits.KEY_BYTES_MAX, limits.UNIT_BYTES_MAX)
        return f"dataset, key and unit have at most {bounds} bytes, not {[*text_sizes]}"
    if info.channels < 1 or block.sample_count < 1:
        return "a block has a channel and a sample at least"
    if data_size > limits.BLOCK_BYTES_MAX:
        return f"{data_size} bytes of samples, at most {limits.BLOCK_BYTES_MAX} are allowed"
    if data_size != block.sample_count * info.channels * DTYPE_SIZES[info.dtype]:
        wanted = f"{block.sample_count} samples of {info.channels} {info.dtype}"
        return f"{wanted} are not {data_size} bytes"
    if not 0.0 < info.rate_hz < _INFINITE or not abs(info.scale) < _INFINITE:
        return f"rate {info.rate_hz} or scale {info.scale} is no such thing"
    if block.clock > CLOCK_SYNCHRONISED:
        return f"clock quality {block.clock} is not known"
    if block.first_sample + block.sample_count >= 2**64:
        return "the samples' indexes leave 64 bits"
    return ""


def _padded(size: int) -> int:
    return (size + 7) & ~7
