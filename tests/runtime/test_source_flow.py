import os

import pytest
from board_tree import Taken, await_true

from atoll.runtime import source_flow
from atoll.runtime.errors import UsageError
from atoll.runtime.source_flow import FlowSource, Piece
from atoll.wire.messages import StreamInfo


class Pipe:
    """A feed of bytes, each a sample; `*` is lost. `refuses`: what `open` raises, one by one."""

    def __init__(self, *refuses, pace_s=0.0):
        self.refuses = list(refuses)
        self.pace_s = pace_s
        self.missed = 0
        self.opened = 0
        self.closed = 0

    def open(self):
        if self.refuses:
            raise self.refuses.pop(0)
        self.reader, self.writer = os.pipe()
        self.opened += 1
        return self.reader

    def say(self, data):
        await_true(lambda: self.opened > self.closed)
        os.write(self.writer, data)

    def take(self, data):
        parts = data.split(b"*")
        self.missed += len(parts) - 1
        return [Piece([part], len(part), at > 0) for at, part in enumerate(parts) if part]

    def close(self):
        if self.opened > self.closed:
            os.close(self.reader)
            self.closed += 1
        return f"said at end {self.closed}" if self.closed else ""


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(source_flow, "RETRY_S", 0.01)


def source_of(feed, rate=100.0):
    return FlowSource("d", [StreamInfo("d", "pi/a", "i16", 1, rate, 1.0, "")], feed)


def test_samples_come_in_pieces_with_gaps_between():
    feed = Pipe()
    source = source_of(feed)
    with Taken(source) as taken:
        feed.say(b"abc*de")
        first, second = taken.next(), taken.next()
    assert (first.samples, first.sample_count, first.gap) == ([("pi/a", b"abc")], 3, False)
    assert (second.samples, second.sample_count, second.gap) == ([("pi/a", b"de")], 2, True)
    assert (source.missed, source.late, source.topic, source.take(b"")) == (1, 0, "", None)
    assert feed.closed == 1


def test_a_later_sample_is_stamped_later_and_none_before_the_last_read():
    feed = Pipe()
    with Taken(source_of(feed, rate=10.0)) as taken:
        feed.say(b"a")
        first = taken.next()
        feed.say(b"bc*d")
        second, third = taken.next(), taken.next()
    assert first.mono_ms <= second.mono_ms <= third.mono_ms
    assert second.mono_ms - first.mono_ms < 30_000


def test_what_broke_off_is_opened_again_and_the_rest_is_a_gap():
    feed = Pipe()
    source = source_of(feed)
    with Taken(source) as taken:
        feed.say(b"a")
        assert not taken.next().gap
        feed.refuses += [UsageError("source d: it is not there")] * 2
        os.close(feed.writer)
        await_true(lambda: source.trouble == "source d: it is not there: said at end 1")
        await_true(lambda: feed.opened == 2)
        feed.say(b"b")
        assert taken.next().gap
        assert source.trouble == ""
        feed.say(b"c")
        assert not taken.next().gap


def test_why_it_ended_is_told_with_what_the_device_said():
    feed = Pipe()
    source = source_of(feed)
    with Taken(source) as taken:
        feed.say(b"a")
        taken.next()
        feed.refuses += [OSError(5, "Input/output error", "/dev/x")] * 1_000
        os.close(feed.writer)
        await_true(lambda: source.trouble.startswith("source d: /dev/x: Input/output error"))


def test_with_a_pace_what_comes_shortly_after_is_taken_together():
    feed = Pipe(pace_s=0.2)
    with Taken(source_of(feed)) as taken:
        feed.say(b"a")
        feed.say(b"b")
        assert taken.next().samples == [("pi/a", b"ab")]


def test_one_that_never_began_stops():
    source_of(Pipe()).stop()
    feed = Pipe(*[UsageError("no")] * 1_000)
    with Taken(source_of(feed)) as taken:
        await_true(lambda: len(feed.refuses) < 999)
    assert taken.source.trouble == "no"
