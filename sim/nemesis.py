"""What goes wrong: faults of each kind, drawn per seed, in the safety phase; all healed after it.

Each seed has some kinds on and some off, with its own intensity (swarm testing): rare combinations
are met without waiting for all to be met at once.
"""

from random import Random
from typing import TYPE_CHECKING

from atoll.sim.network import Faults
from atoll.sim.pair import Pair
from atoll.wire import messages as wire

if TYPE_CHECKING:
    from atoll.sim.site import Site

KINDS = {
    "loss": "messages vanish (QoS 0) or are late by a retry (QoS 1)",
    "duplication": "messages come twice",
    "reordering": "messages overtake each other",
    "garbage": "bytes that are no message",
    "cut": "a device hears nothing, or is not heard, or both, for seconds to a minute",
    "clog": "devices are clogged one by one and freed in another order (swizzle)",
    "crash": "devices lose power, with what was not synced",
    "pause": "a device stands still for a while and goes on (SIGSTOP)",
    "flap": "one device comes and goes every few seconds",
    "zone": "all devices of a zone lose power",
    "stop": "a device is told to end well, and comes back",
    "drain": "a device is to be emptied, and is taken back soon",
    "wipe": "a device comes back with an empty disk, where others have all it had",
    "slow": "a device is ten times as slow",
    "health": "a device reports throttling, heat or a low battery",
    "drift": "clocks run up to 2 % fast or slow",
    "jump": "wall clocks jump by hours or years",
    "stall": "the gateway stands still for seconds and goes on (SIGSTOP)",
    "gateway": "the gateway is killed, between any two of its acts, and comes back",
    "broker": "the broker is killed and forgets everything",
    "failover": "a second gateway stands by; either is killed, stopped or cut off, one way or both",
}
PAIRED_SHARE = 0.25  # of the seeds that draw from all kinds


def is_paired(seed: int, kinds: tuple[str, ...]) -> bool:
    """Whether a seed has two gateways. Drawn apart from all else: other seeds stay as they are."""
    if "failover" not in kinds or len(kinds) <= 2:
        return "failover" in kinds
    return Random(f"pair {seed}").random() < PAIRED_SHARE


