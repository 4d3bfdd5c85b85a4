"""Many light devices in one process: the real wire protocol over as many MQTT sessions.

A stub announces itself, asks for its lease at its interval, lists nothing when asked for what it
holds, confirms blocks that it is given and answers probes; it stores and computes nothing. The MQTT
underneath is the least that a broker takes (3.1.1, written here): paho would cost ten times as much
as all that is to be measured. Prints a line of JSON whenever it is asked by a line on its input.

    python benchmarks/scale_stubs.py PORT SITE FIRST COUNT SPREAD_S
"""

import heapq
import json
import resource
import selectors
import socket
import struct
import sys
import time
from typing import Any

from atoll.kernels import receipts
from atoll.wire import messages as wire
from atoll.wire.codec import decode, encode
from atoll.wire.topics import Topics

INTERVAL_S = 2.0  # of the profile normal, until a lease names another
KEEPALIVE_S = 60
HEALTH = wire.Health(900, 1 << 30, 1 << 34, 45_000, 0, 100, 2, -1)
LATE_MAX = 200_000  # round trips kept


def text(value: str) -> bytes:
    """A string of MQTT."""
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def packet(kind: int, body: bytes) -> bytes:
    """A packet with its length."""
    size, head = len(body), bytearray([kind])
    while True:
        size, low = divmod(size, 128)
        head.append(low | (128 if size else 0))
        if not size:
            return bytes(head) + body


