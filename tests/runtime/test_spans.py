from random import Random

import pytest

from atoll.runtime.spans import (
    Batch,
    Hole,
    Shape,
    batch_samples,
    holes,
    joined,
    next_batch,
    whole_batches,
)
from atoll.wire.messages import BlockRun

SHAPE = Shape(10, 20, 30)  # window 30 hop=10


def run(first_seq, last_seq, first_sample, count, *, gap=False):
    return BlockRun(first_seq, last_seq, first_sample, count, 0, gap, 100)


def block(seq, gap=False):
    return run(seq, seq, seq * 50, 50, gap=gap)


def batches(runs, cursor=0, every=100, **more):
    found = []
    while (batch := next_batch(runs, cursor, every, SHAPE, **more)) is not None:
        found.append(batch)
        cursor = batch.following
    return found


def test_joining_in_any_order():
    blocks = [block(seq, gap=seq in (4, 9)) for seq in range(15) if seq != 12]
    for seed in range(30):
        runs = []
        for one in Random(seed).sample(blocks, len(blocks)):
            runs = joined(runs, one)
        assert [(one.first_seq, one.last_seq) for one in runs] == [
            (0, 3),
            (4, 8),
            (9, 11),
            (13, 14),
        ]
        assert sum(one.sample_count for one in runs) == 14 * 50
    assert joined(runs, block(3)) == runs


def test_runs_that_overlap_are_one():
    blocks = [block(seq, gap=seq == 6) for seq in range(12)]
    for seed in range(50):
        random, runs = Random(seed), []
        for one in random.sample(blocks, 6):
            runs = joined(runs, one)
        for first, last in random.sample([(0, 5), (6, 9), (8, 11)], 3):
            runs = joined(
                runs, run(first, last, first * 50, 50 * (last - first + 1), gap=first == 6)
            )
        assert [(r.first_seq, r.last_seq, r.sample_count) for r in runs] == [
            (0, 5, 300),
            (6, 11, 300),
        ]


def test_blocks_that_are_missing_before_a_gap_are_waited_for():
    runs = [run(4, 9, 200, 400, gap=True)]
    assert batches(runs) == []
    assert [batch.start for batch in batches([run(0, 3, 0, 200), *runs], cursor=200)][:1] == [200]
    assert batches([run(0, 1, 0, 100), *runs], cursor=100) == []


def test_whole_batches_with_their_overlap():
    assert batches([run(0, 6, 0, 320)]) == [
        Batch(0, 0, 120, 100),
        Batch(0, 100, 220, 200),
        Batch(0, 200, 320, 300),
    ]
    assert batches([run(0, 6, 0, 319)])[-1].start == 100


def test_the_rest_before_a_gap_is_one_shorter_batch():
    runs = [run(0, 2, 0, 150), run(3, 9, 150, 400, gap=True)]
    assert batches(runs)[:3] == [
        Batch(0, 0, 120, 100),
        Batch(0, 100, 150, 150),
        Batch(150, 150, 270, 250),
    ]


def test_a_rest_without_a_window_is_nothing():
    runs = [run(0, 2, 0, 129), run(3, 9, 129, 400, gap=True)]
    assert [batch.start for batch in batches(runs)] == [0, 129, 229, 329]


def test_a_hole_is_waited_for():
    runs = [run(0, 2, 0, 150), run(4, 9, 200, 400)]
    assert [batch.start for batch in batches(runs)] == [0]
    # Without patience the lattice of the cursor goes on behind the hole.
    assert [batch.start for batch in batches(runs, patient=False)] == [0, 100, 200, 300, 400]


def test_behind_a_hole_all_devices_cut_alike():
    """Whether a rest before the hole is long enough for a window or not, or was not seen at all."""
    beyond = run(9, 20, 460, 600)
    for end in (300, 310, 325, 350):
        found = batches([run(0, 5, 0, end), beyond], patient=False)
        assert [b.start for b in found if b.start >= 460] == [500, 600, 700, 800, 900]
    assert [b.start for b in batches([beyond], cursor=300, patient=False)][:2] == [500, 600]


def test_a_run_that_no_batch_begins_in_does_not_cost_the_batch_behind_it():
    runs = [run(0, 2, 0, 150), run(4, 4, 210, 20), run(6, 9, 250, 350)]
    assert [one.start for one in batches(runs, cursor=200, patient=False)] == [300, 400]


def test_what_holes_do_not_touch_is_whole():
    runs = [run(0, 2, 0, 150), run(4, 9, 200, 350), run(10, 12, 550, 250, gap=True)]
    found = list(whole_batches(runs, 0, 700, 100, SHAPE))
    assert [one.start for one in found] == [0, 200, 300, 400, 500, 550, 650]
    assert found[4] == Batch(500, 500, 550, 550)
    assert found[6] == Batch(550, 650, 770, 750)
    assert [one.start for one in whole_batches(runs, 300, 500, 100, SHAPE)] == [300, 400]


def test_holes_lie_between_what_is_here():
    runs = [run(2, 3, 100, 100), run(4, 5, 200, 100, gap=True), run(7, 7, 350, 50)]
    assert list(holes(runs, 0)) == [Hole(-1, 2), Hole(5, 7)]
    assert list(holes(runs, 0, 250)) == [Hole(-1, 2)]
    assert list(holes(runs, 150)) == [Hole(5, 7)]


def test_what_retention_dropped_is_skipped():
    runs = [run(7, 20, 350, 600)]
    assert batches(runs) == []
    assert [batch.start for batch in batches(runs, patient=False)] == [400, 500, 600, 700, 800]


def test_a_mark_beyond_a_gap_falls_back_to_the_batch_that_holds_it():
    runs = [run(0, 2, 0, 150), run(3, 9, 150, 400, gap=True)]
    assert next_batch(runs, 200, 100, SHAPE).start == 150


def test_cuts_do_not_depend_on_how_the_blocks_came():
    whole = [block(seq, gap=seq in (7, 11)) for seq in range(20)]
    runs = []
    for one in whole:
        runs = joined(runs, one)
    wanted = batches(runs)
    for seed in range(50):
        random, runs, cursor, found = Random(seed), [], 0, []
        for one in random.sample(whole, len(whole)):
            runs = joined(runs, one)
            while (batch := next_batch(runs, cursor, 100, SHAPE)) is not None:
                found.append(batch)
                cursor = batch.following
        assert found == wanted


@pytest.mark.parametrize(
    ("every", "every_ms", "rate", "step", "wanted"),
    [
        (640, 0, 1.0, 10, 640),
        (0, 10_000, 100.0, 10, 1_000),
        (0, 10, 100.0, 10, 10),
        (0, 1_050, 100.0, 10, 100),
    ],
)
def test_batches_are_whole_steps(every, every_ms, rate, step, wanted):
    assert batch_samples(every, every_ms, rate, step) == wanted
