"""Results on their way out: batched into messages, numbered, kept until acknowledged, sent again
where they were not.

Two lanes. New results go out as they come. Whatever was left unacknowledged by a broken connection,
a silent gateway or an earlier boot is the backlog: it goes oldest first, a few messages at a time,
each after the acknowledgement of one before it, so that it never holds back new results.
"""

import heapq
from typing import NamedTuple

from atoll.wire.messages import NumberSpan, Result

# A message closes at this many results or bytes (of 65,536: the rest is envelope and field heads)
# ...
RESULTS_MAX = 512
BYTES_MAX = 48_000
# ... or when its first result has waited this long.
WAIT_S = 0.005
# What one result costs in a message besides its key and data.
RESULT_OVERHEAD = 24
# Backlog messages under way at once.
LANE_WIDTH = 4
# Without an acknowledgement a message goes into the backlog after this long, and again within it.
RETRY_S = 10.0
# Messages waiting for their acknowledgement, and bytes of them: over either the device takes no new
# work. The outbox itself bears more (outbox.py), so that what is computed by then has room.
UNACKED_MAX = 4_096
UNACKED_BYTES_MAX = 48 * 1_048_576


class Batch(NamedTuple):
    """Results of one job for one message."""

    job: str
    standing: bool
    results: list[Result]


class _Open:
    __slots__ = ("results", "since", "size")

    def __init__(self, now: float) -> None:
        self.results: list[Result] = []
        self.size = 0
        self.since = now


class Results:
    """Batches being filled and numbers waiting."""

    def __init__(self, boot: int, backlog: list[int], backlog_bytes: int = 0) -> None:
        self._open: dict[tuple[str, bool], _Open] = {}
        self._waiting: dict[int, float] = {}  # published in this session, not acknowledged
        self._backlog = sorted(backlog)  # a heap: the oldest goes first, whenever it came in
        self._lane: dict[int, float] = {}
        # Their bytes; of those from before only the sum is known.
        self._unacked = dict.fromkeys(backlog, backlog_bytes // max(1, len(backlog)))
        self._bytes = sum(self._unacked.values())
        # Boot number, then a counter: numbers grow across boots with nothing stored for it.
        self._next = boot << 32
        self._writing = 0

    @property
    def backlog(self) -> int:
        """Messages that wait for an acknowledgement."""
        return len(self._unacked)

    @property
    def full(self) -> bool:
        """Whether new work must be refused."""
        return len(self._unacked) >= UNACKED_MAX or self._bytes >= UNACKED_BYTES_MAX

    @property
    def backlog_bytes(self) -> int:
        """Bytes of the messages that wait."""
        return self._bytes

    @property
    def idle(self) -> bool:
        """Whether no result is being batched, written or waited for."""
        return not (self._open or self._writing or self._waiting or self._lane or self._backlog)

    @property
    def flushed(self) -> bool:
        """Whether every result is in the outbox, acknowledged or not."""
        return not (self._open or self._writing)

    # --- batching --------------------------------------------------------------------------------

    def add(self, batch: Batch, now: float) -> list[Batch]:
        """Take results in; the batches that are full with them."""
        name = (batch.job, batch.standing)
        ready: list[Batch] = []
        slot = self._open.get(name)
        for result in batch.results:
            size = len(result.data) + len(result.key) + RESULT_OVERHEAD
            if slot is not None and (
                slot.size + size > BYTES_MAX or len(slot.results) == RESULTS_MAX
            ):
                ready.append(Batch(*name, slot.results))
                slot = None
            if slot is None:
                slot = _Open(now)
            slot.results.append(result)
            slot.size += size
        if slot is not None:
            self._open[name] = slot
        return ready

    def due(self, now: float) -> list[Batch]:
        """The batches that have waited long enough."""
        names = [name for name, slot in self._open.items() if slot.since + WAIT_S <= now]
        return [Batch(*name, self._open.pop(name).results) for name in names]

    def close(self, job: str, *, standing: bool) -> list[Batch]:
        """The job's batch as it is: nothing more comes soon."""
        slot = self._open.pop((job, standing), None)
        return [Batch(job, standing, slot.results)] if slot is not None else []

    def cancel(self, job: str) -> None:
        """Drop a job's unfinished batches."""
        self._open.pop((job, False), None)
        self._open.pop((job, True), None)

    # --- waiting for acknowledgements ------------------------------------------------------------

    def number(self, size: int = 0) -> int:
        """The number of a new message of so many bytes, which is about to be written."""
        self._next += 1
        self._unacked[self._next] = size
        self._bytes += size
        self._writing += 1
        return self._next

    def written(self, number: int, now: float, *, sent: bool) -> None:
        """The message is in the outbox, and published if there was a link."""
        self._writing -= 1
        if number in self._unacked:
            if sent:
                self._waiting[number] = now
            else:
                heapq.heappush(self._backlog, number)

    def _forget(self, number: int) -> None:
        self._bytes -= self._unacked.pop(number, 0)

    def lost(self, number: int) -> None:
        """The message could not be written or read again."""
        self._writing -= 1
        self._forget(number)

    def gone(self, number: int) -> None:
        """A backlog message cannot be read again."""
        self._lane.pop(number, None)
        self._forget(number)

    def interrupted(self) -> None:
        """The link broke, or another gateway began: all that waits goes through the backlog."""
        numbers = {*self._waiting, *self._lane, *self._backlog} & self._unacked.keys()
        self._waiting.clear()
        self._lane.clear()
        self._backlog = sorted(numbers)

    def acknowledged(self, spans: list[NumberSpan]) -> int:
        """Take the gateway's acknowledgement; how many messages it settles."""
        settled = 0
        for first, last in spans:
            if first == last:
                numbers = [first] if first in self._unacked else []
            else:
                numbers = [one for one in self._unacked if first <= one <= last]
            for number in numbers:
                self._forget(number)
                self._waiting.pop(number, None)
                self._lane.pop(number, None)
            settled += len(numbers)
        return settled

    def resend(self, now: float) -> list[int]:
        """Backlog messages to be read and sent now."""
        for number in [one for one, sent in self._waiting.items() if sent + RETRY_S <= now]:
            del self._waiting[number]
            heapq.heappush(self._backlog, number)
        for number in [one for one, sent in self._lane.items() if sent + RETRY_S <= now]:
            del self._lane[number]
            heapq.heappush(self._backlog, number)
        chosen: list[int] = []
        while self._backlog and len(self._lane) < LANE_WIDTH:
            number = heapq.heappop(self._backlog)
            if number in self._unacked and number not in self._lane:
                self._lane[number] = now
                chosen.append(number)
        return chosen

    def next_wakeup(self, *, linked: bool) -> float | None:
        """When `due` or `resend` has something to do."""
        first: float | None = None
        if self._open:
            first = min(slot.since for slot in self._open.values()) + WAIT_S
        if linked:
            for group in (self._waiting, self._lane):
                if group:  # insertion order is the order of sending
                    again = next(iter(group.values())) + RETRY_S
                    first = again if first is None or again < first else first
        return first
