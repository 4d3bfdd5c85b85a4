"""The serial link, the device's end in C against the bridge's in Python, over a line that lies.

The line is simulated a millisecond at a time: 115,200 baud, noise on single bytes (changed, lost,
doubled), ends that are reset in the middle of a frame, a device that is busy and does not read.
What is checked: messages of one sitting arrive in order, each once and whole; nothing of an old
sitting arrives in a new one; once the line is quiet, everything arrives.
"""

import struct
import subprocess
from collections import deque
from random import Random

import pytest

from atoll.transport.serial_link import BYTES, Message, Ready, Reset, SerialLink, encode_frame

BYTES_PER_MS = 11  # 115,200 baud, ten bits a byte
LINE_MAX = 138  # common/link.h
RING_OF_TWO = 2 * LINE_MAX + 8 * 10 + 20
READY, RESET, MESSAGE = 1, 2, 3

FAULTS = {
    "a damaged frame passes": (
        "if (whole && atoll_bytes_le32(frame->data + size - ATOLL_FRAME_CRC) ==",
        "if (whole && 0u * atoll_bytes_le32(frame->data + size - ATOLL_FRAME_CRC) !=",
    ),
    "messages come twice": ("if (link->received[1] != link->expected) {", "if (false) {"),
    "nothing is sent again": ("now_ms >= link->resend_at_ms) {", "now_ms == UINT64_MAX) {"),
    "a new peer gets old messages": ("    link->count = 0;\n    link->next", "    link->next"),
    "the credit is not kept": (
        "most = link->credit < most ? link->credit : most;",
        "most = link->credit < most ? most : most;",
    ),
}


class Device:
    """The C end behind its pipe, with a receive ring that can run over."""

    def __init__(self, program, window, ring, refuse=0):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([program, str(window), str(refuse)], **pipes)
        self.ring = bytearray()
        self.ring_size = ring
        self.overruns = 0
        self.session = 1
        self.wanted = 1

    def reset(self):
        self.session += 1
        self.wanted = self.session
        self.ring.clear()

    def arrive(self, data):
        room = self.ring_size - len(self.ring)
        self.overruns += max(len(data) - room, 0)
        self.ring += data[:room]

    def step(self, now_ms, messages):
        """Send the messages, read the ring: what was taken, the events, bytes for the line."""
        head = struct.pack("<IIB", now_ms, self.wanted, len(messages))
        body = b"".join(bytes([BYTES, len(data)]) + data for data in messages)
        self.process.stdin.write(head + body + struct.pack("<H", len(self.ring)) + self.ring)
        self.process.stdin.flush()
        self.ring.clear()
        self.wanted = 0
        taken, count = self._read(2)
        events = []
        for _ in range(count):
            kind, message, size = self._read(3)
            data = self._read(size)
            events.append({READY: Ready(), RESET: Reset()}.get(kind, Message(message, data)))
        return taken, events, self._read(struct.unpack("<H", self._read(2))[0])

    def _read(self, size):
        data = self.process.stdout.read(size)
        assert len(data) == size, f"the harness ended: {self.process.wait(10)}"
        return data

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        return self.process.returncode


class Talker:
    """One end's messages: made in order, and checked in order as they come from the other end."""

    def __init__(self, random):
        self.random = random
        self.sitting = 0  # one higher at each Ready
        self.made = 0
        self.heard = (-1, 0)  # sitting and count of the last message that came
        self.total = 0

    def make(self, count):
        fill = self.random.choice((0, 1, 20, 120))
        return [
            struct.pack("<II", self.sitting, self.made + n) + bytes([n * 7 % 256]) * fill
            for n in range(count)
        ]

    def take(self, events):
        for event in events:
            if isinstance(event, Ready):
                self.sitting += 1
                self.made = 0
                self.heard = (self.heard[0], -1)  # a new sitting of the other end, too
            elif isinstance(event, Message):
                sitting, count = struct.unpack_from("<II", event.data)
                assert len(set(event.data[8:])) < 2, "a message is whole"
                if self.heard[1] < 0:
                    assert sitting > self.heard[0], "a message of an old sitting"
                    assert count == 0, "the first message of a sitting"
                else:
                    assert (sitting, count) == (self.heard[0], self.heard[1]), "out of order"
                self.heard = (sitting, count + 1)
                self.total += 1


class Line:
    """One direction: as many bytes a millisecond as the baud rate allows, some of them damaged."""

    def __init__(self, random, noise):
        self.random = random
        self.noise = noise
        self.waiting = deque()

    def put(self, data):
        self.waiting.extend(data)

    def move(self):
        out = bytearray()
        for _ in range(min(BYTES_PER_MS, len(self.waiting))):
            byte = self.waiting.popleft()
            if self.random.random() >= self.noise:
                out.append(byte)
                continue
            damage = self.random.randrange(3)
            out += [bytes([self.random.randrange(256)]), b"", bytes([byte, byte])][damage]
        return bytes(out)


