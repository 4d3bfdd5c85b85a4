"""One seed: a site made, tried for a while, healed, and looked at.

The safety phase has faults and random work, and nothing wrong may happen. In the liveness phase
everything is healed, and everything that was begun must end, with nothing that was acknowledged
missing.
"""

from itertools import product
from pathlib import PurePath
from traceback import extract_tb
from typing import NamedTuple

from atoll.gateway.catalog import Shard
from atoll.gateway.profiles import Profile
from atoll.runtime import events as on
from atoll.sim import ending
from atoll.sim.bounds import look_at_device, look_at_gateway
from atoll.sim.checker import Checker
from atoll.sim.client import EVERY_SAMPLE, LIVE, PLANS, Client, Wanted
from atoll.sim.device import UNKNOWN, Computer, Device, Kind
from atoll.sim.gateway import Gateway
from atoll.sim.knobs import reset, turn
from atoll.sim.ledger import MemoryLedger
from atoll.sim.nemesis import KINDS, Nemesis, is_paired
from atoll.sim.network import Network
from atoll.sim.pair import Pair
from atoll.sim.pair_network import PairNetwork
from atoll.sim.world import Violation, World
from atoll.wire import messages as wire

LIVENESS_S = 400.0  # a device's RETRY and the gateway's patience come one after the other
LOOK_S = 0.5
WATCH_S = 1.0
WISH_S = 0.4  # between two wishes of a client, on average
SAMPLE_S, SAMPLES = 1.0, 40
CAPACITIES = (0.5, 1.0, 1.0, 2.0, 4.0)
_COMPUTER = Computer()  # what it remembers depends on no seed: partials are functions


class Setup(NamedTuple):
    """What is simulated."""

    devices: int = 6
    shards: int = 8
    hours: float = 0.02
    faults: tuple[str, ...] = tuple(KINDS)
    kinds: tuple[Kind, ...] = ()  # the fleet; empty: drawn from the seed
    clients: int = 2
    datasets: tuple[Wanted, ...] = ()  # empty: one, of `shards`
    profile: Profile | None = None  # the site's; None: drawn from the seed


class Outcome(NamedTuple):
    """What one seed gave."""

    seed: int
    events: int
    trace: int
    messages: int
    answers: int
    violation: Violation | None
    virtual_s: float
    counters: dict[str, int]


