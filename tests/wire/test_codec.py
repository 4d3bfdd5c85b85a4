"""Every message there and back; every bound; every gate; versions; parts."""

import re
from math import isfinite, nextafter
from pathlib import Path
from random import Random
from struct import iter_unpack, pack, unpack
from time import perf_counter

import cbor2
import pytest

from atoll.wire import gateways, limits
from atoll.wire.codec import CHECK_REASONS, Assembler, decode, encode, split
from atoll.wire.errors import DecodeError, EncodeError
from atoll.wire.messages import (
    UNSTRAINED,
    Ack,
    Birth,
    Blocks,
    Health,
    Held,
    HeldStream,
    Lease,
    LeaseRequest,
    Map,
    NumberSpan,
    Part,
    Partials,
    Probe,
    Reply,
    Result,
    ShardEntry,
    Strain,
    StreamInfo,
)
from atoll.wire.schema import FIELDS, MESSAGES, NUMBERS

INFO = StreamInfo("d", "k", "i16", 1, 1.0, 1.0, "")
assert gateways.Lead in NUMBERS  # imported for its messages
MESSAGE_CLASSES = list(MESSAGES.values())


def refused(data, **arguments):
    """Why `data` is refused."""
    with pytest.raises(DecodeError) as caught:
        decode(data, **arguments)
    return caught.value.reason


def tree_of(message):
    """The map of a message, to be spoiled."""
    return cbor2.loads(encode(message))


def packed(tree):
    return cbor2.dumps(tree, canonical=True)


@pytest.mark.parametrize("cls", MESSAGE_CLASSES, ids=lambda cls: cls.__name__)
def test_there_and_back(cls, maker):
    for _ in range(50):
        message = maker.make(cls)
        data = encode(message)
        found = decode(data, allowed={cls})
        assert found == message
        assert type(found) is cls
        assert encode(found) == data


def test_records_come_back_as_their_classes():
    held = Held(1, 2, 3, True, False, [HeldStream(INFO, 7, []), HeldStream(INFO, 8, [])])
    stream = decode(encode(held)).streams[0]
    assert type(stream) is HeldStream
    assert type(stream.info) is StreamInfo


def test_gates_in_their_order():
    probe = encode(Probe(1, 2, 3))
    assert refused(bytes(limits.MESSAGE_BYTES_MAX + 1)) == "size"
    assert refused(probe, size_max=len(probe) - 1) == "size"
    assert refused(b"") == "truncated"
    assert refused(probe + b"\0") == "trailing"
    assert refused(probe[:-1]) == "claim"
    assert refused(probe, allowed=(Lease,)) == "unexpected"
    for data in (b"\x00", b"\x80", b"\xa0", packed({1: 17}), packed({0: 99}), packed({0: "x"})):
        assert refused(data) == "unknown"
    assert refused(packed({0: 1000})) == "unknown"


def test_no_object_is_made_of_what_is_not_expected(monkeypatch):
    """A receiver that does not take a type does not even parse it."""

    def never(data):
        raise AssertionError("cbor2 saw it")

    monkeypatch.setattr("atoll.wire.codec.loads", never)
    assert refused(encode(Probe(1, 2, 3)), allowed=(Lease,)) == "unexpected"
    assert refused(b"\x9f\xff") == "indefinite"


def test_wrong_types_ranges_and_lengths_are_told_apart():
    lease = tree_of(Lease(1, 2, 3, 4, 5, 6, 7, False))
    assert refused(packed(lease | {1: "1"})) == "type"
    assert refused(packed(lease | {1: True})) == "type"
    assert refused(packed(lease | {8: 0})) == "type"
    assert refused(packed(lease | {1: -1})) == "range"
    assert refused(packed(lease | {1: 2**32})) == "range"
    birth = tree_of(Birth(1, 2, 3, 1, "s", "z", 1.0, "p", 1, 1, 1, 1, [], [INFO]))
    assert refused(packed(birth | {6: "ü" * 33})) == "length"
    assert decode(packed(birth | {6: "ü" * 32})).zone == "ü" * 32
    assert refused(packed(birth | {7: 1})) == "type"
    assert refused(packed(birth | {7: float("inf")})) == "range"
    assert refused(packed(birth | {7: float("nan")})) == "range"
    assert refused(packed(birth | {14: [list(INFO[:-1])]})) == "fields"
    assert refused(packed(birth | {14: [[*INFO, 1]]})) == "fields"
    assert refused(packed(birth | {14: [{0: 1}]})) == "type"
    assert refused(packed(birth | {13: [["k", b"1234567"]]})) == "length"
    assert refused(packed(birth | {13: None})) == "type"
    many = [["k", b"12345678"]] * (limits.KERNELS_MAX + 1)
    assert refused(packed(birth | {13: many})) == "length"
    assert len(decode(packed(birth | {13: many[1:]})).receipts) == limits.KERNELS_MAX


