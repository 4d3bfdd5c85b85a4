"""The network of a site with two gateways: each has a session of its own with the one broker.

Whoever leads hears devices and clients, as long as its session serves: a leader that was replaced
and does not know it yet, too. What gateways say to each other goes to those that are subscribed to
it. On the topic of who leads the broker keeps its order, and what is retained comes first; all else
is lost, doubled and reordered as anywhere.
"""

from functools import partial

from atoll.sim.network import BASE_S, HUB, Ear, Network
from atoll.sim.world import World

LEAD = "lead"
FROM_LEADER, FROM_STANDBY = "ledger", "standby"
PAIR = "pair"  # to whom gateways speak of themselves
RETAINED = "retained"  # the sender of a message that the broker had kept


class PairNetwork(Network):
    """`hosts` are the gateways: by name, the leaves that each subscribes to (HUB: the site's)."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.hosts: dict[str, frozenset[str]] = {}
        self.lead = b""  # retained

    # --- sessions ---

    def join_host(self, name: str, ear: Ear, leaves: frozenset[str]) -> None:
        """A gateway wants a session, subscribed to these leaves."""
        self.hosts[name] = leaves
        self.join(name, ear._replace(up=partial(self._host_up, name, ear)))

    def _host_up(self, name: str, ear: Ear) -> None:
        if self.lead:
            self._deliver_lead(RETAINED, name, self.lead)
        if HUB in self.hosts[name]:
            for (owner, leaf), data in list(self.retained.items()):
                if leaf != "map":
                    self._deliver(owner, name, leaf, data, 1)
        ear.up()

    def restart_broker(self) -> None:
        """As everywhere: what was retained is gone."""
        self.lead = b""
        super().restart_broker()

    def _tell_hub(self, sender: str, leaf: str, data: bytes) -> None:
        for name in self._subscribed(HUB):
            node = self._node(name)
            if node.up and node.ear is not None:
                node.ear.message(sender, leaf, data)

    def _subscribed(self, leaf: str) -> list[str]:
        return [name for name, leaves in self.hosts.items() if leaf in leaves]

    # --- messages ---

    def _pass(self, sender: str, to: str, leaf: str, data: bytes, retain: bool, qos: int) -> None:
        if to == PAIR:
            self._pass_pair(sender, leaf, data, retain, qos)
            return
        if retain:
            owner = to if sender in self.hosts else sender
            if data:
                self.retained[owner, leaf] = data
            else:
                self.retained.pop((owner, leaf), None)
        for name in self._subscribed(HUB) if to == HUB else [to]:
            self._deliver(sender, name, leaf, data, qos)

    def _pass_pair(self, sender: str, leaf: str, data: bytes, retain: bool, qos: int) -> None:
        if retain:
            self.lead = data
        for name in self._subscribed(leaf):
            if leaf == LEAD:
                self._deliver_lead(sender, name, data)
            else:
                self._deliver(sender, name, leaf, data, qos)

    def _deliver_lead(self, sender: str, to: str, data: bytes) -> None:
        """In the order of the topic: late, or twice, but never before what went before it."""
        node, faults, chance = self._node(to), self.faults, self._world.random.random
        if not node.up:
            return
        for _ in range(2 if chance() < faults.duplication else 1):
            delay_s = BASE_S * (0.5 + chance())
            if chance() < faults.loss:
                delay_s += faults.retry_s * chance()
            when = node.last[LEAD] = max(self._world.now + delay_s, node.last.get(LEAD, 0.0))
            self._world.at(when, self._arrive, to, node.generation, sender, LEAD, data)