class Site:
    """Everything of one seed."""

    def __init__(self, seed: int, setup: Setup) -> None:
        self.seed, self.setup = seed, setup
        self.world = world = World(seed)
        world.busy_max += 200 * setup.devices
        paired = is_paired(seed, setup.faults)
        self.network = PairNetwork(world) if paired else Network(world)
        self.checker = Checker(world)
        self.healthy = UNKNOWN
        random = world.random
        self.knobs = turn(random)
        out_after_s = random.choice((4.0, 15.0, 60.0))
        profile = Profile("sim", random.choice((0.5, 1.0, 2.0)), out_after_s, 10.0)
        profile = setup.profile or profile
        number = random.getrandbits(32)
        self.gateway: Gateway[MemoryLedger, Network] | Pair
        if isinstance(self.network, PairNetwork):
            self.gateway = Pair(world, self.network, self.checker, profile, number)
        else:
            ledger = MemoryLedger()
            self.gateway = Gateway(world, self.network, ledger, self.checker, profile, number)
        self.devices = {
            kind.name: Device(world, self.network, self.checker, _COMPUTER, kind)
            for kind in setup.kinds or self._fleet()
        }
        self.checker.devices = self.devices
        one = Wanted("v", max(2, setup.shards // 2), setup.shards, 2 + (setup.shards > 8))
        self.clients = [
            Client(
                world, self.network, self.checker, f"c{n}",
                setup.datasets or (one,),
            )
            for n in range(setup.clients)
        ]  # fmt: skip
        self.nemesis = Nemesis(self, setup.faults)
        self.calm = False
        self.held_up: Shard | None = None  # what was not in its place when it was looked at last

    def _fleet(self) -> list[Kind]:
        random, count = self.world.random, self.setup.devices
        zones = random.choice((count, max(2, count // 2), 3))
        kinds = []
        for number in range(count):
            name = f"d{number:02d}" if count <= 100 else f"d{number:05d}"
            sources: tuple[wire.StreamInfo, ...] = ()
            if number < 2:
                sources = (wire.StreamInfo(LIVE, f"{name}/s", "i16", 1, float(SAMPLES), 1.0, ""),)
            kinds.append(
                Kind(name, f"z{number % zones}", random.choice(CAPACITIES), "normal", sources)
            )
        return kinds

    # --- the phases ---

    def run(self) -> Outcome:
        """Both phases; a violation ends them, and the cores' bounds are as usual again."""
        violation: Violation | None = None
        try:
            self._safety()
            self._liveness()
        except Violation as found:
            violation = found
        except Exception as error:
            violation = _raised(error)
        finally:
            reset()
        counters = dict(self.gateway.counters)
        for name, count in self.gateway.tallies().items():
            counters[name] = counters.get(name, 0) + count
        return Outcome(
            self.seed, self.world.events, self.world.trace, self.world.messages,
            self.checker.answers, violation, self.world.now, counters,
        )  # fmt: skip

    def _safety(self) -> None:
        world = self.world
        self.gateway.start()
        for device in self.devices.values():
            world.after(world.random.random(), device.start)
            if device.kind.sources:
                world.after(SAMPLE_S, self._sample, device)
        for client in self.clients:
            world.after(1.5 + world.random.random(), self._wish, client)
        world.after(3.0 * world.random.random(), self.nemesis.begin)
        world.after(WATCH_S, self._watch)
        self.world.run(self.setup.hours * 3_600)

    def _watch(self) -> None:
        """I11, all along."""
        for device in self.devices.values():
            look_at_device(device)
        if self.gateway.core is not None:
            look_at_gateway(self.gateway.core)
        self.world.after(WATCH_S, self._watch)

    def _wish(self, client: Client) -> None:
        if not self.calm:
            client.wish()
            self.world.after(self.world.random.expovariate(1 / WISH_S), self._wish, client)

    def _sample(self, device: Device) -> None:
        if self.calm:
            return
        if device.alive:
            now_ms = int(device.now * 1_000)
            wall_ms = self.world.wall_ms() + device.wall_offset_ms
            for info in device.kind.sources:
                samples = [(info.key, self.world.random.randbytes(2 * SAMPLES))]
                device.feed(on.Sampled(info.dataset, samples, SAMPLES, now_ms, wall_ms, 2, False))
        self.world.after(SAMPLE_S, self._sample, device)

    def _liveness(self) -> None:
        """Heal, wait until all is done, ask once more."""
        self.calm = True
        self.nemesis.end()
        for client in self.clients:
            client.undo()
        end = self.world.now + LIVENESS_S
        while self.world.now < end and not ending.settled(self):
            self.world.run(self.world.now + LOOK_S)
            for device in self.devices.values():
                if not device.alive:  # it was ending well when all was healed
                    device.start()
        ending.look(self)
        self._ask_once_more()

    def _ask_once_more(self) -> None:
        """I5, I10: with everybody here the answer is complete, right, and lacks nothing.

        A plan without windows takes every sample in, also behind a hole (a piece given up).
        """
        client, checker = self.clients[0], self.checker
        plans = (EVERY_SAMPLE, PLANS[self.seed % len(PLANS)])
        for dataset, plan in product(sorted({name for name, _, _ in checker.acked}), plans):
            replies: list[wire.Reply] = []
            client.query(plan, dataset=dataset, then=replies.append)
            end = self.world.now + 60.0
            while not replies and self.world.now < end:
                self.world.run(self.world.now + LOOK_S)
            if not replies:
                raise Violation("unfinished", client.name, "the last query has no answer (I9)")
            if replies[0].status != wire.DONE:
                text = f"the last answer: {replies[0].body[:200]} (I1)"
                raise Violation("lost", client.name, text)
            if plan == EVERY_SAMPLE:
                checker.covers(list(checker.queries.values())[-1])

    # --- for the nemesis ---

    def spared(self, name: str) -> bool:
        """Whether all that a device has is on other disks too, so that it may lose its own."""
        others = [d.disk.blocks for d in self.devices.values() if d.name != name]
        return (
            all(
                any(seq in blocks.get(stream, {}) for blocks in others)
                for stream, mine in self.devices[name].disk.blocks.items()
                for seq in mine
            )
            and not self.devices[name].kind.sources
        )


def _raised(error: Exception) -> Violation:
    """A core that raises is broken, whatever it was about to do."""
    frame = extract_tb(error.__traceback__)[-1]
    path = PurePath(frame.filename)
    text = f"{type(error).__name__}: {error} at {path.parent.name}/{path.name}:{frame.lineno}"
    return Violation("wrong", "gateway" if path.parent.name == "gateway" else "d", text)
