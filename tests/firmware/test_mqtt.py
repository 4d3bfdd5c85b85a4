"""The firmware's MQTT client: against a broker and a world of its own (native/mqtt_world.c), and
against mosquitto through a small shell (native/mqtt_host.c).
"""

import os
import queue
import signal
import socket
import subprocess
import threading

import paho.mqtt.client as paho
import pytest

from atoll.gateway.broker import BrokerChild, find_mosquitto

FAULTS = {
    "what was sent is not sent again": (
        "packet->state = ATOLL_MQTT_PACKET_WAITS;\n            packet->repeated",
        "packet->repeated",
    ),
    "a packet is dropped when it is sent": (
        "if (mqtt->packets[index].id == 0u) {",
        "if (mqtt->packets[index].id != UINT16_MAX) {",
    ),
    "half a packet goes on over a new connection": (
        "    mqtt->sent = 0;\n    mqtt->head = 0;",
        "    mqtt->head = 0;",
    ),
    "an old answer goes to a new connection": ("    mqtt->reply_count = 0;\n", ""),
    "an oversized message spoils the buffer": (
        "keep = mqtt->got < room ? room - mqtt->got : 0u;",
        "keep = room;",
    ),
    "no answer is waited for for ever": (
        "mqtt->heard_ms + ATOLL_MQTT_ANSWER_MS : UINT64_MAX",
        "UINT64_MAX : UINT64_MAX",
    ),
    "silence ends the connection": ("mqtt->ping_due = true;", "mqtt->ping_due = false;"),
}


def test_world(firmware):
    found = firmware.run("mqtt_world", "--lives", "3000", "--streams", "100000")
    assert found["broken"] == 0
    assert found["published"] == 3000 * 40
    for what in ("resent", "delivered", "sessions", "timeouts", "malformed", "oversized"):
        assert found[what] > 1000, what


@pytest.mark.slow  # with the other builds of spoilt code more than ten seconds
@pytest.mark.parametrize("name", FAULTS)
def test_world_finds(firmware, tmp_path, name):
    program = firmware.spoilt("mqtt_world", tmp_path, *FAULTS[name], sanitize=True)
    run = [program, "--lives", "300", "--streams", "20000"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0, done.stdout


# --- mosquitto ------------------------------------------------------------------------------------


class Host:
    """The shell around the client, and the lines that it prints."""

    def __init__(self, program, port, client, *words, keep_alive_s=10):
        command = [program, str(port), client, str(keep_alive_s), *words]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, bufsize=1, **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.split())

    def say(self, *words):
        print(*words, file=self.process.stdin)

    def expect(self, *words, timeout_s=20):
        """The next line that begins with these words; others are passed over."""
        while True:
            line = self.lines.get(timeout=timeout_s)
            if line[: len(words)] == list(words):
                return line

    def publish(self, *words):
        """Publish at QoS 1; while there is no room, when the broker has taken one before."""
        self.say("publish", 1, *words)
        while int(self.expect("taken")[1]) < 0:
            self.expect("published")
            self.say("publish", 1, *words)

    def end(self):
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors
        words = errors.split()
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))


class Peer:
    """paho at the other end; what it hears is in a queue."""

    def __init__(self, port, *filters):
        self.heard = queue.Queue()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _c, _u, message: self.heard.put(message)
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe([(one, 1) for one in filters])
        assert ready.wait(10)

    def expect(self, topic, timeout_s=20):
        while True:
            message = self.heard.get(timeout=timeout_s)
            if message.topic == topic:
                return message.payload.decode()

    def publish(self, *words, **options):
        self.client.publish(*words, **options).wait_for_publish(10)

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
def peer(broker):
    made = Peer(broker.port, "up/#", "will")
    yield made
    made.end()


@pytest.fixture
def host(firmware, broker):
    """Start shells; end them, and none may have refused anything."""
    started = []
    program = firmware.native("mqtt_host")

    def start(*words, **options):
        made = Host(program, broker.port, f"host-{len(started)}", *words, **options)
        started.append(made)
        return made

    yield start
    for made in started:
        counts = made.end()
        assert counts["malformed"] == 0
        assert counts["refused"] == 0


@pytest.mark.broker
def test_both_ways(host, peer):
    device = host()
    assert device.expect("connected") == ["connected", "0"]
    device.say("subscribe", 1, "down/#")
    assert device.expect("subscribed")[2] == "1"
    device.say("publish", 1, 0, "up/a", "at least once")
    device.expect("published")
    assert peer.expect("up/a") == "at least once"
    device.say("publish", 0, 0, "up/b", "at most once")
    assert peer.expect("up/b") == "at most once"
    peer.publish("down/x", b"\x00\xff", qos=1)
    line = device.expect("message")
    assert line[1] != "0"
    assert line[3:] == ["down/x", "00ff"]
    peer.publish("down/y", b"", qos=0)
    assert device.expect("message") == ["message", "0", "0", "down/y"]
    for number in range(200):
        device.publish(0, "up/many", number)
    device.publish(1, "up/last", "kept")
    assert peer.expect("up/last") == "kept"


