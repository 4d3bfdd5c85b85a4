"""Give the same bytes to the firmware's CBOR and to the Python codec, and compare their verdicts.

    python tests/firmware/differential.py HARNESS [--cases N] [--seed N]

A case is a random message, a damaged one, a random tree in a message's clothes, or noise. Both must
accept or refuse, the well-formedness pass for the same reason at the same byte; what is accepted is
written anew by both, to the same bytes. Prints one line of JSON; exit code 1 if they differ.
"""

import argparse
import json
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import cbor2

from atoll.wire import messages, schema
from atoll.wire._native import check
from atoll.wire.codec import CHECK_REASONS, decode, encode
from atoll.wire.errors import DecodeError, EncodeError

SIZE_MAX, ITEMS_MAX = 1024, 256  # common/cbor.h
SIZE = 15
LATER = {32: "unknown", 33: "fields", 34: "type", 35: "range", 36: "length"}  # common/message.h
SHAPED = {"fields", "type", "range", "length"}
UNKNOWN = {"unknown", "unexpected"}
SAID = ("Birth", "LeaseRequest", "Held", "Stored", "Partials", "TransferFailed", "Blocks")
TOLD = ("Lease", "Probe", "Map", "Tasks", "Standing", "Cancel", "SendBlocks", "InventoryAsk")
CLASSES = [getattr(messages, name) for name in (*SAID, *TOLD, "Release", "Ack", "Program")]
BATCH = 20_000
EDGES = (0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1)


class Verdict(NamedTuple):
    """A reason ("ok": accepted), where the pass stopped, and the message written anew (empty where
    a field was left out, whose default is the receiver's own affair).
    """

    reason: str
    offset: int
    copy: bytes


def python_verdict(data: bytes, depth: int) -> Verdict:
    """What the Python codec says within a microcontroller's bounds."""
    if len(data) > SIZE_MAX:
        return Verdict("size", 0, b"")
    code, offset = check(data, ITEMS_MAX, depth)
    if code:
        return Verdict(CHECK_REASONS[code], offset, b"")
    try:
        message = decode(data, allowed=CLASSES)
        tree = cbor2.loads(data)
        whole = all(key in tree for key in range(len(message) + 1))
        return Verdict("ok", offset, encode(message) if whole else b"")
    except DecodeError as error:
        return Verdict(error.reason, offset, b"")


def agree(python: Verdict, firmware: Verdict) -> bool:
    """Whether both say the same. A message with two faults may be refused for either of them."""
    if python.reason == "size" or firmware.reason == "size":
        return python.reason == firmware.reason
    for group in (SHAPED, UNKNOWN):
        if {python.reason, firmware.reason} <= group:
            return True
    if python.reason == "ok" and not python.copy:
        return (firmware.reason, firmware.offset) == ("ok", python.offset)
    return python == firmware


# --- cases ----------------------------------------------------------------------------------------


def number(random: Random, least: int, most: int) -> int:
    """An integer of the range, often at an edge of it or of an encoding."""
    edge = random.choice((*EDGES, least, most, -1, -25, -257))
    wide = random.randint(least, most) >> random.randrange(64)
    return min(max(random.choice((edge, wide)), least), most)


