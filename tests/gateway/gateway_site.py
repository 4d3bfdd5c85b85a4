"""A whole site in one process on a virtual clock: real gateway (core, shell, SQLite), real device
cores, a broker that loses, doubles and reorders from a seed.

Only the devices' disks and threads are stood in for: blocks and outbox live in dicts that outlast
a crash of the device, as a synced disk does; what the core has not heard of yet is lost with it.
"""

from random import Random

from atoll.gateway.core import GatewayCore, Options
from atoll.gateway.ledger import Ledger
from atoll.gateway.profiles import PROFILES
from atoll.gateway.shell import Shell
from atoll.kernels import Plan, receipts
from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.core import Core, Identity
from atoll.runtime.workers import read_shape
from atoll.transport.memory import MemoryBroker
from atoll.transport.port import Session, Will
from atoll.wire import messages as wire
from atoll.wire.block import crc32c, decode_block, peek_block
from atoll.wire.codec import Assembler, decode, encode, split
from atoll.wire.limits import MESSAGE_BYTES_MAX, OBJECT_BYTES_MAX
from atoll.wire.status import Status, encode_status
from atoll.wire.topics import Topics

SITE = "test"
TOPICS = Topics(SITE)
OWN = receipts()
SIZES = {"i16": 2, "i32": 4, "f32": 4}
DISK_S, TASK_S = 0.02, 0.005


class Timer:
    """As transport.loop's, on the broker's clock."""

    def __init__(self, when, callback):
        self.when, self.callback = when, callback

    def cancel(self):
        self.callback = None


class VirtualLoop:
    """The part of a loop that the gateway's shell uses."""

    def __init__(self, broker):
        self._broker = broker
        self.stopped = False

    def now(self):
        return self._broker.now

    def call_at(self, when, callback, *arguments):
        timer = Timer(when, callback)

        def fire():
            if timer.callback is not None and not self.stopped:
                timer.callback = None
                callback(*arguments)

        self._broker.call_at(when, fire)
        return timer

    def call_later(self, delay_s, callback, *arguments):
        return self.call_at(self.now() + delay_s, callback, *arguments)

    def post(self, callback, *arguments):
        self.call_at(self.now(), callback, *arguments)

    def stop(self):
        self.stopped = True


class Disk:
    """What outlasts a device's process."""

    def __init__(self):
        self.blocks = {}  # (dataset, key) -> {seq: bytes}
        self.outbox = {}
        self.state = do.State(0, 0, 0, 0, [], [])


