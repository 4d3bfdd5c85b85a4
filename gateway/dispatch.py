"""Which device does which task of a query, and how many at a time.

A task goes to the least loaded live device that has its samples and computes as the gateway does.
Each device has at most IN_FLIGHT_MAX tasks at a time, over all queries; the rest waits here in the
order of the queries.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from atoll.gateway import runs
from atoll.gateway.catalog import Catalog
from atoll.gateway.desk import Desk
from atoll.gateway.member import Member
from atoll.gateway.membership import Membership
from atoll.gateway.query import OPEN, Query
from atoll.gateway.stragglers import AGAIN_MAX, share_out, slow_tasks
from atoll.wire import messages as wire
from atoll.wire.limits import TASKS_MAX
from atoll.wire.messages import BlockRun

# Tasks with one device at a time: half of the device's own queue, so that a second gateway term's
# repeats fit too, and eight messages, so that it never runs dry.
IN_FLIGHT_MAX = 4_096
TASK_BYTES = 24  # of a task in a message, its key not counted
MESSAGE_BYTES = 48_000  # of tasks in one message; the plan may take 16 KB more
TASK_SAMPLES = 1_024.0  # what a task costs a device besides its samples, in samples
RESEND_S = 5.0  # tasks without any answer for this long go out again; a repeated task is ignored


class Dispatcher:
    """Tasks on their way to devices, over all queries. `receipts` empty: not compared."""

    def __init__(
        self, desk: Desk, members: Membership, catalog: Catalog, receipts: Mapping[str, str]
    ) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._receipts = receipts
        self._in_flight: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[Query, list[int]]]] = {}

    def dispatch(self, query: Query, numbers: Iterable[int]) -> None:
        """Send tasks to the least loaded live devices that have their samples."""
        streams = self._catalog.datasets[query.row.dataset].streams
        members = self._members.members
        per_weight = {
            d: 1.0 / max(1, member.weight)
            for d, member in members.items()
            if self._takes(query, member)
        }
        load = {d: self._in_flight.get(d, 0) * TASK_SAMPLES * w for d, w in per_weight.items()}
        per_device: dict[str, list[int]] = {}
        key: str | None = None  # of the task before: most often the same stream
        holders: list[tuple[str, list[BlockRun]]] = []
        for number in numbers:
            task = query.tasks[number]
            if task.key != key:
                key = task.key
                stream = streams.get(key)
                held_by = {} if stream is None else stream.held
                holders = [(d, held) for d, held in held_by.items() if d in load]
            if not holders:
                query.orphans.add(number)
                continue
            barred = query.failed.get(number)
            best, least = "", float("inf")
            for device, held in holders:
                if load[device] < least and not (barred and device in barred):
                    run = held[0]
                    whole = len(held) == 1 and run.first_sample <= task.start
                    if (whole and task.stop <= run.first_sample + run.sample_count) or runs.covers(
                        held, task.start, task.stop
                    ):
                        best, least = device, load[device]
            if not best:
                query.orphans.add(number)
                continue
            load[best] = least + (task.stop - task.start + TASK_SAMPLES) * per_weight[best]
            per_device.setdefault(best, []).append(number)
        if query.orphans and not query.orphan_since:
            query.orphan_since = self._desk.now
        elif not query.orphans:
            query.orphan_since = 0.0
        for device, mine in per_device.items():
            self._waiting.setdefault(device, deque()).append((query, mine))
            self.refill(device)

    def _idle(self, query: Query) -> list[str]:
        """Devices for this query that have no task of any, and none waiting for them."""
        busy, waiting = self._in_flight, self._waiting
        return [
            member.id
            for member in self._members.members.values()
            if not busy.get(member.id) and member.id not in waiting and self._takes(query, member)
        ]

    def _takes(self, query: Query, member: Member) -> bool:
        """Whether a device takes tasks of this query."""
        if not member.serves or member.audited:
            return False
        fit = query.eligible.get(member.id)
        if fit is None:
            fit = query.eligible[member.id] = self._fits(query, member.id, member.receipts)
        return fit

    def _fits(self, query: Query, device: str, receipts: dict[str, str]) -> bool:
        """Whether a device computes the plan's kernels as this gateway does."""
        differ = [k for k in query.plan.kernels if self._receipts.get(k) != receipts.get(k)]
        if self._receipts and differ:
            self._desk.say(
                "receipt",
                f"{device} gets no task of {query.job}: its {', '.join(differ)} is not ours",
                device=device,
                job=query.job,
            )
            return False
        return True

    def refill(self, device: str) -> None:
        """Fill a device's flight from what waits for it, oldest first."""
        waiting = self._waiting.get(device)
        room = IN_FLIGHT_MAX - self._in_flight.get(device, 0)
        while waiting and room > 0:
            query, numbers = waiting[0]
            if query.closed:
                waiting.popleft()
                continue
            batch, rest = numbers[:room], numbers[room:]
            if rest:
                waiting[0] = (query, rest)
            else:
                waiting.popleft()
            batch = [n for n in batch if query.state[n] == OPEN]
            room -= len(batch)
            self._launch(query, device, batch)
        if not waiting:
            self._waiting.pop(device, None)

    def _launch(self, query: Query, device: str, numbers: Sequence[int]) -> None:
        flight = query.flights.setdefault(device, set())
        before = len(flight)
        flight.update(numbers)  # one that is there already counts once: it is answered once
        self._in_flight[device] = self._in_flight.get(device, 0) + len(flight) - before
        query.times.went(numbers, self._desk.now)
        query.progress[device] = self._desk.now
        self.send(query, device, numbers)

    def start_again(self, query: Query) -> bool:
        """Have idle devices do what others are slow at; whether it is worth looking again soon."""
        if not query.flights:
            return False
        idle = self._idle(query)
        if not idle:
            return False
        slow = slow_tasks(query, self._desk.now)
        for device, numbers in share_out(query, slow, idle, self._bears, _most()).items():
            query.again_out.update(numbers)
            self._desk.count("started again", len(numbers))
            text = f"{query.job}: {len(numbers)} slow tasks start again on {device}"
            self._desk.say("again", text, job=query.job, device=device, tasks=len(numbers))
            self._launch(query, device, numbers)
        return bool(query.flights)

    def _bears(self, query: Query, number: int, device: str) -> bool:
        """Whether a device has a task's samples and did not fail at it."""
        task = query.tasks[number]
        stream = self._catalog.datasets[query.row.dataset].streams.get(task.key)
        held = stream.held.get(device) if stream is not None else None
        if not held or device in query.failed.get(number, ()):
            return False
        return runs.covers(held, task.start, task.stop)

    def steal(self, query: Query) -> None:
        """Hand tasks that wait for a busy device to idle ones that have their samples."""
        if not self._waiting:
            return
        for device, waiting in list(self._waiting.items()):
            idle = self._idle(query)  # whoever took some of another's is busy now
            if not idle:
                return
            mine = [(q, numbers) for q, numbers in waiting if q is query]
            tail = [n for _, numbers in mine for n in numbers][-AGAIN_MAX * len(idle) :]
            shared = share_out(query, {device: tail}, idle, self._bears, _most())
            taken = {n for numbers in shared.values() for n in numbers}
            if not taken:
                continue
            rest = ((q, [n for n in ns if q is not query or n not in taken]) for q, ns in waiting)
            self._waiting[device] = deque((q, ns) for q, ns in rest if ns)
            if not self._waiting[device]:
                del self._waiting[device]
            self._desk.count("stolen", len(taken))
            for thief, numbers in shared.items():
                self._launch(query, thief, numbers)

    def send(self, query: Query, device: str, numbers: Sequence[int]) -> None:
        """Put these tasks into messages for a device."""
        tasks, head = query.tasks, self._desk.head(device)
        name, canonical, dataset = query.job, query.plan.canonical, query.row.dataset
        at = 0
        while at < len(numbers):
            stop, size = at, 0
            while stop < len(numbers) and stop - at < TASKS_MAX and size < MESSAGE_BYTES:
                size += len(tasks[numbers[stop]].key) * 4 + TASK_BYTES
                stop += 1
            batch = [tasks[n] for n in numbers[at:stop]]
            self._desk.tell(device, "task", wire.Tasks(*head, name, canonical, dataset, batch))
            at = stop

    def answered(self, query: Query, device: str, numbers: Iterable[int]) -> None:
        """A device has answered these tasks; it may get more."""
        flight = query.flights.get(device)
        if not flight:
            return
        before = len(flight)
        flight.difference_update(numbers)
        self._land(device, before - len(flight))
        query.progress[device] = self._desk.now
        if device in self._waiting and self._in_flight[device] <= IN_FLIGHT_MAX // 2:
            self.refill(device)

    def _land(self, device: str, count: int) -> None:
        self._in_flight[device] = max(0, self._in_flight.get(device, 0) - count)

    def resend(self, query: Query) -> None:
        """Send again what a device has had for long without a word about any of it."""
        now = self._desk.now
        for device, flight in query.flights.items():
            if flight and now - query.progress.get(device, now) >= RESEND_S:
                query.progress[device] = now
                if self._members.serving((device,)):
                    self.send(query, device, sorted(n for n in flight if query.state[n] == OPEN))

    def device_lost(self, device: str, queries: Iterable[Query]) -> list[tuple[Query, list[int]]]:
        """A device is silent or gone: the open tasks that it had, by query."""
        self._in_flight.pop(device, None)
        taken: dict[str, tuple[Query, list[int]]] = {}
        for query, numbers in self._waiting.pop(device, ()):
            taken.setdefault(query.job, (query, []))[1].extend(numbers)
        for query in queries:
            flight = query.take_flight(device)
            if flight:
                taken.setdefault(query.job, (query, []))[1].extend(sorted(flight))
        return [
            (query, [n for n in numbers if query.state[n] == OPEN])
            for query, numbers in taken.values()
            if not query.closed
        ]

    def close(self, query: Query) -> None:
        """A query has ended: devices that still have tasks of it are told."""
        query.closed = True
        for device, flight in query.flights.items():
            if flight:
                self._land(device, len(flight))
                cancel = wire.Cancel(*self._desk.head(device), query.job)
                self._desk.tell(device, "task", cancel)
                self.refill(device)


def _most() -> int:
    """Tasks that an idle device takes over at a time."""
    return min(AGAIN_MAX, IN_FLIGHT_MAX)
