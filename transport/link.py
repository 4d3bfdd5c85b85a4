"""One MQTT session that comes back: queue, window, reconnection, subscriptions and counts, on a
selector loop.

- QoS 1 is at least once: an accepted message stays here until the broker has acknowledged it, over
  reconnections too; what was under way when a session ended goes out again first. The queue is
  bounded: a full one refuses (`publish` returns False), and `on_writable` says when there is room.
  What must survive this process is its owner's to keep.
- QoS 0 is now or never: refused without a session, and never behind the queue. Heartbeats travel
  so.
- Every connection is a new paho client with a clean session: the broker's memory is never relied
  upon.
- MQTT 5 first; a broker that does not speak it (a refusal, silence, a closed connection before
  CONNACK) gets 3.1.1.
- Resolving and connecting (and the TLS handshake) happen in a short-lived thread, so that the loop
  never waits.
"""

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from atoll.transport.backoff import Backoff
from atoll.transport.loop import Loop, Timer
from atoll.transport.port import Counts, Incoming, Session
from atoll.transport.url import Broker

if TYPE_CHECKING:
    from atoll.transport._paho import Connection

# Messages that wait: enough for a burst of acknowledgements, small beside a board's memory.
QUEUE_MESSAGES_MAX = 1_024
QUEUE_BYTES_MAX = 4 * 1_048_576
# Unacknowledged at the broker. 20 is what mosquitto keeps for a receiver by default; more bytes
# than these only delay a heartbeat that is written behind them.
WINDOW_MESSAGES = 20
WINDOW_BYTES = 256 * 1_024
# From the first packet of TCP to CONNACK.
CONNECT_TIMEOUT_S = 5.0
_OTHER_VERSION = {5: 4, 4: 5}


class _Outgoing(NamedTuple):
    topic: str
    payload: bytes
    purpose: str
    retain: bool


def _ignore(*_: Any) -> None:
    pass


def _system_chance() -> float:
    """0 to 1, for the jitter. Not `random`: a board's memory holds it for nothing else."""
    return int.from_bytes(os.urandom(4)) / 2**32