def test_one_bad_record_among_many_is_found():
    results = [Result("k", n, False, b"", 0) for n in range(limits.TASKS_MAX)]
    tree = tree_of(Partials(1, 2, 3, 4, "j", results))
    for spoiled in ([0, 0, False, b"", 0], ["k", 0, 0, b"", 0], ["k", -1, False, b"", 0]):
        rows = [*tree[6]]
        rows[300] = spoiled
        assert refused(packed(tree | {6: rows})) in ("type", "range")


def test_a_newer_senders_fields_are_skipped():
    probe = tree_of(Probe(1, 2, 3))
    assert decode(packed(probe | {4: "new", 5: [1, {1: 2}]})) == Probe(1, 2, 3)
    assert refused(packed(probe | {"new": 1})) == "fields"
    assert refused(packed(probe | {-1: 1})) == "fields"
    assert refused(packed(probe | dict.fromkeys(range(4, 100), 0))) == "fields"


def test_an_older_senders_missing_field_takes_its_default():
    probe = tree_of(Probe(1, 2, 3))
    del probe[3]
    assert refused(packed(probe)) == "fields"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Probe, "_field_defaults", {"lease": 9})
        assert decode(packed(probe)) == Probe(1, 2, 9)
        assert decode(packed(probe | {4: "newer still"})) == Probe(1, 2, 9)


def test_a_field_that_is_missing_may_be_a_record():
    request = LeaseRequest(1, 2, 3, 4, 5, 6, 7, Health(*[-1] * 8), Strain(*range(10)))
    tree = tree_of(request)
    del tree[9]
    assert decode(packed(tree)) == request._replace(strain=UNSTRAINED)


def test_what_must_be_refused_is_never_sent():
    with pytest.raises(EncodeError, match="no message"):
        encode(INFO)
    with pytest.raises(EncodeError, match=r"Probe\.boot: 0 to 4294967295"):
        encode(Probe(-1, 2, 3))
    with pytest.raises(EncodeError, match=r"Probe\.boot: an integer"):
        encode(Probe(True, 2, 3))
    with pytest.raises(EncodeError, match=r"Held\.streams\.info: a record StreamInfo"):
        encode(Held(1, 2, 3, True, False, [HeldStream(tuple(INFO), 7, [])]))
    with pytest.raises(EncodeError, match="at most 128 items"):
        encode(Blocks(1, 2, 3, 4, False, [b""] * 129))
    with pytest.raises(EncodeError, match="utf8"):
        encode(Partials(1, 2, 3, 4, "\ud800", []))
    with pytest.raises(EncodeError, match="utf8"):
        encode(Partials(1, 2, 3, 4, "\ud800" * 20, []))


def test_an_integer_where_a_real_is_wanted_is_sent_as_one():
    source = INFO._replace(rate_hz=12_000)
    birth = Birth(1, 2, 3, 1, "s", "z", 2, "p", 1, 1, 1, 1, [], [source])
    same = birth._replace(capacity=2.0, sources=[source._replace(rate_hz=12_000.0)])
    assert encode(birth) == encode(same)
    assert type(decode(encode(birth)).capacity) is float


