"""How long a query's tasks take, by its own answers: what is slow for it.

A task is slow when it has been out for longer than FACTOR times the QUANTILE of the last answers'
times. They count from when a task went out, so that a long queue makes nobody slow.
"""

from collections import deque
from collections.abc import Iterable

QUANTILE = 0.9
FACTOR = 1.5
LEAST_S = 0.25  # below this, sending a task again costs more than it saves
TIMES_KEPT = 256
TIMES_LEAST = 4  # answers before anything is called slow, and a quarter of all tasks
TASKS_SHARE = 4


class Times:
    """How long the last answers of a query took, and when its tasks went out."""

    __slots__ = ("_last", "_quantile", "count", "sent")

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=TIMES_KEPT)
        self._quantile = -1.0  # of `_last`; negative: to be made anew
        self.count = 0
        self.sent: dict[int, float] = {}

    def went(self, numbers: Iterable[int], now: float) -> None:
        """These tasks went out now; only the first time counts."""
        for number in numbers:
            self.sent.setdefault(number, now)

    def back(self, numbers: Iterable[int]) -> None:
        """These tasks are nowhere any more: they will go out anew."""
        for number in numbers:
            self.sent.pop(number, None)

    def came(self, number: int, now: float) -> None:
        """A task's first answer."""
        sent = self.sent.pop(number, None)
        if sent is not None:
            self._last.append(now - sent)
            self._quantile = -1.0
            self.count += 1

    def limit(self, tasks: int) -> float:
        """How long a task may be out; infinite before enough is known."""
        if self.count < max(TIMES_LEAST, tasks // TASKS_SHARE):
            return float("inf")
        if self._quantile < 0.0:
            ordered = sorted(self._last)
            self._quantile = ordered[int(QUANTILE * (len(ordered) - 1))]
        return max(LEAST_S, FACTOR * self._quantile)

    def out_s(self, now: float) -> float:
        """For how long the oldest task has been out; 0 if none is. They are in the order in which
        they went.
        """
        return now - next(iter(self.sent.values())) if self.sent else 0.0
