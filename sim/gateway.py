"""The gateway: the real core over a ledger in memory, killed at the worst moments.

It stands for the gateway's shell: what several events decide is committed together, and only then
carried out. A kill may come before the commit, between it and the first effect, or after some.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from atoll.gateway import effects as do
from atoll.gateway import events as on
from atoll.gateway.catalog import Shard
from atoll.gateway.core import GatewayCore, Options
from atoll.gateway.member import Change, Member
from atoll.gateway.profiles import Profile
from atoll.gateway.shell import ASKED, SAID
from atoll.sim.checker import Checker
from atoll.sim.ledger import MemoryLedger
from atoll.sim.network import HUB, Ear, Network
from atoll.sim.placing import Placing
from atoll.sim.world import NEVER, Alarm, Violation, World
from atoll.wire import messages as wire
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.limits import OBJECT_BYTES_MAX
from atoll.wire.status import decode_status

COMMIT_S = 0.002
L = TypeVar("L", bound=MemoryLedger)
N = TypeVar("N", bound=Network)


class Gateway(Generic[L, N]):
    """One gateway process after the other, over one ledger."""

    def __init__(
        self,
        world: World,
        network: N,
        ledger: L,
        checker: Checker,
        profile: Profile,
        seed: int,
        name: str = HUB,
    ) -> None:
        self.world, self.network, self.checker, self.name = world, network, checker, name
        self.ledger = checker.ledger = ledger
        hexed: Mapping[str, str] = {k: d.hex() for k, d in checker.receipts.items()}
        self._options = Options("sim", profile, hexed, seed)
        self.core: GatewayCore | None = None
        self.generation = 0
        self.counters: dict[str, int] = {}  # of the processes that are gone
        self.die_at_flush: int | None = None  # after so many effects; -1: before the commit
        self._records: list[Any] = []
        self._effects: list[Any] = []
        self._flushing = False
        self._alarm = Alarm(self._wake)
        self.placing = Placing(world)
        self._paused: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = None
        self._flush_missed = False
        self._stopped_at = 0.0

    def start(self) -> None:
        """A new process takes over what the ledger says."""
        self.generation += 1
        self._paused, self._flush_missed = None, False
        self._records, self._effects, self._flushing = [], [], False
        core = self.core = GatewayCore(self._options)
        first = core.restore(self.ledger.load(), self.world.now, self.world.wall_ms())
        self.placing.begin(core)
        self._watch(core)
        ear = Ear(self._up, self._down, self._received)
        self.network.join(self.name, ear)
        self._collect(first)
        self._arm()

    def _watch(self, core: GatewayCore) -> None:
        """Look at what the core decides before its own parts hear of it."""
        told, decide, trust = core.members.changed, core.owners.decide, core.members.trusted

        def changed(change: Change) -> None:
            self._changing(change)
            self.placing.changed(change)
            told(change)

        def planned(shard: Shard, goal: tuple[str, ...]) -> bool:
            self.placing.planned(shard, goal)
            return decide(shard, goal)

        def trusted(member: Member) -> None:
            self.placing.trusted(member.id)
            trust(member)

        core.members.changed, core.members.trusted = changed, trusted
        core.owners.decide = planned

    def _changing(self, change: Change) -> None:
        self.checker.changed(change)

    def pause(self) -> None:
        """SIGSTOP: it neither hears nor acts."""
        if self.core is not None and self._paused is None:
            self._paused, self._stopped_at = [], self.world.now

    def resume(self) -> None:
        """SIGCONT: all that waited at once."""
        waiting, self._paused = self._paused, None
        if waiting is None or self.core is None:
            return
        self._stood_still(self.core)
        for call, arguments in waiting:
            call(*arguments)
        if self._flush_missed:
            self._flush_missed = False
            self._flush(self.generation)
        self._wake()

    def kill(self) -> None:
        """SIGKILL: what is not committed never was."""
        if self.core is None:
            return
        for name, count in self.tallies().items():
            self.counters[name] = self.counters.get(name, 0) + count
        self.core = None
        self._alarm.off()
        self.generation += 1
        self.die_at_flush = None
        self.network.leave(self.name, goodbye=False)

    def kill_at_flush(self, limit: int) -> None:
        """It is killed at its next commit, after so many effects; -1: before the commit."""
        self.die_at_flush = limit

    def come_back(self) -> None:
        """It runs, or goes on to."""
        self.die_at_flush = None
        if self.core is None:
            self.start()

    def heal(self) -> None:
        """It runs, and nothing holds it."""
        self.resume()
        self.come_back()

    @property
    def settled(self) -> bool:
        """Whether it has nothing to do but to serve, and nothing to commit."""
        return self.core is not None and not self._records

    def _stood_still(self, core: GatewayCore) -> None:
        """It was stopped, and goes on."""
        due = core.next_wakeup()
        if due is not None:  # before that it had nothing to do but to read what it reads now
            self.placing.stood_still(self.world.now - max(due, self._stopped_at))

    def look(self) -> None:
        """What must be true of it in the end."""
        if self.core is None:
            raise Violation("unfinished", "gateway", "the gateway is down (I9)")

    def tallies(self) -> dict[str, int]:
        """What the running process has counted."""
        return {} if self.core is None else self.core._desk.counters

    # --- in ---

    def _up(self) -> None:
        self.feed(on.LinkOpened(self.world.wall_ms()))

    def _down(self) -> None:
        self.feed(on.LinkLost())

    def _received(self, sender: str, leaf: str, data: bytes) -> None:
        event: Any
        wall_ms = self.world.wall_ms()
        try:
            if leaf == "status":
                state, boot, _, sleep_s, wake_ms = decode_status(data)
                event = on.StatusSeen(sender, state, boot, wall_ms, sleep_s, wake_ms)
            elif leaf == "request":
                message = decode(data, allowed=ASKED, size_max=OBJECT_BYTES_MAX)
                event = on.ClientAsked(sender, message, wall_ms)
            else:
                message = decode(data, allowed=SAID[leaf], size_max=OBJECT_BYTES_MAX)
                event = on.DeviceSpoke(sender, message, wall_ms)
                self.checker.heard(sender, message)
        except WireError as error:
            event = on.InputRefused(error.reason)
        self.feed(event)

    def feed(self, event: Any) -> None:
        """Let the core have an event."""
        if self.core is None:
            return
        if self._paused is not None:
            if type(event) is not on.Woken:
                self._paused.append((self.feed, (event,)))
            return
        if type(event) is on.LinkOpened:
            self.placing.listens_since = self.placing.awake
        elif type(event) is on.DeviceSpoke and type(event.message) is wire.LeaseRequest:
            self.placing.heard(event.device, event.message)
        if self.world.tell is not None:
            self.world.tell("gateway <-", event)
        self._collect(self.core.handle(event, self.world.now))
        self._arm()

    def _arm(self) -> None:
        due = self.core.next_wakeup() if self.core is not None else None
        self.world.ring(self._alarm, NEVER if due is None else due + 1e-6)

    def _wake(self) -> None:
        self.feed(on.Woken(self.world.wall_ms()))

    # --- out ---

    def _collect(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            if type(effect) is do.Commit:
                self._records += effect.records
            else:
                self._effects.append(effect)
        if not self._flushing and (self._records or self._effects):
            self._flushing = True
            self.world.after(COMMIT_S, self._flush, self.generation)

    def _flush(self, generation: int) -> None:
        if generation != self.generation:
            return
        if self._paused is not None:
            self._flush_missed = True
            return
        self._flushing = False
        records, self._records = self._records, []
        effects, self._effects = self._effects, []
        limit = self.die_at_flush
        if limit is not None and limit < 0:
            self.kill()
            return
        self.commit(records)
        for at, effect in enumerate(effects):
            if limit is not None and at >= limit:
                break
            self._carry_out(effect)
        if limit is not None:
            self.kill()

    def commit(self, records: list[Any]) -> None:
        """Write records."""
        if records:
            self.checker.committing(records)
            self.ledger.commit(records)

    def _carry_out(self, effect: Any) -> None:
        if self.world.tell is not None:
            self.world.tell("gateway ->", effect)
        kind = type(effect)
        if kind is do.Tell:
            device, leaf, message, retain = effect
            self.checker.telling(device, message)
            self.network.send(self.name, device, leaf, encode(message), retain=retain)
        elif kind is do.Answer:
            self.checker.answering(effect)
            self.network.send(self.name, effect.client, "reply", encode(effect.message))
        elif kind is do.ForgetDevice:
            for leaf in ("status", "birth", "map"):
                self.network.retained.pop((effect.device, leaf), None)
