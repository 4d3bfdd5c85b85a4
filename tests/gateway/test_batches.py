"""Batches are merged once, in any order, and the mark moves over what is whole."""

import pytest
from test_standing_job import REMEMBERS, job_of, stream_of

from atoll.gateway import batches
from atoll.gateway.batches import Batches
from atoll.gateway.desk import Desk
from atoll.gateway.records import MarkSet, WindowGone, WindowSet
from atoll.wire import ordered


class Merging:
    """A job over one stream; `records` are those of the last call."""

    def __init__(self, plan="moments", anchors=(0,)):
        self.desk = Desk()
        self.batches = Batches(self.desk)
        self.job = job_of(plan)
        self.stream = stream_of(*anchors)
        self.records = []

    def merge(self, *samples, data=b"partial"):
        newest = [
            self.batches.merge(self.job, "a", self.stream, sample, data) for sample in samples
        ]
        self._take()
        return newest

    def _take(self):
        self.records = [row for effect in self.desk.take()[:1] for row in effect.records]

    def carry(self, sample, count=160):
        carried = ordered.Carried(sample + count, 0, b"partial", b"memory")
        return self.merge(sample, data=ordered.pack(carried))

    def go_on(self, sample):
        self.batches.go_on(self.job, self.stream, sample)
        self._take()

    @property
    def progress(self):
        return self.job.streams["k"]

    @property
    def waiting(self):
        return sorted(self.progress.lines[0].ahead)


def test_what_comes_in_order_leaves_the_newest_only():
    merging = Merging()
    assert merging.merge(0, 160) == [True, True]
    assert merging.records == [
        WindowSet("hum", "k", 0, b"partial"),
        MarkSet("hum", "k", 160),
        WindowSet("hum", "k", 160, b"partial"),
        WindowGone("hum", "k", 0),
        MarkSet("hum", "k", 320),
    ]


def test_what_comes_before_its_turn_waits_and_counts_once():
    merging = Merging()
    assert merging.merge(320, 160, 160) == [True, False, False]
    assert (merging.progress.mark, merging.waiting) == (0, [160, 320])
    merging.merge(0)
    assert (merging.progress.mark, merging.waiting) == (480, [])
    assert (merging.job.batches, merging.desk.counters["repeated"]) == (3, 1)


def test_other_bytes_under_one_number_are_told():
    merging = Merging()
    merging.merge(0, 160)
    merging.batches.merge(merging.job, "b", merging.stream, 160, b"other")
    (event,) = [effect for effect in merging.desk.take() if hasattr(effect, "text")]
    assert "b gives another partial for hum of k at 160" in event.text
    assert merging.desk.counters["disagreed"] == 1


def test_missing_ones_are_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr(batches, "AHEAD_MAX", 2)
    merging = Merging()
    merging.merge(160, 320, 480)
    assert (merging.progress.mark, merging.desk.counters["lost"]) == (640, 1)


def test_a_job_that_begins_anew_leaves_out_what_came_before():
    merging = Merging(REMEMBERS)
    merging.carry(0)
    merging.carry(320)
    assert merging.progress.base[0] == 0
    merging.go_on(640)
    assert merging.progress.base is None
    assert (merging.progress.mark, merging.waiting) == (640, [])
    assert merging.records == [WindowGone("hum", "k", 0), MarkSet("hum", "k", 640)]
    merging.carry(640)
    assert (merging.progress.mark, merging.progress.base[0]) == (800, 640)


def test_a_job_begins_anew_where_a_later_batch_waits():
    merging = Merging(REMEMBERS)
    merging.carry(0)
    merging.carry(640)
    merging.go_on(640)
    assert (merging.progress.mark, merging.waiting) == (800, [])


@pytest.mark.parametrize("late", [False, True])
def test_gaps_are_passed_whenever_they_are_told(late):
    merging = Merging("window 16 | rms | moments", (0,) if late else (0, 328, 336, 500))
    merging.merge(0, 160, 336)
    merging.stream.anchors = [0, 328, 336, 500]
    merging.batches.catch_up(merging.job, merging.stream)
    assert (merging.progress.mark, merging.waiting) == (500, [])


def test_the_mark_of_a_plan_that_remembers_is_where_its_batch_says():
    """Its device knew of a gap of which no news has come: a mark that counted on would have the
    device leave out what lies between.
    """
    merging = Merging(REMEMBERS)
    merging.carry(0, 80)
    assert merging.records[-1] == MarkSet("hum", "k", 80)
    merging.stream.anchors = [0, 88]  # what is left of a step before the gap is no batch
    merging.carry(88)
    assert (merging.progress.mark, merging.waiting) == (248, [])


def test_a_first_block_that_was_not_the_first_is_no_place_to_stay():
    merging = Merging("moments", (680,))
    merging.merge(680, 1_000)
    assert merging.waiting == [1_000]
    merging.stream.anchors = [0]
    merging.merge(800)
    assert (merging.progress.mark, merging.waiting) == (960, [1_000])
