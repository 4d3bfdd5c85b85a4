"""The straight way says the same as the long one, and takes nothing that the long one refuses."""

from random import Random

import pytest

from atoll.wire import codec, limits
from atoll.wire._native import check
from atoll.wire.codec import _decode_slowly, _encode_slowly
from atoll.wire.errors import EncodeError
from atoll.wire.forms import compile_form
from atoll.wire.messages import Ack, Birth, NumberSpan
from atoll.wire.schema import FIELDS, MESSAGES, NUMBERS, U32, Array, Bytes, Int, Real, Text, Uint

NUMBERED = [pytest.param(number, id=cls.__name__) for number, cls in MESSAGES.items()]


@pytest.mark.parametrize("number", NUMBERED)
def test_both_ways_give_the_same(number, maker):
    form, cls = compile_form(number), MESSAGES[number]
    for _ in range(100):
        message = maker.make(cls)
        data = form.encode(message)
        assert data == codec._checked(_encode_slowly(message, number), cls.__name__)
        found = form.decode(data)
        assert found == message == _decode_slowly(data, number)
        assert type(found) is cls


def beyond(shape):
    """Values that a shape does not allow."""
    match shape:
        case Uint(most):
            return [-1, most + 1, 1 << 70, -(1 << 70), True, 1.0, "1", None]
        case Int(least, most):
            return [least - 1, most + 1, 1 << 70, False, 1.0, b"1"]
        case Real():
            return [float("nan"), float("inf"), -float("inf"), 1 << 2_000, "1.0", True]
        case Text(most):
            return ["x" * (most + 1), "\ud800", b"x", 1]
        case Bytes(most, least):
            some = [b"x" * (least - 1)] if least else []
            return [*some, *([b"x" * (most + 1)] if most < 100_000 else []), "x", bytearray(least)]
        case Array(_, most):
            return [(), {}, "ab", None, *([[None] * (most + 1)] if most < 100_000 else [])][1:]
    return [1, (), []]


@pytest.mark.parametrize("number", NUMBERED)
def test_what_is_wrong_is_left_to_the_long_way(number, maker):
    form, cls = compile_form(number), MESSAGES[number]
    for name, shape in FIELDS[cls]:
        for value in beyond(shape):
            message = maker.make(cls)._replace(**{name: value})
            assert form.encode(message) is None, (name, value)
            with pytest.raises(EncodeError):
                codec.encode(message)


@pytest.mark.parametrize("number", NUMBERED)
def test_spoilt_bytes_are_taken_by_both_or_by_none(number, maker):
    form, cls, random = compile_form(number), MESSAGES[number], Random(number)
    seen = taken = 0
    for _ in range(300):
        data = bytearray(codec.encode(maker.make(cls)))
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        spoilt = bytes(data)
        if check(spoilt, limits.ITEMS_MAX, limits.DEPTH_MAX)[0] or codec._number(spoilt) != number:
            form.decode(spoilt)  # it is never asked, and reads no byte that is not there
            continue
        seen += 1
        found = form.decode(spoilt)
        if found is not None:
            taken += 1
            assert found == _decode_slowly(spoilt, number)
    assert seen >= taken > 0


def test_cut_bytes_are_no_message(maker):
    number = NUMBERS[Birth]
    form = compile_form(number)
    data = codec.encode(maker.make(Birth))
    assert all(form.decode(data[:size]) is None for size in range(len(data)))
    assert form.decode(data + b"\0") is None


def test_a_newer_version_is_left_to_the_long_way():
    data = codec.encode(Ack(1, 2, 3, [NumberSpan(4, 5)]))
    grown = bytes([data[0] + 1]) + data[1:] + bytes([data[0] & 31, 7])
    assert compile_form(NUMBERS[Ack]).decode(grown) is None
    assert codec.decode(grown) == Ack(1, 2, 3, [NumberSpan(4, 5)])


def test_an_integer_is_a_real_on_its_way_out():
    form = compile_form(NUMBERS[Birth])
    birth = Birth(1, 2, 3, 1, "s", "z", 2, "normal", 4, U32, U32, 65_536, [], [])
    assert form.encode(birth) == form.encode(birth._replace(capacity=2.0))
    assert form.decode(form.encode(birth)).capacity == 2.0
