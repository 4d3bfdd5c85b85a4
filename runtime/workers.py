"""The threads that compute: read samples, run the plan, hand results back a few at a time.

The kernels drop the interpreter's lock while they run, so as many threads as there are cores are of
use. Results go back when a thread has collected `FLUSH_S` worth of them or has nothing more of the
chunk.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from atoll.runtime.effects import Compute
from atoll.runtime.errors import Missing
from atoll.runtime.events import WorkDone
from atoll.runtime.spans import Shape
from atoll.runtime.store import Store
from atoll.wire import ordered
from atoll.wire.limits import REASON_BYTES_MAX
from atoll.wire.messages import Result, Task

if TYPE_CHECKING:
    from atoll.kernels import Plan

FLUSH_NS = 5_000_000
# Tasks that one thread takes at a time, if there are several.
CHUNK_MIN = 32
# Plans kept parsed: a device serves few jobs at once.
PLANS_MAX = 16
ELAPSED_US_MAX = 2**32 - 1


class Workers:
    """`count` threads over one queue."""

    def __init__(self, count: int, store: Store) -> None:
        self._count = count
        self._store = store
        self._post: Callable[[Any], None] = print
        self._queue: SimpleQueue[Compute | None] = SimpleQueue()
        self._forgotten: set[str] = set()
        self._plans: dict[bytes, Plan] = {}
        self._threads: list[Thread] = []
        self.task_us = -1.0  # of the last tasks, smoothed

    def start(self, post: Callable[[Any], None]) -> None:
        """Begin to compute; `WorkDone` events go to `post`."""
        self._post = post
        for number in range(self._count):
            thread = Thread(target=self._run, name=f"compute-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def compute(self, work: Compute) -> None:
        """Queue work, cut into a chunk for each thread."""
        self._forgotten.discard(work.job)
        size = max(CHUNK_MIN, -(-len(work.tasks) // self._count))
        for at in range(0, len(work.tasks), size):
            self._queue.put(work._replace(tasks=work.tasks[at : at + size]))

    def forget(self, job: str) -> None:
        """Leave out what is queued of a job."""
        if len(self._forgotten) > PLANS_MAX * 16:
            self._forgotten.clear()  # work of cancelled jobs is wasted, not wrong
        self._forgotten.add(job)

    def close(self) -> None:
        """End when the work at hand is done."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if work.job not in self._forgotten:
                self._compute(work)

    def _compute(self, work: Compute) -> None:
        try:
            plan = self._plan(work.plan)
        except ValueError as error:
            reason = str(error).encode()[:REASON_BYTES_MAX]
            failed = [Result(task.key, task.number, True, reason, 0) for task in work.tasks]
            self._post(WorkDone(work.job, work.standing, failed))
            return
        results: list[Result] = []
        began = flushed = perf_counter_ns()
        for task in work.tasks:
            failed_, data = self._result(plan, work, task)
            ended = perf_counter_ns()
            elapsed_us = min((ended - began) // 1_000, ELAPSED_US_MAX)
            results.append(Result(task.key, task.number, failed_, data, elapsed_us))
            began = ended
            if ended - flushed >= FLUSH_NS:
                self._post(WorkDone(work.job, work.standing, results))
                results, flushed = [], ended
                if work.job in self._forgotten:
                    return
        if results:
            mean_us = sum(result.elapsed_us for result in results) / len(results)
            self.task_us = mean_us if self.task_us < 0 else 0.8 * self.task_us + 0.2 * mean_us
            self._post(WorkDone(work.job, work.standing, results))

    def _result(self, plan: "Plan", work: Compute, task: Task) -> tuple[bool, bytes]:
        """Whether a task failed, and its partial or the reason."""
        try:
            info, samples = self._store.read(work.dataset, task.key, task.start, task.stop)
            found = partial_of(plan, task, samples, (info.dtype, info.rate_hz, info.scale), work)
        except Missing as error:
            return True, str(error).encode()[:REASON_BYTES_MAX]
        except Exception as error:  # a plan that fails fails its task, not the device
            return True, f"{type(error).__name__}: {error}".encode()[:REASON_BYTES_MAX]
        return False, found

    def _plan(self, canonical: bytes) -> "Plan":
        plan = self._plans.get(canonical)
        if plan is None:
            plan = read_plan(canonical)
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            self._plans[canonical] = plan
        return plan


def partial_of(
    plan: "Plan", task: Task, samples: object, stream: tuple[str, float, float], work: Compute
) -> bytes:
    """A task's partial over its samples; a standing job's batch of a plan with running memory
    carries its checkpoint along. `stream`: dtype, rate in Hz, scale.

    Raises KernelError.
    """
    key, _, anchor, start, _ = task
    dtype, rate_hz, scale = stream
    run = plan.advance if work.standing and plan.ordered else plan.partial
    found = run(
        *(samples, rate_hz),
        start=start,
        anchor=anchor,
        key=key,
        dtype=dtype,
        scale=scale,
        checkpoint=work.checkpoints.get(key, b""),
    )
    if isinstance(found, bytes):
        return found
    partial, checkpoint = found
    following = plan.position(checkpoint)
    return ordered.pack(ordered.Carried(following, anchor, partial, checkpoint))


def read_shape(canonical: bytes) -> Shape:
    """How a plan walks over a stream. Raises ValueError where it is none."""
    plan = read_plan(canonical)
    return Shape(plan.step, plan.overlap, plan.need, plan.ordered)


def read_plan(canonical: bytes) -> "Plan":
    """The plan of a canonical form. Raises ValueError where it is none."""
    from atoll.kernels import KernelError, Plan

    try:
        return Plan.from_bytes(canonical)
    except KernelError as error:
        raise ValueError(str(error)) from None
