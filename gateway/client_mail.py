"""An MQTT session for callers that block: a transport link on a loop in a thread of its own.

The thread keeps the session alive while the caller thinks, and takes in what the broker sends.
Handlers are called in it and must not block. Everything else may be called from any thread of the
process that opened it; a forked child has the object but not the thread, and is told so.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable

from atoll.gateway.client_errors import Closed, FleetError, Unreachable
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Incoming, Session
from atoll.transport.url import parse_brokers
from atoll.wire.topics import matches

Handler = Callable[[str, bytes, bool], None]

# A broker is tried with MQTT 5 and with 3.1.1 before it counts as unreachable.
_ATTEMPTS_PER_BROKER = 2
# What the last messages get to leave when the session is closed.
_DRAIN_S = 0.5


class Mail:
    """One session: subscribe with a handler, publish, close."""

    def __init__(self, url: str, *, client_id: str) -> None:
        self.brokers = parse_brokers(url)
        self.on_up: Callable[[], None] = lambda: None
        self.changed = threading.Condition()
        self._handlers: list[tuple[str, Handler]] = []
        self._unsent: deque[tuple[str, bytes]] = deque()
        self._failures: list[str] = []
        self._granted: dict[str, bool] = {}
        self._down_since_s: float | None = time.monotonic()
        self._error: Exception | None = None
        self._pid = os.getpid()
        self._loop = Loop()
        self._link = Link(self._loop, self.brokers, Session(client_id))
        self._link.on_up = self._came_up
        self._link.on_down = self._went_down
        self._link.on_message = self._arrived
        self._link.on_writable = self._flush
        self._link.on_subscribed = self._subscribed
        self._thread = threading.Thread(target=self._serve, name=client_id, daemon=True)

    def open(self, timeout_s: float) -> None:
        """Connect; `Unreachable` when every broker refused or `timeout_s` has passed."""
        self._thread.start()
        self._loop.post(self._link.start)
        attempts = _ATTEMPTS_PER_BROKER * len(self.brokers)
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    self._down_since_s is None or len(self._failures) >= attempts or self._error
                ),
                timeout_s,
            )
            if self._down_since_s is None:
                return
        reason = self._failures[-1] if self._failures else f"{self.brokers[0].url}: no answer"
        self.close()
        raise Unreachable(f"no broker: {reason}")

    def down_s(self) -> float:
        """For how long there has been no session; 0 while it stands."""
        since_s = self._down_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def last_failure(self) -> str:
        """Why the session ended or did not come about the last time."""
        return self._failures[-1] if self._failures else ""

    def subscribe(self, pattern: str, handler: Handler) -> None:
        """Call `handler(topic, payload, retained)` for what comes on these topics."""
        self.check()
        self._loop.post(self._subscribe, pattern, handler)

    def granted(self, pattern: str) -> bool | None:
        """Whether the broker sends what comes on these topics; None while it has not answered."""
        return self._granted.get(pattern)

    def unsubscribe(self, handler: Handler) -> None:
        """Call the handler no more. The broker goes on sending: a session is short."""
        self._loop.post(self._forget, handler)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send (QoS 1), now or when there is room."""
        self.check()
        self._loop.post(self._publish, topic, payload)

    def check(self) -> None:
        """Raise what keeps this session from being used."""
        if os.getpid() != self._pid:
            raise FleetError(
                "this connection belongs to the parent process; connect anew after a fork"
            )
        if self._error is not None:
            raise FleetError(f"the connection ended by a defect: {self._error!r}")
        if not self._thread.is_alive():
            raise Closed("the connection is closed")

    def close(self) -> None:
        """Say goodbye and end the thread. Harmless when repeated."""
        if os.getpid() != self._pid or not self._thread.is_alive():
            return
        self._loop.post(self._close)
        if threading.current_thread() is not self._thread:
            self._thread.join(_DRAIN_S + 1.0)

    # --- in the loop's thread ---

    def _serve(self) -> None:
        try:
            self._loop.run()
        except Exception as error:
            self._error = error
        finally:
            self._loop.close()
            with self.changed:
                self.changed.notify_all()

    def _close(self) -> None:
        self._link.close(self._loop.stop, drain_s=_DRAIN_S)

    def _came_up(self) -> None:
        with self.changed:
            self._down_since_s = None
            self.changed.notify_all()
        self.on_up()

    def _went_down(self, reason: str) -> None:
        with self.changed:
            if self._down_since_s is None:
                self._down_since_s = time.monotonic()
            self._failures.append(reason)
            del self._failures[:-8]
            self.changed.notify_all()

    def _arrived(self, message: Incoming) -> None:
        for pattern, handler in list(self._handlers):
            if matches(pattern, message.topic):
                handler(message.topic, message.payload, message.retained)

    def _subscribe(self, pattern: str, handler: Handler) -> None:
        self._handlers.append((pattern, handler))
        self._link.subscribe(pattern)

    def _subscribed(self, pattern: str, granted: bool) -> None:
        with self.changed:
            self._granted[pattern] = granted
            self.changed.notify_all()

    def _forget(self, handler: Handler) -> None:
        self._handlers = [entry for entry in self._handlers if entry[1] != handler]

    def _publish(self, topic: str, payload: bytes) -> None:
        self._unsent.append((topic, payload))
        self._flush()

    def _flush(self) -> None:
        while self._unsent and self._link.publish(*self._unsent[0], purpose="request"):
            self._unsent.popleft()
