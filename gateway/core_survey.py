"""Asking a site's devices for all that they know, when the ledger is gone.

Decides as the gateway's core does (`handle`, `next_wakeup`), but only asks: it grants no leases,
takes in no results and moves nothing, so that devices are afterwards as they were. What they say is
collected here as it is; rebuilt.py makes a ledger of it.

    retained births and states, heartbeats ──> who is there ──InventoryAsk──> Held, Memory

A device has told everything once its last `Held` and its last `Memory` are in. Devices of version 1
and microcontrollers send no `Memory`: what they hold is enough, after a moment.
"""

from collections.abc import Callable
from typing import Any

from atoll.gateway import events as on
from atoll.gateway.effects import Effect, Tell
from atoll.wire import messages as wire

ASK_AGAIN_S = 5.0
MEMORY_PATIENCE_S = 3.0  # behind a whole list, for what else is remembered
# Devices come again within their backoff, which begins with fractions of a second: when nobody new
# has come for this long, everybody who will come soon is there.
QUIET_S = 10.0
GONE = ("lost", "stopped")  # states of devices that are not there now, by what is retained of them
DEVICES_MAX = 65_536
RUNS_MAX = 1_000_000  # of one device: more is no list but an attack


class Told:
    """What one device has said."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = ""  # its retained status
        self.birth: wire.Birth | None = None
        self.boot = self.epoch = self.lease = self.term = 0
        self.streams: dict[tuple[str, str], wire.HeldStream] = {}
        self.datasets: list[wire.DatasetEntry] = []
        self.shards: list[wire.ShardEntry] = []
        self.orders: list[wire.OrderEntry] = []
        self.pasts: list[wire.Past] = []
        self.heard = False  # it said something itself, now
        self.listed_at: float | None = None  # when its list of blocks was whole
        self.remembered = False
        self.ask_at = 0.0
        self.run_count = 0

    @property
    def blocks(self) -> int:
        """How many blocks it listed."""
        return sum(
            run.last_seq - run.first_seq + 1 for held in self.streams.values() for run in held.runs
        )

    def begin(self) -> None:
        """Forget what it told: it begins anew."""
        self.streams.clear()
        self.datasets, self.shards, self.orders, self.pasts = [], [], [], []
        self.listed_at, self.remembered, self.run_count = None, False, 0

    def whole(self, now: float) -> bool:
        """Whether it has told everything."""
        if self.listed_at is None:
            return False
        return self.remembered or now >= self.listed_at + MEMORY_PATIENCE_S


class Survey:
    """All devices of a site. `least`: so many are waited for; `term`: what to ask under."""

    def __init__(
        self, term: int, *, least: int = 0, most_s: float = 60.0, now: float = 0.0
    ) -> None:
        self.term = term
        self.devices: dict[str, Told] = {}
        self.refused: dict[str, int] = {}
        self.news: Callable[[Told], None] = lambda told: None
        self._least = least
        self._ends = now + most_s
        self._quiet_at = now + QUIET_S
        self._linked = False
        self._effects: list[Effect] = []

    # --- events ---

    def handle(self, event: on.Event, now: float) -> list[Effect]:
        """Take an event in; what is to be sent."""
        match event:
            case on.LinkOpened():
                self._linked = True
                for told in self.devices.values():
                    told.ask_at = now
            case on.LinkLost():
                self._linked = False
            case on.StatusSeen(device, state, boot, _):
                self._status(device, state, boot, now)
            case on.DeviceSpoke(device, message, _):
                self._spoke(device, message, now)
            case on.InputRefused(reason):
                self.refused[reason] = self.refused.get(reason, 0) + 1
        self._ask(now)
        effects, self._effects = self._effects, []
        return effects

    def _told(self, device: str, now: float) -> Told | None:
        told = self.devices.get(device)
        if told is None and len(self.devices) < DEVICES_MAX:
            told = self.devices[device] = Told(device)
            told.ask_at = now
            self._quiet_at = now + QUIET_S
        return told

    def _status(self, device: str, state: str, boot: int, now: float) -> None:
        told = self._told(device, now)
        if told is not None and boot >= told.boot:
            told.state, told.boot = state, boot

    def _spoke(self, device: str, message: Any, now: float) -> None:
        told = self._told(device, now)
        if told is None:
            return
        if message.boot < told.boot:
            self.refused["stale boot"] = self.refused.get("stale boot", 0) + 1
            return
        if message.boot > told.boot:  # it has started anew: it is asked again
            told.begin()
            told.ask_at = now
        told.boot = message.boot
        told.epoch = max(told.epoch, message.epoch)
        told.lease = max(told.lease, message.lease)
        match message:
            case wire.Birth():
                told.birth = message
            case wire.LeaseRequest():
                self._heartbeat(told, message)
            case wire.Held() if message.inventory:
                self._held(told, message, now)
            case wire.Memory():
                self._memory(told, message)
        told.heard = told.heard or not isinstance(message, wire.Birth)

    def _heartbeat(self, told: Told, request: wire.LeaseRequest) -> None:
        """No lease is granted; a device whose birth nobody kept is asked for it."""
        if told.birth is None or told.birth.boot != request.boot:
            head = (self.term, told.epoch, told.lease)
            answer = wire.Lease(*head, request.boot, request.number, 0, 0, True)
            self._effects.append(Tell(told.name, "lease", answer))

    def _held(self, told: Told, message: wire.Held, now: float) -> None:
        if told.listed_at is not None:
            return  # an answer to a question said twice
        for held in message.streams:
            told.run_count += len(held.runs)
            if told.run_count > RUNS_MAX:
                self.refused["list too long"] = self.refused.get("list too long", 0) + 1
                return
            known = told.streams.setdefault((held.info.dataset, held.info.key), held)
            if known is not held:
                known.runs.extend(held.runs)
        told.ask_at = now + ASK_AGAIN_S
        if not message.more:
            told.listed_at = now
            self.news(told)

    def _memory(self, told: Told, message: wire.Memory) -> None:
        if told.remembered:
            return
        told.term = message.term
        told.datasets += message.datasets
        told.shards += message.shards
        told.orders += message.orders
        told.pasts += message.pasts
        told.remembered = not message.more

    # --- time ---

    def _ask(self, now: float) -> None:
        """Ask whoever has not told everything; again where no answer came."""
        if not self._linked:
            return
        for told in self.devices.values():
            if now >= told.ask_at and not told.whole(now):
                told.begin()
                told.ask_at = now + ASK_AGAIN_S
                head = (self.term, told.epoch, told.lease)
                self._effects.append(Tell(told.name, "task", wire.InventoryAsk(*head, True)))

    def next_wakeup(self, now: float) -> float:
        """When `handle(Woken)` is due."""
        times = [self._ends]
        if self._quiet_at > now:
            times.append(self._quiet_at)
        for told in self.devices.values():
            if told.listed_at is None:
                times.append(told.ask_at)
            elif not told.remembered:
                times.append(told.listed_at + MEMORY_PATIENCE_S)
        return min((time for time in times if time > now), default=now + 1.0)

    @property
    def answered(self) -> list[Told]:
        """The devices that have told everything that blocks need, by name."""
        return [t for _, t in sorted(self.devices.items()) if t.listed_at is not None]

    @property
    def silent(self) -> list[Told]:
        """The devices that are known of and have not."""
        return [t for _, t in sorted(self.devices.items()) if t.listed_at is None]

    def done(self, now: float) -> bool:
        """Whether there is nothing left to wait for, or no time."""
        if now >= self._ends:
            return True
        if not all(told.whole(now) for told in self.devices.values()):
            return False
        if self._least:
            return len(self.devices) >= self._least
        return bool(self.devices) and now >= self._quiet_at
