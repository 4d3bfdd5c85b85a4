"""A broker, a device process and a gateway that a test plays by hand."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque

from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Session
from atoll.transport.url import parse_broker
from atoll.wire import messages
from atoll.wire.block import Block, encode_block
from atoll.wire.codec import decode, encode
from atoll.wire.messages import StreamInfo
from atoll.wire.status import decode_status
from atoll.wire.topics import Topics

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SITE = "test"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Broker:
    """mosquitto on a free loopback port, in memory only."""

    def __init__(self, folder, extra=""):
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._config = folder / "mosquitto.conf"
        access = "" if "password_file" in extra else "allow_anonymous true\n"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\n{access}set_tcp_nodelay true\n{extra}"
        )
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None, "mosquitto ended"
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


CODE = """
import sys
from atoll.runtime.main import DeviceOptions, run_device
sources = tuple(sys.argv[5:])
code = run_device(DeviceOptions(sys.argv[1], sys.argv[2], sys.argv[3], site=sys.argv[4],
                                profile="demo", sources=sources, token=TOKEN))
AT_END
sys.exit(code)
"""


class Device:
    """`run_device` in a process of its own; its lines are kept."""

    def __init__(self, name, store, url, *, sources=(), at_end="", token=""):
        code = CODE.replace("AT_END", at_end or "pass").replace("TOKEN", repr(token))
        self.name = name
        self.output = store.parent / f"{name}-{time.monotonic_ns()}.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, name, str(store), url, SITE, *sources],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def lines(self):
        return self.output.read_text().splitlines()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Gateway:
    """Speaks as a gateway does: grants leases by itself, everything else on demand."""

    def __init__(self, url, device, *, term=1, acknowledge=True, password=""):
        self.loop = Loop()
        broker = parse_broker(url)
        if password:
            broker = broker._replace(username="gateway", password=password)
        self.link = Link(self.loop, [broker], Session(f"gateway-{term}"))
        self.topics = Topics(SITE)
        self.device = device
        self.head = (term, 1, 1)
        self.acknowledge = acknowledge
        self.grant = True
        self.inbox = deque()
        self.statuses = []
        self.birth = None
        self.requests = 0
        self._transfer = 0
        self.link.on_message = self._incoming
        self.link.subscribe(self.topics.all_up)
        self.link.start()

    def _incoming(self, incoming):
        address = self.topics.parse(incoming.topic)
        if address.leaf == "health" or address.name != self.device:
            return
        if address.leaf == "status":
            self.statuses.append(decode_status(incoming.payload).state)
            return
        message = decode(incoming.payload)
        if isinstance(message, messages.Birth):
            self.birth = message
        elif isinstance(message, messages.LeaseRequest):
            self.requests += 1
            if self.grant:
                wanted = self.birth is None or self.birth.boot != message.boot
                grant = messages.Lease(
                    *self.head, message.boot, message.number, 0 if wanted else 2_000, 250, wanted
                )
                self.tell("lease", grant)
        else:
            self.inbox.append(message)
            if isinstance(message, messages.Partials) and self.acknowledge:
                span = messages.NumberSpan(message.number, message.number)
                self.tell("ack", messages.Ack(*self.head, [span]))

    def tell(self, leaf, message):
        topic = self.topics.down(self.device, leaf)
        self.link.publish(topic, encode(message), purpose=leaf, retain=leaf == "map")

    def until(self, condition, timeout_s=15.0):
        assert self.loop.run_until(condition, timeout_s), "nothing came in time"

    def take(self, kind, timeout_s=15.0):
        """The next message of a kind; others before it are dropped."""
        found = []

        def there():
            while self.inbox:
                message = self.inbox.popleft()
                if isinstance(message, kind):
                    found.append(message)
                    return True
            return False

        self.until(there, timeout_s)
        return found[0]

    def wait_ready(self):
        self.until(lambda: self.statuses[-1:] == ["ready"])

    def store(self, blocks):
        """Send blocks and wait until they are stored."""
        step = max(1, 60_000 // max(map(len, blocks)))
        pieces = [blocks[at : at + step] for at in range(0, len(blocks), step)]
        for piece in pieces:
            self._transfer += 1
            self.tell("block", messages.Blocks(*self.head, self._transfer, False, piece))
        return [self.take(messages.Stored) for _ in pieces]

    def close(self):
        self.link.close()
        self.loop.close()


def info_of(key, dataset="vibration", dtype="i16", rate_hz=1_000.0):
    return StreamInfo(dataset, key, dtype, 1, rate_hz, 1.0, "g")


def block_of(info, seq, first, data, *, shard=3, gap=False, wall_ms=1_700_000_000_000):
    width = 2 if info.dtype == "i16" else 4
    count = len(data) // width
    return encode_block(Block(info, shard, seq, first, count, 1, 5, wall_ms, 2, gap, data))
