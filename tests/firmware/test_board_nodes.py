"""The node on emulated boards: through a bridge it joins a real broker, and a gateway that the test
plays.
"""

import json
import subprocess

import paho.mqtt.client as paho
import pytest

from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.wire import messages as m
from atoll.wire._native import crc32c
from atoll.wire.codec import decode, encode
from atoll.wire.topics import Topics

pytestmark = [pytest.mark.emulator, pytest.mark.broker]

READY = {"state": "ready", "epoch": 0}
BOARDS = ("lm3s6965evb", "microbit", "mps2-an385", "mps2-an386")
BOARDS += ("mps2-an500", "mps2-an505", "netduinoplus2")


def identity(site, device, zone):
    """The block that says who the device is (common/identity.h)."""
    texts = [text.encode() for text in (site, device, zone)]
    block = b"ATID\1" + bytes(map(len, texts)) + b"".join(texts)
    return block + crc32c(block).to_bytes(4, "little")


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
        self.client.subscribe(self.topics.all_up, qos=1)

    def _on_message(self, _client, _data, message):
        status = message.topic.endswith("status")
        self.heard.append(json.loads(message.payload) if status else decode(message.payload))

    def say(self, leaf, message):
        self.client.publish(self.topics.down(self.device, leaf), encode(message), qos=1)

    def grant(self, request):
        self.say("lease", m.Lease(1, 1, 1, request.boot, request.number, 5000, 1000, False))

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


@pytest.fixture
def site(emulate, firmware, tmp_path):
    """Start a board that is named after itself."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    broker = BrokerChild(tmp_path / "broker", kind="mosquitto")
    broker.start()
    gateways = []

    def start(board, **options):
        block = tmp_path / "identity"
        block.write_bytes(identity("lab", board, "bench"))
        address = symbol(firmware.image(board, "node"), "atoll_identity_start")
        more = ["-device", f"loader,file={block},addr={address:#x},force-raw=on"]
        gateways.append(Gateway(broker.port, board))
        machine = emulate(board, "node", broker=broker.port, more=more, **options)
        return Site(machine, gateways[-1])

    yield start
    for gateway in gateways:
        gateway.end()
    broker.stop()


def symbol(image, name):
    """The address of a symbol."""
    listed = subprocess.run(["arm-none-eabi-nm", image], capture_output=True, text=True, check=True)
    lines = [line.split() for line in listed.stdout.splitlines()]
    return next(int(words[0], 16) for words in lines if words[-1] == name)


@pytest.mark.parametrize("board", BOARDS)
def test_board_joins_and_comes_back(site, board):
    lab = site(board)
    birth = lab.expect(m.Birth)
    assert (birth.boot, birth.zone, birth.message_max) == (1, "bench", 1024)
    assert lab.expect(dict, lambda status: status["state"] == "ready")["boot"] == 1
    # Tasks over stored blocks become failed results, which go through the outbox on flash.
    tasks = [m.Task("key", number, 0, 0, 9) for number in range(3)]
    lab.gateway.say("task", m.Tasks(1, 1, 1, "job", b"plan", "data", tasks))
    numbers = [lab.expect(m.Partials).number for _ in tasks]
    assert numbers == [1, 2, 3]
    lab.gateway.say("ack", m.Ack(1, 1, 1, [m.NumberSpan(1, 2)]))
    lab.expect(m.LeaseRequest, lambda request: request.backlog == 1)
    # After a reset it is another boot, and what was not acknowledged is there.
    lab.machine.order("system_reset")
    assert lab.expect(m.Birth, lambda birth: birth.boot == 2).lease == 1
    again = lab.expect(m.Partials, lambda partials: partials.boot == 2)
    assert (again.number, again.results[0].task) == (3, 2)
    lab.gateway.say("ack", m.Ack(1, 1, 1, [m.NumberSpan(3, 3)]))
    lab.expect(m.LeaseRequest, lambda request: request.backlog == 0)


@pytest.mark.parametrize("board", ["microbit", "mps2-an385"])
def test_noise_and_resets(site, board):
    """A noisy line, and a reset as soon as the device is ready: each boot is a new one."""
    lab = site(board, noise=1e-4)
    for boot in range(1, 6):
        lab.expect(dict, lambda status, boot=boot: status == {**READY, "boot": boot})
        lab.machine.order("system_reset")
    assert lab.expect(m.Birth, lambda birth: birth.boot == 6).protocol == m.PROTOCOL


@pytest.mark.parametrize("board", ["microbit", "mps2-an505"])
def test_dead_board_leaves_its_will(site, board):
    lab = site(board)
    lab.expect(dict, lambda status: status["state"] == "ready")
    lab.machine.order("stop")
    lab.machine.unplug()
    lab.machine.until(lambda: lab.gateway.heard[-1] == {**READY, "state": "lost", "boot": 1})
