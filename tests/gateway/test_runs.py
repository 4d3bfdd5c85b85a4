"""Runs of blocks: joining, missing ranges, coverage, times."""

from hypothesis import given
from hypothesis import strategies as st

from atoll.gateway import runs
from atoll.wire.messages import BlockRun

RATE = 1000.0


def run(first, last=None, *, gap=False, per=10, wall=None):
    last = first if last is None else last
    count = (last - first + 1) * per
    wall = first * per if wall is None else wall
    return BlockRun(first, last, first * per, count, wall, gap, count * 2)


def added(*items, rate=RATE):
    found = []
    for item in items:
        found = runs.added(found, item, rate)
    return found


def test_neighbours_join():
    assert added(run(0), run(1), run(2)) == [run(0, 2)]
    assert added(run(2), run(0), run(1)) == [run(0, 2)]


def test_a_gap_keeps_them_apart():
    assert added(run(0), run(1, gap=True)) == [run(0), run(1, gap=True)]


def test_a_hole_keeps_them_apart():
    assert added(run(0), run(2)) == [run(0), run(2)]


def test_another_time_keeps_them_apart():
    late = run(1, wall=10 + runs.WALL_TOLERANCE_MS + 1)
    assert added(run(0), late) == [run(0), late]
    assert added(run(0), run(1, wall=10 + runs.WALL_TOLERANCE_MS)) == [run(0, 1)]
    assert len(added(run(0), run(1, wall=59_000), rate=0.0)) == 1
    assert len(added(run(0), run(1, wall=61_000), rate=0.0)) == 2


def test_repeated_blocks_change_nothing():
    held = added(run(0, 5))
    assert runs.added(held, run(2, 3), RATE) == held
    assert runs.added(held, run(0), RATE) == held


def test_overlapping_runs_are_their_union():
    joined = added(run(0, 5), run(4, 9))
    assert joined == [run(0, 9)]


@given(st.lists(st.integers(0, 30), max_size=40), st.lists(st.integers(0, 30), max_size=40))
def test_any_order_gives_the_same_and_missing_is_the_difference(ours, theirs):
    mine = added(*(run(seq) for seq in ours))
    wanted = added(*(run(seq) for seq in theirs))
    assert mine == added(*(run(seq) for seq in sorted(set(ours))))
    gaps = runs.missing(wanted, mine)
    assert runs.lacks(mine, wanted) == bool(gaps)
    listed = {seq for first, last in gaps for seq in range(first, last + 1)}
    assert listed == set(theirs) - set(ours)
    assert all(runs.has_seq(mine, seq) == (seq in ours) for seq in range(32))


@given(st.sets(st.integers(0, 20)), st.integers(0, 200), st.integers(0, 200))
def test_covers_says_whether_every_sample_is_there(seqs, start, stop):
    held = added(*(run(seq) for seq in sorted(seqs)))
    truth = all(sample // 10 in seqs for sample in range(start, stop))
    assert runs.covers(held, start, stop) == truth


def test_spans_of_several_holders():
    assert runs.spans([[run(0, 1)], [run(1, 3), run(7)]]) == [(0, 40), (70, 80)]
    assert runs.spans([]) == []


def test_time_cuts_samples():
    held = [run(0, 9, wall=5_000)]  # 100 samples from second 5.000 to 5.100
    assert list(runs.clip_by_time(held, RATE, -1, -1)) == [(0, 100)]
    assert list(runs.clip_by_time(held, RATE, 5_020, 5_050)) == [(20, 50)]
    assert list(runs.clip_by_time(held, RATE, 5_100, -1)) == []
    assert list(runs.clip_by_time(held, RATE, -1, 5_000)) == []
    assert list(runs.clip_by_time(held, RATE, 0, 10_000)) == [(0, 100)]


def test_without_a_rate_a_run_counts_whole():
    held = [run(0, 9, wall=5_000)]
    assert list(runs.clip_by_time(held, 0.0, 4_000, 6_000)) == [(0, 100)]
    assert list(runs.clip_by_time(held, 0.0, 5_001, -1)) == []
    assert runs.end_ms(held[0], 0.0) == 5_000
    assert runs.end_ms(held[0], RATE) == 5_100
