"""Runs of blocks: arithmetic on the sorted list of `BlockRun`s that a device holds of one stream.

A run is contiguous both in block numbers and in samples. Two runs join where they touch or overlap,
the later one has no gap before it, and its wall time is where the earlier one's rate puts it: so
the list stays short (one run for a stream without trouble) and keeps its times. All functions
return new lists; none changes its arguments.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from atoll.wire.messages import BlockRun

# A run keeps one wall time, for its first sample. A block that is off the time extrapolated from it
# by more than this starts a run of its own, so that queries by time stay right to about this much.
WALL_TOLERANCE_MS = 2_000
# Without a rate nothing can be extrapolated; blocks that came within a minute count as one run.
WALL_TOLERANCE_NO_RATE_MS = 60_000


def _joins(earlier: BlockRun, later: BlockRun, rate_hz: float) -> bool:
    if later.first_seq > earlier.last_seq + 1:
        return False
    if later.first_seq <= earlier.last_seq:
        return True  # they overlap: the same blocks
    if later.gap or later.first_sample != earlier.first_sample + earlier.sample_count:
        return False
    if rate_hz <= 0.0:
        return abs(later.wall_ms - earlier.wall_ms) <= WALL_TOLERANCE_NO_RATE_MS
    expected = earlier.wall_ms + earlier.sample_count * 1000.0 / rate_hz
    return abs(later.wall_ms - expected) <= WALL_TOLERANCE_MS


def _union(a: BlockRun, b: BlockRun) -> BlockRun:
    last_seq = max(a.last_seq, b.last_seq)
    stop = max(a.first_sample + a.sample_count, b.first_sample + b.sample_count)
    shared = max(0, min(a.last_seq, b.last_seq) - b.first_seq + 1)
    fresh = b.byte_count * (b.last_seq - b.first_seq + 1 - shared) // (b.last_seq - b.first_seq + 1)
    return BlockRun(
        a.first_seq,
        last_seq,
        a.first_sample,
        stop - a.first_sample,
        a.wall_ms,
        a.gap,
        a.byte_count + fresh,
    )


def added(runs: Sequence[BlockRun], run: BlockRun, rate_hz: float) -> list[BlockRun]:
    """`runs` with `run` in its place, joined with its neighbours where they are one run."""
    if not runs:
        return [run]
    last = runs[-1]
    if run.first_seq > last.last_seq:  # the usual case: it comes at the end
        if _joins(last, run, rate_hz):
            return [*runs[:-1], _union(last, run)]
        return [*runs, run]
    joined: list[BlockRun] = []
    for item in sorted([*runs, run]):
        if joined and _joins(joined[-1], item, rate_hz):
            joined[-1] = _union(joined[-1], item)
        else:
            joined.append(item)
    return joined


def missing(wanted: Sequence[BlockRun], held: Sequence[BlockRun]) -> list[tuple[int, int]]:
    """Block ranges (first, last) that are in `wanted` and not in `held`."""
    gaps: list[tuple[int, int]] = []
    at = 0
    for run in wanted:
        first = run.first_seq
        while at < len(held) and held[at].last_seq < first:
            at += 1
        ahead = at
        while first <= run.last_seq:
            if ahead == len(held) or held[ahead].first_seq > run.last_seq:
                gaps.append((first, run.last_seq))
                break
            if held[ahead].first_seq > first:
                gaps.append((first, held[ahead].first_seq - 1))
            first = held[ahead].last_seq + 1
            ahead += 1
    return gaps


def lacks(held: Sequence[BlockRun], wanted: Sequence[BlockRun]) -> bool:
    """Whether a block that is in `wanted` is not in `held`; `missing` says which."""
    if held is wanted:
        return False
    if wanted and (not held or held[-1].last_seq < wanted[-1].last_seq):
        return True
    if held == wanted:
        return False
    # Most that are compared have the same past.
    at = min(len(held), len(wanted))
    while at and held[at - 1] != wanted[at - 1]:
        at -= 1
    if held[:at] != wanted[:at]:
        at = 0
    for run in wanted[at:]:
        first, last = run.first_seq, run.last_seq
        while at < len(held) and held[at].last_seq < first:
            at += 1
        ahead = at
        while first <= last:
            if ahead == len(held) or held[ahead].first_seq > first:
                return True
            first = held[ahead].last_seq + 1
            ahead += 1
    return False


def clipped(run: BlockRun, seq: int, sample: int, rate_hz: float) -> BlockRun | None:
    """What is left of a run from block `seq` on, which begins at `sample`; None if nothing is."""
    if run.first_seq >= seq:
        return run
    stop = run.first_sample + run.sample_count
    if run.last_seq < seq or stop <= sample:
        return None
    blocks = run.last_seq - run.first_seq + 1
    later_ms = int((sample - run.first_sample) * 1000.0 / rate_hz) if rate_hz > 0.0 else 0
    return BlockRun(
        seq, run.last_seq, sample, stop - sample, run.wall_ms + later_ms, False,
        run.byte_count * (run.last_seq - seq + 1) // blocks,
    )  # fmt: skip


def has_seq(runs: Sequence[BlockRun], seq: int) -> bool:
    """Whether a block is among them."""
    at = bisect_right(runs, seq, key=_first_seq) - 1
    return at >= 0 and runs[at].last_seq >= seq


def _first_seq(run: BlockRun) -> int:
    return run.first_seq


def covers(runs: Sequence[BlockRun], start: int, stop: int) -> bool:
    """Whether all samples of [start, stop) are held."""
    if start >= stop:
        return True
    for run in runs:
        if run.first_sample > start:
            return False
        end = run.first_sample + run.sample_count
        if end > start:
            if end >= stop:
                return True
            start = end
    return False


def spans(holders: Iterable[Sequence[BlockRun]]) -> list[tuple[int, int]]:
    """The sample intervals [start, stop) that one holder or another has, joined, in order."""
    pieces = sorted((r.first_sample, r.first_sample + r.sample_count) for h in holders for r in h)
    joined: list[tuple[int, int]] = []
    for start, stop in pieces:
        if joined and start <= joined[-1][1]:
            if stop > joined[-1][1]:
                joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def clip_by_time(
    runs: Sequence[BlockRun], rate_hz: float, since_ms: int, until_ms: int
) -> Iterator[tuple[int, int]]:
    """The sample intervals of `runs` whose times lie in [since_ms, until_ms); -1 leaves an end
    open.

    Without a rate a run counts as a whole by the time of its first sample.
    """
    for run in runs:
        start, stop = run.first_sample, run.first_sample + run.sample_count
        if rate_hz <= 0.0:
            if (since_ms < 0 or run.wall_ms >= since_ms) and (
                until_ms < 0 or run.wall_ms < until_ms
            ):
                yield start, stop
            continue
        if since_ms >= 0:
            start += max(0, -int((run.wall_ms - since_ms) * rate_hz // 1000))
        if until_ms >= 0:
            stop = min(stop, run.first_sample - int((run.wall_ms - until_ms) * rate_hz // 1000))
        if start < stop:
            yield start, stop


def end_ms(run: BlockRun, rate_hz: float) -> int:
    """The wall time just after the run's last sample."""
    return run.wall_ms + (int(run.sample_count * 1000.0 / rate_hz) if rate_hz > 0.0 else 0)
