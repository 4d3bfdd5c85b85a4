"""One query: its tasks, which of them are where, and what has come back."""

from typing import Any

from atoll.gateway.cutting import Cut
from atoll.gateway.records import QuerySet
from atoll.gateway.times import Times
from atoll.kernels import Plan
from atoll.wire.messages import Task

OPEN, DONE, MISSING = range(3)
# Partials kept one by one until they are this many bytes; then they are merged into one. A query
# that gives rows is refused at 1 MiB by its plan, so this bounds a job's memory.
FOLD_BYTES = 4 * 1_048_576


class Query:
    """The state of one query. Sets and byte arrays by task number: nothing here scans all tasks."""

    def __init__(
        self, row: QuerySet, plan: Plan, cuts: list[Cut], tasks: list[Task], deadline: float
    ) -> None:
        self.row = row
        self.plan = plan
        self.cuts = cuts
        self.tasks = tasks
        self.deadline = deadline
        self.gaps = 0
        self.closed = False
        self.state = bytearray(len(tasks))
        self.left = len(tasks)
        self.parts: list[bytes | None] = [None] * len(tasks)
        self.part_bytes = 0
        self.merged_count = 0  # partials taken in; as many as there are tasks done
        self.folded: bytes | None = None
        self.flights: dict[str, set[int]] = {}  # by device: sent, not answered
        self.times = Times()
        self.again_out: set[int] = set()  # started again with a second device (stragglers.py)
        self.progress: dict[str, float] = {}  # by device: when it was sent or answered something
        self.orphans: set[int] = set()  # nobody live has their samples
        self.orphan_since = 0.0
        self.again: set[int] = set()  # to be sent once more, at `again_at`
        self.again_at = 0.0
        self.failed: dict[int, set[str]] = {}  # by task: devices that could not
        self.reasons: dict[int, str] = {}
        self.taken: dict[int, str] = {}  # by task: the lost device it was taken from
        self.eligible: dict[str, bool] = {}
        self.told_done = 0
        self.tell_at = 0.0
        self.started = 0.0

    @property
    def job(self) -> str:
        """Its name."""
        return self.row.job

    @property
    def done(self) -> int:
        """Tasks that are merged."""
        return len(self.tasks) - self.left - len(self.missing())

    def missing(self) -> list[int]:
        """Tasks that were given up."""
        return [n for n in self.reasons if self.state[n] == MISSING] if self.reasons else []

    def open_tasks(self) -> list[int]:
        """Tasks without an answer. O(tasks): for the end of a job and for restarts."""
        return [n for n, state in enumerate(bytes(self.state)) if state == OPEN]

    def settle(self, number: int, data: bytes) -> None:
        """A task's partial is in."""
        self.state[number] = DONE
        self.parts[number] = data
        self.part_bytes += len(data)
        self.merged_count += 1
        self.left -= 1

    def give_up(self, number: int, reason: str) -> None:
        """A task will not be answered."""
        if self.state[number] == OPEN:
            self.state[number] = MISSING
            self.reasons[number] = reason
            self.left -= 1

    def regain(self, number: int) -> bool:
        """A task that was given up is answered after all: it is open again."""
        if self.state[number] != MISSING:
            return False
        self.state[number] = OPEN
        del self.reasons[number]
        self.left += 1
        return True

    def fold(self) -> None:
        """Merge what is there into one partial, if it has grown large."""
        if self.part_bytes <= FOLD_BYTES or self.row.by_key:
            return
        parts = [p for p in self.parts if p is not None]
        if self.folded is not None:
            parts.append(self.folded)
        self.folded = self.plan.merge(parts)
        self.parts = [None] * len(self.tasks)
        self.part_bytes = 0

    def merged(self) -> bytes:
        """The whole query's partial, merged in key order."""
        parts = [p for p in self.parts if p is not None]
        if self.folded is not None:
            parts.append(self.folded)
        return self.plan.merge(parts)

    def merged_by_key(self) -> dict[str, bytes]:
        """A partial for each stream."""
        per_key: dict[str, list[bytes]] = {}
        for task, part in zip(self.tasks, self.parts, strict=True):
            mine = per_key.setdefault(task.key, [])
            if part is not None:
                mine.append(part)
        return {key: self.plan.merge(parts) for key, parts in per_key.items()}

    def drop_damaged(self) -> list[int]:
        """Find the partials that cannot be merged and give their tasks up."""
        from atoll.kernels import KernelError

        damaged = []
        for number, part in enumerate(self.parts):
            if part is None:
                continue
            try:
                self.plan.merge([part])
            except KernelError as error:
                self.parts[number] = None
                self.merged_count -= 1
                self.state[number] = MISSING
                self.reasons[number] = f"its partial cannot be read: {error}"
                damaged.append(number)
        return damaged

    def missing_list(self, most: int) -> list[dict[str, Any]]:
        """What is missing, for the answer: neighbours in one stream are one entry."""
        entries: list[dict[str, Any]] = []
        for number in sorted(self.missing()):
            task, reason = self.tasks[number], self.reasons[number]
            last = entries[-1] if entries else None
            if (
                last is not None
                and last["key"] == task.key
                and last["reason"] == reason
                and task.start <= last["stop"]
            ):
                last["stop"] = task.stop
            elif len(entries) < most:
                entries.append(
                    {"key": task.key, "start": task.start, "stop": task.stop, "reason": reason}
                )
        return entries

    def take_flight(self, device: str) -> set[int]:
        """The tasks that were sent to a device and not answered; they are nowhere now."""
        self.progress.pop(device, None)
        flight = self.flights.pop(device, set())
        self.times.back(flight)
        return flight
