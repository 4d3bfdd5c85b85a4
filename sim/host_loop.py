"""What the real shells of a pair of gateways run on: a loop on the virtual clock, and a link.

Both belong to one phase of one process: what it left behind when it was killed, or began to lead or
to follow, never happens. A process that stands still hears of everything afterwards.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from atoll.sim.network import Ear
from atoll.sim.pair_network import FROM_LEADER, FROM_STANDBY, LEAD, PAIR, RETAINED
from atoll.sim.world import Alarm
from atoll.transport.port import Incoming

if TYPE_CHECKING:
    from atoll.sim.host import Host

FOLLOWED = frozenset((LEAD, FROM_LEADER, FROM_STANDBY))
TURN_S = 1e-6  # what is posted comes after what is under way


class HostLoop:
    """`atoll.transport.loop.Loop` as far as the shells of a pair use it."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._generation = host.generation

    def now(self) -> float:
        """The monotonic clock."""
        return self._host.world.now

    def post(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call soon."""
        self._host.world.after(TURN_S, self._run, call, *arguments)

    def call_at(self, when: float, call: Callable[..., Any], *arguments: Any) -> "HostTimer":
        """Call at a time."""
        alarm = Alarm(partial(self._run, call, *arguments))
        self._host.world.ring(alarm, max(when, self.now()) + TURN_S)
        return HostTimer(alarm)

    def _run(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._host.awake(self._generation, call, *arguments)


class HostTimer:
    """One call that may be called off."""

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm

    def cancel(self) -> None:
        """It is not called any more."""
        self._alarm.off()


class HostLink:
    """A standby's session: `atoll.transport.port.Port` as far as its shell uses it."""

    def __init__(self, host: "Host", loop: HostLoop) -> None:
        self._host, self._loop = host, loop
        self.on_up: Callable[[], None] = lambda: None
        self.on_down: Callable[[str], None] = lambda reason: None
        self.on_message: Callable[[Incoming], None] = lambda incoming: None

    def subscribe(self, *patterns: str) -> None:
        """To what gateways say of themselves, and nothing else."""
        assert {pattern.rpartition("/")[2] for pattern in patterns} == FOLLOWED

    def start(self) -> None:
        """Connect."""
        awake = partial(self._host.awake, self._host.generation)
        ear = Ear(
            partial(awake, lambda: self.on_up()),
            partial(awake, lambda: self.on_down("it broke")),
            partial(awake, self._received),
        )
        host = self._host
        host.network.join_host(host.name, ear, FOLLOWED)

    def _received(self, sender: str, leaf: str, data: bytes) -> None:
        self.on_message(Incoming(self._host.topic(leaf), data, sender == RETAINED))

    def publish(
        self, topic: str, payload: bytes, *, purpose: str, retain: bool = False, qos: int = 1
    ) -> bool:
        """Say something of gateways."""
        leaf = topic.rpartition("/")[2]
        host = self._host
        host.network.send(host.name, PAIR, leaf, payload, retain=retain, qos=qos)
        return True

    def close(self, closed: Callable[[], None], *, drain_s: float = 1.0) -> None:
        """Say goodbye."""
        self._host.network.leave(self._host.name, goodbye=True)
        self._loop.post(closed)
