"""The firmware's node against a broker and a gateway that the test plays with the Python codec."""

import json
import queue
import subprocess
import sys
import threading
from random import Random

import paho.mqtt.client as paho
import pytest
from board_site import free_port

from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.wire import messages as m
from atoll.wire.codec import decode, encode
from atoll.wire.topics import Topics

pytestmark = pytest.mark.broker
ATOLL = [sys.executable, "-m", "atoll.cli"]

DEVICE = "mcu-1"


class Node:
    """The shell around the node, and the lines that it prints."""

    def __init__(self, program, port, flash):
        command = [program, str(port), "lab", DEVICE, str(flash)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, bufsize=1, **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.boot = int(self.lines.get(timeout=20)[1])

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.split())

    def ask(self, *words):
        print(*words, file=self.process.stdin)
        return self.lines.get(timeout=20)

    def keep(self, task, text, job="job"):
        return int(self.ask("result", job, "stream", task, text)[1])

    def counts(self):
        words = self.ask("counts")[1:]
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))

    def kill(self):
        self.process.kill()
        self._close()

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            errors = self.process.stderr.read()
            assert self.process.wait(20) == 0, errors
            self._close()

    def _close(self):
        self.process.wait(20)
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()


class Gateway:
    """What the test says as a gateway, and what it hears, message by message."""

    def __init__(self, port, *, term=1):
        self.topics = Topics("lab")
        self.term = term
        self.epoch = self.lease = 1
        self.heard = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe(self.topics.all_up, qos=1)
        assert ready.wait(10)

    def _on_message(self, _client, _data, message):
        leaf = message.topic.rsplit("/", 1)[1]
        text = leaf == "status"
        self.heard.put(json.loads(message.payload) if text else decode(message.payload))

    def expect(self, kind, claim=lambda _: True, timeout_s=20):
        """The next message of this class (dict: a status) for which the claim holds."""
        while True:
            message = self.heard.get(timeout=timeout_s)
            if isinstance(message, kind) and claim(message):
                return message

    def say(self, leaf, message, **changes):
        self.send(leaf, encode(message._replace(**changes)))

    def send(self, leaf, payload):
        topic = self.topics.down(DEVICE, leaf)
        self.client.publish(topic, payload, qos=1).wait_for_publish(10)

    def head(self):
        return self.term, self.epoch, self.lease

    def grant(self, request, *, interval_ms=200, duration_ms=1000, wanted=False):
        answer = (request.boot, request.number, duration_ms, interval_ms, wanted)
        self.say("lease", m.Lease(*self.head(), *answer))

    def acknowledge(self, partials):
        self.ack((partials.number, partials.number + len(partials.results) - 1))

    def ack(self, *spans):
        self.say("ack", m.Ack(*self.head(), [m.NumberSpan(*span) for span in spans]))

    def ready(self):
        """Grant leases until the device says that it is ready; its last request."""
        while True:
            message = self.heard.get(timeout=20)
            if isinstance(message, m.LeaseRequest):
                self.grant(message)
            elif isinstance(message, dict) and message["state"] == "ready":
                return message

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    child = BrokerChild(tmp_path / "broker", kind="mosquitto")
    child.start()
    yield child
    child.stop()


@pytest.fixture
def gateway(broker):
    made = Gateway(broker.port)
    yield made
    made.end()


@pytest.fixture
def node(firmware, broker, tmp_path):
    """Start the node; each start is the same device with the same flash."""
    program = firmware.native("node_host")
    started = []

    def start(port=broker.port):
        started.append(Node(program, port, tmp_path / "flash"))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_birth_and_lease(node, gateway):
    device = node()
    assert device.boot == 1
    assert gateway.expect(dict) == {"state": "init", "boot": 1, "epoch": 0}
    birth = gateway.expect(m.Birth)
    assert (birth.boot, birth.protocol, birth.zone, birth.capacity) == (
        1,
        m.PROTOCOL,
        "bench",
        0.25,
    )
    assert birth.message_max == 1024
    first = gateway.expect(m.LeaseRequest)
    assert (first.boot, first.number, first.lease, first.backlog) == (1, 1, 0, 0)
    gateway.grant(first)
    assert gateway.expect(dict) == {"state": "ready", "boot": 1, "epoch": 0}
    second = gateway.expect(m.LeaseRequest)
    assert (second.number, second.lease) == (2, 1)
    assert 150 <= second.mono_ms - first.mono_ms < 1500
    assert second.health.round_trip_ms >= 0


def test_probe_and_birth_wanted(node, gateway):
    node()
    request = gateway.expect(m.LeaseRequest)
    gateway.grant(request, interval_ms=60_000)
    gateway.expect(dict, lambda status: status["state"] == "ready")
    gateway.say("lease", m.Probe(*gateway.head()))
    request = gateway.expect(m.LeaseRequest)
    assert request.number == 2
    gateway.grant(request, wanted=True, interval_ms=60_000)
    gateway.expect(m.Birth)
    assert gateway.expect(m.LeaseRequest).number == 3


