"""The shell's loop: sockets, timers, signals and calls from other threads, one at a time in one
thread.

What asyncio would do, at a tenth of its memory. Callbacks are plain functions and must not block.
`post` is the only method that other threads (and signal handlers) may use. An exception in a
callback is a defect and leaves `run`.
"""

import heapq
import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Callback = Callable[..., Any]

# Cancelled timers are dropped from the heap when they come due, or all at once when they are this
# many and the majority.
_CANCELLED_MAX = 64


class Timer:
    """A call that is due at `when`; `cancel` before that and it never happens."""

    __slots__ = ("_loop", "arguments", "callback", "when")

    def __init__(
        self, loop: "Loop", when: float, callback: Callback, arguments: tuple[Any, ...]
    ) -> None:
        self._loop = loop
        self.when = when
        self.callback: Callback | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        """Forget the call. Harmless after it has happened."""
        if self.callback is not None:
            self.callback = None
            self._loop._timer_cancelled()


class Loop:
    """A selector loop. Times are seconds of `now()`, a monotonic clock."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_count = 0
        self._cancelled = 0
        self._posted: deque[tuple[Callback, tuple[Any, ...]]] = deque()
        self._last: list[Callable[[], None]] = []
        # In a turn. Who posts at another time has to wake the loop, which waits or is about to.
        self._awake = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ, (self._drain_wake, None))
        self._handlers: dict[int, Any] = {}
        self._running = False
        # The longest that callbacks have held the loop since the last `take_lag`.
        self._lag_s = 0.0

    def now(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    def call_at(self, when: float, callback: Callback, *arguments: Any) -> Timer:
        """Call at `when` (seconds of `now()`) or as soon after as the loop is free."""
        timer = Timer(self, when, callback, arguments)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def call_later(self, delay_s: float, callback: Callback, *arguments: Any) -> Timer:
        """Call in `delay_s` seconds."""
        return self.call_at(self.now() + delay_s, callback, *arguments)

    def post(self, callback: Callback, *arguments: Any) -> None:
        """Call from the loop, soon. From any thread, or a signal handler."""
        self._posted.append((callback, arguments))
        if self._awake:
            return  # it looks at what is posted after it has ended the turn
        # Fails if the counter is full, so that the loop is awake anyway, or if the loop is closed.
        with suppress(OSError, ValueError):
            os.eventfd_write(self._wake, 1)

    def before_wait(self, callback: Callable[[], None]) -> None:
        """Call once, when all else of this turn is done: what it gathered goes out together. At
        once outside of a turn. From the loop's thread only.
        """
        if self._awake:
            self._last.append(callback)
        else:
            callback()

    def watch(
        self, fd: int, *, readable: Callback | None = None, writable: Callback | None = None
    ) -> None:
        """Call `readable()` or `writable()` whenever `fd` is; replaces what was watched before."""
        events = (selectors.EVENT_READ if readable else 0) | (
            selectors.EVENT_WRITE if writable else 0
        )
        if not events:
            self.unwatch(fd)
        elif fd in self._selector.get_map():
            self._selector.modify(fd, events, (readable, writable))
        else:
            self._selector.register(fd, events, (readable, writable))

    def unwatch(self, fd: int) -> None:
        """Forget `fd`; call it before the descriptor is closed. Harmless if it is not watched."""
        if fd in (self._selector.get_map() or ()):  # there is no map once the loop is closed
            self._selector.unregister(fd)

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call `callback(number)` from the loop when the signal comes. Main thread only; `close`
        undoes it.
        """
        import signal

        previous = signal.signal(number, lambda *_: self.post(callback, number))
        self._handlers.setdefault(number, previous)

    def run(self) -> None:
        """Serve until `stop`."""
        self._running = True
        while self._running:
            self.step()

    def stop(self) -> None:
        """Let `run` return after the callbacks that are due now. For other threads:
        `post(loop.stop)`.
        """
        self._running = False

    def run_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Serve until `condition()` holds or `timeout_s` has passed; whether it holds. For tests
        and short clients.
        """
        deadline = self.call_later(timeout_s, _nothing)
        while not (held := condition()) and deadline.callback is not None:
            self.step()
        deadline.cancel()
        return held

    def step(self) -> None:
        """Wait for the next thing to do and do all that is due."""
        ready = self._selector.select(self._timeout_s())
        started = self.now()
        self._awake = True
        try:
            self._turn(ready)
        finally:
            self._awake = False
        self._lag_s = max(self._lag_s, self.now() - started)

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, events in ready:
            readable, writable = key.data
            if events & selectors.EVENT_READ and readable:
                readable()
            # The first callback may have changed or ended the watch: ask again.
            if events & selectors.EVENT_WRITE and writable and self._still_watched(key):
                writable()
        for _ in range(len(self._posted)):
            callback, arguments = self._posted.popleft()
            callback(*arguments)
        self._run_timers()
        while self._last:
            self._last.pop(0)()

    def take_lag(self) -> float:
        """Seconds that callbacks held the loop at most in one step, since the last time this was
        asked.
        """
        lag_s, self._lag_s = self._lag_s, 0.0
        return lag_s

    def close(self) -> None:
        """Give back descriptors and signal handlers."""
        if self._handlers:
            import signal

            for number, previous in self._handlers.items():
                signal.signal(number, previous)
            self._handlers.clear()
        self._selector.close()
        # A thread that posts from now on must not write to whatever gets the number next.
        wake, self._wake = self._wake, -1
        os.close(wake)

    def _still_watched(self, key: selectors.SelectorKey) -> bool:
        current = self._selector.get_map().get(key.fd)
        return current is not None and current.data is key.data

    def _timeout_s(self) -> float | None:
        if self._posted:
            return 0.0
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _run_timers(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
            else:
                callback(*timer.arguments)

    def _timer_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _CANCELLED_MAX and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)


def _nothing() -> None:
    pass