def text(random: Random, most: int) -> str:
    """UTF-8 of at most `most` bytes, mostly short."""
    size = random.choice((0, 1, most // 4, random.randint(0, min(most, 40)))) // 3
    return "".join(random.choice("az09.-µ€ሴ😀\x00")[:1] for _ in range(size))[: most // 4]


def value(random: Random, shape: schema.Shape) -> Any:
    """A value that the schema allows."""
    match shape:
        case schema.Uint(most):
            return number(random, 0, most)
        case schema.Int(least, most):
            return number(random, least, most)
        case schema.Real():
            bits = random.getrandbits(64) & ~(1 << 62 if random.random() < 0.5 else 0)
            wide = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
            half = struct.unpack("<e", random.randbytes(2))[0]
            single = struct.unpack("<f", random.randbytes(4))[0]
            found = random.choice((0.0, -0.0, 1.5, 12.8e3, 0.1, wide, half, single))
            return found if abs(found) < float("inf") else 1.0
        case schema.Flag():
            return random.random() < 0.5
        case schema.Text(most):
            return text(random, most)
        case schema.Bytes(most, least):
            return random.randbytes(min(most, max(least, random.randint(0, 60))))
        case schema.Record(cls):
            return cls(*(value(random, inner) for _, inner in schema.FIELDS[cls]))
        case schema.Array(item, most):
            return [value(random, item) for _ in range(random.choice((0, 0, 1, 2, 7)))][:most]


def whole(random: Random) -> bytes:
    """A message that the schema allows."""
    cls = random.choice(CLASSES)
    message = cls(*(value(random, shape) for _, shape in schema.FIELDS[cls]))
    try:
        return encode(message)
    except EncodeError:  # a text of the right length in characters may be too long in bytes
        return b"\xa4\x00\x11\x01\x00\x02\x00\x03\x00"


def damaged(random: Random, data: bytes) -> bytes:
    """`data` with one to three changes."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(out) + 1)
        some = random.randrange(1, 9)
        match random.randrange(7):
            case 0 if at < len(out):
                out[at] ^= 1 << random.randrange(8)
            case 1 if at < len(out):
                out[at] = random.choice((0x00, 0x18, 0x19, 0x1B, 0x20, 0x40, 0x5F, 0x60, 0x80))
            case 2 if at < len(out):
                out[at] = random.choice((0x9F, 0xA0, 0xC0, 0xF4, 0xF6, 0xF7, 0xF9, 0xFA, 0xFF))
            case 3:
                del out[at : at + some]
            case 4:
                out[at:at] = random.randbytes(some)
            case 5:
                out[at:at] = out[at : at + some]
            case _:
                del out[at:]
    return bytes(out)


def tree(random: Random, depth: int = 0) -> Any:
    """Any value that CBOR can say, for fields that want another."""
    kind = random.randrange(9 if depth < 4 else 6)
    if kind < 2:
        return number(random, -(2**63), 2**64 - 1)
    if kind == 2:
        return text(random, 40)
    if kind == 3:
        return random.choice((True, False, None))
    if kind == 4:
        return value(random, schema.Real())
    if kind == 5:
        return random.randbytes(random.randrange(20))
    if kind == 6:
        return {random.choice((n, -n - 1, str(n))): tree(random, depth + 1) for n in range(3)}
    return [tree(random, depth + 1) for _ in range(random.randrange(5))]


def outside(random: Random, shape: schema.Shape) -> Any:
    """A value of the right type that is just outside the bounds, where there is one."""
    match shape:
        case schema.Uint(most) if most < 2**64 - 1:
            return most + 1
        case schema.Int(least, most) if random.random() < 0.5:
            return random.choice((least, most + 1 if least == most else least - 1))
        case schema.Text(most) if most < SIZE_MAX:
            return "x" * (most + random.randrange(2))
        case schema.Bytes(most, least) if most < SIZE_MAX:
            return bytes(random.choice((most + 1, max(least - 1, 0))))
        case schema.Real():
            return random.choice((float("inf"), float("-inf"), float("nan")))
        case schema.Array(item, most) if isinstance(item, schema.Uint | schema.Flag):
            return [0] * (most + 1)
        case schema.Array():
            return [tree(random)] * random.choice((60, 130, 257))
    return tree(random)


def field(random: Random, shape: schema.Shape) -> Any:
    """A field's value: mostly right, sometimes of another type, sometimes out of bounds."""
    chance = random.random()
    if chance < 0.85:
        return value(random, shape)
    return outside(random, shape) if chance < 0.95 else tree(random)


def dressed(random: Random) -> bytes:
    """A message whose fields are of any type, in any number; often one of them alone is wrong."""
    cls = random.choice(CLASSES)
    fields = {0: schema.NUMBERS[cls]}
    shapes = schema.FIELDS[cls]
    wrong = random.choice((0, random.randint(1, len(shapes))))
    for key, (_, shape) in enumerate(shapes, 1):
        right = wrong and key != wrong
        fields[key] = value(random, shape) if right else field(random, shape)
    if wrong:
        fields[wrong] = outside(random, shapes[wrong - 1][1])
    if random.random() < 0.2:
        del fields[max(fields)]  # an older sender's
    for _ in range(random.choice((0, 0, 1, 3, 20))):
        fields[random.choice((0, 5, 20, 24, 300, -1))] = tree(random)
    plain = {
        key: list(item) if isinstance(item, tuple) and random.random() < 0.9 else item
        for key, item in fields.items()
    }
    data: bytes = cbor2.dumps(plain, canonical=True)
    return data[:2048]


# Table 3-7 of the Unicode standard: the edges of every row, from either side.
UTF8_WORDS = """
    00 7f 80 bf c080 c1bf c280 dfbf c27f c2c0 e08080 e09fbf e0a080 ecbfbf ed9fbf eda080
    edbfbf ee8080 efbfbf ee80c0 f0808080 f08fbfbf f0908080 f48fbfbf f4908080 f5808080 ff
"""
UTF8_EDGES = [bytes.fromhex(word) for word in UTF8_WORDS.split()]


def spelt(random: Random) -> bytes:
    """A message with one text of bytes that are, or almost are, UTF-8."""
    name = b"".join(random.choices(UTF8_EDGES, k=random.randrange(1, 4)))
    name = name[: len(name) - random.choice((0, 0, 0, 1))]
    return bytes.fromhex("a5001501000200030004") + bytes([0x60 + len(name)]) + name


def cases(random: Random) -> Iterator[bytes]:
    """Cases without end; fresh messages are dear, damaged ones cheap."""
    pool = [whole(random) for _ in range(500)]
    while True:
        pool[random.randrange(len(pool))] = whole(random)
        yield random.choice(pool)
        yield dressed(random)
        yield spelt(random)
        for _ in range(16):
            yield damaged(random, random.choice(pool))[:2048]
        yield random.randbytes(random.choice((0, 1, 5, 60, 1024, 1025)))


# --- comparison -----------------------------------------------------------------------------------


def firmware_verdicts(harness: str, batch: list[bytes], depth: int) -> Iterator[Verdict]:
    """What the firmware says to each case of the batch."""
    stream = b"".join(struct.pack("<H", len(data)) + data for data in batch)
    done = subprocess.run([harness, str(depth)], input=stream, capture_output=True)
    if done.returncode:
        sys.exit(f"{harness}: exit {done.returncode}\n{done.stderr.decode()}")
    at = 0
    for _ in batch:
        code, offset, size = struct.unpack_from("<bHH", done.stdout, at)
        reason = "size" if -code == SIZE else LATER.get(-code) or CHECK_REASONS[-code]
        yield Verdict(reason, offset, done.stdout[at + 5 : at + 5 + size])
        at += 5 + size


def compare(harness: str, count: int, seed: int) -> dict[str, Any]:
    """Compare `count` cases; the counts by reason, and the first cases that differ."""
    source = cases(Random(seed))
    reasons: Counter[str] = Counter()
    differing: list[str] = []
    for first in range(0, count, BATCH):
        batch = [next(source)[:2048] for _ in range(min(BATCH, count - first))]
        depth = 4 if first // BATCH % 2 else 5
        for data, theirs in zip(batch, firmware_verdicts(harness, batch, depth), strict=True):
            ours = python_verdict(data, depth)
            reasons[ours.reason] += 1
            if not agree(ours, theirs):
                differing.append(f"{data.hex()} depth {depth}: {ours} {theirs}")
    return {
        "cases": count,
        "accepted": reasons["ok"],
        "differing": len(differing),
        "reasons": dict(reasons.most_common()),
        "first": differing[:5],
    }


def main() -> int:
    """Parse the command line, compare, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("harness")
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    result = compare(words.harness, words.cases, words.seed)
    print(json.dumps(result))
    return int(result["differing"] > 0)


if __name__ == "__main__":
    sys.exit(main())
