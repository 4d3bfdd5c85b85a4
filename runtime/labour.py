"""The part of the core that computes: tasks of queries, batches of standing jobs, their results and
the outbox.
"""

from collections.abc import Callable

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.desk import Desk
from atoll.runtime.results import RESULT_OVERHEAD, Batch, Results
from atoll.runtime.spans import Shape
from atoll.runtime.standing import StandingJobs
from atoll.runtime.tasks import TaskQueue
from atoll.wire import messages as wire
from atoll.wire.limits import TASKS_MAX

# After an outbox that would not take a result, standing jobs try again this much later.
PAUSE_S = 2.0


class Labour:
    """Work and its results. `shape` reads how a plan walks over a stream."""

    def __init__(
        self,
        desk: Desk,
        shape: Callable[[bytes], Shape],
        *,
        boot: int,
        backlog: list[int],
        backlog_bytes: int = 0,
    ) -> None:
        self._desk = desk
        self._shape = shape
        self._tasks = TaskQueue()
        self._results = Results(boot, backlog, backlog_bytes)
        self._was_full = False
        self.standing = StandingJobs()
        self._writing: dict[int, tuple[Batch, wire.Partials]] = {}
        self._paused_until = 0.0

    @property
    def backlog(self) -> int:
        """Tasks not computed and messages not acknowledged."""
        return self._tasks.count + self._results.backlog

    @property
    def tasks_left(self) -> int:
        """Tasks of queries under way."""
        return self._tasks.count

    @property
    def done(self) -> bool:
        """Whether all that was begun is in the outbox and, with a link, acknowledged."""
        settled = self._results.idle if self._desk.linked else self._results.flushed
        return settled and not self._tasks.count

    def next_wakeup(self) -> float | None:
        """When `run_due` or `woke` has something to do."""
        # Nothing is sent again before the gateway is heard, and then at once.
        first = self._results.next_wakeup(linked=self._desk.linked and self._desk.answered)
        stuck = self.standing.next_wakeup()
        if stuck is not None and (first is None or stuck < first):
            first = stuck
        if self._paused_until and (first is None or self._paused_until < first):
            first = self._paused_until
        return first

    def run_due(self, now: float) -> None:
        """Send the batches that have waited long enough."""
        for batch in self._results.due(now):
            self._send(batch, now)
        self.standing.run_due(now)
        if self._paused_until and now >= self._paused_until:
            self._paused_until = 0.0

    # --- queries ---

    def given_tasks(self, message: wire.Tasks, now: float) -> None:
        """Take tasks in, or say no at once: whoever asked asks another device."""
        why = ""
        if self._desk.draining:
            why = "draining"
        elif self._results.full:
            why = f"outbox full: {self._results.backlog} messages wait for the gateway"
        if why:
            self._desk.count("tasks refused: " + why.partition(":")[0])
            self._fail(message.job, message.tasks, why, now)
            return
        taken, over = self._tasks.admit(message.job, message.tasks)
        if taken:
            work = do.Compute(message.job, message.plan, message.dataset, taken, standing=False)
            self._desk.do(work)
        if over:
            self._desk.count("tasks refused: queue full")
            self._fail(message.job, over, f"queue full: {self._tasks.count} tasks", now)

    def _fail(self, job: str, tasks: list[wire.Task], why: str, now: float) -> None:
        data = why.encode()
        for at in range(0, len(tasks), TASKS_MAX):
            results = [
                wire.Result(task.key, task.number, failed=True, data=data, elapsed_us=0)
                for task in tasks[at : at + TASKS_MAX]
            ]
            ready = self._results.add(Batch(job, False, results), now)
            for batch in ready + self._results.close(job, standing=False):
                self._send(batch, now)

    def cancel(self, job: str) -> bool:
        """Forget a job; whether it was a standing one."""
        self._tasks.cancel(job)
        self._results.cancel(job)
        self._desk.do(do.ForgetJob(job))
        return self.standing.cancel(job)

    def work_done(self, event: on.WorkDone, now: float) -> None:
        """Batch results; a job with nothing left to compute has its batch closed at once."""
        more = False
        if not event.standing:
            if not self._tasks.finish(event.job, [result.task for result in event.results]):
                self._desk.count("results of a cancelled job")
                return
            more = self._tasks.is_open(event.job)
        ready = self._results.add(Batch(event.job, event.standing, event.results), now)
        if not more:
            ready += self._results.close(event.job, standing=event.standing)
        for batch in ready:
            self._send(batch, now)

    # --- standing jobs ---

    def take_order(self, order: wire.Standing) -> str:
        """Enter a standing job; why it is refused, empty if it is not."""
        try:
            shape = self._shape(order.plan)
        except ValueError as error:
            return str(error)
        return self.standing.take(order, shape)

    def compute_standing(
        self, acting: set[tuple[str, int]], own: set[tuple[str, str]], now: float
    ) -> None:
        """Begin the batches that are whole, of streams in shards acted for or sampled here."""
        if self._desk.draining or self._results.full or now < self._paused_until:
            return
        for order, tasks, held in self.standing.ready(acting, own, now):
            work = do.Compute(order.job, order.plan, order.dataset, tasks, True, held)
            self._desk.do(work)

    # --- the outbox ---

    def _send(self, batch: Batch, now: float) -> None:
        """Give a batch a number, write it, and publish it: at once, or when it is on disk."""
        size = sum(len(one.data) + len(one.key) + RESULT_OVERHEAD for one in batch.results)
        number = self._results.number(size)
        self._tell_full()
        message = wire.Partials(*self._desk.head, number, batch.job, batch.results)
        self._desk.do(do.AppendOutbox(number, message, durable=batch.standing))
        if batch.standing:
            self._writing[number] = (batch, message)
            return
        if self._desk.linked:
            self._desk.publish("partial", message)
        self._results.written(number, now, sent=self._desk.linked)

    def outbox_written(self, event: on.OutboxWritten, now: float) -> None:
        """A durable result is on disk: publish it; if it is not, compute it again later."""
        batch, message = self._writing.pop(event.number)
        settled = [(result.key, result.task) for result in batch.results]
        if not event.failed:
            self.standing.remember(batch.job, batch.results)
        self.standing.settle(batch.job, settled, kept=not event.failed)
        if event.failed:
            if self._desk.count("outbox refused") == 1:
                self._desk.say(f"standing jobs pause: {event.failed}")
            self._results.lost(event.number)
            self._paused_until = now + PAUSE_S
            return
        if self._desk.linked:
            self._desk.publish("partial", message)
        self._results.written(event.number, now, sent=self._desk.linked)

    def acknowledged(self, message: wire.Ack, now: float) -> None:
        """The gateway has committed these: forget them, send more of the backlog."""
        self._results.acknowledged(message.numbers)
        self._tell_full()
        self._desk.do(do.SettleOutbox(message.numbers))
        self.resend(now)

    @property
    def outbox(self) -> dict[str, int]:
        """How full the outbox is, for people."""
        results = self._results
        return {
            "outbox_messages": results.backlog,
            "outbox_bytes": results.backlog_bytes,
            "outbox_full": int(results.full),
        }

    def _tell_full(self) -> None:
        """Say once that the outbox is full, and once that it is not any more."""
        if self._results.full != self._was_full:
            self._was_full = self._results.full
            waits = f"{self._results.backlog} messages ({self._results.backlog_bytes} bytes) wait"
            self._desk.say(
                f"the outbox is full: {waits} for the gateway; new work is refused"
                if self._was_full
                else f"the outbox has room again: {waits}"
            )

    def interrupted(self, now: float) -> None:
        """The link broke or the gateway changed: what is unacknowledged is sent again."""
        self._results.interrupted()
        self.resend(now)

    def resend(self, now: float) -> None:
        """Fetch backlog messages whose turn it is."""
        if self._desk.answered:
            self._desk.do(*(do.ReadOutbox(number) for number in self._results.resend(now)))

    def outbox_read(self, event: on.OutboxRead, now: float) -> None:
        """Send a backlog message, under this boot's numbers."""
        if event.message is None:
            self._results.gone(event.number)
            self.resend(now)
        elif self._desk.linked:
            boot, epoch, lease = self._desk.head
            fresh = event.message._replace(boot=boot, epoch=epoch, lease=lease)
            self._desk.publish("partial", fresh)
