"""What a request means: plans, times, and why there is nothing."""

import pytest

from atoll.gateway import requests
from atoll.gateway.catalog import Stream
from atoll.gateway.cutting import Cut, Times
from atoll.gateway.errors import RequestError
from atoll.wire.messages import BlockRun, Run, StreamInfo

OPEN = Run(1, "moments", "v", False, -1, -1, 0, 0)


def stream(end_ms):
    made = Stream(StreamInfo("v", "k", "i16", 1, 1000.0, 1.0, ""), 0)
    made.held["a"] = [BlockRun(0, 0, 0, 100, end_ms - 100, False, 200)]
    return made


def test_times():
    assert requests.times_of(OPEN, []) == Times(-1, -1)
    assert requests.times_of(OPEN._replace(since_ms=5, until_ms=9), []) == Times(5, 9)
    last = OPEN._replace(last_ms=1_000)
    assert requests.times_of(last, [stream(50_000), stream(60_000)]) == Times(59_000, -1)


def test_a_bad_plan_keeps_its_own_words():
    with pytest.raises(RequestError) as caught:
        requests.parse_plan("window 10 | nope")
    assert "nope" in str(caught.value)
    assert "^" in str(caught.value)


def test_gaps_are_counted_by_stream():
    cuts = [Cut("a", 0, 0, 5), Cut("a", 9, 9, 12), Cut("b", 0, 0, 5)]
    assert requests.gap_count(cuts) == 1


def test_why_nothing():
    assert "is empty" in requests.why_nothing(OPEN, [])
    assert "in that time" in requests.why_nothing(OPEN._replace(last_ms=1), [stream(1_000)])
    assert "no live device" in requests.why_nothing(OPEN, [stream(1_000)])
