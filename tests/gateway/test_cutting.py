"""Cuts and tasks: every sample that counts is in exactly one task."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.gateway import cutting
from atoll.gateway.catalog import Stream
from atoll.gateway.cutting import Cut, Times, cut_stream, tasks_of
from atoll.wire.messages import BlockRun, StreamInfo


class Shape(NamedTuple):
    step: int
    overlap: int
    window: int
    ordered: bool = False


def stream(*held, anchors=(0,)):
    made = Stream(StreamInfo("d", "k", "i16", 1, 1000.0, 1.0, ""), 0)
    made.anchors = list(anchors)
    for number, runs in enumerate(held):
        made.held[f"d{number}"] = runs
    return made


def run(first, start, count, gap=False):
    return BlockRun(first, first, start, count, start, gap, count * 2)


def test_one_whole_stream_is_one_cut():
    made = stream([run(0, 0, 5_000)], [run(0, 0, 5_000)])
    assert cut_stream(made, ["d0", "d1"], 512, Times()) == ([Cut("k", 0, 0, 5_000)], 0)


def test_holders_complete_each_other():
    made = stream([run(0, 0, 100)], [run(1, 100, 100)])
    assert cut_stream(made, ["d0", "d1"], 1, Times())[0] == [Cut("k", 0, 0, 200)]
    assert cut_stream(made, ["d1"], 1, Times())[0] == [Cut("k", 0, 100, 200)]


def test_windows_start_anew_at_a_gap():
    made = stream([run(0, 0, 1_000), run(1, 1_000, 700, True)], anchors=(0, 1_000))
    cuts, gaps = cut_stream(made, ["d0"], 512, Times())
    assert cuts == [Cut("k", 0, 0, 1_000), Cut("k", 1_000, 1_000, 1_700)]
    assert gaps == 1


def test_after_a_hole_windows_stay_on_the_lattice():
    made = stream([run(0, 0, 1_000), run(2, 2_000, 1_500)])
    cuts, gaps = cut_stream(made, ["d0"], 512, Times())
    assert cuts == [Cut("k", 0, 0, 1_000), Cut("k", 0, 2_048, 3_500)]
    assert gaps == 1


def test_times_cut_on_the_lattice():
    made = stream([run(0, 0, 5_000)])
    cuts, _ = cut_stream(made, ["d0"], 512, Times(600, 4_000))
    assert cuts == [Cut("k", 0, 1_024, 4_000)]


def test_nothing_held_is_nothing_cut():
    assert cut_stream(stream(), [], 1, Times()) == ([], 0)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 20_000), st.integers(1, 3))
def test_the_tasks_hold_each_window_once(window, step, count, pieces):
    shape = Shape(step, max(0, window - step), window)
    piece = max(1_000 * pieces // step, 1) * step
    tasks = tasks_of([Cut("k", 0, 0, count)] if count else [], shape, piece)
    windows = [start for task in tasks for start in range(task.start, task.stop - window + 1, step)]
    assert windows == list(range(0, count - window + 1, step))
    assert [task.number for task in tasks] == list(range(len(tasks)))
    assert all((task.start - task.anchor) % step == 0 for task in tasks)
    if count:
        assert tasks[-1].stop == count


@given(st.integers(1, 30_000))
def test_without_windows_the_tasks_are_a_partition(count):
    tasks = tasks_of([Cut("k", 0, 0, count)], Shape(1, 0, 1), 4_000)
    covered = [sample for task in tasks for sample in (task.start, task.stop)]
    assert covered[0] == 0
    assert covered[-1] == count
    assert covered[1:-1:2] == covered[2::2]


def test_a_running_plan_has_one_task_a_stretch():
    shape = Shape(1, 0, 1, ordered=True)
    assert len(tasks_of([Cut("k", 0, 0, 10**7)], shape, 1_000)) == 1


def test_cuts_come_back_from_their_text():
    cuts = [Cut("ä", 0, 0, 10), Cut("b", 5, 6, 7)]
    assert cutting.from_text(cutting.to_text(cuts, 99)) == (cuts, 99)


@pytest.mark.parametrize(("samples", "step"), [(10, 1), (10**6, 1_000), (10**13, 3)])
def test_pieces_are_multiples_of_the_step(samples, step):
    piece = cutting.piece_samples([Cut("k", 0, 0, samples)], step)
    assert piece % step == 0
    assert samples / piece <= cutting.TASKS_MAX * 1.01
