"""The link against real brokers: deaths, back-pressure, versions, wills, keep-alive."""

import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from atoll.gateway import broker as broker_module
from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.transport import link as link_module
from atoll.transport.buffered import READ_BYTES
from atoll.transport.link import QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, Link, refusals_to
from atoll.transport.port import Count, Session, Will
from atoll.transport.url import Broker, parse_broker


def test_messages_arrive_in_order_and_are_counted(broker, wire):
    one = wire(broker.url).connect("t/+/x")
    for n in range(500):
        assert one.link.publish("t/a/x", b"%d" % n, purpose="test")
    one.until(lambda: len(one.messages) == 500)
    assert one.payloads() == [b"%d" % n for n in range(500)]
    one.until(lambda: one.link.queued == 0)
    assert one.link.counts.sent == {"test": Count(500, 1390)}
    assert one.link.counts.received == {"x": Count(500, 1390)}


def test_more_than_a_turn_takes_is_said_before_it_is_given_out(mosquitto, wire):
    one, seen = wire(mosquitto.url).connect("t/#"), []
    one.link.on_behind = lambda behind: seen.append((behind, len(one.messages)))
    for n in range(15):
        assert one.link.publish(f"t/{n}", bytes(60_000), purpose="test")
    one.until(lambda: len(one.messages) == 15 and seen and not seen[-1][0])
    assert seen[0] == (True, 0)
    assert [behind for behind, _ in seen] == [True, False] * (len(seen) // 2)


def test_a_turn_that_was_just_full_is_not_taken_for_more(loop, wire):
    """Nothing comes in afterwards that would wake the link to see it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one, seen = wire(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), []
        one.link.on_behind = seen.append
        one.link.start()
        theirs, _ = server.accept()
        with theirs:
            theirs.sendall(b"\x20\x06\x00\x00\x03\x21\x00\x09")
            one.until(lambda: one.link.up)
            head = b"\x30\xfd\x7f\x00\x01t\x00"
            theirs.sendall(head + bytes(READ_BYTES - len(head)))
            one.until(lambda: one.messages)
            assert seen == []


def test_the_largest_message_passes(broker, wire):
    one = wire(broker.url).connect("t/#")
    one.link.publish("t/" + "x" * 200, bytes(65_536), purpose="test")
    one.until(lambda: one.messages)
    assert one.payloads() == [bytes(65_536)]


def test_the_version_falls_back(broker, wire):
    one = wire(broker.url).connect()
    assert one.link.protocol == {"mosquitto": 5, "iotcore": 4}[broker.kind]


def test_a_killed_broker_is_found_again_with_subscriptions_and_backlog(broker, wire):
    one = wire(broker.url).connect("t/#")
    for round_number in range(2):
        os.kill(broker.pid, signal.SIGKILL)
        one.until(lambda: not one.link.up)
        for n in range(100):
            assert one.link.publish("t/x", b"%d" % n, purpose="test")
        assert not one.link.publish("t/x", b"now or never", purpose="test", qos=0)
        _revive(broker)
        one.until(lambda: len(one.messages) >= 100, 20.0)
        assert one.payloads()[:100] == [b"%d" % n for n in range(100)]
        one.until(lambda: one.link.queued == 0)
        one.messages.clear()
        assert one.ups == round_number + 2


def test_the_broker_answers_each_pattern_after_each_connection(broker, wire):
    one = wire(broker.url)
    answers = []
    one.link.on_subscribed = lambda *answer: answers.append(answer)
    one.connect("t/#", "u")
    one.until(lambda: len(answers) == 2)
    one.link.subscribe("u", "v")
    one.until(lambda: len(answers) == 3)
    os.kill(broker.pid, signal.SIGKILL)
    one.until(lambda: not one.link.up)
    _revive(broker)
    one.until(lambda: len(answers) == 6, 20.0)
    assert answers == [(pattern, True) for pattern in ["t/#", "u", "v"] * 2]


def test_a_refused_subscription_is_said(denying_url, wire):
    one, said = wire(denying_url), []
    one.link.on_subscribed = refusals_to(said.append)
    one.connect("t/#")
    one.until(lambda: said)
    assert said == ["the broker refuses this user the topics t/#: see its access list"]


def _revive(child):
    child._process.wait()
    child._process = None
    child._wanted_port = child.port
    child.start()


def test_a_socket_that_paho_has_closed_is_not_watched_again(mosquitto, wire, monkeypatch):
    one = wire(mosquitto.url).connect("t/#")
    connection = one.link._connection

    def end():
        connection._socket.close()
        raise ConnectionError("the connection was lost")

    # Something waits to be written, so that what is watched would have to change.
    monkeypatch.setattr(type(connection), "wants_write", True)
    monkeypatch.setattr(connection, "read", end)
    one.link._readable()
    assert not one.link.up


def test_nothing_accepted_is_lost_when_the_broker_dies_in_mid_stream(broker, wire):
    """Each accepted message is delivered at least once to a subscriber on the same link.

    A message that the dead broker had acknowledged and not delivered is the broker's loss, which is
    why results have acknowledgements of their own; what it had not acknowledged comes again.
    """
    one = wire(broker.url).connect("t/#")
    for n in range(300):
        assert one.link.publish("t/x", b"%d" % n, purpose="test")
    one.until(lambda: len(one.messages) > 20)
    os.kill(broker.pid, signal.SIGKILL)
    one.until(lambda: not one.link.up)
    unacknowledged = one.link.queued
    assert unacknowledged > 0
    one.messages.clear()
    _revive(broker)
    one.until(lambda: one.link.queued == 0 and b"299" in one.payloads(), 20.0)
    wanted = [b"%d" % n for n in range(300 - unacknowledged, 300)]
    assert one.payloads() == wanted


def test_the_queue_is_bounded_and_says_when_there_is_room(mosquitto, wire):
    one = wire(mosquitto.url)
    writable = []
    one.link.on_writable = lambda: writable.append(one.link.queued)
    for _ in range(QUEUE_MESSAGES_MAX):
        assert one.link.publish("t", b"", purpose="test")
    assert not one.link.publish("t", b"", purpose="test")
    one.connect()
    one.until(lambda: writable)
    assert writable[0] <= QUEUE_MESSAGES_MAX // 2
    one.until(lambda: one.link.queued == 0)
    assert len(writable) == 1
    assert one.link.publish("t", b"", purpose="test")


def test_the_queue_is_bounded_in_bytes(mosquitto, wire):
    one = wire(mosquitto.url)
    count = QUEUE_BYTES_MAX // 65_536
    for _ in range(count):
        assert one.link.publish("t", bytes(65_536), purpose="test")
    assert not one.link.publish("t", b"x", purpose="test")
    one.connect()
    one.until(lambda: one.link.queued == 0)
    assert one.link.counts.sent["test"] == Count(count, QUEUE_BYTES_MAX)


def test_qos_0_goes_past_the_queue(mosquitto, wire):
    one = wire(mosquitto.url).connect("t/#")
    for _ in range(60):
        one.link.publish("t/bulk", bytes(60_000), purpose="bulk")
    assert one.link.queued > 40
    assert one.link.publish("t/now", b"", purpose="lease", qos=0)
    one.until(lambda: any(message.topic == "t/now" for message in one.messages))
    assert one.link.queued > 0


def test_a_will_is_published_for_the_dead_and_not_for_those_who_say_goodbye(broker, wire):
    watcher = wire(broker.url, "watcher").connect("will/#")
    leaver = wire(broker.url, "leaver", will=Will("will/leaver", b"gone")).connect()
    victim = wire(broker.url, "victim", will=Will("will/victim", b"gone")).connect()
    closed = []
    leaver.link.close(lambda: closed.append(True))
    assert closed
    # Cut without a DISCONNECT.
    victim.link._connection._socket.shutdown(socket.SHUT_RDWR)
    watcher.until(lambda: watcher.messages)
    assert [message.topic for message in watcher.messages] == ["will/victim"]


def test_closing_drains_what_is_queued(broker, wire):
    watcher = wire(broker.url, "watcher").connect("t/#")
    one = wire(broker.url, "leaver").connect()
    for n in range(200):
        one.link.publish("t/x", b"%d" % n, purpose="test")
    closed = []
    one.link.close(lambda: closed.append(one.link.queued), drain_s=5.0)
    one.until(lambda: closed)
    assert closed == [0]
    watcher.until(lambda: len(watcher.messages) == 200)


def test_closing_gives_up_after_a_while(wire, loop):
    one = wire("mqtt://127.0.0.1:1")
    one.link.publish("t", b"", purpose="test")
    one.link.start()
    one.until(lambda: one.downs)
    closed = []
    one.link.close(lambda: closed.append(True), drain_s=5.0)
    assert closed
    assert not one.link.up


def test_the_list_of_brokers_is_tried_in_turn(mosquitto, wire):
    one = wire(f"mqtt://127.0.0.1:1,{mosquitto.url}").connect()
    assert one.link.broker.port == mosquitto.port
    assert one.downs[0] == "mqtt://127.0.0.1:1: Connection refused"


def test_a_broker_that_takes_no_session_is_left_for_the_next(mosquitto, wire):
    fake = FakeBroker(b"", b"")
    one = wire(f"{fake.url},{mosquitto.url}").connect()
    assert fake.versions == [5, 4]
    assert one.link.broker.port == mosquitto.port


def test_an_unknown_host_is_a_reason_and_no_crash(wire):
    one = wire("mqtt://no-such-host.invalid")
    one.link.start()
    one.until(lambda: one.downs)
    assert one.downs[0].startswith("mqtt://no-such-host.invalid:1883: ")


def test_publishing_inside_callbacks_keeps_the_order(mosquitto, wire):
    """A handler that publishes must not be entered again before it returns."""
    one = wire(mosquitto.url)
    depth, seen = [0], []

    def on_message(message):
        depth[0] += 1
        assert depth[0] == 1
        seen.append(int(message.payload))
        if seen[-1] < 300:
            one.link.publish("t/x", b"%d" % (seen[-1] + 3), purpose="test")
            one.link.publish("t/y", b"", purpose="test", qos=0)
        depth[0] -= 1

    one.link.on_message = on_message
    one.connect("t/x")
    for n in range(3):
        one.link.publish("t/x", b"%d" % n, purpose="test")
    one.until(lambda: len(seen) >= 303)
    assert seen == [*range(303)]


def test_a_silent_broker_is_given_up(wire, monkeypatch):
    """It takes the connection and says nothing: no CONNACK, then no answer to a ping."""
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = wire(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        one.link.start()
        one.until(lambda: len(one.downs) >= 2)
        assert all("no CONNACK came" in reason for reason in one.downs)
        assert not one.link.up


class FakeBroker(threading.Thread):
    """Accepts one connection after another and answers each with the next script of bytes."""

    def __init__(self, *scripts):
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.scripts = scripts
        self.versions = []
        self.start()

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.server.getsockname()[1]}"

    def run(self):
        for script in self.scripts:
            connection, _ = self.server.accept()
            with connection:
                packet = connection.recv(4_096)
                self.versions.append(packet[packet.index(b"MQTT") + 4])
                connection.sendall(script)
                while script and connection.recv(4_096):
                    pass


CONNACK_311 = b"\x20\x02\x00\x00"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x30\x05\x00\x02\xff\xfe\x00",  # a topic that is no UTF-8
        b"\x30\x03\x00\xff\x00",  # a topic longer than the packet
        b"\x40\x01\x00",  # half a packet number
        b"\x90\x00",  # a SUBACK of nothing
        b"\xf0\x00",  # a packet type that is none
        b"\x30\xff\xff\xff\xff\xff",  # a length without end
        b"\x20\x02\x00\x00",  # a second CONNACK
    ],
)
def test_a_broker_that_talks_nonsense_never_stops_the_process(garbage, wire):
    fake = FakeBroker(b"", CONNACK_311 + garbage, b"", CONNACK_311, CONNACK_311)
    one = wire(fake.url)
    one.link.start()
    one.until(lambda: one.ups >= 1)
    one.loop.run_until(lambda: one.ups >= 2, 1.0)
    assert one.link.up or one.downs


def test_versions_alternate_until_one_is_taken(wire):
    fake = FakeBroker(b"", CONNACK_311, b"", b"\x20\x02\x00\x01", CONNACK_311)
    one = wire(fake.url)
    one.link.start()
    one.until(lambda: one.link.up)
    assert fake.versions == [5, 4]


def test_a_refused_password_is_a_reason_and_keeps_the_version(wire):
    fake = FakeBroker(*[b"\x20\x03\x00\x87\x00"] * 3)
    one = wire(fake.url)
    one.link.start()
    one.until(lambda: len(one.downs) >= 2)
    assert "uthori" in one.downs[0]
    assert fake.versions[:2] == [5, 5]


def test_keep_alive_notices_a_broker_that_hangs(wire):
    fake = FakeBroker(b"", CONNACK_311, b"")
    one = wire(fake.url, keepalive_s=1)
    one.link.start()
    one.until(lambda: one.link.up)
    one.until(lambda: not one.link.up, 5.0)
    assert "keep-alive" in one.downs[-1] or "lost" in one.downs[-1]


def test_a_link_costs_nothing_before_it_is_started(loop):
    link = Link(loop, [Broker("127.0.0.1", 1)], Session("a"))
    assert not link.up
    assert link.queued == 0
    link.close()
    assert parse_broker("127.0.0.1:1") == Broker("127.0.0.1", 1)


@pytest.fixture
def tls_port(tmp_path, monkeypatch):
    """mosquitto behind TLS, with a certificate for localhost that this process trusts."""
    if not (find_mosquitto() and shutil.which("openssl")):
        pytest.skip("mosquitto or openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    conf = broker_module._MOSQUITTO_CONF.replace(
        "listener {port} {listen}\n",
        f"listener {{port}} {{listen}}\ncertfile {certificate}\nkeyfile {key}\n",
    )
    monkeypatch.setattr(broker_module, "_MOSQUITTO_CONF", conf)
    child = BrokerChild(tmp_path / "broker", kind="mosquitto")
    child.start()
    yield child.port
    child.stop()


@pytest.mark.broker
def test_tls_with_more_in_one_record_than_the_socket_shows(tls_port, wire):
    """paho was imported with a stand-in for ssl: it must have got the real one by now."""
    one = wire(f"mqtts://localhost:{tls_port}").connect("t/#")
    for n in range(100):
        one.link.publish("t/x", bytes(10_000) + b"%d" % n, purpose="test")
    one.until(lambda: len(one.messages) == 100 and one.link.queued == 0)
    assert [payload[10_000:] for payload in one.payloads()] == [b"%d" % n for n in range(100)]


@pytest.mark.broker
def test_tls_refuses_whom_it_does_not_know(tls_port, wire):
    one = wire(f"mqtts://127.0.0.1:{tls_port}")
    one.link.start()
    one.until(lambda: one.downs)
    assert "ertificate" in one.downs[0] or "CERTIFICATE" in one.downs[0]
    assert not one.link.up