class Nemesis:
    """The faults of one seed; `begin` starts them, `end` heals everything."""

    def __init__(self, site: "Site", kinds: tuple[str, ...]) -> None:
        self.site = site
        self.world = site.world
        random = self.world.random
        drawn = [kind for kind in kinds if kind != "failover"]
        self.kinds = [kind for kind in drawn if len(kinds) <= 2 or random.random() < 0.45]
        self.kinds += ["failover"] * is_paired(site.seed, kinds)
        self.over = False
        self._flapping = ""
        self._drained: set[str] = set()

    def begin(self) -> None:
        """Set what holds all along, and begin what comes and goes."""
        random = self.world.random
        on = {kind: random.choice((0.02, 0.1, 0.3)) for kind in self.kinds}
        self.site.network.faults = Faults(
            loss=on.get("loss", 0.0),
            duplication=on.get("duplication", 0.0),
            reordering=on.get("reordering", 0.0),
            jitter_s=random.choice((0.05, 0.5, 3.0)),
            retry_s=random.choice((0.2, 1.0, 5.0)),
            garbage=on.get("garbage", 0.0) / 10,
        )
        if "drift" in on:
            for device in self.site.devices.values():
                device.set_rate(1.0 + random.uniform(-0.02, 0.02))
        every_s = random.choice((3.0, 8.0, 20.0))
        for kind in self.kinds:
            act = getattr(self, "_" + kind, None)
            if act is not None:
                self._again(act, every_s)

    def _again(self, act: object, every_s: float) -> None:
        self.world.after(self.world.random.expovariate(1 / every_s), self._act, act, every_s)

    def _act(self, act: "object", every_s: float) -> None:
        if not self.over:
            act()  # type: ignore[operator]
            self._again(act, every_s)

    def end(self) -> None:
        """Heal: paths whole, everybody on, clocks as they are, nothing lost any more."""
        self.over = True
        self.site.network.faults = Faults()
        for name, device in self.site.devices.items():
            self.site.network.heal(name)
            device.resume()
            device.slow, device.health = 1.0, self.site.healthy
            if not device.alive:
                device.start()
        self.site.gateway.heal()
        for name in sorted(self._drained):
            self._take_back(name)

    # --- helpers ---

    def _any(self) -> str:
        return self.world.random.choice(sorted(self.site.devices))

    def _span_s(self) -> float:
        return self.world.random.choice((0.3, 1.0, 4.0, 12.0, 40.0))

    def _restart(self, name: str) -> None:
        device = self.site.devices[name]
        if not device.alive:
            device.start()

    def _heal(self, name: str) -> None:
        self.site.network.heal(name)

    # --- kinds ---

    def _cut(self) -> None:
        name, random = self._any(), self.world.random
        incoming, outgoing = random.choice(((True, False), (False, True), (True, True)))
        self.site.network.block(name, incoming=incoming, outgoing=outgoing)
        self.world.after(self._span_s(), self._heal, name)

    def _clog(self) -> None:
        random = self.world.random
        names = random.sample(sorted(self.site.devices), max(1, len(self.site.devices) // 2))
        for at, name in enumerate(names):
            self.world.after(0.2 * at, self._clog_one, name)
        random.shuffle(names)
        for at, name in enumerate(names):
            self.world.after(0.2 * len(names) + 0.5 * (at + 1), self._heal, name)

    def _clog_one(self, name: str) -> None:
        if not self.over:
            self.site.network.block(name, incoming=True, outgoing=True)

    def _crash(self) -> None:
        name = self._any()
        self.site.devices[name].crash()
        self.world.after(self._span_s(), self._restart, name)

    def _zone(self) -> None:
        if self.world.random.random() < 0.7:
            return
        zone = self.site.devices[self._any()].kind.zone
        span_s = self._span_s()
        for name, device in self.site.devices.items():
            if device.kind.zone == zone:
                device.crash()
                self.world.after(span_s + self.world.random.random(), self._restart, name)

    def _flap(self) -> None:
        self._flapping = self._flapping or self._any()
        device = self.site.devices[self._flapping]
        device.crash()
        self.world.after(self.world.random.choice((0.2, 1.0, 3.0)), self._restart, self._flapping)

    def _pause(self) -> None:
        name = self._any()
        self.site.devices[name].pause()
        self.site.network.block(name, incoming=True, outgoing=True)
        self.world.after(self._span_s(), self._go_on, name)

    def _go_on(self, name: str) -> None:
        self.site.devices[name].resume()
        self.site.network.heal(name)

    def _stop(self) -> None:
        name = self._any()
        self.site.devices[name].stop()
        self.world.after(6.0 + self._span_s(), self._restart, name)

    def _drain(self) -> None:
        name = self._any()
        span_s = self._span_s()
        self.site.clients[0].ask(
            lambda number: wire.Command(number, "drain", name),
            lambda reply: self._drains(name, span_s),
        )

    def _drains(self, name: str, span_s: float) -> None:
        self._drained.add(name)
        self.world.after(0.0 if self.over else span_s, self._take_back, name)

    def _take_back(self, name: str) -> None:
        if name in self._drained:
            self._drained.discard(name)
            self.site.clients[0].ask(lambda number: wire.Command(number, "undrain", name))

    def _wipe(self) -> None:
        name = self._any()
        if self.site.spared(name):
            device = self.site.devices[name]
            device.crash()
            device.wipe()
            self.world.after(self._span_s(), self._restart, name)

    def _slow(self) -> None:
        device = self.site.devices[self._any()]
        device.slow = 1.0 if device.slow > 1.0 else 10.0

    def _health(self) -> None:
        random = self.world.random
        device = self.site.devices[self._any()]
        device.health = device.health._replace(
            throttled=random.choice((-1, 0, 1, 2, 4)),
            temperature_mc=random.choice((-1, 45_000, 85_000)),
            battery_percent=random.choice((-1, 100, 15, 3)),
        )

    def _jump(self) -> None:
        hours = self.world.random.choice((-1, 1, -24 * 3_650, 24 * 3_650))
        self.site.devices[self._any()].wall_offset_ms = hours * 3_600_000

    def _stall(self) -> None:
        self.site.gateway.pause()
        self.world.after(self._span_s(), self.site.gateway.resume)

    def _gateway(self) -> None:
        gateway, random = self.site.gateway, self.world.random
        if gateway.core is None:
            return
        if random.random() < 0.5:
            gateway.kill()
        else:
            gateway.kill_at_flush(random.choice((-1, 0, 1, 2, 5)))
        self.world.after(self._span_s(), gateway.come_back)

    def _broker(self) -> None:
        self.site.network.restart_broker()

    def _failover(self) -> None:
        gateway = self.site.gateway
        if isinstance(gateway, Pair):
            gateway.strike(self._span_s())
