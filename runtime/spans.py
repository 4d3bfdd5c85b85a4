"""Where the batches of a standing job lie in a stream, as a pure function of the runs that are
stored.

A run is a stretch of samples without a gap. Batches of `every` samples begin at anchor + j * every,
where the anchor is the run's first sample; each takes `overlap` samples beyond its end, so that the
windows that begin in it are whole. What is left at a true gap (the next block says that it does not
continue) is one shorter batch. A hole is something else: blocks that exist but are not here. It may
still be filled, so a job waits before it until its patience ends.
"""

from collections.abc import Iterator
from typing import NamedTuple

from atoll.wire.messages import BlockRun


class Shape(NamedTuple):
    """How a plan walks over a stream, in samples of the stream: its step, what pieces share, and
    what a window takes.
    """

    step: int
    overlap: int
    window: int
    ordered: bool = False  # remembers without end: batch after batch, each from a checkpoint


class Batch(NamedTuple):
    """Samples [start, stop) of the run that begins at `anchor`; the next batch begins at
    `following`.
    """

    anchor: int
    start: int
    stop: int
    following: int


class Hole(NamedTuple):
    """Blocks that are not here: those between `last_seq` (-1: none) and `first_seq`."""

    last_seq: int
    first_seq: int


def joined(runs: list[BlockRun], fresh: BlockRun) -> list[BlockRun]:
    """`runs`, oldest first, with one more; what continues without a gap becomes one run.

    Runs may overlap: a list of what is stored comes after news of some of its blocks.
    """
    at = len(runs)
    while at and runs[at - 1].first_seq > fresh.first_seq:
        at -= 1
    if at and runs[at - 1].last_seq >= fresh.last_seq:
        return runs  # stored twice
    behind = at
    if at and runs[at - 1].last_seq >= fresh.first_seq:
        at -= 1
        fresh = _united(runs[at], fresh)
    while behind < len(runs) and runs[behind].first_seq <= fresh.last_seq:
        fresh = _united(fresh, runs[behind])
        behind += 1
    result = [*runs[:at], fresh, *runs[behind:]]
    for left in (at, at - 1):
        if 0 <= left < len(result) - 1 and _continues(result[left], result[left + 1]):
            result[left : left + 2] = [_merged(result[left], result[left + 1])]
    return result


def _continues(first: BlockRun, second: BlockRun) -> bool:
    return (
        not second.gap
        and second.first_seq == first.last_seq + 1
        and second.first_sample == first.first_sample + first.sample_count
    )


def _united(first: BlockRun, second: BlockRun) -> BlockRun:
    """Two runs that share blocks; the first begins no later."""
    if second.last_seq <= first.last_seq:
        return first
    blocks, more = second.last_seq - second.first_seq + 1, second.last_seq - first.last_seq
    return first._replace(
        last_seq=second.last_seq,
        sample_count=second.first_sample + second.sample_count - first.first_sample,
        byte_count=first.byte_count + second.byte_count * more // blocks,
    )


def _merged(first: BlockRun, second: BlockRun) -> BlockRun:
    return BlockRun(
        first.first_seq, second.last_seq, first.first_sample,
        first.sample_count + second.sample_count, first.wall_ms, first.gap,
        first.byte_count + second.byte_count,
    )  # fmt: skip


def batch_samples(every: int, every_ms: int, rate_hz: float, step: int) -> int:
    """The batch of an order in samples, a multiple of `step` and at least one."""
    if every_ms:
        every = round(rate_hz * every_ms / 1_000)
    return max(step, every // step * step)


def next_batch(
    runs: list[BlockRun], cursor: int, every: int, shape: Shape, *, patient: bool = True
) -> Batch | None:
    """The first batch at or after `cursor` that is whole; None while there is none.

    Without patience a hole counts as a gap.
    """
    for at, run in enumerate(runs):
        end = run.first_sample + run.sample_count
        if end <= cursor:
            continue
        begins = run.gap or run.first_seq == 0
        missed = run.first_seq > (runs[at - 1].last_seq + 1 if at else 0)
        if cursor < run.first_sample and (missed or not begins) and patient:
            return None  # a hole before this run
        start, anchor = _start(run, cursor, every, begins=begins)
        if start + every + shape.overlap <= end:
            return Batch(anchor, start, start + every + shape.overlap, start + every)
        if at + 1 == len(runs):
            return None
        after = runs[at + 1]
        if patient and not (after.gap and after.first_seq == run.last_seq + 1):
            return None  # a hole behind this run
        # Only a gap begins a lattice: behind a hole it goes on, or two devices that have different
        # blocks would cut the same samples differently.
        following = after.first_sample if after.gap else start + every if start < end else start
        if end - start >= shape.window:
            return Batch(anchor, start, end, following)
        cursor = following
    return None


def holes(runs: list[BlockRun], first: int, stop: int | None = None) -> Iterator[Hole]:
    """The holes that end behind sample `first` and begin no later than at `stop`."""
    last, end = -1, 0
    for run in runs:
        if stop is not None and end > stop:
            return
        if run.first_seq > last + 1 and run.first_sample > first:
            yield Hole(last, run.first_seq)
        last, end = run.last_seq, run.first_sample + run.sample_count


def whole_batches(
    runs: list[BlockRun], first: int, stop: int, every: int, shape: Shape
) -> Iterator[Batch]:
    """The batches that begin in [first, stop) and that holes, if there are any, do not touch."""
    for at, run in enumerate(runs):
        end = run.first_sample + run.sample_count
        if end <= first:
            continue
        begins = run.gap or run.first_seq == 0
        start, anchor = _start(run, first, every, begins=begins)
        after = runs[at + 1] if at + 1 < len(runs) else None
        ends = after is not None and after.gap and after.first_seq == run.last_seq + 1
        while start < stop:
            if start + every + shape.overlap <= end:
                stop_at, following = start + every + shape.overlap, start + every
            elif after is not None and ends and end - start >= shape.window:
                stop_at, following = end, after.first_sample
            else:
                break
            yield Batch(anchor if begins else start, start, stop_at, following)
            start += every
        first = max(first, start)  # behind a hole the lattice goes on


def _start(run: BlockRun, cursor: int, every: int, *, begins: bool) -> tuple[int, int]:
    """Where the batch at `cursor` begins in a run, and the run's anchor as far as known."""
    if begins:
        batches = max(0, cursor - run.first_sample) // every
        return run.first_sample + batches * every, run.first_sample
    # The run's beginning was dropped by retention: the cursor is the only lattice that is left.
    skipped = -(-max(0, run.first_sample - cursor) // every)
    return cursor + skipped * every, cursor + skipped * every