def test_a_real_takes_as_few_bytes_as_keep_it():
    """Every binary16 and the numbers beside it."""
    halves = [value for (value,) in iter_unpack("<e", pack("<65536H", *range(65_536)))]
    halves = [value for value in halves if isfinite(value)]
    singles = unpack(f"<{len(halves)}I", pack(f"<{len(halves)}f", *halves))
    beside = [bits + way for bits in singles for way in (-1, 1) if 0 <= bits + way < 1 << 32]
    reals = list(unpack(f"<{len(beside)}f", pack(f"<{len(beside)}I", *beside)))
    reals = [value for value in reals if isfinite(value)] + halves
    reals += [nextafter(value, 1.0) for value in halves] + [value * 2.0**1000 for value in halves]
    reals += [-0.0, 65_519.0, 65_520.0, 3.4028234663852886e38, 3.4028235677973366e38, 5e-324]
    for start in range(0, len(reals), 256):
        values = reals[start : start + 256]
        message = encode(birth_of(values))
        found = [source.scale for source in decode(message).sources]
        assert pack(f"{len(found)}d", *found) == pack(f"{len(values)}d", *values)
        between = encode(birth_of([0.1] * len(values))).split(shortest(0.1))
        told = zip(between, map(shortest, values), strict=False)
        assert message == b"".join(map(b"".join, told)) + between[-1]


def birth_of(scales):
    sources = [INFO._replace(scale=scale) for scale in scales]
    return Birth(1, 2, 3, 1, "s", "z", 2, "p", 1, 1, 1, 1, [], sources)


def shortest(value):
    """The shortest item of RFC 8949 that is this float, by the struct module."""
    for head, code in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            data = pack(code, value)
        except OverflowError:
            continue
        if unpack(code, data) == (value,):
            return bytes([head]) + data
    return b"\xfb" + pack(">d", value)


def test_items_are_bounded_by_what_a_message_may_be():
    spans = [NumberSpan(n, n) for n in range(limits.TASKS_MAX)]
    assert decode(encode(Ack(1, 2, 3, spans))).numbers == spans
    flat = packed({0: 18, 1: 1, 2: 1, 3: 1, 4: [0] * (limits.ITEMS_MAX + 1)})
    assert refused(flat) == "items"


def test_mutated_messages_are_refused_by_reason_or_decode_to_something_valid(maker):
    """No other exception, and what is taken encodes again to the same bytes, but for keys that are
    no fields: those are a newer version's, and are left out.
    """
    random = Random(6)
    reasons = set()
    for _ in range(4_000):
        data = bytearray(encode(maker.make(random.choice(MESSAGE_CLASSES))))
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.getrandbits(8)
        try:
            message = decode(bytes(data))
            again = encode(message)
            if [*cbor2.loads(data)] == [*range(len(message) + 1)]:
                assert again == data
            assert decode(again) == message
        except DecodeError as error:
            reasons.add(error.reason)
    assert reasons <= {*CHECK_REASONS[1:], "unknown", "type", "range", "length", "fields", "size"}
    assert len(reasons) > 10


def test_random_bytes_are_refused():
    random = Random(7)
    for _ in range(20_000):
        with pytest.raises(DecodeError):
            decode(b"\xa4\x00" + random.randbytes(random.randrange(30)))


def test_a_full_batch_of_partials_is_fast():
    """Under a millisecond on the machines we measured; ten times that here, whatever else runs."""
    results = [Result(f"motor-{n}", n, False, bytes(60), n) for n in range(limits.TASKS_MAX)]
    data = encode(Partials(1, 2, 3, 4, "job", results))
    best = min(_seconds(lambda: decode(data)) for _ in range(20))
    assert best < 0.01


def _seconds(call):
    started = perf_counter()
    call()
    return perf_counter() - started


# --- parts ----------------------------------------------------------------------------------------

OBJECT = bytes(range(16))


def assembled(parts, assembler=None):
    assembler = assembler or Assembler()
    wholes = [assembler.add(decode(part)) for part in parts]
    return [whole for whole in wholes if whole is not None]


def test_what_fits_is_not_split():
    data = encode(Probe(1, 2, 3))
    assert split(data, OBJECT, len(data)) == [data]


