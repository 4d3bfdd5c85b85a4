"""Cutting a query into tasks: once, when the job is planned, and never again.

A stream's samples, as far as any device is known to have them, are cut at its gaps; each gap-free
stretch is cut into pieces of about PIECE_SAMPLES at multiples of the plan's step from the stretch's
anchor, each with the plan's overlap behind it. A task's number is its place in this list, so the
list is the same whenever it is derived from the same cuts.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from atoll.gateway import runs
from atoll.gateway.catalog import Stream
from atoll.wire.messages import Task

# Some milliseconds of work on a small board: long beside a message, short beside a job.
PIECE_SAMPLES = 262_144
# Tasks of one query; more samples make longer pieces.
TASKS_MAX = 1_000_000


class Shape(Protocol):
    """What cutting needs to know of a plan."""

    step: int
    overlap: int
    window: int
    ordered: bool


class Cut(NamedTuple):
    """A gap-free stretch [start, stop) of a stream whose windows are counted from `anchor`."""

    key: str
    anchor: int
    start: int
    stop: int


class Times(NamedTuple):
    """The part of the data that is asked for: wall times in ms, -1: open."""

    since_ms: int = -1
    until_ms: int = -1


def cut_stream(
    stream: Stream, holders: Sequence[str], step: int, times: Times
) -> tuple[list[Cut], int]:
    """The stretches of a stream that these holders have, and how many gaps lie between them."""
    held = [stream.held[d] for d in holders if d in stream.held]
    if times == (-1, -1):
        first = held[0] if held else []
        if len(first) == 1 and held.count(first) == len(held):  # nearly always
            spans = [(first[0].first_sample, first[0].first_sample + first[0].sample_count)]
        else:
            spans = runs.spans(held)
    else:
        rate = stream.info.rate_hz
        clipped = sorted({s for h in held for s in runs.clip_by_time(h, rate, *times)})
        spans = _joined(clipped)
    cuts: list[Cut] = []
    for start, stop in spans:
        cuts.extend(_at_anchors(stream, start, stop, step))
    return cuts, max(0, len(cuts) - 1)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, stop in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _at_anchors(stream: Stream, start: int, stop: int, step: int) -> list[Cut]:
    """One span cut where the stream has gaps; each part begins on the lattice of its anchor."""
    key = stream.info.key
    anchors = stream.anchors
    if len(anchors) == 1 and start == anchors[0]:  # nearly always
        return [Cut(key, start, start, stop)]
    found: list[Cut] = []
    inner = [a for a in anchors if start < a < stop]
    for begin, end in zip([start, *inner], [*inner, stop], strict=True):
        anchor = stream.anchor_at(begin)
        first = anchor + -(-(begin - anchor) // step) * step
        if first < end:
            found.append(Cut(key, anchor, first, end))
    return found


def tasks_of(cuts: Sequence[Cut], plan: Shape, piece: int) -> list[Task]:
    """The tasks of these cuts, numbered from 0."""
    tasks: list[Task] = []
    number = 0
    overlap, window = plan.overlap, plan.window
    for key, anchor, start, stop in cuts:
        if stop - start <= piece or plan.ordered:
            tasks.append(Task(key, number, anchor, start, stop))
            number += 1
            continue
        while True:
            # A rest that holds no window of its own belongs to the piece before it.
            last = stop - (start + piece) < window
            end = stop if last else start + piece + overlap
            tasks.append(Task(key, number, anchor, start, min(end, stop)))
            number += 1
            if last:
                break
            start += piece
    return tasks


def piece_samples(cuts: Iterable[Cut], step: int) -> int:
    """The length of a piece: a multiple of the step, so long that the tasks are not too many."""
    total = sum(cut.stop - cut.start for cut in cuts)
    length = max(PIECE_SAMPLES, total // TASKS_MAX, step)
    return length // step * step


def to_text(cuts: Sequence[Cut], piece: int) -> str:
    """As the ledger keeps them."""
    return json.dumps([piece, *cuts], separators=(",", ":"))


def from_text(text: str) -> tuple[list[Cut], int]:
    """The cuts and the length of a piece."""
    piece, *cuts = json.loads(text)
    return [Cut(*cut) for cut in cuts], piece