class MemoryDevice:
    """The real device core on a memory link."""

    def __init__(self, broker, name, disk, *, profile="demo", zone="", sources=()):
        self.broker, self.name, self.disk, self.zone = broker, name, disk, zone
        disk.state = disk.state._replace(boot=disk.state.boot + 1)
        boot = disk.state.boot
        kernels = [wire.KernelReceipt(k, d) for k, d in OWN.items()]
        birth = wire.Birth(
            boot,
            disk.state.map_epoch,
            disk.state.lease_epoch,
            wire.PROTOCOL,
            "test",
            zone or name,
            1.0,
            profile,
            1,
            1 << 30,
            1 << 30,
            MESSAGE_BYTES_MAX,
            kernels,
            list(sources),
        )
        self.core = Core(Identity(birth, disk.state, sorted(disk.outbox)), read_shape)
        will = Will(TOPICS.up(name, "status"), encode_status(Status("lost", boot, 0)))
        self.link = broker.link(Session(name, will))
        self.link.on_up = lambda: self.feed(on.LinkUp())
        self.link.on_down = lambda reason: self.feed(on.LinkDown(reason))
        self.link.on_message = self._received
        self.link.subscribe(TOPICS.down(name, "#"))
        self.assembler = Assembler()
        self.dead = False
        self.wake_at = float("inf")
        self._carry(self.core.start(broker.now))
        self.link.start()

    def kill(self):
        """SIGKILL: the process is gone, the broker notices."""
        self.dead = True
        self.broker.cut(self.name)

    def feed(self, event):
        if not self.dead:
            self._carry(self.core.handle(event, self.broker.now))

    def later(self, delay_s, event):
        self.broker.call_at(self.broker.now + delay_s, lambda: self.feed(event))

    def _received(self, incoming):
        message = decode(incoming.payload)
        if isinstance(message, wire.Part):
            whole = self.assembler.add(message)
            if whole is None:
                return
            message = decode(whole, size_max=OBJECT_BYTES_MAX)
        self.feed(on.Received(message))

    def _carry(self, effects):
        for effect in effects:
            getattr(self, "_" + type(effect).__name__)(effect)
        due = self.core.next_wakeup()
        if due < self.wake_at - 1e-9:
            self.wake_at = due
            self.broker.call_at(due, self._wake)

    def _wake(self):
        self.wake_at = float("inf")
        self.feed(on.Woke())

    def _Publish(self, effect):
        leaf, message = effect
        for data in split(encode(message), bytes([len(leaf)] * 16), MESSAGE_BYTES_MAX):
            topic = TOPICS.up(self.name, leaf)
            qos = 0 if leaf == "lease" else 1
            self.link.publish(topic, data, purpose=leaf, retain=leaf == "birth", qos=qos)

    def _PublishStatus(self, effect):
        data = encode_status(Status(effect.state, self.disk.state.boot, effect.epoch))
        self.link.publish(TOPICS.up(self.name, "status"), data, purpose="status", retain=True)

    def _PublishHealth(self, effect):
        pass

    def _Say(self, effect):
        pass

    def _SaveState(self, effect):
        self.disk.state = effect.state

    def _MeasureHealth(self, effect):
        self.later(0.0, on.HealthRead(wire.Health(*[-1] * 8), 0))

    def _StoreBlocks(self, effect):
        def store():
            refused, added = [], []
            for index, data in enumerate(effect.blocks):
                data = bytes(data)
                block = peek_block(data)
                mine = self.disk.blocks.setdefault((block.info.dataset, block.info.key), {})
                if block.seq in mine and mine[block.seq] != data:
                    refused.append(wire.Refusal(index, "another block is here"))
                elif block.seq not in mine:
                    mine[block.seq] = data
                    added.append(wire.HeldStream(block.info, block.shard, [_run(block, data)]))
            self.feed(on.BlocksStored(effect.transfer, refused, added))

        self.broker.call_at(self.broker.now + DISK_S, lambda: None if self.dead else store())

    def _ReadBlocks(self, effect):
        (dataset, key, first, last), *rest = effect.ranges
        data = self.disk.blocks.get((dataset, key), {}).get(first)
        if data is None:
            event = on.BlocksRead(effect.transfer, [], [], f"no block {first} of {key}")
        else:
            if first < last:
                rest.insert(0, wire.BlockRange(dataset, key, first + 1, last))
            event = on.BlocksRead(effect.transfer, [data], rest, "")
        self.later(DISK_S, event)

    def _ListStreams(self, effect):
        streams = []
        for (dataset, _key), blocks in self.disk.blocks.items():
            if effect.dataset in ("", dataset) and blocks:
                peeked = [(peek_block(blocks[seq]), blocks[seq]) for seq in sorted(blocks)]
                info, shard = peeked[0][0].info, peeked[0][0].shard
                runs = [_run(block, data) for block, data in peeked]
                streams += [
                    wire.HeldStream(info, shard, runs[at : at + 64])
                    for at in range(0, len(runs), 64)
                ]
        self.later(0.001, on.StreamsListed(effect.purpose, streams))

    def _Compute(self, effect):
        plan = Plan.from_bytes(effect.plan)
        for count, task in enumerate(effect.tasks, 1):
            result = self._result(plan, effect.dataset, task)
            self.later(TASK_S * count, on.WorkDone(effect.job, effect.standing, [result]))

    def _result(self, plan, dataset, task):
        parts, at, dtype = [], task.start, "i16"
        blocks = self.disk.blocks.get((dataset, task.key), {})
        for seq in sorted(blocks):
            block = decode_block(blocks[seq])
            dtype, size = block.info.dtype, SIZES[block.info.dtype]
            end = block.first_sample + block.sample_count
            if block.first_sample <= at < end and at < task.stop:
                low, high = at - block.first_sample, min(task.stop, end) - block.first_sample
                parts.append(bytes(block.data)[low * size : high * size])
                at = block.first_sample + high
        if at != task.stop:
            return wire.Result(task.key, task.number, True, b"no samples", 0)
        partial = plan.partial(
            b"".join(parts), start=task.start, anchor=task.anchor, key=task.key, dtype=dtype
        )
        return wire.Result(task.key, task.number, False, partial, 1)

    def _ForgetJob(self, effect):
        pass

    def _AppendOutbox(self, effect):
        self.disk.outbox[effect.number] = effect.message
        if effect.durable:
            self.later(DISK_S, on.OutboxWritten(effect.number, ""))

    def _ReadOutbox(self, effect):
        self.later(0.001, on.OutboxRead(effect.number, self.disk.outbox.get(effect.number)))

    def _SettleOutbox(self, effect):
        for first, last in effect.numbers:
            for number in range(first, last + 1):
                self.disk.outbox.pop(number, None)

    def _DeleteShards(self, effect):
        gone = set(effect.shards)
        for name, blocks in list(self.disk.blocks.items()):
            if (
                blocks
                and wire.ShardRef(name[0], peek_block(next(iter(blocks.values()))).shard) in gone
            ):
                del self.disk.blocks[name]

    def _Retain(self, effect):
        pass

    def _Stop(self, effect):
        self.dead = True
        self.link.close()


