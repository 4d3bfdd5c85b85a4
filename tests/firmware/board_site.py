"""A board's other end: a gateway that the test plays, and where things lie in an image."""

import json
import re
import socket
import subprocess
from contextlib import contextmanager

import paho.mqtt.client as paho

from atoll.wire import messages as m
from atoll.wire.codec import decode, encode
from atoll.wire.topics import Topics

BOARDS = ("lm3s6965evb", "microbit", "mps2-an385", "mps2-an386")
BOARDS += ("mps2-an500", "mps2-an505", "netduinoplus2", "pico")
ETHERNET = ("lm3s6965evb", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505")
# Each board with each of its links.
LINKED = [(board, "serial") for board in BOARDS] + [(board, "ethernet") for board in ETHERNET]


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Gateway:
    """What the test says as a gateway; what it hears, it hears while the board runs."""

    def __init__(self, port, device):
        self.topics = Topics("lab")
        self.device = device
        self.heard = []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe(self.topics.up(device, "#"), qos=1)

    def _on_message(self, _client, _data, message):
        status = message.topic.endswith("status")
        self.heard.append(json.loads(message.payload) if status else decode(message.payload))

    def say(self, leaf, message):
        self.client.publish(self.topics.down(self.device, leaf), encode(message), qos=1)

    def grant(self, request):
        self.say("lease", m.Lease(1, 1, 1, request.boot, request.number, 5000, 1000, False))

    def acknowledge(self, message):
        """A board numbers results, so that a message of them is acknowledged to its last."""
        last = message.number + len(message.results) - 1
        self.say("ack", m.Ack(1, 1, 1, [m.NumberSpan(message.number, last)]))

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


class Site:
    """A board with its bridge, a broker and the gateway."""

    def __init__(self, machine, gateway):
        self.machine = machine
        self.gateway = gateway
        self.seen = 0

    def expect(self, kind, claim=lambda _: True):
        """The next message of this class (dict: a status) for which the claim holds; leases are
        granted meanwhile.
        """
        found = []

        def look():
            while self.seen < len(self.gateway.heard) and not found:
                message = self.gateway.heard[self.seen]
                self.seen += 1
                if isinstance(message, m.LeaseRequest):
                    self.gateway.grant(message)
                if isinstance(message, kind) and claim(message):
                    found.append(message)
            return found

        self.machine.until(look)
        return found[0]


@contextmanager
def debugger(path):
    """The board stands still in QEMU's debugger: commands of gdb's protocol and their answers."""
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(20)
        port.connect(str(path))
        # QEMU writes single registers once it was asked what registers there are.
        _debug(port, "qXfer:features:read:target.xml:0,ff")
        yield lambda command: _debug(port, command)
        assert _debug(port, "D") == b"OK"


def jump(path, address):
    """Let the board go on at an address."""
    with debugger(path) as say:
        assert say(f"Pf={address.to_bytes(4, 'little').hex()}") == b"OK"


def poke(path, address, data):
    """Write memory of the board."""
    with debugger(path) as say:
        assert say(f"M{address:x},{len(data):x}:{data.hex()}") == b"OK"


def _debug(port, command):
    """The answer to a command of gdb's protocol; that the board has stopped is none."""
    port.sendall(f"${command}#{sum(command.encode()) % 256:02x}".encode())
    heard, answer = b"", None
    while answer is None:
        heard += port.recv(4096)
        packets = re.findall(rb"\$([^#]*)#..", heard)
        answer = next((packet for packet in packets if packet[:1] != b"T"), None)
    port.sendall(b"+")
    return answer


def stack(machine, image):
    """Bytes of stack that were used at most, and that there are, as the board's memory says: it is
    filled with 0x5A at the start.
    """
    content = machine.memory(*(symbol(image, f"atoll_stack_{end}") for end in ("bottom", "top")))
    return len(content.lstrip(b"\x5a")), len(content)


def symbol(image, name):
    """The address of a symbol."""
    listed = subprocess.run(["arm-none-eabi-nm", image], capture_output=True, text=True, check=True)
    lines = [line.split() for line in listed.stdout.splitlines()]
    return next(int(words[0], 16) for words in lines if words[-1] == name)


def networked(identity, port, link, *, fixed=False):
    """The identity of a board that finds the broker on this machine; `fixed`: without DHCP."""
    if link != "ethernet":
        return identity
    identity = identity._replace(broker=f"10.0.2.2:{port}")
    return identity._replace(address="10.0.2.15/24", router="10.0.2.2") if fixed else identity
