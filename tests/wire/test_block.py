"""Blocks: there and back, damage, and headers that lie."""

import struct
from random import Random

import pytest

from atoll.wire import limits
from atoll.wire.block import (
    CLOCK_SYNCHRONISED,
    OVERHEAD_BYTES_MAX,
    Block,
    block_size,
    crc32c,
    decode_block,
    encode_block,
    peek_block,
)
from atoll.wire.codec import encode
from atoll.wire.errors import DecodeError, EncodeError
from atoll.wire.messages import Blocks, StreamInfo

INFO = StreamInfo("vibration", "motor-1/ü", "i16", 2, 12_000.0, 0.000162, "g")
BLOCK = Block(INFO, 3, 4, 5, 6, 7, 8, -9, 3, True, bytes(range(24)))
EXTREME = Block(
    INFO._replace(dataset="d" * 64, key="水" * 42 + "xy", unit="u" * 16, dtype="f32", channels=1),
    *(2**32 - 1, 2**64 - 1, 2**63, 15_360, 2**32 - 1, 2**64 - 1, -(2**63), 0),
    gap=False,
    data=bytes(limits.BLOCK_BYTES_MAX),
)


def sealed(body):
    """A block with its CRC put right."""
    return bytes(body) + struct.pack("<I", crc32c(body))


def refused(data):
    with pytest.raises(DecodeError) as caught:
        decode_block(data)
    return caught.value.reason


@pytest.mark.parametrize("block", [BLOCK, EXTREME, BLOCK._replace(gap=False, wall_ms=2**63 - 1)])
def test_there_and_back(block):
    data = encode_block(block)
    assert decode_block(data) == block
    assert decode_block(memoryview(data)) == block
    assert peek_block(data) == block._replace(data=b"")
    assert block_size(data) == len(data)


def test_the_layout_is_what_the_document_says():
    data = encode_block(BLOCK)
    texts = b"vibration" + "motor-1/ü".encode() + b"g"
    header = struct.pack(
        "<4sHBBIQQIIQqddIBBBBB3x",
        *(b"ATB1", 104, 1, 3, 3, 4, 5, 6, 7, 8, -9, 12_000.0, 0.000162, 24, 0, 2, 9, 10, 1),
    )
    assert len(header) == 80
    body = header + texts + bytes(4) + BLOCK.data
    assert data == sealed(body)


def test_a_block_may_stand_among_others():
    one, two = encode_block(BLOCK), encode_block(EXTREME)
    both = one + two
    assert block_size(both) == len(one)
    assert peek_block(memoryview(both)[len(one) :]).seq == EXTREME.seq


def test_the_largest_block_fits_a_message():
    data = encode_block(EXTREME)
    assert len(data) <= limits.BLOCK_BYTES_MAX + OVERHEAD_BYTES_MAX
    message = Blocks(2**32 - 1, 2**64 - 1, 2**32 - 1, 2**64 - 1, True, [data])
    assert len(encode(message)) <= limits.MESSAGE_BYTES_MAX


def test_each_flipped_bit_and_each_missing_byte_is_found():
    data = encode_block(BLOCK)
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            refused(bytes(damaged))
        refused(data[:at])
    assert refused(data + b"\0") == "size"


@pytest.mark.parametrize(
    ("offset", "code", "value", "reason"),
    [
        (0, "4s", b"ATB2", "magic"),
        (4, "<H", 96, "block"),
        (4, "<H", 65_528, "block"),
        (6, "B", 2, "block"),
        (7, "B", CLOCK_SYNCHRONISED + 1, "block"),
        (16, "<Q", 2**64 - 1, None),
        (20, "<Q", 2**64 - 6, "block"),
        (28, "<I", 0, "block"),
        (28, "<I", 7, "block"),
        (52, "<d", 0.0, "block"),
        (52, "<d", -1.0, "block"),
        (52, "<d", float("nan"), "block"),
        (52, "<d", float("inf"), "block"),
        (60, "<d", float("nan"), "block"),
        (68, "<I", 2**32 - 1, "block"),
        (68, "<I", 20, "block"),
        (72, "B", 3, "block"),
        (73, "B", 0, "block"),
        (74, "B", 65, "block"),
        (75, "B", 255, "block"),
        (80, "B", 0xFF, "utf8"),
        (101, "B", 1, "block"),
    ],
)
def test_a_header_that_lies_is_refused_even_with_a_right_crc(offset, code, value, reason):
    body = bytearray(encode_block(BLOCK)[:-4])
    struct.pack_into(code, body, offset, value)
    if reason is None:
        decode_block(sealed(body))
    else:
        assert refused(sealed(body)) == reason


def test_random_headers_never_raise_anything_else():
    random = Random(9)
    body = encode_block(BLOCK)[:-4]
    taken = 0
    for _ in range(5_000):
        mutated = bytearray(body)
        for _ in range(random.randint(1, 4)):
            mutated[random.randrange(104)] = random.getrandbits(8)
        try:
            taken += encode_block(decode_block(sealed(mutated))) == sealed(mutated)
        except DecodeError:
            continue
    assert taken > 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": bytes(23)}, "are not 23 bytes"),
        ({"sample_count": 0, "data": b""}, "a sample at least"),
        ({"seq": 2**64}, "out of range"),
        ({"shard": -1}, "out of range"),
        ({"clock": 4}, "clock quality"),
        ({"first_sample": 2**64 - 6}, "64 bits"),
        ({"info": INFO._replace(dtype="f64")}, "none of i16, i32, f32"),
        ({"info": INFO._replace(dataset="d" * 65)}, "at most"),
        ({"info": INFO._replace(channels=300)}, "are not"),
        ({"info": INFO._replace(rate_hz=0.0)}, "rate"),
        ({"sample_count": 15_361, "data": bytes(61_444)}, "at most 61440"),
    ],
)
def test_what_is_no_block_is_not_encoded(changes, message):
    with pytest.raises(EncodeError, match=message):
        encode_block(BLOCK._replace(**changes))