class World:
    """Both ends and the line between them."""

    def __init__(self, program, seed, *, noise=0.0, window=4, ring=4096, stall=0.0, refuse=0):
        self.random = Random(seed)
        self.device = Device(program, window, ring, refuse)
        self.bridge = SerialLink(1000, 0.0)
        self.sessions = 1000
        self.up, self.down = Line(self.random, noise), Line(self.random, noise)
        self.at_device, self.at_bridge = Talker(self.random), Talker(self.random)
        self.now_ms = 0
        self.stall = stall
        self.busy_ms = 0

    def reset_bridge(self):
        self.sessions += 1
        self.bridge = SerialLink(self.sessions, self.now_ms / 1000)

    def reset_device(self):
        self.device.reset()
        for _ in range(self.random.randrange(len(self.up.waiting) + 1)):
            self.up.waiting.pop()  # what it had not put on the line yet

    def step(self, *, talking=True):
        self.now_ms += 1
        now = self.now_ms / 1000
        self.device.arrive(self.down.move())
        events = self.bridge.receive(self.up.move(), now)
        self.at_bridge.take(events)
        while talking and self.bridge.room and self.random.random() < 0.5:
            assert self.bridge.send(BYTES, self.at_bridge.make(1)[0])
            self.at_bridge.made += 1
        if len(self.down.waiting) < 1000:
            self.down.put(self.bridge.output(now))
        self.busy_ms -= 1
        if self.busy_ms <= 0:
            self._device_step(talking)
            if self.random.random() < self.stall:
                self.busy_ms = self.random.randrange(60)

    def _device_step(self, talking):
        count = self.random.randrange(3) if talking else 0
        sitting, messages = self.at_device.sitting, self.at_device.make(count)
        taken, events, out = self.device.step(self.now_ms, messages)
        if self.at_device.sitting == sitting:
            self.at_device.made += taken
        self.at_device.take(events)
        self.up.put(out)

    def settle(self):
        """Let the line be quiet until all that was said has arrived."""
        self.up.noise = self.down.noise = self.stall = 0.0
        for _ in range(20_000):
            self.step(talking=False)
            if self.all_arrived():
                return
        raise AssertionError("not everything arrives")

    def all_arrived(self):
        pairs = ((self.at_device, self.at_bridge), (self.at_bridge, self.at_device))
        return self.bridge.ready and all(
            there.heard == (here.sitting, here.made) or here.made == 0 for here, there in pairs
        )


def run(program, seed, *, steps, resets=0.0, **options):
    world = World(program, seed, **options)
    try:
        for _ in range(steps):
            world.step()
            if world.random.random() < resets:
                world.random.choice((world.reset_bridge, world.reset_device))()
        world.settle()
    finally:
        code = world.device.end()
    assert code == 0
    return world


def test_quiet_line(firmware):
    world = run(firmware.native("link_pipe"), 1, steps=3000)
    assert world.at_bridge.total > 250
    assert world.at_device.total > 250
    assert world.bridge.dropped == world.bridge.resent == 0


@pytest.mark.parametrize("noise", [1e-4, 1e-3, 1e-2])
def test_noise(firmware, noise):
    world = run(firmware.native("link_pipe"), 2, steps=6000, noise=noise)
    assert world.at_bridge.total > 20
    assert world.bridge.dropped > 0


def test_refused_messages_come_again(firmware):
    """A device without room for an answer; with noise, too."""
    program = firmware.native("link_pipe")
    world = run(program, 5, steps=3000, refuse=5)
    assert world.at_device.total > 100
    assert world.bridge.resent > 20
    run(program, 6, steps=3000, refuse=3, noise=1e-3, resets=0.002)


def test_resets(firmware):
    for seed in range(10):
        world = run(firmware.native("link_pipe"), seed, steps=2500, resets=0.003, noise=1e-3)
        assert world.at_device.sitting > 1
        assert world.at_bridge.total > 0


def test_credit_keeps_the_ring_from_running_over(firmware):
    """A device that reads only every 60 ms, with room for what it granted and no more."""
    options = {"window": 2, "ring": RING_OF_TWO, "stall": 0.2}
    world = run(firmware.native("link_pipe"), 3, steps=5000, **options)
    assert world.device.overruns == 0
    assert world.at_device.total > 100


def keep_to_the_credit(program):
    """The bridge grants one message: the device takes one, and the next when it is answered."""
    device, bridge = Device(program, 4, 4096), SerialLink(7, 0.0, window=1)
    taken = []
    for now_ms in range(0, 100, 10):
        count, _, out = device.step(now_ms, [b"message"] * 3)
        taken.append(count)
        bridge.receive(out, now_ms / 1000)
        device.arrive(bridge.output(now_ms / 1000))
    assert device.end() == 0
    assert max(taken) == 1


def test_credit_is_kept(firmware):
    keep_to_the_credit(firmware.native("link_pipe"))


def test_line_that_echoes_is_no_peer(firmware):
    device = Device(firmware.native("link_pipe"), 4, 4096)
    for now_ms in range(0, 3000, 10):
        _, events, out = device.step(now_ms, [])
        assert not events
        device.arrive(out)
    assert device.end() == 0


def test_noise_alone(firmware):
    random = Random(4)
    device = Device(firmware.native("link_pipe"), 4, 4096)
    for now_ms in range(3000):
        device.arrive(random.randbytes(random.randrange(200)))
        if random.random() < 0.2:
            device.arrive(b"\0" + encode_frame(random.randbytes(random.randrange(1, 300))))
        _, events, _ = device.step(now_ms, [b"x"])
        assert not any(isinstance(event, Message) for event in events)
    assert device.end() == 0


@pytest.mark.slow  # with the other builds of spoilt code more than ten seconds
@pytest.mark.parametrize("name", FAULTS)
def test_world_finds(firmware, tmp_path, name):
    program = firmware.spoilt("link_pipe", tmp_path, *FAULTS[name])

    def all_of_it():
        for seed in range(5):
            run(program, seed, steps=2500, resets=0.003, noise=1e-2)
        options = {"window": 2, "ring": RING_OF_TWO, "stall": 0.2}
        world = run(program, 3, steps=3000, **options)
        assert world.device.overruns == 0
        keep_to_the_credit(program)

    with pytest.raises(AssertionError):
        all_of_it()
