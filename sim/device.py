"""A device: the real core, a disk in memory, a clock of its own that drifts.

It stands for runtime's shell, keeper and workers: effects are carried out in their order,
`SaveState` is a barrier, plans are computed by the real kernels over what the disk holds.
"""

from collections import deque
from functools import lru_cache
from typing import Any, NamedTuple

from atoll.kernels import Plan
from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.core import Core, Identity
from atoll.runtime.workers import partial_of, read_shape
from atoll.sim.checker import Checker
from atoll.sim.disk import Disk, Stored
from atoll.sim.network import HUB, Ear, Network
from atoll.sim.world import Alarm, World
from atoll.wire import messages as wire
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.limits import MESSAGE_BYTES_MAX, OBJECT_BYTES_MAX
from atoll.wire.status import Status, encode_status

SYNC_S = 0.02  # of one request; group commit makes it up to 0.2 s
READ_S = 0.01
TASK_S = 0.002
UNKNOWN = wire.Health(-1, -1, -1, -1, -1, -1, -1, -1)
PARTIALS_KEPT, PLANS_KEPT = 4_096, 256
# What a site without screens and files has no use for; SaveState is looked at apart.
SEEN = (do.PublishHealth, do.Say, do.Retain, do.ForgetJob, do.SaveState)


class Kind(NamedTuple):
    """What a device is: fixed for its life."""

    name: str
    zone: str
    capacity: float
    profile: str
    sources: tuple[wire.StreamInfo, ...] = ()


class Computer:
    """The kernels, with a memory of what was computed: replicas compute the same."""

    def __init__(self) -> None:
        self._plans: dict[bytes, Plan] = {}
        self._partials: dict[tuple[Any, ...], bytes] = {}
        self.shape = lru_cache(PLANS_KEPT)(read_shape)

    def partial(self, work: do.Compute, task: wire.Task, read: tuple[str, float, bytes]) -> bytes:
        """The plan's partial over a task's samples."""
        held = work.checkpoints.get(task.key, b"")
        name = (work.plan, work.standing, held, task.key, task.anchor, task.start, read)
        found = self._partials.get(name)
        if found is None:
            plan = self._plans.get(work.plan)
            if plan is None:
                plan = self._plans[work.plan] = Plan.from_bytes(work.plan)
            dtype, rate_hz, samples = read
            found = partial_of(plan, task, samples, (dtype, rate_hz, 1.0), work)
            if len(self._partials) >= PARTIALS_KEPT:
                self._partials.clear()
            self._partials[name] = found
        return found


