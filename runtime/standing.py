"""Standing jobs on the device: their orders, how far each has got in each stream, and what to
compute next.

An order is kept until it is cancelled, with or without a gateway. Its position in a stream moves on
once a batch's result is safe in the outbox; after a restart it goes on from the last saved
position, and what is computed twice is merged once, by the batch's first sample. At most
`BATCHES_MAX` batches are under way, so a job that catches up on a long history takes its turn with
others.
"""

from typing import NamedTuple

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
from atoll.wire import limits, ordered
from atoll.wire.messages import (
    BlockRun,
    Checkpoint,
    HeldStream,
    Mark,
    Result,
    Standing,
    StreamInfo,
    Stretch,
    Task,
)

# Batches being computed or written, over all orders.
BATCHES_MAX = 64
# Of one stream, so that a long history does not hold back the others.
STREAM_BATCHES_MAX = 4
ORDERS_MAX = 64
# How long a hole in a stream is given to be filled from a replica before a job goes on behind it;
# also what lies before the first block that is here, which retention may have dropped, or which a
# device that acts for the shard since a moment ago is still being sent.
HOLE_PATIENCE_S = 60.0
# Stretches of a stream that were left behind for a hole; what is older is not looked at again.
SKIPPED_MAX = 16
OVER = float("-inf")  # patience that has ended
NEVER = float("inf")


class _Order:
    __slots__ = (
        "checkpoints", "cursors", "marks", "order", "patience", "shape", "skipped", "stuck",
        "under_way",
    )  # fmt: skip

    def __init__(self, order: Standing, shape: Shape) -> None:
        self.order = order._replace(marks=[], checkpoints=[])
        self.checkpoints: dict[str, Checkpoint] = {}  # of plans that remember, at the marks
        self.shape = shape
        self.marks: dict[str, int] = {}  # settled: results before it are in the outbox
        self.cursors: dict[str, int] = {}  # dispatched
        self.under_way: dict[str, dict[int, int]] = {}  # per stream: batch start -> its successor
        self.patience: dict[str, _Patience] = {}  # per stream before a hole
        self.skipped: dict[str, list[tuple[int, int]]] = {}  # per stream: stretches left behind
        self.stuck: dict[str, _Stuck] = {}  # per stream: where nothing was whole


class _Patience(NamedTuple):
    """The holes that a stream has, and until when they are waited for, all at the same time. A hole
    that is being filled is another one with each block: it is waited for anew.
    """

    holes: set[Hole]
    until: float


class _Stuck(NamedTuple):
    """No batch at `cursor` of these very runs is whole, not before `until`."""

    runs: list[BlockRun]
    cursor: int
    until: float


class _Track:
    __slots__ = ("info", "runs", "shard")

    def __init__(self, info: StreamInfo, shard: int) -> None:
        self.info = info
        self.shard = shard
        self.runs: list[BlockRun] = []


class Ready(NamedTuple):
    """Batches of one order to compute now."""

    order: Standing
    tasks: list[Task]
    checkpoints: dict[str, bytes]