class Stub:
    """One device."""

    def __init__(self, fleet: "Fleet", name: str) -> None:
        self.fleet, self.name = fleet, name
        self.socket: socket.socket | None = None
        self.inbox = bytearray()
        self.ready = False
        self.turn = 0
        self.interval_s = INTERVAL_S
        self.asked: dict[int, float] = {}
        self.number = self.packets = 0
        topics = fleet.topics
        self.lease_topic = text(topics.up(name, "lease"))
        self.block_topic = text(topics.up(name, "block"))

    def connect(self) -> None:
        """Come in, announce oneself, ask for a lease."""
        topics, name = self.fleet.topics, self.name
        self.socket = socket.create_connection(("127.0.0.1", self.fleet.port), 30.0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        hello = text("MQTT") + bytes([4, 2]) + struct.pack(">H", KEEPALIVE_S) + text(name)
        self.send(packet(0x10, hello))
        self.send(packet(0x82, struct.pack(">H", 1) + text(topics.down(name, "#")) + b"\1"))
        birth = wire.Birth(
            1, 0, 0, wire.PROTOCOL, "stub", f"z{hash(name) % 60}", 1.0, "normal", 4, 1 << 30,
            1 << 34, 65_536, self.fleet.receipts, [],
        )  # fmt: skip
        self.publish(text(topics.up(name, "birth")), encode(birth), retain=True, qos=1)
        self.ask()

    def send(self, data: bytes) -> None:
        """Write; a stub that the broker cannot keep up with is a failure of the benchmark."""
        assert self.socket is not None
        self.socket.sendall(data)

    def publish(self, topic: bytes, payload: bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Say something."""
        number = b""
        if qos:
            self.packets = self.packets % 65_535 + 1
            number = struct.pack(">H", self.packets)
        self.send(packet(0x30 | qos << 1 | retain, topic + number + payload))
        self.fleet.sent += 1

    def ask(self) -> None:
        """A heartbeat."""
        self.number += 1
        now = time.monotonic()
        self.asked[self.number] = now
        if len(self.asked) > 16:
            del self.asked[next(iter(self.asked))]
        mono_ms = int(now * 1_000)
        request = wire.LeaseRequest(1, 0, 0, self.number, mono_ms, 0, 0, HEALTH)
        self.publish(self.lease_topic, encode(request))

    def readable(self) -> None:
        """Take in what the broker says."""
        assert self.socket is not None
        data = self.socket.recv(65_536)
        if not data:
            self.fleet.lost(self)
            return
        self.inbox += data
        while (end := self._packet_end()) is not None:
            self._take(bytes(self.inbox[:end]))
            del self.inbox[:end]

    def _packet_end(self) -> int | None:
        inbox, size, shift = self.inbox, 0, 0
        for at in range(1, min(5, len(inbox))):
            size |= (inbox[at] & 127) << shift
            shift += 7
            if inbox[at] < 128:
                end = at + 1 + size
                return end if len(inbox) >= end else None
        return None

    def _take(self, data: bytes) -> None:
        if data[0] >> 4 != 3:
            return
        at = 1
        while data[at] >= 128:
            at += 1
        (size,) = struct.unpack_from(">H", data, at + 1)
        at += 3 + size
        if data[0] & 6:
            self.send(packet(0x40, data[at : at + 2]))
            at += 2
        self.fleet.received += 1
        self._told(decode(data[at:]))

    def _told(self, message: Any) -> None:
        match message:
            case wire.Lease():
                sent = self.asked.pop(message.number, None)
                if message.birth_wanted:
                    self.fleet.again(self, 0.2)
                elif sent is not None:
                    self.ready = True
                    self.interval_s = message.interval_ms / 1_000
                    if len(self.fleet.trips) < LATE_MAX:
                        self.fleet.trips.append(time.monotonic() - sent)
            case wire.Probe():
                self.ask()
            case wire.InventoryAsk():
                held = wire.Held(1, 0, 0, inventory=True, more=False, streams=[])
                self.publish(self.block_topic, encode(held), qos=1)
            case wire.Blocks():
                stored = wire.Stored(1, 0, 0, message.transfer, [])
                self.publish(self.block_topic, encode(stored), qos=1)


class Fleet:
    """All stubs of this process."""

    def __init__(self, port: int, site: str) -> None:
        self.port, self.topics = port, Topics(site)
        self.receipts = [wire.KernelReceipt(k, d) for k, d in receipts().items()]
        self.selector = selectors.EpollSelector()
        self.due: list[tuple[float, int, Stub]] = []
        self.sent = self.received = self.gone = self.count = 0
        self.trips: list[float] = []
        self.stubs: list[Stub] = []
        self.late_s = 0.0

    def again(self, stub: Stub, delay_s: float) -> None:
        """Have a stub come, or ask, in a while, and not when it was due until now: a gateway that
        wants a birth would get a second heartbeat for good otherwise, when it has the most to do.
        """
        self.count += 1
        stub.turn = self.count
        heapq.heappush(self.due, (time.monotonic() + delay_s, self.count, stub))

    def lost(self, stub: Stub) -> None:
        """The broker has closed a session."""
        assert stub.socket is not None
        self.selector.unregister(stub.socket)
        stub.socket.close()
        self.gone += 1

    def run(self) -> None:
        """Serve until the input ends."""
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            while self.due and self.due[0][0] <= now:
                when, turn, stub = heapq.heappop(self.due)
                if turn == stub.turn:
                    self.late_s = max(self.late_s, now - when)
                    self._step(stub)
            wait_s = max(0.0, self.due[0][0] - time.monotonic()) if self.due else None
            for key, _ in self.selector.select(wait_s):
                if key.data is None:
                    if not sys.stdin.readline():
                        return
                    self._report()
                else:
                    key.data.readable()

    def _step(self, stub: Stub) -> None:
        if stub.socket is None:
            stub.connect()
            assert stub.socket is not None
            self.selector.register(stub.socket, selectors.EVENT_READ, stub)
        elif stub.socket.fileno() >= 0:
            stub.ask()
        else:
            return
        self.again(stub, stub.interval_s)

    def _report(self) -> None:
        trips = sorted(self.trips)
        figures = {
            "ready": sum(stub.ready for stub in self.stubs),
            "sent": self.sent,
            "received": self.received,
            "gone": self.gone,
            "late_s": round(self.late_s, 3),
            "trip_p50_ms": round(trips[len(trips) // 2] * 1e3, 2) if trips else -1,
            "trip_p99_ms": round(trips[len(trips) * 99 // 100] * 1e3, 2) if trips else -1,
        }
        self.trips.clear()
        self.late_s = 0.0
        print(json.dumps(figures), flush=True)


def main() -> None:
    port, site, first, count, spread_s = sys.argv[1:]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    fleet = Fleet(int(port), site)
    for number in range(int(count)):
        stub = Stub(fleet, f"s{int(first) + number:05d}")
        fleet.stubs.append(stub)
        fleet.again(stub, float(spread_s) * number / int(count))
    fleet.run()


if __name__ == "__main__":
    main()
