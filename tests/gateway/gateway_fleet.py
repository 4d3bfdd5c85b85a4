"""A site in one process: the real gateway core, scripted devices, and a network made of a list.

Time is a number. Every commit is folded into `ledger`, a dict that stands for SQLite and is checked
against it in test_ledger.py; messages pass through the real codec.
"""

import json

from gateway_device import ScriptedDevice

from atoll.gateway import effects as do
from atoll.gateway import events as on
from atoll.gateway.core import GatewayCore, Options
from atoll.gateway.profiles import PROFILES
from atoll.kernels import receipts
from atoll.wire import messages as wire
from atoll.wire.block import crc32c
from atoll.wire.codec import Assembler, decode, encode, split
from atoll.wire.limits import OBJECT_BYTES_MAX

RECEIPTS = {kernel: digest.hex() for kernel, digest in receipts().items()}
WALL = 1_700_000_000_000


def through_codec(message):
    """What the other end makes of a message, large ones in parts."""
    parts = split(encode(message), bytes(16), 65_536)
    if len(parts) == 1:
        return decode(parts[0])
    assembler = Assembler()
    for part in parts:
        whole = assembler.add(decode(part))
    return decode(whole, size_max=OBJECT_BYTES_MAX)


class Fleet:
    """The core, its devices and clients; `settle` lets everything be said that is to be said."""

    def __init__(self, *names, profile="normal", ledger=None, rows=(), now=0.0, audit=0.0):
        self.now = now
        self.ledger = ledger
        self.core = GatewayCore(Options("test", PROFILES[profile], RECEIPTS, 7, audit))
        self.devices = {}
        self.replies = []
        self.events = []
        self.results = {}
        self.batches = []
        self.status = None
        self.requests = 0
        self.cut = set()  # devices whose messages get lost, both ways
        self.carry(self.core.restore(rows, now, self.wall))
        self.handle(on.LinkOpened(self.wall))
        for name in names:
            self.add(name)

    @property
    def wall(self):
        return WALL + int(self.now * 1000)

    def add(self, name, **options):
        device = self.devices[name] = ScriptedDevice(name, **options)
        device.birth()
        device.ask_lease()
        self.settle()
        return device

    def handle(self, event):
        self.carry(self.core.handle(event, self.now))

    def carry(self, effects):
        for at, effect in enumerate(effects):
            match effect:
                case do.Commit(records):
                    assert at == 0, "records come first"
                    self.batches.append(records)
                    if self.ledger is not None:
                        self.ledger.commit(records)
                case do.Tell(device, _leaf, message, _retain):
                    if device in self.devices and device not in self.cut:
                        self.devices[device].take(through_codec(message))
                case do.Answer(client, message):
                    self.replies.append((client, through_codec(message)))
                case do.ShowEvent(kind, text, _fields, _wall):
                    self.events.append((kind, text))
                case do.ShowResult(job, text):
                    self.results[job] = text
                case do.ShowStatus():
                    self.status = effect

    def settle(self):
        """Deliver what devices say, and wake the core for what is due now, until it is quiet."""
        for _ in range(100_000):
            spoke = False
            for name, device in self.devices.items():
                out, device.out = device.out, []
                for message in out:
                    if name in self.cut:
                        continue
                    spoke = True
                    self.handle(on.DeviceSpoke(name, through_codec(message), self.wall))
            due = self.core.next_wakeup()
            if due is not None and due <= self.now:
                self.handle(on.Woken(self.wall))
                spoke = True
            if not spoke:
                return
        raise AssertionError("the site does not come to rest")

    def run(self, seconds, step=0.1):
        """Let time pass; live devices keep their leases."""
        end = self.now + seconds
        beat = 0.0
        while self.now < end - 1e-9:
            self.now = min(end, self.now + step)
            beat += step
            if beat >= 1.0:
                beat = 0.0
                for name, device in self.devices.items():
                    if name not in self.cut:
                        device.ask_lease()
            self.settle()

    # --- clients ---

    def ask(self, message, client="c1"):
        """Say a request and let it settle; the last reply to it, None while there is none."""
        self.handle(on.ClientAsked(client, through_codec(message), self.wall))
        self.settle()
        return self.reply(message.request, client)

    def reply(self, request, client="c1"):
        mine = [m for c, m in self.replies if c == client and m.request == request]
        return mine[-1] if mine else None

    def number(self):
        self.requests += 1
        return self.requests

    def put(
        self,
        dataset,
        streams,
        *,
        dtype="i16",
        rate=1000.0,
        put_id=b"p" * 16,
        index=0,
        wall_ms=WALL,
        replicas=0,
        shards=0,
    ):
        """Put one piece a stream; the reply."""
        pieces = [
            wire.Piece(
                wire.StreamInfo(dataset, key, dtype, 1, rate, 1.0, "g"),
                shards,
                replicas,
                index,
                wall_ms,
                crc32c(data),
                data,
            )
            for key, data in streams.items()
        ]
        return self.ask(wire.Put(self.number(), put_id, pieces))

    def query(self, plan, dataset, *, by_key=False, since=-1, until=-1, last=0, timeout_ms=0):
        """Run a plan; the reply."""
        run = wire.Run(self.number(), plan, dataset, by_key, since, until, last, timeout_ms)
        return self.ask(run)

    def command(self, verb, target=""):
        """Give a command; its answer as an object."""
        reply = self.ask(wire.Command(self.number(), verb, target))
        return json.loads(reply.body)

    def states(self):
        return {name: m.state.value for name, m in self.core.members.members.items()}