class StandingJobs:
    """Orders and positions."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}
        self._tracks: dict[str, dict[str, _Track]] = {}
        self._batches = 0
        self.moved = False  # positions have changed since they were last saved
        # When the first patience ends; None where it has to be looked for.
        self._first_until: float | None = NEVER

    # --- orders ----------------------------------------------------------------------------------

    def take(self, order: Standing, shape: Shape) -> str:
        """Enter an order, or add the marks of a repeated one; why it is refused, empty if it is
        not.
        """
        known = self._orders.get(order.job)
        if known is None:
            if len(self._orders) >= ORDERS_MAX:
                return f"more than {ORDERS_MAX} standing jobs"
            known = self._orders[order.job] = _Order(order, shape)
        elif known.order != order._replace(
            marks=[], checkpoints=[], boot=known.order.boot, epoch=known.order.epoch,
            lease=known.order.lease,
        ):  # fmt: skip
            return f"standing job {order.job} is here with another plan, dataset or batch"
        for checkpoint in order.checkpoints:
            if checkpoint.sample >= known.marks.get(checkpoint.key, 0):
                known.checkpoints[checkpoint.key] = checkpoint
        for key, sample in order.marks:
            known.marks[key] = max(known.marks.get(key, 0), sample)
            known.cursors[key] = max(known.cursors.get(key, 0), sample)
        return ""

    def cancel(self, job: str) -> bool:
        """Forget an order; whether it was here."""
        known = self._orders.pop(job, None)
        if known is None:
            return False
        self._batches -= sum(map(len, known.under_way.values()))
        self._first_until = None
        if not self.has_orders(known.order.dataset):
            self._tracks.pop(known.order.dataset, None)
        return True

    def orders(self) -> list[Standing]:
        """The orders with their marks, in messages that fit the schema."""
        found = []
        for known in self._orders.values():
            marks = [Mark(key, sample) for key, sample in known.marks.items()]
            for at in range(0, max(1, len(marks)), limits.STREAMS_MAX):
                some = marks[at : at + limits.STREAMS_MAX]
                held = [known.checkpoints[m.key] for m in some if m.key in known.checkpoints]
                found.append(known.order._replace(marks=some, checkpoints=held))
        return found

    def jobs(self) -> list[str]:
        """Names of the jobs."""
        return list(self._orders)

    def datasets(self) -> set[str]:
        """Datasets with an order."""
        return {known.order.dataset for known in self._orders.values()}

    def has_orders(self, dataset: str) -> bool:
        """Whether any order is for this dataset."""
        return any(known.order.dataset == dataset for known in self._orders.values())

    def cuts(self, dataset: str, rate_hz: float) -> list[tuple[int, int]]:
        """(every, overlap) of the dataset's orders: where a live block ends early."""
        return [
            (self._every(known, rate_hz), known.shape.overlap)
            for known in self._orders.values()
            if known.order.dataset == dataset
        ]

    @staticmethod
    def _every(known: _Order, rate_hz: float) -> int:
        order = known.order
        every = order.every or 64 * known.shape.step
        return batch_samples(every, order.every_ms, rate_hz, known.shape.step)

    # --- what is stored --------------------------------------------------------------------------

    def extend(self, streams: list[HeldStream]) -> None:
        """Note blocks that are now stored, of datasets with an order."""
        for info, shard, runs in streams:
            if not self.has_orders(info.dataset):
                continue
            tracks = self._tracks.setdefault(info.dataset, {})
            track = tracks.get(info.key)
            if track is None:
                track = tracks[info.key] = _Track(info, shard)
            for run in runs:
                track.runs = joined(track.runs, run)

    def drop_shard(self, dataset: str, shard: int) -> None:
        """A shard was deleted here."""
        tracks = self._tracks.get(dataset, {})
        for key in [key for key, track in tracks.items() if track.shard == shard]:
            del tracks[key]
            for known in self._orders.values():
                if known.order.dataset == dataset:
                    known.stuck.pop(key, None)

    # --- what to compute -------------------------------------------------------------------------

    def ready(
        self, acting: "set[tuple[str, int]]", own: set[tuple[str, str]], now: float
    ) -> list[Ready]:
        """Whole batches of the streams that the device acts for, entered as under way."""
        found = []
        for known in self._orders.values():
            dataset = known.order.dataset
            tasks: list[Task] = []
            stuck, cursors = known.stuck, known.cursors
            shards = {number for name, number in acting if name == dataset}
            keys = {key for name, key in own if name == dataset}
            for key, track in self._tracks.get(dataset, {}).items():
                if track.shard not in shards and key not in keys:
                    continue
                last = stuck.get(key)
                if (
                    last is not None
                    and last.runs is track.runs  # a list that grows is another one
                    and now < last.until
                    and last.cursor == cursors.get(key, 0)
                ):
                    continue
                self._advance(known, key, track, tasks, now)
            if tasks:
                held = known.checkpoints
                states = {t.key: held[t.key].data for t in tasks if _goes_on(held.get(t.key), t)}
                found.append(Ready(known.order, tasks, states))
        return found

    def _advance(
        self, known: _Order, key: str, track: _Track, tasks: list[Task], now: float
    ) -> None:
        under_way = known.under_way.setdefault(key, {})
        every = self._every(known, track.info.rate_hz)
        if known.skipped.get(key):
            self._make_good(known, key, track, tasks, every)
        most = 1 if known.shape.ordered else STREAM_BATCHES_MAX
        while self._batches < BATCHES_MAX and len(under_way) < most:
            batch = self._next(known, key, track, every, now)
            if batch is None:
                return
            if known.shape.ordered:
                held = known.checkpoints.get(key)
                goes_on = held is not None and held.sample == batch.start
                # The run's beginning may be gone; windows are counted from it all the same. Where
                # nothing is remembered, the stages begin anew.
                batch = batch._replace(anchor=held.anchor if held and goes_on else batch.start)
            known.cursors[key] = batch.following
            if batch.start not in under_way:
                under_way[batch.start] = batch.following
                self._batches += 1
                tasks.append(Task(key, batch.start, batch.anchor, batch.start, batch.stop))

    def _make_good(
        self, known: _Order, key: str, track: _Track, tasks: list[Task], every: int
    ) -> None:
        """Batches of stretches that were left behind and are whole by now; holes may remain."""
        under_way, left = known.under_way[key], []
        for first, stop in known.skipped[key]:
            for batch in whole_batches(track.runs, first, stop, every, known.shape):
                if self._batches >= BATCHES_MAX:
                    break
                if batch.start > first:
                    left.append((first, batch.start))
                first = batch.following
                if batch.start not in under_way:
                    under_way[batch.start] = batch.following
                    self._batches += 1
                    tasks.append(Task(key, batch.start, batch.anchor, batch.start, batch.stop))
            if first < stop:
                left.append((first, stop))
        known.skipped[key] = left[-SKIPPED_MAX:]

    def _next(self, known: _Order, key: str, track: _Track, every: int, now: float) -> Batch | None:
        cursor = known.cursors.get(key, 0)
        batch = next_batch(track.runs, cursor, every, known.shape)
        if batch is not None:
            return batch
        beyond = None
        # A plan that remembers begins anew behind a hole: where, the gateway says to all.
        if not known.shape.ordered:
            beyond = next_batch(track.runs, cursor, every, known.shape, patient=False)
        until = NEVER
        if beyond is None:
            if known.patience.pop(key, None) is not None:
                self._first_until = None
        else:
            waits = known.patience.get(key)
            if waits is None or not waits.holes.issuperset(
                holes(track.runs, cursor, max(cursor, beyond.stop))
            ):
                here = set(holes(track.runs, cursor))
                waits = known.patience[key] = _Patience(here, now + HOLE_PATIENCE_S)
                self._first_until = None
            until = waits.until
        if now >= until:
            if beyond is not None:
                behind = beyond.start + every
                skipped = [(cursor, beyond.start), (behind, beyond.following)]
                known.skipped.setdefault(key, []).extend(s for s in skipped if s[0] < s[1])
            return beyond
        known.stuck[key] = _Stuck(track.runs, cursor, until)
        return None

    def look_again(self, job: str, stretches: list[Stretch]) -> None:
        """The gateway lacks batches of these stretches, of which this device may have forgotten
        that it left them behind, or never knew.
        """
        known = self._orders.get(job)
        if known is None or known.shape.ordered:
            return
        for key, first, stop in stretches:
            skipped = known.skipped.setdefault(key, [])
            stop = min(stop, known.cursors.get(key, 0))  # what is beyond comes in its turn
            if first < stop and not any(a <= first and stop <= b for a, b in skipped):
                skipped.append((first, stop))
                del skipped[:-SKIPPED_MAX]
                known.stuck.pop(key, None)

    def next_wakeup(self) -> float | None:
        """When a hole has been waited for long enough."""
        first = self._first_until
        if first is None:
            first = NEVER
            for known in self._orders.values():
                for _, until in known.patience.values():
                    if OVER != until < first:
                        first = until
            self._first_until = first
        return first if first < NEVER else None

    def run_due(self, now: float) -> None:
        """Patience that has ended wakes nobody again: whoever may not compute now goes on later."""
        first = self.next_wakeup()
        if first is None or first > now:
            return
        self._first_until = None
        for known in self._orders.values():
            for key, waits in known.patience.items():
                if waits.until <= now:
                    known.patience[key] = waits._replace(until=OVER)

    def remember(self, job: str, results: list[Result]) -> None:
        """Take the checkpoints out of batches that are in the outbox, but for one that was begun
        before the gateway gave a later one.
        """
        known = self._orders.get(job)
        if known is None or not known.shape.ordered:
            return
        for result in results:
            if not result.failed:
                following, anchor, _, data = ordered.unpack(result.data)
                held = known.checkpoints.get(result.key)
                if held is None or held.sample < following:
                    known.checkpoints[result.key] = Checkpoint(result.key, following, anchor, data)

    def settle(self, job: str, results: list[tuple[str, int]], *, kept: bool) -> None:
        """Batches (key, first sample) are in the outbox; or, not `kept`, must be computed again."""
        known = self._orders.get(job)
        if known is None:
            return
        for key, start in results:
            under_way = known.under_way.get(key, {})
            following = under_way.pop(start, None)
            if following is None:
                continue
            self._batches -= 1
            if not kept:
                known.cursors[key] = min(known.cursors.get(key, start), start)
                continue
            # Position: everything before it is kept; batches may finish out of order.
            known.marks[key] = max(
                known.marks.get(key, 0), min(under_way, default=known.cursors.get(key, following))
            )
            self.moved = True


def _goes_on(held: Checkpoint | None, task: Task) -> bool:
    return held is not None and held.sample == task.start > task.anchor