class Link:
    """A session with the first of `brokers` that answers. A `port.Port`; used from the loop's
    thread only.
    """

    def __init__(
        self,
        loop: Loop,
        brokers: Sequence[Broker],
        session: Session,
        *,
        chance: Callable[[], float] = _system_chance,
        window: int = WINDOW_MESSAGES,
    ) -> None:
        """`window`: messages under way at most, if the broker bears as many."""
        self.on_up: Callable[[], None] = _ignore
        self.on_down: Callable[[str], None] = _ignore
        self.on_message: Callable[[Incoming], None] = _ignore
        self.on_writable: Callable[[], None] = _ignore
        self.on_behind: Callable[[bool], None] = _ignore
        # The broker's answer to a pattern, now and after each reconnection: whether it grants it.
        self.on_subscribed: Callable[[str, bool], None] = _ignore
        self.counts = Counts()
        self.refused_topics = 0  # messages whose topic is no UTF-8
        self._loop = loop
        self._brokers = list(brokers)
        self._session = session
        self._chance = chance
        self._backoff = Backoff(session.backoff_max_s)
        self._turn = 0
        self._protocols: dict[int, int] = {}  # by index of broker: what it spoke last
        self._patterns: list[str] = []
        self._asked: dict[int, str] = {}
        self._queue: deque[_Outgoing] = deque()
        self._queue_bytes = 0
        self._under_way: dict[int, _Outgoing] = {}
        self._under_way_bytes = 0
        self._window = self._window_max = window
        self._full = False
        self._connection: Connection | None = None
        self._attempt = 0
        self._failures = 0  # to get a CONNACK from this broker, in a row
        self._timer: Timer | None = None
        self._up = False
        self._settling = False
        self._flushing = False
        self._behind = False
        self._closed: Callable[[], None] | None = None
        self._closing = False

    @property
    def up(self) -> bool:
        """Whether the session stands."""
        return self._up

    @property
    def broker(self) -> Broker:
        """The broker that is used or tried."""
        return self._brokers[self._turn]

    @property
    def protocol(self) -> int:
        """The MQTT version in use or tried next: 5, or 4 for 3.1.1."""
        return self._protocols.get(self._turn, 5)

    @property
    def queued(self) -> int:
        """QoS 1 messages that the broker has not acknowledged."""
        return len(self._queue) + len(self._under_way)

    @property
    def unsent(self) -> int:
        """Those of them that wait for room in the window, or for a session."""
        return len(self._queue)

    def start(self) -> None:
        """Connect, and again whenever the session is lost."""
        from threading import Thread

        self._timer = None
        self._attempt += 1
        arguments = (self._loop, self.broker, self._arrived, self._attempt)
        Thread(target=_open_socket, args=arguments, name="connect", daemon=True).start()

    def subscribe(self, *patterns: str) -> None:
        """Take these topics (QoS 1), now and after each reconnection."""
        new = [pattern for pattern in patterns if pattern not in self._patterns]
        self._patterns += new
        if self._up:
            self._do(lambda connection: self._ask(connection, new))

    def publish(
        self, topic: str, payload: bytes, *, purpose: str, retain: bool = False, qos: int = 1
    ) -> bool:
        """Send; False if there is no room (QoS 1) or no session (QoS 0)."""
        message = _Outgoing(topic, payload, purpose, retain)
        if qos == 0:
            if not self._up:
                return False
            self._do(lambda connection: self._send(connection, message, 0))
            return self._up
        size = self._queue_bytes + self._under_way_bytes + len(payload)
        if self.queued >= QUEUE_MESSAGES_MAX or size > QUEUE_BYTES_MAX:
            self._full = True
            return False
        self._queue.append(message)
        self._queue_bytes += len(payload)
        if self._up:
            self._do(self._fill_window)
        return True

    def close(self, closed: Callable[[], None] | None = None, *, drain_s: float = 1.0) -> None:
        """Send what is queued for at most `drain_s`, say goodbye (no will), and call `closed`."""
        self._closing = True
        self._closed = closed
        self._attempt += 1  # a connection under way comes too late
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._up or not self.queued:
            self._finish()
        else:
            self._timer = self._loop.call_later(drain_s, self._finish)

    def _finish(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        connection, self._connection = self._connection, None
        if connection:
            self._loop.unwatch(connection.fd)
            if self._up:
                connection.disconnect()
            connection.close()
        self._up = False
        closed, self._closed = self._closed, None
        if closed:
            closed()

    # --- connecting ---------------------------------------------------------------------------

    def _arrived(self, attempt: int, sock: socket.socket | None, problem: str) -> None:
        """The connecting thread's answer."""
        if attempt != self._attempt:
            if sock:
                sock.close()
            return
        if sock is None:
            self._retry(problem, next_broker=True)
            return
        from atoll.transport._paho import Connection

        try:
            self._connection = Connection(sock, self.broker, self._session, self.protocol)
        except ConnectionError as error:
            sock.close()
            self._retry(str(error))
            return
        self._timer = self._loop.call_later(CONNECT_TIMEOUT_S, self._lost, "no CONNACK came")
        self._settle()

    def _lost(self, reason: str, *, other_version: bool = True) -> None:
        """The connection has ended: queue again what was under way, and come back.

        Closed before CONNACK is how a broker without MQTT 5 often says so: the next attempt uses
        the other version, unless the reason is known to be another one.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._loop.unwatch(connection.fd)
        connection.close()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        was_up, self._up = self._up, False
        self._behind = False
        self._queue.extendleft(reversed(self._under_way.values()))
        self._queue_bytes += self._under_way_bytes
        self._under_way.clear()
        self._under_way_bytes = 0
        self._asked.clear()
        if self._closing:
            self._finish()
            return
        if not was_up and other_version:
            self._protocols[self._turn] = _OTHER_VERSION[self.protocol]
        self._failures += 0 if was_up else 1
        # Both versions had their chance, or it is not the version: the next broker may be better.
        self._retry(reason, next_broker=self._failures >= 2 or not (was_up or other_version))

    def _retry(self, reason: str, *, next_broker: bool = False) -> None:
        problem = f"{self.broker.url}: {reason}"
        if next_broker:
            self._turn = (self._turn + 1) % len(self._brokers)
            self._failures = 0
        delay_s = self._backoff.next_delay(self._loop.now(), self._chance())
        self._timer = self._loop.call_later(delay_s, self.start)
        self.on_down(problem)

    # --- serving ------------------------------------------------------------------------------

    def _do(self, action: Callable[["Connection"], None]) -> None:
        """Run an action on the connection, if there is one, and settle what follows from it."""
        connection = self._connection
        if connection is None:
            return
        try:
            action(connection)
        except OSError as error:
            self._broke(connection, error)
        else:
            self._settle()

    def _readable(self) -> None:
        self._do(self._read)

    def _read(self, connection: "Connection") -> None:
        connection.read()
        if connection.behind != self._behind:
            self._behind = connection.behind
            self.on_behind(self._behind)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._session.keepalive_s / 4, self._tick)
        self._do(lambda connection: connection.tick())

    def _settle(self) -> None:
        """Handle what paho noted; what is published meanwhile goes out at the end of the turn."""
        if self._take_events():
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.before_wait(self._flush)

    def _flush(self) -> None:
        """Send what the turn has published, and watch the socket for what is left to do."""
        self._flushing = False
        connection = self._connection
        if connection is None:
            return
        try:
            connection.flush()
        except ConnectionError as error:
            self._broke(connection, error)
        else:
            writable = self._flush_soon if connection.wants_write else None
            self._loop.watch(connection.fd, readable=self._readable, writable=writable)

    def _broke(self, connection: "Connection", error: OSError) -> None:
        self._take_events()  # what came in before the end counts, a refusal above all
        if self._connection is connection:
            self._lost(str(error))

    def _take_events(self) -> bool:
        """Handle what paho noted, in order; whether the connection is still the one it was.

        A handler that publishes comes here again: that call leaves the rest to the first one.
        """
        connection = self._connection
        if self._settling or connection is None:
            return False
        self._settling = True
        try:
            while connection.events:
                self._handle(connection, connection.events.popleft())
        finally:
            self._settling = False
        return self._connection is connection

    def _handle(self, connection: "Connection", event: Any) -> None:
        kind = type(event).__name__
        if kind == "Received":  # also if the connection has ended since: the broker may not repeat
            self._receive(event)
        elif self._connection is connection:
            match kind:
                case "Acknowledged":
                    self._acknowledge(event.mid)
                case "Connected":
                    self._came_up(event.window)
                case "Rejected":
                    self._lost(event.reason, other_version=event.version)
                case "Subscribed":
                    pattern = self._asked.pop(event.mid, None)
                    if pattern is not None:
                        self.on_subscribed(pattern, event.granted)

    def _came_up(self, window: int) -> None:
        self._up = True
        self._failures = 0
        self._window = min(window, self._window_max)
        self._protocols[self._turn] = self.protocol
        self._backoff.came_up(self._loop.now())
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._session.keepalive_s / 4, self._tick)
        self._do(lambda connection: self._ask(connection, self._patterns))
        if self._up:
            self.on_up()
        self._do(self._fill_window)

    def _ask(self, connection: "Connection", patterns: list[str]) -> None:
        for pattern in patterns:
            self._asked[connection.subscribe(pattern)] = pattern

    def _receive(self, event: Any) -> None:
        try:
            topic = event.topic.decode()
        except UnicodeDecodeError:
            self.refused_topics += 1
            return
        self.counts.add_received(topic, len(event.payload))
        self.on_message(Incoming(topic, event.payload, event.retained))

    def _acknowledge(self, mid: int) -> None:
        message = self._under_way.pop(mid, None)
        if message is None:  # QoS 0 is "published" once it is written
            return
        self._under_way_bytes -= len(message.payload)
        self._do(self._fill_window)
        if self._closing and not self.queued:
            self._finish()
        elif self._full and self.queued <= QUEUE_MESSAGES_MAX // 2 and self._room():
            self._full = False
            self.on_writable()

    def _room(self) -> bool:
        return self._queue_bytes + self._under_way_bytes <= QUEUE_BYTES_MAX // 2

    def _fill_window(self, connection: "Connection") -> None:
        while self._queue and len(self._under_way) < self._window:
            if self._under_way and self._under_way_bytes >= WINDOW_BYTES:
                return
            message = self._queue.popleft()
            self._queue_bytes -= len(message.payload)
            self._send(connection, message, 1)

    def _send(self, connection: "Connection", message: _Outgoing, qos: int) -> None:
        if qos:
            # Noted first under a number that cannot be paho's: if the send fails, the message is
            # not lost.
            self._under_way[-1] = message
            self._under_way_bytes += len(message.payload)
        mid = connection.publish(message.topic, message.payload, qos, message.retain)
        if qos:
            self._under_way[mid] = self._under_way.pop(-1)
        self.counts.add_sent(message.purpose, len(message.payload))


def refusals_to(say: Callable[[str], None]) -> Callable[[str, bool], None]:
    """For `on_subscribed`: topics that the broker keeps from us would be an unexplained silence."""

    def answered(pattern: str, granted: bool) -> None:
        if not granted:
            say(refusal_of(pattern))

    return answered


def refusal_of(pattern: str) -> str:
    """What a person is told of topics that the broker does not grant."""
    return f"the broker refuses this user the topics {pattern}: see its access list"


def _open_socket(loop: Loop, broker: Broker, arrived: Callable[..., None], attempt: int) -> None:
    """In a thread: resolve, connect, shake hands; the socket or the reason goes to the loop."""
    try:
        sock = socket.create_connection((broker.host, broker.port), CONNECT_TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if broker.tls:
            import ssl

            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=broker.host)
    except OSError as error:
        loop.post(arrived, attempt, None, error.strerror or str(error))
    else:
        loop.post(arrived, attempt, sock, "")
