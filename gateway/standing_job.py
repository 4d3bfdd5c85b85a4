"""One standing job: its plan, where its batches lie, and how far it has got in each stream."""

from bisect import bisect_right

from atoll.gateway.catalog import Stream
from atoll.gateway.programs import batch_samples
from atoll.gateway.progress import Line, Progress, beginning
from atoll.gateway.records import StandingSet
from atoll.gateway.requests import parse_plan
from atoll.wire import messages as wire
from atoll.wire import ordered
from atoll.wire.errors import WireError


class StandingJob:
    """One standing job."""

    def __init__(self, row: StandingSet) -> None:
        self.row = row
        self.plan = parse_plan(row.plan)
        self.ram_bytes = self.plan.cost().ram_bytes
        # Samples of the least batch before a gap: those that batches share belong to the one
        # before, and fewer than a window takes give nothing.
        self.least = max(self.plan.overlap, self.plan.need)
        self.streams: dict[str, Progress] = {}
        self.batches = 0
        self.failures = 0
        self.changed: dict[str, None] = {}
        self.show_at = 0.0

    def every(self, stream: Stream) -> int:
        """Samples of a batch of a stream."""
        return batch_samples(self.row, self.plan.step, stream.info.rate_hz)

    def settled(self, line: Line, stream: Stream) -> int:
        """A line's mark by the gaps that are known now; of a plan that remembers, by where the
        batch before it says that the next one begins: its device knew the gaps.
        """
        progress = self.streams.get(stream.info.key)
        base = progress.base if progress is not None else None
        if self.plan.ordered and base is not None and line.last in (None, base[0]):
            begins = beginning(stream.anchors, ordered.unpack(base[1]).following, self.least)
            if line.last is None and begins < line.mark:  # it had gone on behind a hole
                return beginning(stream.anchors, line.mark, self.least)
            return begins
        return line.settled(stream.anchors, self.every(stream), self.least)

    def following(self, stream: Stream, sample: int) -> int:
        """Where the batch behind the one at `sample` begins: `every` on, or at the next gap."""
        following = sample + self.every(stream)
        at = bisect_right(stream.anchors, sample)
        if at < len(stream.anchors):
            following = min(following, stream.anchors[at])
        return beginning(stream.anchors, following, self.least)

    def carries(self, number: int) -> bool:
        """Whether the batch holds a checkpoint: a board that stores nothing goes on by itself."""
        return self.plan.ordered and number < wire.RUN_SAMPLES

    def partial_of(self, number: int, data: bytes) -> bytes | None:
        """The partial of a batch's data; None where its checkpoint is damaged."""
        if not self.carries(number):
            return data
        try:
            return ordered.unpack(data).partial
        except WireError:
            return None

    def checkpoints(self, marks: list[wire.Mark]) -> dict[str, wire.Checkpoint]:
        """What a device goes on from at these marks, by key."""
        found: dict[str, wire.Checkpoint] = {}
        for key, sample in marks if self.plan.ordered else ():
            base = self.streams[key].base
            if base is None:
                continue
            held = ordered.unpack(base[1])
            if held.following == sample:
                found[key] = wire.Checkpoint(key, sample, held.anchor, held.checkpoint)
        return found
