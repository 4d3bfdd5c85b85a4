import pytest

from atoll.gateway.progress import (
    RUNS_MAX,
    Line,
    Progress,
    beginning,
    mark_key,
    place_of,
    run_of,
    stream_key,
)
from atoll.wire.messages import RUN_SAMPLES


def number(run, sample):
    return RUN_SAMPLES | run << 32 | sample


def test_numbers_name_a_sample_or_a_run_and_a_sample():
    assert (run_of(2**61), place_of(2**61)) == (0, {"sample": 2**61})
    assert run_of(number(7, 5)) == 7
    assert place_of(number(7, 5)) == {"run": 7, "sample": 5}
    assert number(2**30 - 1, 2**32 - 1) < 2**63  # the ledger's integers


def test_a_stored_stream_has_one_line_and_begins_anywhere():
    progress = Progress()
    assert progress.mark == -1
    line = progress.line(500)
    assert line.mark == -1
    line.mark = 600
    assert progress.line(700) is line
    assert progress.mark == 600


def test_a_run_begins_at_its_own_first_sample():
    progress = Progress()
    assert progress.line(number(3, 640)).mark == number(3, 0)
    assert progress.line(number(4, 0)) is not progress.line(number(3, 0))
    assert progress.mark == -1


def test_old_runs_are_forgotten_and_do_not_come_back():
    progress = Progress()
    for run in range(1, RUNS_MAX + 3):
        progress.line(number(run, 0)).ahead[number(run, 10)] = b""
    assert progress.surplus() == [number(1, 10), number(2, 10)]
    assert progress.line(number(2, 20)) is None
    assert progress.line(number(3, 20)) is progress.lines[3]


def test_marks_of_runs_take_turns_in_the_ledger():
    assert mark_key("k", 10**6) == stream_key("k") == "k"
    names = {mark_key("k", number(run, 0)) for run in range(1, 100)}
    assert len(names) == RUNS_MAX
    assert {stream_key(name) for name in names} == {"k"}
    assert isinstance(Line().ahead, dict)


@pytest.mark.parametrize(
    ("anchors", "ahead", "mark"),
    [([0, 760], (768,), 760), ([0], (768,), 768), ([0], (760,), 760), ([0, 900], (), 768)],
)
def test_a_gap_that_was_none_moves_the_mark_on(anchors, ahead, mark):
    line = Line()
    line.mark, line.last = 760, 704
    line.ahead = dict.fromkeys(ahead, b"")
    assert line.settled(anchors, 64, 0) == mark


@pytest.mark.parametrize(
    ("anchors", "sample", "begins"),
    [
        ([0], 480, 480),
        ([0, 488], 480, 488),  # fewer samples before the gap than a window takes
        ([0, 496], 480, 480),
        ([0, 484, 492, 600], 480, 492),  # a run between two gaps that is too short itself
        ([0, 484, 492, 500], 480, 500),
        ([], 480, 480),
    ],
)
def test_what_is_shorter_than_a_window_is_no_batch(anchors, sample, begins):
    assert beginning(anchors, sample, 16) == begins
    line = Line()
    line.mark, line.last = sample, 320
    assert line.settled(anchors, 160, 16) == begins


def test_where_a_stream_begins_may_be_told_later():
    """A first gap that was none: news of older blocks came after it."""
    line = Line()
    line.mark = 680
    assert line.settled([680], 64, 1) == 680
    assert line.settled([0], 64, 1) == 704
    assert line.before([0], 64) == 640
