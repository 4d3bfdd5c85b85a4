"""Two gateways on one broker: one leads, the other stands by, and either may be struck."""

from typing import Any

from atoll.gateway.core import GatewayCore
from atoll.gateway.profiles import Profile
from atoll.gateway.standby import Purpose
from atoll.sim.checker import Checker
from atoll.sim.host import Host
from atoll.sim.pair_network import PairNetwork
from atoll.sim.succession import Succession
from atoll.sim.world import Violation, World

JOIN_S = 3.0  # the standby comes so much later, at most


class Pair:
    """The site's gateway as everybody else sees it: the one of the two whose history counts."""

    def __init__(
        self, world: World, network: PairNetwork, checker: Checker, profile: Profile, seed: int
    ) -> None:
        self.world, self.network, self.checker = world, network, checker
        self.profile, self.seed = profile, seed
        self.succession = Succession(checker)
        self.hosts = [
            Host(self, "gateway-a", Purpose(lead=True)),
            Host(self, "gateway-b", Purpose(lead=False)),
        ]

    @property
    def leading(self) -> Host:
        """Who led last."""
        return next((h for h in self.hosts if h.name == self.succession.leader), self.hosts[0])

    @property
    def core(self) -> GatewayCore | None:
        """The site's core, while there is one."""
        return self.leading.core

    @property
    def counters(self) -> dict[str, int]:
        """What the processes that are gone have counted."""
        found = {"takeovers": self.succession.turns}
        for host in self.hosts:
            for name, count in host.counters.items():
                found[name] = found.get(name, 0) + count
        return found

    def tallies(self) -> dict[str, int]:
        """What the leader has counted."""
        return self.leading.tallies()

    # --- fates ---

    def start(self) -> None:
        """Both, one after the other."""
        self.hosts[0].start()
        self.world.after(JOIN_S * self.world.random.random(), self._raise, self.hosts[1])

    def pause(self) -> None:
        """The leader stands still."""
        self.leading.pause()

    def resume(self) -> None:
        """Whoever stands still goes on."""
        for host in self.hosts:
            host.resume()

    def kill(self) -> None:
        """The leader is killed."""
        self.leading.kill()

    def kill_at_flush(self, limit: int) -> None:
        """The leader is killed between two of its next acts; -1: before it commits."""
        self.leading.die_at_flush = limit

    def come_back(self) -> None:
        """Whoever was killed, or is about to be, runs."""
        for host in self.hosts:
            self._raise(host)

    def heal(self) -> None:
        """Both run, and hear each other."""
        self.resume()
        self.come_back()

    def strike(self, span_s: float) -> None:
        """A fault of one of the two, for a while; mostly of the leader."""
        random = self.world.random
        host = self.leading if random.random() < 0.7 else random.choice(self.hosts)
        chance = random.random()
        if chance < 0.3:
            host.kill()
        elif chance < 0.4 and host.serving:
            host.die_at_flush = random.choice((-1, 0, 1, 2, 5))
        elif chance < 0.65:
            host.pause()
        else:
            incoming, outgoing = random.choice(((True, False), (False, True), (True, True)))
            self.network.block(host.name, incoming=incoming, outgoing=outgoing)
        self.world.after(span_s, self._mend, host)

    def _mend(self, host: Host) -> None:
        host.resume()
        self._raise(host)

    def _raise(self, host: Host) -> None:
        host.die_at_flush = None
        if not host.alive:
            host.start()

    # --- in the end ---

    @property
    def settled(self) -> bool:
        """One leads, has committed what it has decided, and the other one has all of it."""
        leader, other = self._sides()
        if leader.uncommitted or not leader.in_step or other.serving:
            return False
        return leader.ledger.place == other.ledger.place

    def _sides(self) -> tuple[Host, Host]:
        leader = self.leading
        return leader, next(host for host in self.hosts if host is not leader)

    def look(self) -> None:
        """I5, I9: both ledgers are the same, row for row."""
        leader, other = self._sides()
        if leader.core is None or other.serving or not leader.in_step:
            text = f"{leader.name} has no standby in step, {other.name} {_state(other)} (I9)"
            raise Violation("unfinished", leader.name, text)
        if leader.ledger.place != other.ledger.place:
            return  # the last batch is on its way
        for mine, theirs in zip(_rows(leader), _rows(other), strict=True):
            if mine != theirs:
                text = f"{other.name} has {theirs}, {leader.name} {mine} (I5)"
                raise Violation("wrong", other.name, text)


def _rows(host: Host) -> list[Any]:
    rows = list(host.ledger.read_all())
    return [len(rows), *rows]


def _state(host: Host) -> str:
    if not host.alive:
        return "is down"
    return "leads" if host.serving else "stands by"
