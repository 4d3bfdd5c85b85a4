"""One of two gateways: its process follows or leads, as `gateway/main.py` has it do in turn.

Real are the cores of both sides and their shells (standby_shell.py, feeder.py): what the leader
decides is held until both ledgers have it, by the code that does so on a board.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from atoll.gateway import events as on
from atoll.gateway.core import GatewayCore, next_term
from atoll.gateway.feed import PAIRED, Feed
from atoll.gateway.feeder import Feeder
from atoll.gateway.lead import Register
from atoll.gateway.ledger import VERSION
from atoll.gateway.member import Change
from atoll.gateway.pairing import Place
from atoll.gateway.standby import Purpose, Standby, ours_of
from atoll.gateway.standby_shell import StandbyShell
from atoll.sim.gateway import COMMIT_S, Gateway
from atoll.sim.host_loop import HostLink, HostLoop
from atoll.sim.network import HUB, Ear
from atoll.sim.pair_ledger import PairLedger
from atoll.sim.pair_network import FROM_STANDBY, LEAD, PAIR, RETAINED, PairNetwork
from atoll.sim.world import Violation
from atoll.transport.port import Incoming
from atoll.wire.gateways import Lead
from atoll.wire.topics import Topics

if TYPE_CHECKING:
    from atoll.sim.pair import Pair

OF_GATEWAYS = frozenset((LEAD, FROM_STANDBY))


class StandsOn(NamedTuple):
    """Goes out before the effects that stand on this batch."""

    number: int


class Host(Gateway[PairLedger, PairNetwork]):
    """A machine with a ledger, and the gateway's processes on it."""

    def __init__(self, pair: "Pair", name: str, purpose: Purpose) -> None:
        ledger = PairLedger()
        super().__init__(
            pair.world, pair.network, ledger, pair.checker, pair.profile, pair.seed, name
        )
        self.topics = Topics("sim")
        self.alive = False
        self.feeder: Feeder | None = None
        self._pair, self._purpose = pair, purpose
        self._register = Register(name)
        self._standby: StandbyShell | None = None
        self._stamp_wanted = False

    @property
    def serving(self) -> bool:
        """Whether it leads, as far as it knows."""
        return self.core is not None

    @property
    def in_step(self) -> bool:
        """Whether it leads with a standby that has all that it has."""
        feed = self.feeder.feed if self.feeder is not None else None
        return feed is not None and feed.mode == PAIRED and self._register.leads

    @property
    def uncommitted(self) -> bool:
        """Whether it has decided what is in no ledger yet."""
        return bool(self._records)

    def topic(self, leaf: str) -> str:
        """The topic of a leaf of gateways."""
        return f"{self.topics.base}/gateway/{leaf}"

    # --- the process ---

    def start(self) -> None:
        """A new process: it looks who leads."""
        self.alive, self._paused, self._flush_missed = True, None, False
        self._register = Register(self.name)
        self._stand_by()

    def _stand_by(self) -> None:
        self.generation += 1
        settings, wall_ms = self.ledger.settings(), self.world.wall_ms()
        term = next_term(settings.get("term", 0), wall_ms) - 1
        ours = ours_of(settings, self.name, term)
        core = Standby(self._register, self._purpose, ours, VERSION, wall_ms)
        loop: Any = HostLoop(self)
        link: Any = HostLink(self, loop)
        ledger: Any = _Followed(self)
        self._standby = StandbyShell(
            loop, link, core, ledger, topics=self.topics, say=self._say, ended=self._ended
        )
        self._standby.start()

    def _say(self, text: str) -> None:
        if self.world.tell is not None:
            self.world.tell(f"{self.name} says", text)

    def _ended(self) -> None:
        standby, self._standby = self._standby, None
        assert standby is not None
        if standby.lead is None:
            raise Violation("unfinished", self.name, f"{self.name} gives up: {standby.error} (I9)")
        self._serve(standby.lead)

    def _serve(self, lead: Lead) -> None:
        """Lead, on what the ledger says."""
        self.generation += 1
        self._pair.succession.leads(self.name, lead.term, self.ledger)
        self._records, self._effects, self._flushing = [], [], False
        core = GatewayCore(self._options)
        first = core.restore(
            self.ledger.load(), self.world.now, self.world.wall_ms(),
            term_least=lead.term, turn=lead.turn,
        )  # fmt: skip
        if core.term != lead.term:
            text = f"{self.name} leads under term {core.term}, and said {lead.term} (I4)"
            raise Violation("double_owners", self.name, text)
        self.core = core
        self.placing.begin(core)
        self._watch(core)
        self.feeder = self._feeder_of(lead)
        self._collect(first)
        ear = Ear(self._up, self._down, self._received)
        self.network.join_host(self.name, ear, OF_GATEWAYS | {HUB})
        self._arm()

    def _feeder_of(self, lead: Lead) -> Feeder:
        self._register.adopt(lead)
        place = self.ledger.place if self.ledger.place != (0, 0) else None
        feed = Feed(self._register, lead.term, place, VERSION)
        loop: Any = HostLoop(self)
        ledger: Any = self.ledger
        feeder = Feeder(loop, ledger, feed, self.topics)
        generation = self.generation
        feeder.say = self._say
        feeder.carry_out = lambda effects: self._carry_out_all(generation, effects)
        feeder.told = lambda text, standby: self.feed(
            on.StandbyChanged(text, standby, self.world.wall_ms())
        )
        # What it carries out may kill it: nothing comes after that.
        feeder.send = self._while_alive(self._send_of_gateways)
        feeder.ready = self._while_alive(self._ready)
        feeder.stamp_wanted = self._while_alive(self._want_stamp)
        feeder.step_down = self._while_alive(self._step_down)
        return feeder

    def _while_alive(self, call: Callable[..., None]) -> Callable[..., None]:
        """Nothing any more once this process, or this phase of it, is over."""
        generation = self.generation

        def guarded(*arguments: Any) -> None:
            if generation == self.generation:
                call(*arguments)

        return guarded

    def _ready(self) -> None:
        self._pair.succession.serves(self.name)
        self.feed(on.LinkOpened(self.world.wall_ms()))

    def _send_of_gateways(
        self, topic: str, payload: bytes, purpose: str, retain: bool, qos: int
    ) -> None:
        leaf = topic.rpartition("/")[2]
        self.network.send(self.name, PAIR, leaf, payload, retain=retain, qos=qos)

    def _step_down(self, lead: Lead) -> None:
        """Another one leads: not a word more."""
        self._say(f"gateway {lead.leader} has taken over under term {lead.term}")
        self._leave_core()
        self.network.leave(self.name, goodbye=True)
        self._purpose = self._purpose._replace(alone=False)
        self.world.after(1e-6, self._again, self.generation)

    def _again(self, generation: int) -> None:
        if generation == self.generation:
            self.awake(generation, self._stand_by)

    def _leave_core(self) -> None:
        for name, count in self.tallies().items():
            self.counters[name] = self.counters.get(name, 0) + count
        self.core = self.feeder = self._standby = None
        self._alarm.off()
        self.generation += 1
        self._records, self._effects, self._flushing = [], [], False
        self._stamp_wanted = self._flush_missed = False

    def kill(self) -> None:
        """SIGKILL."""
        if not self.alive:
            return
        self.alive, self._paused = False, None
        self._leave_core()
        self.die_at_flush = None
        self.ledger.power_lost()
        self.network.leave(self.name, goodbye=False)

    def pause(self) -> None:
        """SIGSTOP: its sessions end when the broker's patience does."""
        if self.alive and self._paused is None:
            self._paused, self._stopped_at = [], self.world.now
            self.network.block(self.name, incoming=True, outgoing=True)

    def resume(self) -> None:
        """SIGCONT: what has come in is taken before what was due, or behind it."""
        if self._paused is not None:
            if self.core is not None:
                self._stood_still(self.core)
            waiting, self._paused = self._paused, None
            if self.world.random.random() < 0.5:
                self.network.heal(self.name)
            for call, arguments in waiting:
                call(*arguments)
            if self._flush_missed:
                self._flush_missed = False
                self._flush(self.generation)
            if self.core is not None:
                self._wake()
        self.network.heal(self.name)

    def awake(self, generation: int, call: Callable[..., Any], *arguments: Any) -> None:
        """Have the process do something now, or when it goes on; nothing if it is another one."""
        if generation != self.generation:
            return
        if self._paused is not None:
            self._paused.append((self.awake, (generation, call, *arguments)))
        else:
            call(*arguments)

    # --- leading ---

    def _up(self) -> None:
        self.awake(self.generation, self._opened)

    def _opened(self) -> None:
        assert self.feeder is not None
        self.feeder.opened()

    def _down(self) -> None:
        if self.core is not None:
            self.awake(self.generation, self._closed)

    def _closed(self) -> None:
        assert self.feeder is not None
        self.feeder.closed()
        self.feed(on.LinkLost())

    def _received(self, sender: str, leaf: str, data: bytes) -> None:
        self.awake(self.generation, self._take, sender, leaf, data)

    def _take(self, sender: str, leaf: str, data: bytes) -> None:
        assert self.feeder is not None
        if leaf not in OF_GATEWAYS:
            super()._received(sender, leaf, data)
            return
        self.feeder.takes(Incoming(self.topic(leaf), data, sender == RETAINED))

    def _want_stamp(self) -> None:
        self._stamp_wanted = True
        if not self._flushing:
            self._flushing = True
            self.world.after(COMMIT_S, self._flush, self.generation)

    def _changing(self, change: Change) -> None:
        if self._pair.succession.leader == self.name:  # of one that was replaced nobody hears
            super()._changing(change)

    def _flush(self, generation: int) -> None:
        if generation != self.generation:
            return
        if self._paused is not None:
            self._flush_missed = True
            return
        self._flushing = False
        records, self._records = self._records, []
        effects, self._effects = self._effects, []
        if self.die_at_flush is not None and self.die_at_flush < 0:
            self.kill()
            return
        feeder = self.feeder
        assert feeder is not None
        stamp = feeder.stamp()
        wanted, self._stamp_wanted = self._stamp_wanted, False
        batch = records + stamp if records or (wanted and stamp) else []
        if batch:
            self.commit(batch)
            feeder.committed(batch)
        if generation == self.generation:
            number = feeder.feed.place.number if feeder.feed.place else 0
            marked: list[Any] = [StandsOn(number), *effects] if effects else []
            feeder.hold(marked)

    def commit(self, records: list[Any]) -> None:
        """Write records."""
        self._pair.succession.committing(self.name, _place_in(records), records)
        self.ledger.commit(records)

    def _carry_out_all(self, generation: int, effects: list[Any]) -> None:
        for effect in effects:
            if generation != self.generation:
                return
            if self.die_at_flush is not None:
                if self.die_at_flush <= 0:
                    self.kill()
                    return
                self.die_at_flush -= type(effect) is not StandsOn
            if type(effect) is StandsOn:
                self._pair.succession.standing_on(self.name, effect.number)
            else:
                self._carry_out(effect)


class _Followed:
    """The ledger of a standby: each batch is compared with what its leader had committed."""

    def __init__(self, host: Host) -> None:
        self._host, self._ledger = host, host.ledger
        self.begin_replacing, self.add = self._ledger.begin_replacing, self._ledger.add
        self.end_replacing = self._ledger.end_replacing

    def commit(self, records: list[Any]) -> None:
        self._host._pair.succession.followed(self._host.name, _place_in(records), records)
        self._ledger.commit(records)


def _place_in(records: list[Any]) -> Place:
    """Where a batch with a stamp leaves its ledger."""
    found = {row[0]: row[1] for row in records[-5:] if row[0] in ("place", "place_term")}
    return Place(found.get("place", 0), found.get("place_term", 0))