@pytest.mark.parametrize("limit", [256, 1_024, 65_536])
def test_parts_in_any_order_with_repeats_make_the_object(limit):
    reply = Reply(1, 0, "x" * 20_000 if limit == 256 else "x" * 200_000, b"")
    data = encode(reply)
    parts = split(data, OBJECT, limit)
    assert all(len(part) <= limit for part in parts)
    shuffled = [*parts, *parts[: len(parts) // 2]]
    Random(8).shuffle(shuffled)
    whole = assembled(shuffled)[0]
    assert decode(whole, size_max=limits.OBJECT_BYTES_MAX) == reply


def test_an_object_of_many_items_is_decoded():
    entries = [ShardEntry("dataset-name", n, 0, n, 2**31, 2**40) for n in range(8_192)]
    message = Map(1, 2, 3, entries)
    data = encode(message)
    assert refused(data) == "size"
    assert decode(data, size_max=limits.OBJECT_BYTES_MAX) == message


def test_what_cannot_fit_is_refused_with_both_sizes():
    with pytest.raises(EncodeError, match="100000 bytes; the receiver takes 45056 in parts of 256"):
        split(bytes(100_000), OBJECT, 256)
    with pytest.raises(EncodeError, match="takes 0"):
        split(bytes(100), OBJECT, 80)


def test_parts_that_do_not_agree_are_refused():
    parts = [decode(part) for part in split(bytes(1_000), OBJECT, 400)]
    for spoiled in (
        parts[1]._replace(of=9),
        parts[1]._replace(digest=bytes(32)),
    ):
        assembler = Assembler()
        assembler.add(parts[0])
        with pytest.raises(DecodeError, match="disagree"):
            assembler.add(spoiled)
        assert assembler.pending_bytes() == 0
    for number, of in ((0, 0), (3, 3), (0, limits.PARTS_MAX + 1)):
        with pytest.raises(DecodeError, match="part"):
            Assembler().add(parts[0]._replace(number=number, of=of))


def test_a_damaged_object_is_refused():
    parts = [decode(part) for part in split(bytes(1_000), OBJECT, 400)]
    assembler = Assembler()
    for part in parts[:-1]:
        assert assembler.add(part) is None
    with pytest.raises(DecodeError, match="damaged"):
        assembler.add(parts[-1]._replace(data=bytes(len(parts[-1].data) - 1) + b"\1"))


def test_assemblies_are_bounded_in_number_and_bytes():
    assembler = Assembler(bytes_max=10_000)
    for n in range(limits.ASSEMBLIES_MAX + 3):
        assembler.add(Part(bytes([n]) * 16, 0, 2, bytes(32), b"x"))
    assert assembler.dropped == 3
    assert assembler.pending_bytes() == limits.ASSEMBLIES_MAX
    assembler.add(Part(bytes([99]) * 16, 0, 2, bytes(32), bytes(10_000)))
    assert assembler.pending_bytes() <= 10_000
    assembler.add(Part(bytes([98]) * 16, 0, 2, bytes(32), bytes(10_001)))
    assert assembler.pending_bytes() == 0


def test_the_document_says_what_the_code_does():
    text = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
    example = re.search(r"Probe\(boot=3, epoch=41, lease=7\).*?```\n(.*?)```", text, re.S).group(1)
    digits = "".join(re.findall(r"^ *((?:[0-9a-f]+ )+)", example, re.M))
    assert digits.replace(" ", "") == encode(Probe(3, 41, 7)).hex()
    documented = set(re.findall(r"`([a-z0-9-]+)`", text))
    assert set(CHECK_REASONS[1:]) <= documented
    assert {"size", "unknown", "unexpected", "fields", "type", "range", "length"} <= documented
    assert f"{limits.ITEMS_MAX:,} items" in text
    assert f"deeper than {limits.DEPTH_MAX}" in text
    assert f"up to {limits.BLOCK_BYTES_MAX:,} bytes" in text
    assert f"At most {limits.PARTS_MAX} parts" in text
    assert f"at most {limits.ASSEMBLIES_MAX} together" in " ".join(text.split())


def test_every_class_has_a_number_and_fields():
    assert {NUMBERS[cls] for cls in MESSAGE_CLASSES} == set(MESSAGES)
    assert all(cls in FIELDS for cls in MESSAGE_CLASSES)
