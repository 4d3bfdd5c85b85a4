from random import Random

from device_rig import info_of

from atoll.runtime.index import Row, StreamIndex


def row(seq, first=None, *, count=10, gap=False, segment=1):
    first = seq * 10 if first is None else first
    return Row(seq, first, -5 + seq, segment, 64 * seq, 300, count, 104, gap)


def test_rows_come_back_whole():
    stream = StreamIndex(info_of("a"), 3)
    one = Row(2**40, 2**50, -(2**62), 2**23, 2**39, 2**17, 2**23, 999, True)
    stream.add(one)
    assert stream.row(0) == one
    assert one.end_sample == 2**50 + 2**23


def test_any_order_of_adding_sorts():
    wanted = [row(seq) for seq in range(50)]
    for seed in range(20):
        stream = StreamIndex(info_of("a"), 3)
        for one in Random(seed).sample(wanted, 50):
            stream.add(one)
        assert [stream.row(at) for at in range(len(stream))] == wanted


def test_finding():
    stream = StreamIndex(info_of("a"), 3)
    for seq in (2, 4, 5):
        stream.add(row(seq))
    assert [stream.find(seq) for seq in range(7)] == [-1, -1, 0, -1, 1, 2, -1]
    assert [stream.holding(sample) for sample in (0, 19, 20, 39, 40, 49, 50, 999)] == [
        *(-1, -1, 0, 0, 1, 1, 2, 2)
    ]
    assert stream.after(4) == 2


def test_overlaps_are_told():
    stream = StreamIndex(info_of("a"), 3)
    stream.add(row(2))
    stream.add(row(5))
    assert stream.conflict(row(3)) == ""
    assert "overlaps block 2" in stream.conflict(row(3, 25))
    assert "overlaps block 5" in stream.conflict(row(3, 45))
    assert "overlaps block 2" in stream.conflict(row(1, 15))


def test_runs_end_at_gaps_and_holes():
    stream = StreamIndex(info_of("a"), 3)
    for one in (row(0), row(1), row(2, gap=True), row(3), row(5), row(6, 61)):
        stream.add(one)
    runs = stream.runs()
    assert [(run.first_seq, run.last_seq, run.sample_count, run.gap) for run in runs] == [
        (0, 1, 20, False),
        (2, 3, 20, True),
        (5, 5, 10, False),
        (6, 6, 10, False),
    ]
    assert runs[0].byte_count == 600
    assert runs[1].wall_ms == -3


def test_forgetting():
    stream = StreamIndex(info_of("a"), 3)
    for seq in range(6):
        stream.add(row(seq, segment=seq % 2))
    assert stream.forget({1}) == 3
    assert [stream.row(at).seq for at in range(len(stream))] == [0, 2, 4]
    assert stream.forget_block(2)
    assert not stream.forget_block(2)
    assert len(stream) == 2
