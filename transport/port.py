"""What the layers above see of a session: what the MQTT link and the in-memory one share."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Incoming(NamedTuple):
    """A message that came in; `retained`: the broker kept it from before the subscription."""

    topic: str
    payload: bytes
    retained: bool


class Will(NamedTuple):
    """What the broker publishes, retained, when the session ends without a goodbye."""

    topic: str
    payload: bytes


class Session(NamedTuple):
    """Who comes and how: the broker gives up after 1.5 `keepalive_s` of silence, and so do we."""

    client_id: str
    will: Will | None = None
    keepalive_s: int = 10
    backoff_max_s: float = 5.0


class Count(NamedTuple):
    """Messages and payload bytes."""

    messages: int = 0
    payload_bytes: int = 0


class Counts:
    """What went out and came in, by purpose (given at each publish; of what comes in, the topic's
    last level).
    """

    def __init__(self) -> None:
        self.sent: dict[str, Count] = {}
        self.received: dict[str, Count] = {}

    def add_sent(self, purpose: str, size: int) -> None:
        """Count a message handed to the broker."""
        count = self.sent.get(purpose, Count())
        self.sent[purpose] = Count(count.messages + 1, count.payload_bytes + size)

    def add_received(self, topic: str, size: int) -> None:
        """Count a message that came in. Topics come from outside: what is not known is counted as
        "other".
        """
        leaf = topic.rpartition("/")[2]
        purpose = leaf if leaf in self.received or len(self.received) < PURPOSES_MAX else "other"
        count = self.received.get(purpose, Count())
        self.received[purpose] = Count(count.messages + 1, count.payload_bytes + size)


# Distinct purposes counted apart: the protocol has 13 leaves.
PURPOSES_MAX = 32


class Port(Protocol):
    """A session as its user sees it: `Link` and `MemoryLink` are ports.

    The user sets the callbacks before `start`. `on_down(reason)` also reports a failed attempt
    to connect. `on_writable()` follows a refused `publish` once there is room again.
    `on_behind(behind)`: more has come in than one turn takes, before what was taken is given out;
    and not any more.
    """

    on_up: Callable[[], None]
    on_down: Callable[[str], None]
    on_message: Callable[[Incoming], None]
    on_writable: Callable[[], None]
    on_behind: Callable[[bool], None]
    counts: Counts

    @property
    def up(self) -> bool:
        """Whether the session stands."""

    @property
    def queued(self) -> int:
        """QoS 1 messages that the broker has not acknowledged."""

    @property
    def unsent(self) -> int:
        """Those of them that wait for room in the window, or for a session."""

    def start(self) -> None:
        """Connect, and again whenever the session is lost."""

    def subscribe(self, *patterns: str) -> None:
        """Take these topics (QoS 1), now and after each reconnection."""

    def publish(
        self, topic: str, payload: bytes, *, purpose: str, retain: bool = False, qos: int = 1
    ) -> bool:
        """Send; False if there is no room (QoS 1) or no session (QoS 0)."""

    def close(self, closed: Callable[[], None] | None = None, *, drain_s: float = 1.0) -> None:
        """Send what is queued, say goodbye (no will), and call `closed`."""
