"""Where a job's batches lie, and what others go on from."""

import pytest

from atoll.gateway.catalog import Stream
from atoll.gateway.progress import Line
from atoll.gateway.records import StandingSet
from atoll.gateway.standing_job import StandingJob
from atoll.wire import messages as wire
from atoll.wire import ordered

INFO = wire.StreamInfo("v", "k", "i16", 1, 100.0, 1.0, "g")
REMEMBERS = "ema 0.1 | window 16 | mean | moments"


def job_of(plan, every=160, every_ms=0):
    return StandingJob(StandingSet("hum", plan, "v", every, every_ms, 0))


def stream_of(*anchors):
    stream = Stream(INFO, 0)
    stream.anchors = list(anchors)
    return stream


@pytest.mark.parametrize(
    ("plan", "least"),
    [("moments", 1), ("diff | moments", 2), ("window 16 hop=8 | rms | moments", 16)],
)
def test_the_least_batch_is_a_window(plan, least):
    assert job_of(plan).least == least


def test_a_batch_in_time_is_samples_at_the_streams_rate():
    assert job_of("moments", 0, 2_500).every(stream_of(0)) == 250


@pytest.mark.parametrize(
    ("anchors", "following"),
    [((0,), 480), ((0, 400), 400), ((0, 488), 488), ((0, 500), 480), ((0, 470, 480, 500), 480)],
)
def test_the_next_batch_begins_a_batch_on_or_at_a_gap(anchors, following):
    assert job_of("window 16 | rms | moments").following(stream_of(*anchors), 320) == following


def test_a_mark_goes_by_the_gaps_known():
    line = Line()
    line.mark, line.last = 480, 320
    assert job_of("moments").settled(line, stream_of(0, 400)) == 400
    assert job_of("moments").settled(line, stream_of(0)) == 480


@pytest.mark.parametrize(
    ("last", "mark", "following", "settled"),
    [
        (160, 320, 240, 240),  # the device knew of a gap
        (None, 240, 240, 240),  # after a restart
        (None, 800, 320, 800),  # it had gone on behind a hole
        (799, 800, 320, 800),
    ],
)
def test_a_mark_goes_by_what_the_batch_before_it_says(last, mark, following, settled):
    job, line = job_of(REMEMBERS), Line()
    data = ordered.pack(ordered.Carried(following, 0, b"partial", b"memory"))
    job.streams["k"] = type("P", (), {"base": (160, data)})()
    line.mark, line.last = mark, last
    assert job.settled(line, stream_of(0)) == settled


def test_a_checkpoint_is_for_its_mark_only():
    job = job_of(REMEMBERS)
    data = ordered.pack(ordered.Carried(320, 0, b"partial", b"memory"))
    job.streams["k"] = progress = type("P", (), {"base": (160, data)})()
    assert job.checkpoints([wire.Mark("k", 320)]) == {"k": wire.Checkpoint("k", 320, 0, b"memory")}
    assert job.checkpoints([wire.Mark("k", 480)]) == {}
    progress.base = None
    assert job.checkpoints([wire.Mark("k", 320)]) == {}


def test_a_stored_batch_of_a_plan_that_remembers_carries_its_checkpoint():
    data = ordered.pack(ordered.Carried(320, 0, b"partial", b"memory"))
    job = job_of(REMEMBERS)
    assert job.partial_of(160, data) == b"partial"
    assert job.partial_of(160, b"short") is None
    assert job.partial_of(wire.RUN_SAMPLES | 160, b"short") == b"short"  # a board's
    assert job_of("moments").partial_of(160, b"short") == b"short"
