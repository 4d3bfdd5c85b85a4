"""The fast well-formedness pass against its slow twin, and against RFC 8949 by example."""

import itertools
import struct
from random import Random
from time import perf_counter_ns

import cbor2
import pytest

from atoll.wire import reference
from atoll.wire._native import DEPTH_CAP, check
from atoll.wire.codec import CHECK_REASONS


def both(data: bytes, items_max: int = 100, depth_max: int = 8) -> tuple[str, int]:
    """The verdict, after checking that fast and slow agree on it."""
    code, offset = check(data, items_max, depth_max)
    assert (CHECK_REASONS[code], offset) == reference.check(data, items_max, depth_max), data.hex()
    return CHECK_REASONS[code], offset


GOOD = [
    "00", "17", "1818", "18ff", "190100", "1a00010000", "1b0000000100000000", "1bffffffffffffffff",
    "20", "3bffffffffffffffff", "40", "4101", "60", "6161", "62c3bc", "63e6b0b4", "64f0908591",
    "80", "83010203", "8180", "a0", "a10001", "a200010102", "a2616101616202", "a10080",
    "f4", "f5", "f6", "f90000", "f98000", "f93c00", "f97c00", "f9fc00", "f97e00", "f90001",
    "fa47c35000", "fa7f7fffff", "fa00000001", "fb3ff199999999999a", "fb7e37e43c8800759c",
    "fb0000000000000001", "a3000118180220" + "03", "a200002000",
]  # fmt: skip

BAD = [
    ("", "truncated", 0),
    ("18", "truncated", 0),
    ("1901", "truncated", 0),
    ("81", "claim", 0),
    ("8201", "claim", 0),
    ("820119", "truncated", 2),
    ("0000", "trailing", 1),
    ("a0f6", "trailing", 1),
    ("1c", "reserved", 0),
    ("dc", "reserved", 0),
    ("fe", "reserved", 0),
    ("1f", "reserved", 0),
    ("df", "reserved", 0),
    ("5f4101ff", "indefinite", 0),
    ("7f6161ff", "indefinite", 0),
    ("9fff", "indefinite", 0),
    ("bfff", "indefinite", 0),
    ("ff", "indefinite", 0),
    ("1817", "not-shortest", 0),
    ("1900ff", "not-shortest", 0),
    ("1a0000ffff", "not-shortest", 0),
    ("1b00000000ffffffff", "not-shortest", 0),
    ("5800", "not-shortest", 0),
    ("7801" + "61", "not-shortest", 0),
    ("9801f6", "not-shortest", 0),
    ("fa3f800000", "not-shortest", 0),
    ("fa7f800000", "not-shortest", 0),
    ("fa00000000", "not-shortest", 0),
    ("fa33800000", "not-shortest", 0),
    ("fb3ff0000000000000", "not-shortest", 0),
    ("fb36a0000000000000", "not-shortest", 0),
    ("c000", "tag", 0),
    ("c249010000000000000000", "tag", 0),
    ("d81c80", "tag", 0),
    ("d82340", "tag", 0),
    ("d9d9f700", "tag", 0),
    ("e0", "simple", 0),
    ("f7", "simple", 0),
    ("f820", "simple", 0),
    ("f818", "simple", 0),
    ("f97e01", "nan", 0),
    ("f9fe00", "nan", 0),
    ("fa7fc00000", "nan", 0),
    ("fb7ff8000000000000", "nan", 0),
    ("61ff", "utf8", 0),
    ("62c080", "utf8", 0),
    ("63eda080", "utf8", 0),
    ("64f4908080", "utf8", 0),
    ("61c3", "utf8", 0),
    ("a18000", "key", 1),
    ("a1a000", "key", 1),
    ("a1f400", "key", 1),
    ("a1f93c0000", "key", 1),
    ("a201000000", "order", 3),
    ("a200000000", "order", 3),
    ("a2616100610000", "order", 4),
    ("42ff", "claim", 0),
    ("5bffffffffffffffff", "claim", 0),
    ("7b7fffffffffffffff61", "claim", 0),
    ("9bffffffffffffffff", "claim", 0),
    ("bb8000000000000000", "claim", 0),
    ("a20001", "claim", 0),
    ("818181818181818180", "depth", 8),
]


@pytest.mark.parametrize("text", GOOD)
def test_accepts(text):
    data = bytes.fromhex(text)
    assert both(data) == ("ok", len(data))


@pytest.mark.parametrize(("text", "reason", "offset"), BAD)
def test_refuses(text, reason, offset):
    assert both(bytes.fromhex(text)) == (reason, offset)


def test_every_input_of_one_and_two_bytes():
    verdicts = [both(bytes(data)) for data in itertools.product(range(256), repeat=1)]
    verdicts += [both(bytes(data)) for data in itertools.product(range(256), repeat=2)]
    assert {reason for reason, _ in verdicts} >= {"ok", "truncated", "claim", "tag", "trailing"}


