"""The bridge's end of the serial link alone; tests/firmware/test_link.py runs it against the C."""

from itertools import pairwise
from random import Random

import pytest

from atoll.transport.serial_link import (
    ANSWER_S,
    BYTES,
    DATA_MAX,
    HELLO_MAX_S,
    OPEN,
    Message,
    Ready,
    Reset,
    SerialLink,
    decode_frame,
    encode_frame,
)


def hello(session, knows=0, *, window=4, ready=False, version=1):
    sessions = session.to_bytes(4, "little") + knows.to_bytes(4, "little")
    return encode_frame(bytes([1, version]) + sessions + bytes([window, ready]))


def data(number, acknowledged, payload, kind=BYTES):
    return encode_frame(bytes([2, number, acknowledged, kind]) + payload)


def frames(line):
    return [decode_frame(part) for part in line.split(b"\0") if part]


@pytest.fixture
def link():
    made = SerialLink(99, 0.0)
    made.output(0.0)
    return made


@pytest.fixture
def ready(link):
    assert link.receive(hello(5, 99), 0.1) == [Ready()]
    link.output(0.1)
    return link


def test_frames_round_trip():
    random = Random(1)
    for _ in range(5_000):
        letters = random.choice((b"\0", b"\0\1", b"\1\xff", bytes(range(256))))
        body = bytes(random.choices(letters, k=random.choice((1, 2, 60, 249, 250, 254, 508))))
        line = encode_frame(body)
        assert line.index(0) == len(line) - 1
        assert decode_frame(line[:-1]) == body


def test_damaged_frame_is_none():
    line = encode_frame(b"some\0body")[:-1]
    for at in range(len(line)):
        for bit in range(8):
            wrong = bytearray(line)
            wrong[at] ^= 1 << bit
            assert decode_frame(bytes(wrong)) is None
        assert decode_frame(line[:at]) is None
        assert decode_frame(line[:at] + b"\2" + line[at:]) is None


def test_hello_is_repeated_until_it_is_answered(link):
    sent, now = [], 0.0
    while now < 10:
        if link.output(now):
            sent.append(now)
        now = max(link.next_wakeup(), now + 0.01)
    gaps = [later - sooner for sooner, later in pairwise(sent)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(HELLO_MAX_S)
    assert link.receive(hello(5, 99), now) == [Ready()]
    assert frames(link.output(now))[0][11] == 1  # it asked: it hears that it is known
    assert link.next_wakeup() is None


@pytest.mark.parametrize(
    "wrong", [hello(0, 99), hello(5, 99, window=0), hello(5, 99, version=2), encode_frame(b"\1\1")]
)
def test_wrong_hello_is_refused(link, wrong):
    assert link.receive(wrong, 0.1) == []
    assert link.refused == 1
    assert not link.ready


def test_message_comes_once_and_in_order(ready):
    first, second = data(0, 0, b"first", OPEN), data(1, 0, b"second")
    assert ready.receive(second, 1) == []
    assert frames(ready.output(1))[0][0] == 0x84  # it asks for the first
    assert ready.receive(first + first, 1) == [Message(OPEN, b"first")]
    assert ready.receive(second, 1) == [Message(BYTES, b"second")]
    assert frames(ready.output(1))[-1][2] == 2


def test_an_answer_takes_the_acknowledgement_of_a_packets_end_along(ready):
    whole, end = bytes(DATA_MAX), b"end"
    assert ready.receive(data(0, 0, whole), 1.0) == [Message(BYTES, whole)]
    assert [frame[2] for frame in frames(ready.output(1.0))] == [1]  # more follows: at once
    ready.receive(data(1, 0, end), 1.0)
    assert ready.output(1.0) == b""
    assert ready.send(BYTES, b"answer")
    assert [(frame[0], frame[2]) for frame in frames(ready.output(1.001))] == [(0x82, 2)]
    ready.receive(data(2, 1, end), 2.0)
    assert ready.output(2.0) == b""
    assert ready.next_wakeup() == 2.0 + ANSWER_S
    assert [(frame[0], frame[2]) for frame in frames(ready.output(2.0 + ANSWER_S))] == [(0x83, 3)]
    # Behind one that is held back the next is not, or a window of two would stand still.
    ready.receive(data(3, 1, end), 3.0)
    ready.receive(data(4, 1, end), 3.001)
    assert [(frame[0], frame[2]) for frame in frames(ready.output(3.001))] == [(0x83, 5)]
    ready.receive(data(4, 1, end), 4.0)  # once more: its acknowledgement was lost
    assert [(frame[0], frame[2]) for frame in frames(ready.output(4.0))] == [(0x83, 5)]
    assert ready.next_wakeup() is None


def test_what_is_not_acknowledged_goes_out_again(ready):
    assert ready.send(BYTES, b"a")
    assert ready.send(BYTES, b"b")
    first = ready.output(1.0)
    assert ready.output(1.1) == b""
    assert ready.next_wakeup() == pytest.approx(1.25)
    assert ready.output(1.3) == first
    ready.receive(encode_frame(bytes([3, 0, 1, 0])), 1.4)
    assert [frame[4:] for frame in frames(ready.output(2.0))] == [b"b"]
    ready.receive(encode_frame(bytes([3, 0, 2, 0])), 2.1)
    assert ready.next_wakeup() is None


def test_credit_bounds_what_is_under_way(ready):
    assert [ready.send(BYTES, b"x") for _ in range(5)] == [True] * 4 + [False]
    ready.receive(encode_frame(bytes([3, 0, 9, 0])), 1)  # of nothing that was sent
    assert ready.room == 0
    ready.receive(encode_frame(bytes([3, 0, 3, 0])), 1)
    assert ready.room == 3
    with pytest.raises(ValueError, match="128"):
        ready.send(BYTES, bytes(DATA_MAX + 1))


def test_new_session_starts_anew(ready):
    ready.send(BYTES, b"lost")
    assert ready.receive(hello(6), 1) == [Reset()]
    assert not ready.send(BYTES, b"nobody")
    assert ready.receive(data(0, 0, b"old"), 1) == []
    assert ready.receive(hello(6, 99), 1) == [Ready()]
    assert b"lost" not in ready.output(5)
    assert ready.receive(data(0, 0, b"new"), 1) == [Message(BYTES, b"new")]


def test_peer_that_counts_its_sessions_anew_starts_anew(ready):
    assert ready.receive(data(0, 0, b"before"), 1) == [Message(BYTES, b"before")]
    assert ready.receive(hello(5), 2) == [Reset()]
    assert ready.receive(hello(5, 99), 2) == [Ready()]
    assert ready.receive(data(0, 0, b"after"), 3) == [Message(BYTES, b"after")]


def test_noise_and_overlong_lines_are_dropped(ready):
    random = Random(2)
    for _ in range(2000):
        noise = random.randbytes(random.randrange(400))
        assert not any(isinstance(event, Message) for event in ready.receive(noise, 1))
    assert ready.dropped > 1000
    assert len(ready._line) < 400
    assert ready.receive(b"\0" + data(0, 0, b"still"), 1) == [Message(BYTES, b"still")]
