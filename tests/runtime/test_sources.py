import queue
import time

import pytest

from atoll.runtime.errors import UsageError
from atoll.runtime.sources import (
    CATCH_UP_S,
    KINDS,
    SOURCES_MAX,
    Schedule,
    Ticker,
    clock_quality,
    make_source,
    make_sources,
    parse_rate,
)
from atoll.wire.block import CLOCK_BOOT, CLOCK_SET
from atoll.wire.messages import StreamInfo


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("machine", "NAME=KIND:WHAT is wanted, as in cpu=proc:10hz"),
        ("machine=proc", "NAME=KIND:WHAT"),
        ("machine=", "NAME=KIND:WHAT"),
        ("a/b=proc:10hz", "source 'a/b'"),
        ("machine=adc:3", "'adc' is none of proc, file, mqtt, iio, hwmon, i2c, alsa, serial"),
        ("machine=proc:fast", "rate 'fast'"),
        ("machine=proc:0hz", "rate '0hz'"),
        ("machine=proc:101hz", "at most 100 Hz"),
        ("machine=proc:nanhz", "rate 'nanhz'"),
    ],
)
def test_what_cannot_be_a_source_is_told(text, words):
    with pytest.raises(UsageError, match=words):
        make_source(text, "pi")


def test_names_are_apart_and_few():
    with pytest.raises(UsageError, match="source a is given twice"):
        make_sources(["a=mqtt:x", "a=mqtt:y"], "pi")
    with pytest.raises(UsageError, match="at most"):
        make_sources([f"s{n}=mqtt:x" for n in range(SOURCES_MAX + 1)], "pi")
    assert [one.topic for one in make_sources(["a=mqtt:x/y", "b=mqtt:z"], "pi")] == ["x/y", "z"]


def test_rates():
    assert parse_rate("100Hz", "s", 100.0) == 100.0
    assert parse_rate("0.5", "s", 100.0) == 0.5


def test_the_schedule_does_not_drift():
    schedule = Schedule(100.0, 50.0)
    now = 50.0
    for _ in range(1_000):
        now = max(now + 0.0003, schedule.due)
        assert not schedule.tick(now)
    assert schedule.due == pytest.approx(60.0)
    assert schedule.late == 0


def test_late_ticks_are_counted_and_caught_up():
    schedule = Schedule(100.0, 0.0)
    schedule.tick(0.0)
    for _ in range(5):  # due at 0.01 to 0.05
        assert not schedule.tick(0.051)
    assert schedule.late == 5 - 1
    assert schedule.due == pytest.approx(0.06)


def test_a_long_pause_is_a_gap():
    schedule = Schedule(100.0, 0.0)
    schedule.tick(0.0)
    assert schedule.tick(CATCH_UP_S + 1)
    assert schedule.due == pytest.approx(CATCH_UP_S + 1.01)
    slow = Schedule(0.1, 0.0)
    slow.tick(0.0)
    assert not slow.tick(25.0)
    assert slow.tick(45.0)


def test_the_ticker_hands_on_rows_as_columns():
    posted = queue.SimpleQueue()
    infos = [StreamInfo("d", f"pi/{name}", "i16", 1, 50.0, 1.0, "") for name in "ab"]
    values = iter(range(1_000))

    def sample():
        value = next(values)
        return None if value == 25 else [bytes([value, 0]), bytes([value, 1])]

    ticker = Ticker("d", infos, 50.0, sample)
    began = time.time()
    ticker.start(posted.put)
    taken = [posted.get(timeout=10) for _ in range(3)]
    ticker.stop()
    assert [one.sample_count for one in taken] == [10, 10, 5]
    columns = [b"".join(one.samples[at][1] for one in taken) for at in (0, 1)]
    assert columns == [
        bytes(byte for value in range(25) for byte in (value, end)) for end in (0, 1)
    ]
    assert [key for key, _ in taken[0].samples] == ["pi/a", "pi/b"]
    assert abs(taken[0].wall_ms / 1_000 - began) < 5
    assert taken[1].mono_ms - taken[0].mono_ms == pytest.approx(200, abs=100)


def test_a_row_that_is_missing_is_a_gap_and_counted():
    posted = queue.SimpleQueue()
    infos = [StreamInfo("d", "pi/a", "i16", 1, 100.0, 1.0, "")]
    rows = iter([[b"\1\0"], [b"\2\0"], [], [], [b"\3\0"], None])
    ticker = Ticker("d", infos, 100.0, lambda: next(rows))
    ticker.start(posted.put)
    taken = [posted.get(timeout=10) for _ in range(2)]
    ticker.stop()
    assert [(one.samples[0][1], one.gap) for one in taken] == [
        (b"\1\0\2\0", False),
        (b"\3\0", True),
    ]
    assert ticker.missed == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_maker_and_refuses_nonsense(kind):
    with pytest.raises(UsageError, match="source s"):
        make_source(f"s={kind}:\0/no/such/#", "pi")


def test_clocks():
    assert clock_quality(1_000.0) == CLOCK_BOOT
    assert clock_quality(time.time()) >= CLOCK_SET
