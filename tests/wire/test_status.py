"""JSON for people: bounded when read, never NaN when written."""

import json
import math

import pytest

from atoll.wire.errors import DecodeError, EncodeError
from atoll.wire.messages import Health
from atoll.wire.status import (
    EVENT_BYTES_MAX,
    GATEWAY_STATES,
    STATUS_BYTES_MAX,
    Status,
    decode_event,
    decode_status,
    encode_event,
    encode_health,
    encode_status,
    finite,
)


def test_status_there_and_back():
    status = Status("ready", 7, 41)
    assert encode_status(status) == b'{"state":"ready","boot":7,"epoch":41}'
    assert decode_status(encode_status(status)) == status
    assert decode_status(b'{"state":"lost","boot":1,"epoch":2,"more":[]}') == Status("lost", 1, 2)


def test_a_sleeper_says_when_it_wakes():
    status = Status("sleeping", 7, 41, 600, 1_700_000_600_000)
    assert decode_status(encode_status(status)) == status
    without_clock = b'{"state":"sleeping","boot":1,"epoch":2,"sleep_s":60}'
    assert decode_status(without_clock) == Status("sleeping", 1, 2, 60, 0)
    assert decode_status(b'{"state":"ready","boot":1,"epoch":2,"sleep_s":"x"}').sleep_s == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"state":"ready"}',
        b'{"state":"READY","boot":1,"epoch":1}',
        b'{"state":["ready"],"boot":1,"epoch":1}',
        b'{"state":"ready","boot":true,"epoch":1}',
        b'{"state":"ready","boot":1.0,"epoch":1}',
        b'{"state":"ready","boot":-1,"epoch":1}',
        b'{"state":"ready","boot":4294967296,"epoch":1}',
        b'{"state":"ready","boot":1,"epoch":18446744073709551616}',
        b'{"state":"sleeping","boot":1,"epoch":1}',
        b'{"state":"sleeping","boot":1,"epoch":1,"sleep_s":0}',
        b'{"state":"sleeping","boot":1,"epoch":1,"sleep_s":604801}',
        b'{"state":"sleeping","boot":1,"epoch":1,"sleep_s":60,"wake_ms":-1}',
        b'{"state":"sleeping","boot":1,"epoch":1,"sleep_s":60,"wake_ms":1e99}',
        b"[" * 1_000,
        b" " * (STATUS_BYTES_MAX + 1),
    ],
)
def test_what_is_no_status_is_refused(data):
    with pytest.raises(DecodeError):
        decode_status(data)


def test_states_belong_to_their_speaker():
    with pytest.raises(DecodeError, match="draining"):
        decode_status(b'{"state":"draining","boot":1,"epoch":1}', GATEWAY_STATES)
    with pytest.raises(EncodeError):
        encode_status(Status("fine", 1, 1))


def test_health_leaves_out_what_is_not_known():
    health = Health(500, 1, 2, 45_000, -1, 10, -1, -1)
    tree = json.loads(encode_health(health, profile="demo"))
    assert tree == {
        "cpu_idle_permille": 500,
        "memory_free_bytes": 1,
        "storage_free_bytes": 2,
        "temperature_mc": 45_000,
        "task_us": 10,
        "profile": "demo",
    }


def test_events_are_one_line_and_bounded():
    line = encode_event("out", "device d3 is out", device="d3", seconds=math.inf)
    assert b"\n" not in line
    assert decode_event(line) == {
        "event": "out",
        "text": "device d3 is out",
        "device": "d3",
        "seconds": "inf",
    }
    long = decode_event(encode_event("out", "ü" * 10_000, more="x" * 10_000))
    assert set(long) == {"event", "text"}
    with pytest.raises(DecodeError):
        decode_event(b'{"event":1,"text":"x"}')
    with pytest.raises(DecodeError):
        decode_event(b'{"event":"' + b"x" * EVENT_BYTES_MAX + b'","text":""}')


def test_numbers_that_json_lacks_become_texts():
    tree = finite({"a": [1.0, math.nan, (-math.inf,)], "b": {"c": math.inf}, "d": 1, "e": None})
    assert tree == {"a": [1.0, "nan", ["-inf"]], "b": {"c": "inf"}, "d": 1, "e": None}