def test_result_stays_until_it_is_acknowledged(node, gateway):
    device = node()
    gateway.ready()
    assert device.keep(7, "seven") == 0
    partials = gateway.expect(m.Partials)
    assert (partials.number, partials.job, partials.boot) == (1, "job", 1)
    assert partials.results == [m.Result("stream", 7, False, b"seven", 5)]
    assert device.keep(8, "eight") == 0
    gateway.ack((1, 1))
    gateway.expect(m.LeaseRequest, lambda request: request.backlog == 1)
    device.kill()
    device = node()
    assert device.boot == 2
    again = gateway.expect(m.Partials, lambda message: message.boot == 2)
    assert (again.number, again.results[0].data) == (2, b"eight")
    gateway.ack((2, 2))
    while device.counts()["backlog"]:
        gateway.expect(m.LeaseRequest)


def test_acknowledgements_in_any_order(node, gateway):
    device = node()
    gateway.ready()
    for task in range(1, 9):
        assert device.keep(task, f"result {task}") == 0
    gateway.expect(m.Partials, lambda message: message.number + len(message.results) == 9)
    gateway.ack((3, 5), (7, 7))
    gateway.ack((1, 1))
    gateway.say("lease", m.Probe(*gateway.head()))
    gateway.expect(m.LeaseRequest, lambda request: request.backlog == 7)
    gateway.ack((2, 2), (900, 2**63))
    gateway.expect(m.LeaseRequest, lambda request: request.backlog == 3)
    gateway.ack((6, 8))
    gateway.expect(m.LeaseRequest, lambda request: request.backlog == 0)


def test_full_outbox_refuses_and_recovers(node, gateway):
    device = node()
    gateway.ready()
    kept = 0
    while device.keep(kept, "x" * 500) == 0:
        kept += 1
    assert kept > 30
    assert device.keep(0, "x" * 1100) == -2
    numbers = set()
    while len(numbers) < kept:
        partials = gateway.expect(m.Partials)
        numbers |= {partials.number + place for place in range(len(partials.results))}
        gateway.acknowledge(partials)
    assert numbers == set(range(1, kept + 1))
    while device.counts()["backlog"]:
        gateway.expect(m.LeaseRequest)
    assert device.keep(0, "room again") == 0


def test_results_that_wait_go_together(node, gateway):
    """Those of one job, in their order, in as few messages as hold them; and an acknowledgement is
    of those alone that it names.
    """
    device = node(free_port())  # nobody is there: all of them wait
    jobs = ["a"] * 9 + ["b"] * 3 + ["a"] * 2
    for task, job in enumerate(jobs, 1):
        assert device.keep(task, f"{task}" + "z" * 60, job) == 0
    device.kill()
    device = node()
    found = []
    while sum(len(message.results) for message in found) < len(jobs):
        found.append(gateway.expect(m.Partials))
    assert [(message.number, message.job, len(message.results)) for message in found] == [
        (1, "a", 9),
        (10, "b", 3),
        (13, "a", 2),
    ]
    results = [result for message in found for result in message.results]
    assert [(one.task, one.data) for one in results] == [
        (task, f"{task}{'z' * 60}".encode()) for task in range(1, 15)
    ]
    gateway.ack((1, 4))  # a gateway that took only some of them
    gateway.acknowledge(found[2])
    gateway.expect(m.LeaseRequest, lambda request: request.backlog == 10)
    device.kill()
    device = node()
    again = gateway.expect(m.Partials, lambda message: message.boot == 3)
    assert (again.number, [one.task for one in again.results]) == (5, [5, 6, 7, 8, 9])


def test_a_result_that_has_rotted_is_in_no_message(node, gateway, tmp_path):
    """Those behind it keep their numbers, so that what is acknowledged is what was sent."""
    device = node(free_port())
    for task in range(1, 6):
        assert device.keep(task, f"result number {task}") == 0
    device.kill()
    flash = tmp_path / "flash"
    content = flash.read_bytes()
    assert content.count(b"result number 3") == 1
    flash.write_bytes(content.replace(b"result number 3", b"result\0number 3"))
    device = node()
    found = [gateway.expect(m.Partials) for _ in range(2)]
    assert [(one.number, [result.task for result in one.results]) for one in found] == [
        (1, [1, 2]),
        (4, [4, 5]),
    ]


