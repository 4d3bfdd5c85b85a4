"""A device reduced to what it says: stores blocks in a dict and runs plans on them, at once.

Stands beside tests with the real device core (test_site.py); here it makes the gateway's side of a
conversation easy to script.
"""

from atoll.kernels import Plan
from atoll.kernels import receipts as own_receipts
from atoll.wire import messages as wire
from atoll.wire.block import decode_block, peek_block

HEALTH = wire.Health(-1, -1, -1, -1, -1, -1, -1, -1)
RECEIPTS = [wire.KernelReceipt(k, d) for k, d in own_receipts().items()]


class ScriptedDevice:
    """Answers what it is told; `out` holds the messages it has said."""

    def __init__(self, name, *, zone="", capacity=1.0, boot=1, profile="normal", sources=()):
        """`sources`: streams that it samples as a microcontroller does, which stores nothing."""
        self.sources = list(sources)
        self.name, self.zone, self.capacity, self.profile = name, zone, capacity, profile
        self.boot, self.epoch, self.lease = boot, 0, 0
        self.requests = 0
        self.numbers = 0
        self.blocks = {}  # (dataset, key, seq) -> bytes
        self.outbox = {}
        self.tasks = []
        self.map = None
        self.orders = {}
        self.again = []
        self.marks = {}  # by job: how far it has got by itself
        self.pasts = []
        self.lies = False  # gives partials with a flipped bit
        self.remembers = True  # False: a device of version 1
        self.told = []
        self.out = []
        self.mute = False  # takes tasks and does not work on them
        self.receipts = RECEIPTS
        self.fell = ""
        self.health = HEALTH
        self.memory_bytes = 1 << 30

    @property
    def head(self):
        return (self.boot, self.epoch, self.lease)

    def birth(self):
        self.out.append(
            wire.Birth(
                *self.head,
                wire.PROTOCOL,
                "test",
                self.zone or self.name,
                self.capacity,
                self.profile,
                1,
                self.memory_bytes,
                1 << 30,
                1_024 if self.sources else 65_536,
                self.receipts,
                self.sources,
                bool(self.sources),
                fell=self.fell,
            )
        )

    def ask_lease(self):
        self.requests += 1
        head = (*self.head, self.requests, 0, 0, len(self.tasks))
        self.out.append(wire.LeaseRequest(*head, self.health))

    def take(self, message):
        self.told.append(message)
        handler = getattr(self, "_" + type(message).__name__.lower(), None)
        if handler:
            handler(message)

    def _lease(self, message):
        if message.birth_wanted:
            self.birth()
            self.ask_lease()
        else:
            self.lease = message.lease

    def _probe(self, message):
        self.ask_lease()

    def _map(self, message):
        self.map = message
        self.epoch = message.epoch

    def _blocks(self, message):
        for data in message.blocks:
            block = peek_block(data)
            self.blocks[block.info.dataset, block.info.key, block.seq] = bytes(data)
        self.out.append(wire.Stored(*self.head, message.transfer, []))

    def _sendblocks(self, message):
        found = []
        for dataset, key, first, last in message.ranges:
            for seq in range(first, last + 1):
                if (dataset, key, seq) in self.blocks:
                    found.append(self.blocks[dataset, key, seq])
        if not found:
            self.out.append(wire.TransferFailed(*self.head, message.transfer, "unknown"))
        for at, data in enumerate(found):
            more = at + 1 < len(found)
            self.out.append(wire.Blocks(*self.head, message.transfer, more, [data]))

    def _release(self, message):
        gone = set(message.shards)
        for name, data in list(self.blocks.items()):
            if (name[0], peek_block(data).shard) in gone:
                del self.blocks[name]

    def held(self):
        streams = {}
        for (_dataset, _key, seq), data in sorted(self.blocks.items()):
            b = peek_block(data)
            run = wire.BlockRun(
                seq, seq, b.first_sample, b.sample_count, b.wall_ms, b.gap, len(data)
            )
            streams.setdefault((b.info, b.shard), []).append(run)
        return [wire.HeldStream(info, shard, runs) for (info, shard), runs in streams.items()]

    def _inventoryask(self, message):
        self.out.append(wire.Held(*self.head, True, False, self.held()))
        if message.memory and self.remembers:
            mapped = self.map or wire.Map(0, 0, 0, [])
            orders = [
                wire.OrderEntry(
                    job, first.plan, first.dataset, first.every, first.every_ms,
                    [mark for order in (first, *more) for mark in order.marks]
                    + self.marks.get(job, []),
                )
                for job, (first, *more) in self.orders.items()
            ]  # fmt: skip
            lists = (mapped.datasets, mapped.shards, orders, self.pasts)
            self.out.append(wire.Memory(*self.head, mapped.boot, False, *lists))

    def _tasks(self, message):
        self.tasks.append(message)
        if not self.mute:
            self.work()

    def _cancel(self, message):
        self.tasks = [t for t in self.tasks if t.job != message.job]
        self.orders.pop(message.job, None)

    def _again(self, message):
        self.again.append(message)

    def _standing(self, message):
        self.orders.setdefault(message.job, []).append(message)

    def _program(self, message):
        self.orders.setdefault(message.job, []).append(message)

    def _ack(self, message):
        for span in message.numbers:
            for number in range(span.first, span.last + 1):
                self.outbox.pop(number, None)

    def samples(self, dataset, key, start, stop):
        parts, at, dtype = [], start, ""
        for (d, k, _), data in sorted(self.blocks.items()):
            if (d, k) != (dataset, key):
                continue
            block = decode_block(data)
            dtype = block.info.dtype
            size = {"i16": 2, "i32": 4, "f32": 4}[dtype]
            end = block.first_sample + block.sample_count
            if block.first_sample <= at < end:
                low = at - block.first_sample
                high = min(stop, end) - block.first_sample
                parts.append(bytes(block.data)[low * size : high * size])
                at = block.first_sample + high
        return (b"".join(parts) if at == stop else None), dtype

    def work(self):
        for message in self.tasks:
            plan = Plan.from_bytes(message.plan)
            results = []
            for task in message.tasks:
                data, dtype = self.samples(message.dataset, task.key, task.start, task.stop)
                if data is None:
                    results.append(wire.Result(task.key, task.number, True, b"no samples", 0))
                    continue
                partial = plan.partial(
                    data, start=task.start, anchor=task.anchor, key=task.key, dtype=dtype
                )
                if self.lies:
                    partial = partial[:-1] + bytes([partial[-1] ^ 1])
                results.append(wire.Result(task.key, task.number, False, partial, 1))
            self.say_results(message.job, results)
        self.tasks = []

    def say_results(self, job, results):
        first = self.numbers + 1
        message = wire.Partials(*self.head, first, job, results)
        # A microcontroller numbers results, other devices messages.
        self.numbers += len(results) if self.sources else 1
        for number in range(first, self.numbers + 1):
            self.outbox[number] = message
        self.out.append(message)

    def restart(self, *, lose_blocks=False):
        self.boot += 1
        self.requests = 0
        self.tasks, self.out = [], []
        if lose_blocks:
            self.blocks.clear()
