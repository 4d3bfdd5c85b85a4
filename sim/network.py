"""The network and its broker: sessions, wills, retained messages, and everything that goes wrong.

A message travels once through the codec as bytes. Faults, as of MQTT over TCP: a QoS 0 message
vanishes, a QoS 1 message is late by a retry; copies; overtaking; a path that is cut or clogged
holds what is sent into it until it heals, or until the broker's keepalive ends the session, which
loses it. What was on its way to a session that has ended is lost.
"""

from collections.abc import Callable
from typing import NamedTuple

from atoll.sim.world import World

BASE_S = 0.002
KEEPALIVE_S = 15.0  # 1.5 times the 10 s that clients give
WILL_S = 0.005  # a broken socket is noticed at once
RECONNECT_S = 1.0
QUEUED_MAX = 2_000  # messages that a client keeps for its next session
HUB = "gateway"


class Faults(NamedTuple):
    """Probabilities of a message's fate, and times."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    jitter_s: float = 0.2
    retry_s: float = 1.0
    garbage: float = 0.0


class Ear(NamedTuple):
    """What a node hears: its session's begin and end, and messages (sender, leaf, bytes)."""

    up: Callable[[], None]
    down: Callable[[], None]
    message: Callable[[str, str, bytes], None]


class _Node:
    __slots__ = ("blocked_in", "blocked_out", "ear", "generation", "held", "last", "queue", "up",
                 "wanted", "will")  # fmt: skip

    def __init__(self) -> None:
        self.ear: Ear | None = None
        self.will = b""
        self.up = False
        self.wanted = False  # a process runs that wants a session
        self.generation = 0
        self.queue: list[tuple[str, str, bytes]] = []  # said without a session
        self.blocked_in = self.blocked_out = False
        self.held: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self.last: dict[str, float] = {}  # by receiver: nothing overtakes but by reordering