class Device:
    """One device; `start`, `crash`, `stop`, `pause` are its fates."""

    def __init__(
        self, world: World, network: Network, checker: Checker, computer: Computer, kind: Kind
    ) -> None:
        self.world, self.network, self.checker, self.kind = world, network, checker, kind
        self.name = kind.name
        self.disk = Disk()
        self.core: Core | None = None
        self.generation = 0  # of the process: what was meant for an older one is lost
        self.rate = 1.0  # of its monotonic clock
        self.wall_offset_ms = 0
        self.slow = 1.0
        self.health = UNKNOWN
        self.samples_from = 0.0
        self._computer = computer
        self._receipts = [wire.KernelReceipt(k, d) for k, d in checker.receipts.items()]
        self._alarm = Alarm(self._wake)
        self._barrier: deque[Any] | None = None  # effects behind a state that is being saved
        self._paused: list[Any] | None = None
        self._disk_at = 0.0  # when what was asked of the disk is done
        self._offset = world.random.random() * 1_000
        carried = {k: getattr(self, "_" + k.__name__) for k in do.Effect.__args__ if k not in SEEN}
        self._carry_out = carried | dict.fromkeys(SEEN, lambda effect: None)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.core is not None

    @property
    def now(self) -> float:
        """Its monotonic clock."""
        return self._offset + self.world.now * self.rate

    # --- fates ---

    def start(self) -> None:
        """Power on: the boot is counted on the disk first."""
        if self.core is not None:
            return  # what struck it before it had ever run was followed by another start
        disk = self.disk
        disk.state = disk.state._replace(boot=disk.state.boot + 1)
        state = disk.state
        kind = self.kind
        birth = wire.Birth(
            state.boot, 0, 0, wire.PROTOCOL, "sim", kind.zone, kind.capacity, kind.profile, 4,
            1 << 30, 1 << 32, MESSAGE_BYTES_MAX, self._receipts, list(kind.sources),
        )  # fmt: skip
        self.generation += 1
        self._barrier, self._paused = None, None
        self.core = Core(Identity(birth, state, sorted(disk.outbox)), self._computer.shape)
        self.checker.device_started(self)
        will = encode_status(Status("lost", state.boot, 0))
        ear = Ear(
            lambda: self.feed(on.LinkUp()),
            lambda: self.feed(on.LinkDown("it broke")),
            self._received,
        )
        self.network.join(self.name, ear, will)
        self._carry(self.core.start(self.now))

    def crash(self) -> None:
        """Power off: what was not synced may be lost."""
        if self.core is None:
            return
        self.core = None
        self._alarm.off()
        self.generation += 1
        self._lose_power()
        self.network.leave(self.name, goodbye=False)

    def stop(self) -> None:
        """SIGTERM."""
        self.feed(on.StopAsked())

    def _lose_power(self) -> None:
        """What was being written may be there; what is there of its own samples is true."""
        written = self.disk.crash(self.world.random)
        self.checker.stored(self, None, [s for s in written if self._samples_of(s)])

    def _samples_of(self, stored: Stored) -> bool:
        return any(stored.block.info == info for info in self.kind.sources)

    def set_rate(self, rate: float) -> None:
        """Let its monotonic clock run fast or slow from now on."""
        self._offset = self.now - self.world.now * rate
        self.rate = rate
        self._arm()

    def pause(self) -> None:
        """SIGSTOP: it neither hears nor acts, its clock runs on."""
        if self.core is not None and self._paused is None:
            self._paused = []

    def resume(self) -> None:
        """SIGCONT: all at once."""
        waiting, self._paused = self._paused, None
        for event in waiting or ():
            self.feed(event)

    def wipe(self) -> None:
        """The disk is replaced by an empty one; the boot number is kept by whoever enrolled it."""
        boot = self.disk.state.boot
        self.disk = Disk()
        self.disk.state = self.disk.state._replace(boot=boot)
        self.checker.wiped(self)

    # --- events ---

    def feed(self, event: Any) -> None:
        """Let the core have an event and carry out what it decides."""
        core = self.core
        if core is None:
            return
        if self._paused is not None:
            self._paused.append(event)
            return
        self._carry(core.handle(event, self.now))

    def _later(self, delay_s: float, event: Any) -> None:
        self.world.after(delay_s, self._feed_if, self.generation, event)

    def _feed_if(self, generation: int, event: Any) -> None:
        if generation == self.generation:
            self.feed(event)

    def _received(self, sender: str, leaf: str, data: bytes) -> None:
        event: Any
        try:
            message = decode(data, size_max=OBJECT_BYTES_MAX)
            event = on.Received(message)
            self.checker.told(self, message)
        except WireError as error:
            event = on.Malformed(error.reason)
        if self.world.tell is not None:
            self.world.tell(f"{self.name} <-", event)
        self.feed(event)

    def _carry(self, effects: list[Any]) -> None:
        for effect in effects:
            if type(effect) is do.StoreBlocks:  # looked at when it is decided, not behind a barrier
                self.checker.storing(self, effect)
        if self._barrier is not None:
            self._barrier.extend(effects)
        else:
            self._run_effects(effects)
        self._arm()

    def _arm(self) -> None:
        core = self.core
        if core is None:
            return
        when = (core.next_wakeup() - self._offset) / self.rate + 1e-6
        self.world.ring(self._alarm, when)

    def _run_effects(self, effects: Any) -> None:
        for at, effect in enumerate(effects):
            kind = type(effect)
            if kind is do.SaveState:
                self._barrier = deque(list(effects)[at + 1 :])
                self._ask(self.disk.save, effect.state, then=(self._saved,))
                return
            if kind is do.Stop:
                self._Stop()
                return  # what follows has nobody to do it
            self._carry_out[kind](effect)

    def _saved(self, _: Any) -> None:
        effects, self._barrier = self._barrier, None
        self._run_effects(effects)

    def _synced(self) -> Any:
        """The oldest request to the disk is done; what it gives."""
        method, *arguments = self.disk.pending.pop(0)
        return method(*arguments)

    def _wake(self) -> None:
        self.feed(on.Woke())

    # --- effects ---

    def _Publish(self, effect: do.Publish) -> None:
        leaf, message = effect
        if self.world.tell is not None:
            self.world.tell(f"{self.name} ->", message)
        self.checker.said(self, message)
        qos = 0 if leaf == "lease" else 1
        data = encode(message)
        self.network.send(self.name, HUB, leaf, data, retain=leaf == "birth", qos=qos)

    def _PublishStatus(self, effect: do.PublishStatus) -> None:
        data = encode_status(Status(effect.state, self.disk.state.boot, effect.epoch))
        self.network.send(self.name, HUB, "status", data, retain=True)

    def _MeasureHealth(self, effect: Any) -> None:
        self._later(0.0, on.HealthRead(self.health, 0))

    def _StoreBlocks(self, effect: do.StoreBlocks) -> None:
        self._ask(self.disk.store, effect.blocks, then=(self._stored, effect.transfer))

    def _stored(self, result: Any, transfer: int | None) -> None:
        refused, added, here = result
        self.checker.stored(self, transfer, here)
        if transfer is None:
            self.checker.refused(self, refused)
        self.feed(on.BlocksStored(transfer, refused, added))

    def _ask(self, method: Any, *arguments: Any, then: tuple[Any, ...] = ()) -> None:
        """Have the disk do something, in its order, and hear of it after the sync."""
        self.disk.pending.append((method, *arguments))
        delay_s = SYNC_S * self.slow * (0.5 + self.world.random.random())
        self._disk_at = max(self.world.now + delay_s, self._disk_at)
        self.world.at(self._disk_at, self._done, self.generation, then)

    def _done(self, generation: int, then: tuple[Any, ...]) -> None:
        if generation == self.generation:
            result = self._synced()
            if then:
                then[0](result, *then[1:])

    def _ReadBlocks(self, effect: do.ReadBlocks) -> None:
        blocks, rest, failed = self.disk.message_of(effect.ranges)
        self._later(READ_S * self.slow, on.BlocksRead(effect.transfer, blocks, rest, failed))

    def _ListStreams(self, effect: do.ListStreams) -> None:
        self._ask(lambda: self.disk.streams(effect.dataset), then=(self._listed, effect.purpose))

    def _listed(self, streams: Any, purpose: str) -> None:
        self.feed(on.StreamsListed(purpose, streams))

    def _Compute(self, effect: do.Compute) -> None:
        delay_s = TASK_S * len(effect.tasks) * self.slow
        self.world.after(delay_s, self._computed, self.generation, effect)

    def _computed(self, generation: int, effect: do.Compute) -> None:
        if generation != self.generation:
            return
        results = []
        for task in effect.tasks:
            read = self.disk.samples((effect.dataset, task.key), task.start, task.stop)
            if read is None:
                results.append(wire.Result(task.key, task.number, True, b"no samples", 0))
                continue
            data = self._computer.partial(effect, task, read)
            results.append(wire.Result(task.key, task.number, False, data, 1))
            if effect.standing:
                self.checker.computed(effect, task, data)
        self.feed(on.WorkDone(effect.job, effect.standing, results))

    def _AppendOutbox(self, effect: do.AppendOutbox) -> None:
        if effect.durable:
            self._ask(
                self.disk.append,
                effect.number,
                effect.message,
                then=(self._appended, effect.number),
            )
        else:
            self._ask(self.disk.append, effect.number, effect.message)

    def _appended(self, _: Any, number: int) -> None:
        self.feed(on.OutboxWritten(number, ""))

    def _ReadOutbox(self, effect: do.ReadOutbox) -> None:
        self._ask(self.disk.read, effect.number, then=(self._outbox_read, effect.number))

    def _outbox_read(self, message: Any, number: int) -> None:
        self.feed(on.OutboxRead(number, message))

    def _SettleOutbox(self, effect: do.SettleOutbox) -> None:
        self._ask(self.disk.settle, effect.numbers)

    def _DeleteShards(self, effect: do.DeleteShards) -> None:
        self.checker.deleted(self, effect.shards)
        self._ask(self.disk.delete, effect.shards)

    def _Stop(self, _: Any = None) -> None:
        self.core = None
        self._alarm.off()
        self.generation += 1
        self._lose_power()
        self.network.leave(self.name, goodbye=True)