@pytest.mark.broker
def test_session_survives_a_lost_connection(host, peer):
    device = host("slow")
    device.expect("connected", "0")
    device.say("subscribe", 1, "down/#")
    device.expect("subscribed")
    peer.publish("down/1", b"\x01", qos=1)
    first = device.expect("message")
    device.say("drop")
    device.expect("closed")
    device.say("publish", 1, 0, "up/away", "while away")
    assert int(device.expect("taken")[1]) > 0
    device.say("publish", 0, 0, "up/away", "never")
    assert int(device.expect("taken")[1]) == -3
    device.expect("connected", "1")
    assert peer.expect("up/away") == "while away"
    # It was not acknowledged, so it comes again, in its session.
    again = device.expect("message")
    assert again[3:] == first[3:]
    device.say("acknowledge", again[1])
    device.say("publish", 1, 0, "up/then", "")  # goes out behind the answer
    device.expect("published", device.expect("taken")[1])
    device.say("drop")
    device.expect("connected", "1")
    peer.publish("down/2", b"\x02", qos=1)
    assert device.expect("message")[3] == "down/2"


@pytest.mark.broker
def test_broker_killed(host, peer, broker):
    device = host()
    device.expect("connected")
    os.kill(broker.pid, signal.SIGKILL)
    device.expect("closed")
    for number in range(3):
        device.say("publish", 1, 0, "up/kept", number)
        assert int(device.expect("taken")[1]) > 0
    broker.stop()
    broker.start()
    listener = Peer(broker.port, "up/#")
    device.expect("connected", "0")
    assert [listener.expect("up/kept") for _ in range(3)] == ["0", "1", "2"]
    listener.end()


@pytest.mark.broker
def test_silence_is_kept_alive(host, peer, broker):
    """A client that pings outlives one that does not, though both say nothing."""
    device = host(keep_alive_s=1)
    device.expect("connected")
    silent = socket.create_connection(("127.0.0.1", broker.port))
    head = b"\x00\x04MQTT\x04\x06\x00\x01\x00\x06silent\x00\x04will\x00\x06silent"
    silent.sendall(bytes([0x10, len(head)]) + head)
    assert peer.expect("will") == "silent"
    device.say("publish", 1, 0, "up/alive", "still here")
    assert peer.expect("up/alive") == "still here"
    device.say("stop")
    device.expect("closed")
    assert device.lines.empty()
    silent.close()


@pytest.mark.broker
def test_stopped_process_leaves_its_will(host, peer):
    device = host(keep_alive_s=1)
    device.expect("connected")
    os.kill(device.process.pid, signal.SIGSTOP)
    try:
        assert peer.expect("will") == "gone"
    finally:
        os.kill(device.process.pid, signal.SIGCONT)
    device.expect("closed")
    device.expect("connected", "1")


@pytest.mark.broker
def test_goodbye_leaves_no_will(host, peer):
    device, other = host(), host()
    device.expect("connected")
    other.expect("connected")
    device.say("stop")
    device.expect("closed")
    other.process.kill()  # its will is the first that comes
    other.end = lambda: {"malformed": 0, "refused": 0}
    assert peer.expect("will") == "gone"
    assert peer.heard.empty()


@pytest.mark.broker
def test_oversized_message_is_passed_over(host, peer, broker):
    device = host()
    device.expect("connected")
    device.say("subscribe", 1, "down/#")
    device.expect("subscribed")
    peer.publish("down/large", bytes(2000), qos=1)
    peer.publish("down/small", b"\x07", qos=1)
    assert device.expect("message")[3:] == ["down/small", "07"]
    # It was answered: after a new connection it does not come again.
    device.say("drop")
    device.expect("connected", "1")
    peer.publish("down/end", b"", qos=1)
    assert device.expect("message")[3] == "down/end"


def test_refused(firmware):
    """A broker that does not want the client is asked again, later and later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        device = Host(firmware.native("mqtt_host"), server.getsockname()[1], "unwanted")
        for _ in range(3):
            connection, _ = server.accept()
            assert connection.recv(100)[:1] == b"\x10"
            connection.sendall(b"\x20\x02\x00\x05")
            device.expect("closed")
            connection.close()
        assert device.end()["refused"] == 3