def test_what_is_older_is_refused(node, gateway):
    device = node()
    gateway.term, gateway.epoch, gateway.lease = 5, 9, 4
    gateway.ready()
    gateway.say("map", m.Map(*gateway.head(), []))
    gateway.expect(m.LeaseRequest, lambda request: (request.epoch, request.lease) == (9, 4))
    for stale in (
        ("map", m.Map(5, 8, 4, [])),
        ("map", m.Map(4, 10, 4, [])),
        ("ack", m.Ack(4, 9, 4, [])),
        ("lease", m.Lease(5, 9, 3, 1, 1, 1000, 1000, False)),
        ("lease", m.Lease(5, 9, 4, 77, 1, 1000, 1000, False)),
    ):
        gateway.say(*stale)
    # They came before this probe, which is answered.
    gateway.say("lease", m.Probe(*gateway.head()))
    gateway.expect(m.LeaseRequest)
    assert device.counts()["stale"] >= 5
    device.kill()
    device = node()
    request = gateway.expect(m.LeaseRequest, lambda request: request.boot == 2)
    assert (request.epoch, request.lease) == (9, 4)
    gateway.say("map", m.Map(5, 8, 4, []))
    gateway.say("lease", m.Probe(*gateway.head()))
    gateway.expect(m.LeaseRequest, lambda request: request.epoch == 9 and request.number > 1)
    assert device.counts()["stale"] >= 1


def test_blocks_of_others_are_refused(node, gateway):
    node()
    gateway.ready()
    tasks = [m.Task("other", number, 0, 0, 100) for number in (3, 4)]
    gateway.say("task", m.Tasks(*gateway.head(), "query", b"plan", "data", tasks))
    results = []
    while len(results) < len(tasks):
        results += gateway.expect(m.Partials).results
    for task, result in zip(tasks, results, strict=True):
        assert (result.key, result.task, result.failed) == ("other", task.number, True)
        assert b"no stored blocks" in result.data
    gateway.say("task", m.SendBlocks(*gateway.head(), 12, [m.BlockRange("data", "k", 0, 3)]))
    assert gateway.expect(m.TransferFailed).transfer == 12
    gateway.say("block", m.Blocks(*gateway.head(), 13, False, [b"block"]))
    assert gateway.expect(m.TransferFailed).transfer == 13
    gateway.say("task", m.InventoryAsk(*gateway.head()))
    held = gateway.expect(m.Held)
    assert (held.inventory, held.more, held.streams) == (True, False, [])


def test_malformed_messages_are_counted(node, gateway):
    device = node()
    gateway.ready()
    random = Random(1)
    whole = encode(m.Map(*gateway.head(), []))
    for leaf in ("map", "task", "ack", "lease", "block"):
        gateway.send(leaf, random.randbytes(50))
        gateway.send(leaf, whole[:-1])
        gateway.send(leaf, bytes(3000))
    gateway.say("lease", m.Probe(*gateway.head()))
    gateway.expect(m.LeaseRequest)
    assert device.counts()["malformed"] == 10


def test_killed_at_any_time_loses_nothing(node, gateway):
    """Kept is kept: whatever the node said OK to arrives, however often it is killed."""
    random = Random(2)
    kept, heard, task = {}, {}, 0
    for _ in range(12):
        device = node()
        for _ in range(random.randrange(25)):
            text = f"result {task} " + "y" * random.randrange(100)
            if device.keep(task, text) == 0:
                kept[task] = text.encode()
            task += 1
            hear(gateway, heard, random.random())
        device.kill()
    device = node()
    while device.counts()["backlog"] or not gateway.heard.empty():
        hear(gateway, heard, timeout_s=20)
    assert set(kept) <= set(heard)
    assert all(heard[task] == data for task, data in kept.items())
    assert device.boot == 13


def hear(gateway, heard, chance=0.0, timeout_s=0.01):
    """Take what has come; acknowledge it, but for a chance of more than 0.8."""
    try:
        message = gateway.heard.get(timeout=timeout_s)
    except queue.Empty:
        return
    if isinstance(message, m.Partials):
        for result in message.results:
            assert heard.setdefault(result.task, result.data) == result.data
        if chance <= 0.8:
            gateway.acknowledge(message)
    elif isinstance(message, m.LeaseRequest):
        gateway.grant(message)


@pytest.mark.site
def test_joins_a_real_gateway(node, broker, gateway, tmp_path):
    """The gateway of a site takes it in as a device like any other."""
    site = ["--broker", broker.url, "--site", "lab"]
    state = ["--state", str(tmp_path / "state"), "--profile", "demo"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen([*ATOLL, "gateway", *site, *state], **pipes)
    try:
        device = node()
        gateway.expect(dict, lambda status: status["state"] == "ready", timeout_s=40)
        asked = subprocess.run([*ATOLL, "devices", "--json", *site], capture_output=True, text=True)
        (shown,) = json.loads(asked.stdout)
        assert (shown["id"], shown["state"], shown["zone"]) == (DEVICE, "ready", "bench")
        assert device.counts() == {"stale": 0, "malformed": 0, "unwanted": 0, "backlog": 0}
        device.kill()
        device = node()
        gateway.expect(
            dict, lambda status: (status["state"], status["boot"]) == ("ready", 2), timeout_s=40
        )
    finally:
        process.terminate()
        process.communicate(timeout=20)
