"""Tasks of queries that were taken in and not answered yet: which, how many, and when to say no."""

from collections.abc import Iterable

from atoll.wire.messages import Task

# 16 full messages: enough to keep every core busy while the next message travels, and a megabyte of
# memory.
TASKS_QUEUED_MAX = 8_192


class TaskQueue:
    """Numbers of open tasks by job."""

    def __init__(self) -> None:
        self._jobs: dict[str, set[int]] = {}
        self.count = 0

    def room(self) -> int:
        """Tasks that may still be taken in."""
        return TASKS_QUEUED_MAX - self.count

    def admit(self, job: str, tasks: list[Task]) -> tuple[list[Task], list[Task]]:
        """Enter new tasks; those to run, and those for which there is no room. Repeated ones are
        neither.
        """
        known = self._jobs.setdefault(job, set())
        fresh = [task for task in tasks if task.number not in known] if known else tasks
        room = self.room()
        taken, over = fresh[:room], fresh[room:]
        self.count -= len(known)
        known.update(task.number for task in taken)
        self.count += len(known)
        if not known:
            del self._jobs[job]
        return taken, over

    def finish(self, job: str, numbers: Iterable[int]) -> bool:
        """Take answered tasks out; False if the job is not open (cancelled)."""
        known = self._jobs.get(job)
        if known is None:
            return False
        self.count -= len(known)
        known.difference_update(numbers)
        self.count += len(known)
        if not known:
            del self._jobs[job]
        return True

    def cancel(self, job: str) -> bool:
        """Forget a job; whether it was open."""
        known = self._jobs.pop(job, None)
        self.count -= len(known or ())
        return known is not None

    def is_open(self, job: str) -> bool:
        """Whether tasks of the job are under way."""
        return job in self._jobs
