from device_rig import info_of

from atoll.runtime.recorder import BLOCK_S, CUT_S, Recorder
from atoll.wire.block import decode_block
from atoll.wire.limits import BLOCK_BYTES_MAX

TIMES = (1_000, 2_000, 3)


def recorder(*, seq=0, sample=0, rate_hz=100.0, cuts=()):
    made = Recorder(info_of("a", rate_hz=rate_hz), 70_000, 7, seq=seq, sample=sample)
    made.cuts = list(cuts)
    return made


def decoded(blocks):
    return [decode_block(block) for block in blocks]


def test_a_block_closes_after_a_minute():
    one = recorder()
    assert one.push(b"ab" * 10, 5.0, times=TIMES) == []
    assert one.due == 5.0 + BLOCK_S
    assert one.tick(5.0 + BLOCK_S - 0.01) == []
    [block] = decoded(one.tick(5.0 + BLOCK_S))
    assert (block.seq, block.first_sample, block.sample_count, block.gap) == (0, 0, 10, False)
    assert (block.boot, block.mono_ms, block.wall_ms, block.clock) == (7, *TIMES)
    assert one.due is None
    assert one.tick(999.0) == one.close() == []


def test_a_full_block_closes_and_the_rest_begins_the_next():
    one = recorder()
    closed = decoded(one.push(bytes(BLOCK_BYTES_MAX * 2 + 20), 5.0, times=TIMES))
    assert [block.sample_count for block in closed] == [BLOCK_BYTES_MAX // 2] * 2
    assert closed[1].first_sample == BLOCK_BYTES_MAX // 2
    assert closed[1].wall_ms == 2_000 + BLOCK_BYTES_MAX // 2 * 10
    [last] = decoded(one.close())
    assert (last.seq, last.sample_count) == (2, 10)


def test_a_boot_begins_with_a_gap_and_goes_on_with_the_numbers():
    one = recorder(seq=12, sample=4_000)
    one.push(b"ab", 0.0, times=TIMES)
    [block] = decoded(one.close())
    assert (block.seq, block.first_sample, block.gap) == (12, 4_000, True)
    one.push(b"ab", 0.0, times=TIMES)
    [block] = decoded(one.close())
    assert (block.seq, block.first_sample, block.gap) == (13, 4_001, False)


def test_a_gap_closes_the_block_before_it():
    one = recorder()
    one.push(bytes(20), 0.0, times=TIMES)
    [before] = decoded(one.push(bytes(10), 1.0, times=TIMES, gap=True))
    assert before.sample_count == 10
    [after] = decoded(one.close())
    assert (after.first_sample, after.sample_count, after.gap) == (10, 5, True)


def test_a_block_ends_with_a_standing_batch():
    one = recorder(cuts=[(50, 10)])
    closed = []
    for tick in range(20):
        closed += one.push(bytes(20), tick * CUT_S, times=TIMES)
    ends = [block.first_sample + block.sample_count for block in decoded(closed)]
    assert ends == [60, 110, 160]  # batches end at 50, 100, ... and take 10 samples beyond


def test_tiny_batches_do_not_make_tiny_blocks():
    one = recorder(cuts=[(1, 0)])
    closed = []
    for tick in range(100):
        closed += one.push(b"ab", tick * 0.01, times=TIMES)
    assert len(closed) == 3


def test_a_block_stays_open_as_long_as_it_is_told():
    """Where a card is to be spared."""
    info = info_of("a", rate_hz=1.0)
    one = Recorder(info, 70_000, 7, seq=0, sample=0, block_s=600.0)
    one.push(b"\1\0", 5.0, times=(1, 2, 0))
    assert one.due == 605.0
    assert one.tick(604.9) == []
    assert len(one.tick(605.0)) == 1