def _run(block, data):
    return wire.BlockRun(
        block.seq,
        block.seq,
        block.first_sample,
        block.sample_count,
        block.wall_ms,
        block.gap,
        len(data),
    )


class MemoryClient:
    """A client that says each request again until it is answered, as the real one does."""

    def __init__(self, broker, name="client-1"):
        self.broker, self.name = broker, name
        self.link = broker.link(Session(name))
        self.link.on_message = self._received
        self.link.subscribe(TOPICS.reply(name), f"{TOPICS.base}/job/+/result")
        self.link.start()
        self.assembler = Assembler()
        self.number = 0
        self.open = {}
        self.answers = {}
        self.blobs = {}
        self.results = {}

    def ask(self, build):
        self.number += 1
        number = self.number
        self.open[number] = encode(build(number))
        self._say(number)
        return number

    def _say(self, number):
        if number in self.open:
            payload = self.open[number]
            self.link.publish(TOPICS.request(self.name), payload, purpose="request")
            self.broker.call_at(self.broker.now + 7.0, lambda: self._say(number))

    def _received(self, incoming):
        if incoming.topic.endswith("/result"):
            self.results[TOPICS.parse(incoming.topic).name] = incoming.payload.decode()
            return
        message = decode(incoming.payload)
        if isinstance(message, wire.Part):
            whole = self.assembler.add(message)
            if whole is None:
                return
            message = decode(whole, size_max=OBJECT_BYTES_MAX)
        if message.status == wire.PROGRESS:
            if message.blob:
                self.blobs.setdefault(message.request, []).append(message.blob)
            return
        if message.request in self.open:
            del self.open[message.request]
            self.answers[message.request] = message


class MemorySite:
    """Broker, gateway, devices and one client; time passes in `run`."""

    def __init__(self, folder, *, seed=0, faults=None, profile="demo"):
        options = {} if faults is None else {"faults": faults}
        self.broker = MemoryBroker(seed=seed, **options)
        self.random = Random(seed)
        self.folder, self.profile = folder, profile
        self.disks, self.devices = {}, {}
        self.said = []
        self.gateway = None
        self.start_gateway()
        self.client = MemoryClient(self.broker)

    def start_gateway(self):
        loop = VirtualLoop(self.broker)
        ledger = Ledger(self.folder)
        hexed = {kernel: digest.hex() for kernel, digest in OWN.items()}
        core = GatewayCore(Options(SITE, PROFILES[self.profile], hexed, 99))
        first = core.restore(ledger.load(), self.broker.now, 1_700_000_000_000)
        will = Will(TOPICS.gateway_status, encode_status(Status("lost", core.term, core.epoch)))
        link = self.broker.link(Session("gateway", will))
        self.gateway = (loop, link, ledger, core)
        shell = Shell(loop, link, core, ledger, topics=TOPICS, say=self.said.append)
        shell.start(first)

    @property
    def core(self):
        return self.gateway[3]

    def kill_gateway(self):
        """SIGKILL of the gateway: what was not committed never was."""
        loop, link, ledger, _ = self.gateway
        loop.stop()
        link.on_message = link.on_up = lambda *_: None
        link.on_down = lambda *_: None
        self.broker.cut("gateway")
        ledger.close()

    def start_device(self, name, **options):
        disk = self.disks.setdefault(name, Disk())
        self.devices[name] = MemoryDevice(self.broker, name, disk, **options)
        return self.devices[name]

    def run(self, seconds):
        self.broker.run(self.broker.now + seconds)

    def run_until(self, condition, most_s=120.0):
        """Let time pass until something holds; virtual seconds are cheap."""
        end = self.broker.now + most_s
        while not condition():
            assert self.broker.now < end, f"not within {most_s} s; said: {self.said[-20:]}"
            self.run(0.05)

    def answer(self, number, most_s=200.0):
        self.run_until(lambda: number in self.client.answers, most_s)
        return self.client.answers[number]

    def put(self, dataset, streams, *, dtype="i16", replicas=0, put_id=None):
        """Put streams in pieces of up to 60 KiB; the numbers of the requests."""
        put_id = put_id or self.random.randbytes(16)
        numbers = []
        for key, data in streams.items():
            info = wire.StreamInfo(dataset, key, dtype, 1, 1000.0, 1.0, "g")
            for index, at in enumerate(range(0, len(data), 61_440)):
                part = data[at : at + 61_440]
                piece = wire.Piece(info, 0, replicas, index, 1_700_000_000_000, crc32c(part), part)
                numbers.append(self.client.ask(lambda n, p=piece: wire.Put(n, put_id, [p])))
        return numbers

    def query(self, plan, dataset, *, by_key=False, timeout_ms=0):
        return self.client.ask(lambda n: wire.Run(n, plan, dataset, by_key, -1, -1, 0, timeout_ms))

    def command(self, verb, target=""):
        return self.answer(self.client.ask(lambda n: wire.Command(n, verb, target)))