def test_many_inputs_of_three_and_four_bytes():
    """All heads of containers, strings and floats, with the bytes that decide something behind."""
    edges = [0, 1, 0x17, 0x18, 0x20, 0x40, 0x41, 0x61, 0x7C, 0x7E, 0x7F, 0x80, 0x81, 0xA0, 0xBF]
    edges += [0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF6, 0xF9, 0xFF]
    seen = set()
    for first in range(256):
        for rest in itertools.product(edges, repeat=2):
            seen.add(both(bytes((first, *rest)))[0])
    for first in (0x62, 0x63, 0x81, 0x82, 0xA1, 0xA2, 0xF9, 0x18, 0x19):
        for rest in itertools.product(edges, repeat=3):
            seen.add(both(bytes((first, *rest)))[0])
    for rest in itertools.product(edges[:8], repeat=4):
        seen.add(both(bytes((0xA2, *rest)))[0])
    assert seen == set(CHECK_REASONS) - {"depth", "items"}


def test_every_half_float():
    for bits in range(65_536):
        both(b"\xf9" + bits.to_bytes(2, "big"))


def test_single_and_double_floats_at_the_edges():
    random = Random(1)
    for exponent in range(256):
        for fraction in [0, 1, 0x1000, 0x2000, 0x1FFF, 0x7FFFFF, *(1 << n for n in range(23))]:
            both(struct.pack(">BI", 0xFA, exponent << 23 | fraction))
    for exponent in [*range(850, 940), *range(1000, 1050), *range(1140, 1160), 0, 1, 2046, 2047]:
        shifts = [1 << n for n in range(52)]
        for fraction in [0, 1, 2**52 - 1, *shifts, random.getrandbits(52)]:
            both(struct.pack(">BQ", 0xFB, exponent << 52 | fraction))


def random_tree(random: Random, depth: int) -> object:
    kind = random.randrange(8 if depth else 6)
    match kind:
        case 0:
            return random.getrandbits(random.choice([3, 5, 8, 16, 32, 64])) * random.choice([1, -1])
        case 1:
            return random.choice([True, False, None])
        case 2:
            return random.choice([0.5, 1e300, float("nan"), float("-inf"), 1 / 3, 6e-8])
        case 3:
            return random.randbytes(random.choice([0, 1, 23, 24, 256]))
        case 4 | 5:
            return "".join(random.choices("aü水\U00010151", k=random.randrange(8)))
        case 6:
            return [random_tree(random, depth - 1) for _ in range(random.randrange(5))]
        case _:
            keys = random.sample(range(-40, 300), random.randrange(5))
            return {key: random_tree(random, depth - 1) for key in keys}


def test_what_cbor2_writes_is_accepted_and_mutations_get_the_same_verdict():
    random = Random(2)
    reasons = set()
    for _ in range(3_000):
        data = cbor2.dumps(random_tree(random, 4), canonical=True)
        if both(data, 2_000)[0] == "order":
            # cbor2's canonical order is by length first (RFC 7049); it differs for mixed signs.
            continue
        for _ in range(4):
            mutated = bytearray(data)
            at = random.randrange(len(mutated))
            match random.randrange(3):
                case 0:
                    mutated[at] ^= 1 << random.randrange(8)
                case 1:
                    del mutated[at]
                case 2:
                    mutated.insert(at, random.getrandbits(8))
            reasons.add(both(bytes(mutated), 2_000)[0])
    assert len(reasons) >= 12


def test_items_are_counted_before_they_are_there():
    assert both(b"\x84\x00\x00\x00\x00", items_max=5)[0] == "ok"
    assert both(b"\x84\x00\x00\x00\x00", items_max=4) == ("items", 0)
    assert both(b"\x82\x82\x00\x00\x00", items_max=3) == ("items", 1)
    assert both(b"\x82\x82\x00\x00\x00", items_max=4) == ("items", 4)
    assert both(b"\x00", items_max=0) == ("items", 0)


def test_depth_is_bounded_by_the_caller_and_by_the_stack():
    nested = b"\x81" * DEPTH_CAP + b"\x00"
    assert both(nested, depth_max=DEPTH_CAP)[0] == "ok"
    assert both(b"\x81" + nested, depth_max=DEPTH_CAP) == ("depth", DEPTH_CAP)
    assert both(b"\x80", depth_max=0) == ("depth", 0)
    with pytest.raises(ValueError, match="depth_max"):
        check(nested, 100, DEPTH_CAP + 1)


def test_time_is_linear_in_the_size():
    """64 KiB of the worst kinds stay far below what quadratic work would take."""
    keys = b"".join(b"\x19" + n.to_bytes(2, "big") + b"\x00" for n in range(0x100, 0x4000))
    for data in (
        b"\x99\xff\xf8" + b"\x80" * 65_528,
        b"\xb9\x3f\x00" + keys,
        b"\x79\xff\xfb" + "水".encode() * 21_843 + b"ab",
    ):
        started = perf_counter_ns()
        code, _ = check(data, 100_000, 8)
        elapsed_ns = perf_counter_ns() - started
        assert CHECK_REASONS[code] == "ok"
        assert elapsed_ns < 200 * len(data)
