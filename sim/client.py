"""A client with random wishes: puts, queries, standing jobs, drains.

It says each request again until it is answered, as the real one does, and tells the checker what it
was promised.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from atoll.sim.checker import Checker
from atoll.sim.network import HUB, Ear, Network
from atoll.sim.world import WALL_MS, Alarm, World
from atoll.wire import messages as wire
from atoll.wire.block import crc32c
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.limits import OBJECT_BYTES_MAX

AGAIN_S = 7.0
RATE_HZ = 100.0
LIVE = "live"
EVERY_SAMPLE = "moments"
PLANS = (
    EVERY_SAMPLE,
    "window 16 hop=8 | rms | moments",
    "window 32 | mean, peak | quantiles 0.5",
    "clip -200 200 | histogram -200 200 bins=16",
    "diff | abs | minmax",
)
# Standing jobs have one more, which remembers from batch to batch.
STANDING_PLANS = (*PLANS, "ema 0.1 | window 16 | mean | moments")
OPEN_MAX = 12  # requests under way: a client in doubt does not pile up more


class Wanted(NamedTuple):
    """A dataset that clients put: how many streams of each client, shards, replicas."""

    name: str
    streams: int
    shards: int
    replicas: int


class Client:
    """One client."""

    def __init__(
        self,
        world: World,
        network: Network,
        checker: Checker,
        name: str,
        datasets: tuple[Wanted, ...],
    ) -> None:
        self.world, self.network, self.checker, self.name = world, network, checker, name
        self.datasets = datasets
        self.open: dict[int, bytes] = {}
        self._again: dict[int, Alarm] = {}
        self.then: dict[int, Callable[[wire.Reply], None]] = {}
        self.failed: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.jobs: list[str] = []
        self.drained: str = ""
        self._number = 0
        self._puts = 0
        self._standing = 0
        network.join(name, Ear(lambda: None, lambda: None, self._received))

    def ask(
        self, build: Callable[[int], Any], then: Callable[[wire.Reply], None] = lambda reply: None
    ) -> int:
        """Say a request until it is answered."""
        self._number += 1
        number = self._number
        message = build(number)
        self.open[number] = encode(message)
        self.then[number] = then
        if self.world.tell is not None:
            self.world.tell(f"{self.name} ->", message)
        self._again[number] = Alarm(partial(self._say, number))
        self._say(number)
        return number

    def _say(self, number: int) -> None:
        self.network.send(self.name, HUB, "request", self.open[number])
        self.world.ring(self._again[number], self.world.now + AGAIN_S)

    def _received(self, sender: str, leaf: str, data: bytes) -> None:
        try:
            message = decode(data, size_max=OBJECT_BYTES_MAX)
        except WireError:
            return
        if message.status == wire.PROGRESS or message.request not in self.open:
            return
        if self.world.tell is not None:
            self.world.tell(f"{self.name} <-", message)
        del self.open[message.request]
        self._again.pop(message.request).off()
        kind = "failed" if message.status == wire.FAILED else "done"
        self.done[kind] = self.done.get(kind, 0) + 1
        if message.status == wire.FAILED:
            reason = message.body[:60]
            self.failed[reason] = self.failed.get(reason, 0) + 1
        self.then.pop(message.request)(message)

    # --- wishes ---

    def wish(self) -> None:
        """Something at random."""
        if len(self.open) >= OPEN_MAX:
            return
        chance = self.world.random.random()
        if chance < 0.45 or not self.done:
            self.put()
        elif chance < 0.9:
            self.query(self.world.random.choice(PLANS))
        elif chance < 0.96:
            self._stand()
        else:
            self._drain()

    def put(self) -> None:
        """One to three requests with pieces of one to three streams."""
        random = self.world.random
        self._puts += 1
        put_id = self.name.encode().ljust(8, b"-")[:8] + self._puts.to_bytes(8, "big")
        wanted = self._some()
        keys = [f"{self.name}/k{random.randrange(wanted.streams)}" for _ in range(self._few())]
        for index in range(random.choice((1, 1, 2, 3))):
            pieces, named = [], []
            for key in dict.fromkeys(keys):
                data = random.randbytes(2 * random.choice((8, 40, 100, 200)))
                info = wire.StreamInfo(wanted.name, key, "i16", 1, RATE_HZ, 1.0, "")
                name = (put_id, wanted.name, key, index)
                self.checker.pieces[name] = data
                self.checker.infos[wanted.name, key] = info
                named.append((name, data))
                wall_ms = WALL_MS + int(self.world.now * 1_000)
                place = (wanted.shards, wanted.replicas, index, wall_ms)
                pieces.append(wire.Piece(info, *place, crc32c(data), data))
            self._ask_put(put_id, pieces, named)

    def _some(self) -> Wanted:
        if len(self.datasets) == 1:
            return self.datasets[0]
        return self.world.random.choice(self.datasets)

    def _few(self) -> int:
        return self.world.random.randint(1, 3)

    def _ask_put(self, put_id: bytes, pieces: list[wire.Piece], named: list[Any]) -> None:
        def answered(reply: wire.Reply) -> None:
            if reply.status == wire.DONE:
                self.checker.put_done(named)

        self.ask(lambda number: wire.Put(number, put_id, pieces), answered)

    def query(
        self, plan: str, *, dataset: str = "", then: Callable[[wire.Reply], None] | None = None
    ) -> int:
        """A query over all that is there."""
        random = self.world.random
        by_key = random.random() < 0.2 and then is None
        timeout_ms = random.choice((0, 0, 2_000, 20_000)) if then is None else 0
        over = dataset or (LIVE if random.random() < 0.15 else self._some().name)
        return self.ask(
            lambda number: wire.Run(number, plan, over, by_key, -1, -1, 0, timeout_ms),
            then or (lambda reply: None),
        )

    def _stand(self) -> None:
        random = self.world.random
        if self.jobs and random.random() < 0.5:
            job = self.jobs.pop(random.randrange(len(self.jobs)))
            self.ask(lambda number: wire.Command(number, "stop", job))
            return
        self._standing += 1
        job = f"{self.name}-s{self._standing}"
        self.jobs.append(job)
        over = LIVE if random.random() < 0.5 else self._some().name
        plan = random.choice(STANDING_PLANS)
        every = str(random.choice((64, 160, 320)))
        self.ask(lambda number: wire.Start(number, job, plan, over, every))

    def _drain(self) -> None:
        if self.drained:
            device, self.drained = self.drained, ""
            self.ask(lambda number: wire.Command(number, "undrain", device))
        elif self.checker.devices and self.world.random.random() < 0.5:
            device = self.drained = self.world.random.choice(sorted(self.checker.devices))
            self.ask(lambda number: wire.Command(number, "drain", device))

    def undo(self) -> None:
        """Leave the fleet whole."""
        if self.drained:
            device, self.drained = self.drained, ""
            self.ask(lambda number: wire.Command(number, "undrain", device))