class Network:
    """Nodes by name; the hub is the gateway, which hears everybody."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults = Faults()
        self._nodes: dict[str, _Node] = {}
        self.retained: dict[tuple[str, str], bytes] = {}
        self.sent = 0

    def _node(self, name: str) -> _Node:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = _Node()
        return node

    # --- sessions ---

    def join(self, name: str, ear: Ear, will: bytes = b"") -> None:
        """A process starts and wants a session from now on."""
        node = self._node(name)
        node.ear, node.will, node.wanted = ear, will, True
        node.queue.clear()
        self._connect_after(name, BASE_S)

    def leave(self, name: str, *, goodbye: bool) -> None:
        """A process ends; without a goodbye its will is published."""
        node = self._node(name)
        node.wanted = False
        node.ear = None
        if node.up:
            self._drop(name, will=not goodbye)

    def drop(self, name: str) -> None:
        """A connection breaks; the client comes again."""
        node = self._node(name)
        if node.up:
            self._drop(name, will=True)
            self._connect_after(name, RECONNECT_S * (0.1 + self._world.random.random()))

    def restart_broker(self) -> None:
        """The broker is killed: sessions and retained messages are gone, without wills."""
        self.retained.clear()
        for name, node in self._nodes.items():
            if node.up:
                self._drop(name, will=False)
                self._connect_after(name, RECONNECT_S * (0.1 + self._world.random.random()))

    def _drop(self, name: str, *, will: bool) -> None:
        node = self._nodes[name]
        node.up = False
        node.generation += 1
        node.held.clear()
        node.last.clear()
        if will and node.will:
            self.retained[name, "status"] = node.will
            self._world.after(WILL_S, self._tell_hub, name, "status", node.will)
        if node.ear is not None:
            node.ear.down()

    def _connect_after(self, name: str, delay_s: float) -> None:
        self._world.after(delay_s, self._connect, name, self._nodes[name].generation)

    def _connect(self, name: str, generation: int) -> None:
        node = self._nodes[name]
        if node.up or not node.wanted or node.generation != generation or node.ear is None:
            return
        if node.blocked_in or node.blocked_out:
            self._connect_after(name, RECONNECT_S)
            return
        node.up = True
        node.generation += 1
        for (owner, leaf), data in list(self.retained.items()):
            if name == HUB and leaf != "map":
                self._deliver(owner, HUB, leaf, data, 1)
            elif owner == name and leaf == "map":
                self._deliver(HUB, name, leaf, data, 1)
        node.ear.up()
        waiting, node.queue = node.queue, []
        for to, leaf, data in waiting:
            self.send(name, to, leaf, data)

    def _tell_hub(self, sender: str, leaf: str, data: bytes) -> None:
        hub = self._node(HUB)
        if hub.up and hub.ear is not None:
            hub.ear.message(sender, leaf, data)

    # --- paths ---

    def block(self, name: str, *, incoming: bool, outgoing: bool) -> None:
        """Cut or clog a node's paths to or from the broker."""
        node = self._node(name)
        node.blocked_in, node.blocked_out = incoming, outgoing
        if incoming or outgoing:
            self._world.after(KEEPALIVE_S, self._give_up, name, node.generation)

    def heal(self, name: str) -> None:
        """The paths are whole; what was held arrives now."""
        node = self._node(name)
        node.blocked_in = node.blocked_out = False
        held, node.held = node.held, []
        for call, arguments in held:
            call(*arguments)

    def _give_up(self, name: str, generation: int) -> None:
        node = self._nodes[name]
        if node.up and node.generation == generation and (node.blocked_in or node.blocked_out):
            self._drop(name, will=True)
            self._connect_after(name, RECONNECT_S)

    # --- messages ---

    def send(
        self, sender: str, to: str, leaf: str, data: bytes, *, retain: bool = False, qos: int = 1
    ) -> None:
        """Publish; without a session a QoS 1 message waits for one."""
        node = self._node(sender)
        if not node.up:
            if qos and node.wanted and len(node.queue) < QUEUED_MAX:
                node.queue.append((to, leaf, data))
            return
        self.sent += 1
        if node.blocked_out:
            node.held.append((self._pass, (sender, to, leaf, data, retain, qos)))
        else:
            self._pass(sender, to, leaf, data, retain, qos)

    def _pass(
        self, sender: str, to: str, leaf: str, data: bytes, retain: bool, qos: int
    ) -> None:  # the broker has it
        if retain:
            owner = to if sender == HUB else sender
            if data:
                self.retained[owner, leaf] = data
            else:
                self.retained.pop((owner, leaf), None)
        self._deliver(sender, to, leaf, data, qos)

    def _deliver(self, sender: str, to: str, leaf: str, data: bytes, qos: int) -> None:
        node, faults, chance = self._node(to), self.faults, self._world.random.random
        if not node.up:
            return
        copies = 2 if qos and faults.duplication and chance() < faults.duplication else 1
        for _ in range(copies):
            delay_s = BASE_S * (0.5 + chance())
            if faults.loss and chance() < faults.loss:
                if not qos:
                    continue
                delay_s += faults.retry_s * chance()
            when = self._world.now + delay_s
            if faults.reordering and chance() < faults.reordering:
                when += faults.jitter_s * chance()
            else:
                when = max(when, node.last.get(sender, 0.0))
                node.last[sender] = when
            self._world.at(when, self._arrive, to, node.generation, sender, leaf, data)
        if faults.garbage and chance() < faults.garbage:
            spoilt = self._spoil(data)
            self._world.after(delay_s, self._arrive, to, node.generation, sender, leaf, spoilt)

    def _spoil(self, data: bytes) -> bytes:
        """Something that is no message: cut off, or noise."""
        random = self._world.random
        if random.random() < 0.5:
            return data[: random.randrange(len(data))] if data else b""
        return random.randbytes(random.randrange(1, 64))

    def _arrive(self, to: str, generation: int, sender: str, leaf: str, data: bytes) -> None:
        node = self._nodes[to]
        if not node.up or node.generation != generation or node.ear is None:
            return
        if node.blocked_in:
            node.held.append((self._arrive, (to, generation, sender, leaf, data)))
            return
        self._world.heard(data)
        node.ear.message(sender, leaf, data)
