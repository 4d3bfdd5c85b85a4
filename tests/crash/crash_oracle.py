"""What a site must answer after exactly the acknowledged puts: computed here, in one process, with
`Plan` over arrays.

A `Book` is one dataset's truth. Each comparison returns what it found as (kind, text); kinds are
`lost` (acknowledged and not there), `duplicated` (there more than once) and `wrong` (other bytes).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from atoll.kernels import Plan

Found = list[tuple[str, str]]


class Book:
    """The acknowledged samples of one dataset, by key."""

    def __init__(self, dataset: str, rate_hz: float) -> None:
        self.dataset = dataset
        self.rate_hz = rate_hz
        self.streams: dict[str, Any] = {}

    @property
    def sample_count(self) -> int:
        """Samples of all streams."""
        return sum(map(len, self.streams.values()))

    def add(self, batch: Mapping[str, Any]) -> None:
        """A put was acknowledged."""
        for key, samples in batch.items():
            before = self.streams.get(key)
            self.streams[key] = samples if before is None else np.concatenate([before, samples])

    def partial(self, plan: Plan, without: Iterable[str] = ()) -> bytes:
        """What the plan leaves behind over all streams but those."""
        keys = sorted(set(self.streams) - set(without))
        parts = [plan.partial(self.streams[key], self.rate_hz, key=key) for key in keys]
        return plan.merge(parts)

    def compare_samples(self, key: str, found: Any) -> Found:
        """A stream's samples as they were read."""
        wanted = self.streams[key]
        if np.array_equal(found, wanted):
            return []
        where = f"{self.dataset}/{key}"
        return [mismatch(where, wanted, found)]

    def compare_counts(self, found: Mapping[str, int]) -> Found:
        """Samples by stream, as a query counts them."""
        problems: Found = []
        for key in sorted(self.streams.keys() | found.keys()):
            wanted, there = len(self.streams.get(key, ())), found.get(key, 0)
            text = f"{self.dataset}/{key}: {there} samples counted, {wanted} acknowledged"
            if there != wanted:
                problems.append(("lost" if there < wanted else "duplicated", text))
        return problems

    def doubtful(self, key: str, tried: Any, found: Any) -> Found:
        """After a put that was not answered: all that was acknowledged before, and a beginning of
        what was tried.
        """
        before = self.streams.get(key, tried[:0])
        whole = np.concatenate([before, tried])
        where = f"{self.dataset}/{key} after an unanswered put"
        if len(found) < len(before):
            return [("lost", f"{where}: {len(found)} of {len(before)} samples")]
        if len(found) > len(whole):
            return [("duplicated", f"{where}: {len(found)} samples, at most {len(whole)}")]
        if not np.array_equal(found, whole[: len(found)]):
            return [("wrong", f"{where}: other samples")]
        return []


def mismatch(where: str, wanted: Any, found: Any) -> tuple[str, str]:
    """How two arrays differ: by what is missing, what is there too often, or else."""
    text = f"{where}: {len(found)} samples, {len(wanted)} acknowledged"
    more = Counter(found.tolist())
    more.subtract(Counter(wanted.tolist()))
    if any(count < 0 for count in more.values()) and len(found) < len(wanted):
        return "lost", text
    if len(found) > len(wanted):
        return "duplicated", text
    return "wrong", text


class Batch(NamedTuple):
    """A standing job's window of one stream: its samples, and where they lie."""

    first: int
    anchor: int
    samples: Any


def batches(samples: Any, anchors: Iterable[int], first: int, every: int) -> list[Batch]:
    """The windows of a stream by the rule in docs/device.md: from each gap on one every `every`
    samples, the rest before the next gap is a shorter one; after the last gap only whole ones.

    `anchors`: first samples of the gap-free runs, in order; `samples` begins at `first`.
    """
    starts = sorted(anchors)
    end = first + len(samples)
    found = []
    for number, anchor in enumerate(starts):
        last_run = number + 1 == len(starts)
        stop = end if last_run else starts[number + 1]
        for at in range(anchor, stop, every):
            upto = min(at + every, stop)
            if upto - at == every or not last_run:
                found.append(Batch(at, anchor, samples[at - first : upto - first]))
    return found
