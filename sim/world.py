"""The virtual clock: one queue of events, served in order of time, and a hash of all that happened.

Chance comes from one generator of the seed, events of the same time keep the order in which they
were asked for, and nothing reads the machine's clock: the same seed is the same run, to the bit.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any
from zlib import crc32

WALL_MS = 1_700_000_000_000  # the wall clock at time 0
NEVER = float("inf")


class Violation(Exception):
    """An invariant does not hold. `kind` is the counter it falls under, `about` the object."""

    def __init__(self, kind: str, about: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.about = about


class Alarm:
    """A timer that is set anew again and again: one entry in the queue at most is not void.

    Moved to an earlier time it gets a new entry, moved to a later one it keeps the old one and is
    looked at when that comes up; neither a void entry nor such a look is an event.
    """

    __slots__ = ("armed", "call", "due")

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.due = NEVER
        self.armed = NEVER  # the time of the entry that counts

    def off(self) -> None:
        """It does not ring any more."""
        self.due = self.armed = NEVER


class World:
    """Time, chance and the events to come. `now` is in seconds."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.events = 0
        self.messages = 0  # of them: deliveries
        self.trace = crc32(b"%d" % seed)
        self.tell: Callable[[str, Any], None] | None = None  # a story is being written
        # A heap of times, each once, and what happens at each in the order it was asked for: floats
        # are compared in fewer steps than tuples.
        self._times: list[float] = []
        self._calls: dict[float, list[tuple[Callable[..., None] | None, Any]]] = {}
        self.busy_max = 50_000  # events in a virtual second that are too many
        self._looked, self._look_at = 0.0, 0

    def at(self, when: float, call: Callable[..., None], *arguments: Any) -> None:
        """Have something happen at a time, at once if it is past."""
        self._add(when, call, arguments)

    def after(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """Have something happen after a while."""
        self._add(self.now + delay_s, call, arguments)

    def _add(self, when: float, call: Callable[..., None] | None, arguments: Any) -> None:
        there = self._calls.get(when)
        if there is not None:
            there.append((call, arguments))
            return
        self._calls[when] = [(call, arguments)]
        heapq.heappush(self._times, when)

    def ring(self, alarm: Alarm, when: float) -> None:
        """Let an alarm ring at a time and not at the one it was set to before."""
        alarm.due = when
        if when < alarm.armed:
            alarm.armed = when
            self._add(when, None, alarm)

    def run(self, until: float) -> None:
        """Serve all events up to a time, which it then is."""
        times, calls = self._times, self._calls
        while times and times[0] <= until:
            when = times[0]
            there = calls[when]
            call, arguments = there.pop(0)
            if not there:
                heapq.heappop(times)
                del calls[when]
            if call is None:
                alarm = arguments
                if alarm.armed != when:
                    continue
                alarm.armed = NEVER
                if alarm.due > when:
                    if alarm.due < NEVER:
                        self.ring(alarm, alarm.due)
                    continue
                alarm.due = NEVER
                call, arguments = alarm.call, ()
            if when > self.now:
                self.now = when
            self.events += 1
            if self.events >= self._look_at:
                self._look(call)
            call(*arguments)
        self.now = until

    def _look(self, call: Callable[..., None]) -> None:
        """I9: time goes on; a core that wants to be woken again and again at once stops it."""
        if self.now - self._looked < 1.0 and self._looked > 0.0:
            about = getattr(getattr(call, "__self__", None), "name", "gateway")
            text = f"{self.busy_max} events within a second of {self.now:.3f}, now of {about} (I9)"
            raise Violation("unfinished", about, text)
        self._looked, self._look_at = self.now, self.events + self.busy_max

    def heard(self, data: bytes) -> None:
        """A message arrives: part of the trace."""
        self.messages += 1
        self.trace = crc32(data, self.trace ^ int(self.now * 1e6) & 0xFFFFFFFF)

    def wall_ms(self) -> int:
        """The true wall clock."""
        return WALL_MS + int(self.now * 1_000)
