"""A broker in this process, for tests and simulations: deterministic, on a virtual clock, faulty on
request.

Retained messages, wills, wildcards and QoS as brokers have them. Nothing happens inside `publish`:
each delivery is an event on the broker's queue, and `run` (or `step`) serves the queue in order of
time. Faults are drawn from a seed, so that the same seed gives the same run:

- loss: a QoS 0 message vanishes; a QoS 1 message is late by `retry_s` instead, as TCP and resending
  make it;
- duplication: a QoS 1 message is delivered twice (at least once);
- reordering: a message is late by up to `jitter_s`, so that later ones overtake it.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from atoll.transport.port import Counts, Incoming, Session
from atoll.wire.topics import matches


class Faults(NamedTuple):
    """Probabilities (0 to 1) and times of what goes wrong."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    jitter_s: float = 0.05
    retry_s: float = 1.0


NO_FAULTS = Faults()


def _ignore(*_: Any) -> None:
    pass


class MemoryBroker:
    """Routes messages between its links. `now` is the virtual time in seconds."""

    def __init__(
        self, *, seed: int = 0, faults: Faults = NO_FAULTS, delay_s: float = 0.001
    ) -> None:
        self.now = 0.0
        self.faults = faults
        self.retained: dict[str, bytes] = {}
        self.log: list[tuple[str, str, bytes]] = []  # (client, topic, payload) of all that came in
        self._random = Random(seed)
        self._delay_s = delay_s
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._links: dict[str, MemoryLink] = {}

    def link(self, session: Session) -> "MemoryLink":
        """A session with this broker, not started yet."""
        return MemoryLink(self, session)

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Put a call among the deliveries: timers of what is simulated."""
        self._count += 1
        heapq.heappush(self._queue, (max(when, self.now), self._count, callback))

    def next_time(self) -> float | None:
        """When the next event is due, or None."""
        return self._queue[0][0] if self._queue else None

    def step(self) -> bool:
        """Serve the next event; False if there is none."""
        if not self._queue:
            return False
        self.now, _, callback = heapq.heappop(self._queue)
        callback()
        return True

    def run(self, until: float | None = None) -> None:
        """Serve all events, or those up to the time `until`, which it then is."""
        while self._queue and (until is None or self._queue[0][0] <= until):
            self.step()
        if until is not None:
            self.now = max(self.now, until)

    def restart(self) -> None:
        """The broker is killed and comes back at once: retained messages are gone, sessions come
        again.
        """
        self.retained.clear()
        for link in list(self._links.values()):
            self._drop(link, "the broker is gone", will=False)
            link.start()

    def cut(self, client_id: str) -> None:
        """Cut a client off without a goodbye: its will is published. `start` brings it back."""
        link = self._links.get(client_id)
        if link:
            self._drop(link, "the connection was cut", will=True)

    # --- for MemoryLink -----------------------------------------------------------------------

    def attach(self, link: "MemoryLink") -> None:
        """A session begins; an older one of the same client id ends, as MQTT has it."""
        old = self._links.get(link.session.client_id)
        if old is not None and old is not link:
            self._drop(old, "taken over by another session", will=True)
        self._links[link.session.client_id] = link
        link.came_up()

    def detach(self, link: "MemoryLink") -> None:
        """A session ends with a goodbye."""
        if self._links.get(link.session.client_id) is link:
            del self._links[link.session.client_id]

    def send_retained(self, link: "MemoryLink", pattern: str) -> None:
        """What a new subscription gets."""
        for topic, payload in self.retained.items():
            if matches(pattern, topic):
                self._deliver(link, Incoming(topic, payload, True), 1)

    def route(self, client_id: str, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """Take a message and send it on to whom it concerns."""
        self.log.append((client_id, topic, payload))
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        for link in list(self._links.values()):
            if any(matches(pattern, topic) for pattern in link.patterns):
                self._deliver(link, Incoming(topic, payload, False), qos)

    def _drop(self, link: "MemoryLink", reason: str, *, will: bool) -> None:
        self._links.pop(link.session.client_id, None)
        link.went_down(reason)
        if will and link.session.will:
            topic, payload = link.session.will
            self.route(link.session.client_id, topic, payload, retain=True, qos=1)

    def _deliver(self, link: "MemoryLink", message: Incoming, qos: int) -> None:
        faults, chance = self.faults, self._random.random
        copies = 2 if qos and chance() < faults.duplication else 1
        generation = link.generation
        for _ in range(copies):
            delay_s = self._delay_s
            if chance() < faults.loss:
                if qos == 0:
                    continue
                delay_s += faults.retry_s
            if chance() < faults.reordering:
                delay_s += faults.jitter_s * chance()
            self.call_at(self.now + delay_s, lambda: link.receive(message, generation))


class MemoryLink:
    """A `port.Port` on a `MemoryBroker`. Takes any number of messages: back-pressure is `room`."""

    def __init__(self, broker: MemoryBroker, session: Session) -> None:
        self.on_up: Callable[[], None] = _ignore
        self.on_down: Callable[[str], None] = _ignore
        self.on_message: Callable[[Incoming], None] = _ignore
        self.on_writable: Callable[[], None] = _ignore
        self.on_behind: Callable[[bool], None] = _ignore
        self.counts = Counts()
        self.session = session
        self.patterns: list[str] = []
        self.generation = 0  # of the session: what was on its way to an older one is lost
        self.room: int | None = None  # messages that `publish` still takes; None: any number
        self._broker = broker
        self._up = False
        self._waiting: list[tuple[str, bytes, str, bool]] = []

    @property
    def up(self) -> bool:
        """Whether the session stands."""
        return self._up

    @property
    def queued(self) -> int:
        """QoS 1 messages that wait: none while there is a session."""
        return len(self._waiting)

    @property
    def unsent(self) -> int:
        """All of them."""
        return len(self._waiting)

    def start(self) -> None:
        """Connect."""
        self._broker.call_at(self._broker.now, lambda: self._broker.attach(self))

    def subscribe(self, *patterns: str) -> None:
        """Take these topics, now and after each reconnection."""
        for pattern in patterns:
            if pattern not in self.patterns:
                self.patterns.append(pattern)
                if self._up:
                    self._broker.send_retained(self, pattern)

    def publish(
        self, topic: str, payload: bytes, *, purpose: str, retain: bool = False, qos: int = 1
    ) -> bool:
        """Send; False if there is no room (QoS 1) or no session (QoS 0)."""
        if qos and self.room is not None:
            if self.room <= 0:
                return False
            self.room -= 1
        if not self._up:
            if qos:
                self._waiting.append((topic, payload, purpose, retain))
            return qos > 0
        self.counts.add_sent(purpose, len(payload))
        route = self._broker.route
        client = self.session.client_id
        self._broker.call_at(
            self._broker.now, lambda: route(client, topic, payload, retain=retain, qos=qos)
        )
        return True

    def make_room(self, messages: int | None = None) -> None:
        """Let `publish` take so many more (None: any number) and say so."""
        self.room = messages
        self.on_writable()

    def close(self, closed: Callable[[], None] | None = None, *, drain_s: float = 1.0) -> None:
        """Say goodbye (no will), and call `closed`. What was published before is on its way."""
        self._up = False
        self.generation += 1
        self._broker.detach(self)
        if closed:
            closed()

    def came_up(self) -> None:
        """The broker has taken the session."""
        self._up = True
        self.generation += 1
        for pattern in self.patterns:
            self._broker.send_retained(self, pattern)
        self.on_up()
        waiting, self._waiting = self._waiting, []
        for topic, payload, purpose, retain in waiting:
            self.publish(topic, payload, purpose=purpose, retain=retain)

    def went_down(self, reason: str) -> None:
        """The session is lost."""
        if self._up:
            self._up = False
            self.generation += 1
            self.on_down(reason)

    def receive(self, message: Incoming, generation: int) -> None:
        """A delivery arrives; one that was under way to an older session does not."""
        if self._up and generation == self.generation:
            self.counts.add_received(message.topic, len(message.payload))
            self.on_message(message)
