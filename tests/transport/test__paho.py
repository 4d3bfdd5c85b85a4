"""The adapter: packets as paho 1.6 and 2.x write them, events as the link takes them."""

import socket

import pytest

from atoll.transport import _paho
from atoll.transport._paho import (
    MQTT5,
    MQTT311,
    Acknowledged,
    Connected,
    Connection,
    Received,
    Rejected,
    Subscribed,
)
from atoll.transport.buffered import READ_BYTES
from atoll.transport.port import Session, Will
from atoll.transport.url import Broker

SESSION = Session("client-1", Will("w", b"gone"), keepalive_s=7)
BROKER = Broker("h", 1, "user", "secret")


@pytest.fixture(params=[MQTT311, MQTT5], ids=["3.1.1", "5"])
def pair(request):
    """A connection and the broker's end of its socket."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5.0)
    connection = Connection(ours, BROKER, SESSION, request.param)
    connect = theirs.recv(4_096)
    yield connection, theirs, connect, request.param
    connection.close()
    theirs.close()


CONNACK = {MQTT311: b"\x20\x02\x00\x00", MQTT5: b"\x20\x06\x00\x00\x03\x21\x00\x09"}


def opened(pair):
    """The pair once the broker has accepted."""
    connection, theirs, _, protocol = pair
    theirs.sendall(CONNACK[protocol])
    connection.read()
    connection.events.clear()
    return connection, theirs


def test_connect_says_who_comes(pair):
    _, _, connect, protocol = pair
    assert connect[0] == 0x10
    at = connect.index(b"MQTT") + 4
    assert connect[at] == protocol
    assert connect[at + 1] == 0b1110_1110  # user, password, will retained at QoS 1, clean
    assert connect[at + 2 : at + 4] == b"\x00\x07"
    for text in (b"client-1", b"gone", b"user", b"secret"):
        assert text in connect


def test_events_in_their_order(pair):
    connection, theirs, _, protocol = pair
    properties = b"\x00" if protocol == MQTT5 else b""
    theirs.sendall(CONNACK[protocol])
    connection.read()
    assert connection.events.popleft() == Connected(9 if protocol == MQTT5 else 65_535)
    mid = connection.publish("t", b"x", 1, True)
    connection.flush()
    packet = theirs.recv(100)
    assert packet == bytes([0x33, 6 + len(properties)]) + b"\x00\x01t" + mid.to_bytes(2) + (
        properties + b"x"
    )
    theirs.sendall(b"\x40\x02" + mid.to_bytes(2))
    connection.read()
    assert connection.events.popleft() == Acknowledged(mid)
    theirs.sendall(bytes([0x31, 4 + len(properties)]) + b"\x00\x01t" + properties + b"y")
    connection.read()
    assert connection.events.popleft() == Received(b"t", b"y", True)
    assert not connection.events


def test_what_is_said_keeps_the_connection_alive(pair, monkeypatch):
    """paho alone would ping seven seconds after its last ping, whatever was said in between."""
    connection, theirs, _, protocol = pair
    clock = [1_000.0]
    monkeypatch.setattr(_paho.mqtt, "time_func", lambda: clock[0])
    monkeypatch.setattr(_paho, "monotonic", lambda: clock[0])
    properties = b"\x00" if protocol == MQTT5 else b""
    theirs.sendall(CONNACK[protocol])
    connection.read()
    for clock[0] in (1_005.0, 1_010.0, 1_015.0):
        connection.publish("t", b"x", 0, False)
        theirs.sendall(bytes([0x30, 4 + len(properties)]) + b"\x00\x01t" + properties + b"y")
        connection.read()
        connection.tick()
        connection.flush()
    said = theirs.recv(100)
    assert said == (bytes([0x30, 4 + len(properties)]) + b"\x00\x01t" + properties + b"x") * 3
    clock[0] = 1_022.5
    connection.tick()
    connection.flush()
    assert theirs.recv(100) == b"\xc0\x00"
    # Who hears nothing asks, whatever it says itself; and gives up where nothing answers.
    for clock[0] in (1_025.0, 1_030.0):
        connection.publish("t", b"x", 0, False)
        connection.flush()
    with pytest.raises(ConnectionError):
        connection.tick()


@pytest.mark.parametrize("granted", [True, False])
def test_the_answer_to_a_subscription_is_noted(pair, granted):
    connection, theirs = opened(pair)
    protocol = pair[3]
    mid = connection.subscribe("t/#")
    connection.flush()
    theirs.recv(100)
    properties = b"\x00" if protocol == MQTT5 else b""
    refusal = b"\x87" if protocol == MQTT5 else b"\x80"
    body = mid.to_bytes(2) + properties + (b"\x01" if granted else refusal)
    theirs.sendall(bytes([0x90, len(body)]) + body)
    connection.read()
    assert [*connection.events] == [Subscribed(mid, granted)]


@pytest.mark.parametrize("code", ["version", "password"])
def test_a_refusal_says_whether_it_is_the_version(pair, code):
    connection, theirs, _, protocol = pair
    number = {MQTT311: {"version": 1, "password": 4}, MQTT5: {"version": 0x84, "password": 0x86}}
    tail = b"\x00" if protocol == MQTT5 else b""
    body = b"\x00" + bytes([number[protocol][code]]) + tail
    theirs.sendall(bytes([0x20, len(body)]) + body)
    with pytest.raises(ConnectionError):
        connection.read()
    if protocol == MQTT311 and code == "version":
        return  # paho says no more than that the connection is over, which is enough
    event = connection.events.popleft()
    assert type(event) is Rejected
    assert event.version is (code == "version")
    assert event.reason


def test_the_end_of_the_connection_is_a_connection_error(pair):
    connection, theirs, _, _ = pair
    theirs.close()
    with pytest.raises(ConnectionError):
        connection.read()


def test_a_full_socket_leaves_something_to_write(pair):
    connection, theirs = opened(pair)
    assert not connection.wants_write
    for _ in range(50):
        connection.publish("t", bytes(60_000), 1, False)
    connection.flush()
    assert connection.wants_write
    received = 0
    while connection.wants_write:
        received += len(theirs.recv(1_000_000))
        connection.flush()
    while received < 50 * 60_000:
        received += len(theirs.recv(1_000_000))


def test_goodbye_is_a_disconnect(pair):
    connection, theirs = opened(pair)
    connection.disconnect()
    assert theirs.recv(100)[0] == 0xE0


def test_what_came_in_together_is_read_together_and_no_more_than_so_much(pair):
    connection, theirs = opened(pair)
    protocol = pair[3]
    properties = b"\x00" if protocol == MQTT5 else b""
    body = b"\x00\x01t" + properties + bytes(150)
    packet = bytes([0x30, 0x80 | len(body) & 0x7F, len(body) >> 7]) + body
    whole, _ = divmod(READ_BYTES, len(packet))
    theirs.sendall(packet * (whole + 5))
    connection.read()
    assert len(connection.events) == whole
    connection.read()
    assert len(connection.events) == whole + 5


def test_a_packet_larger_than_a_turn_takes_is_taken_whole(pair):
    connection, theirs = opened(pair)
    protocol = pair[3]
    properties = b"\x00" if protocol == MQTT5 else b""
    body = b"\x00\x01t" + properties + bytes(range(256)) * 255
    length = len(body)
    head = bytes([0x30, 0x80 | length & 0x7F, 0x80 | length >> 7 & 0x7F, length >> 14])
    theirs.sendall(head + body)
    turns = 0
    while not connection.events:
        connection.read()
        turns += 1
    assert connection.events.popleft().payload == bytes(range(256)) * 255
    assert turns == 2  # a first read, and all that was found to be missing


def test_what_a_turn_publishes_is_sent_by_one_call(pair, monkeypatch):
    connection, theirs = opened(pair)
    calls = []

    class Counting(socket.socket):
        def send(self, data, *flags):
            calls.append(len(data))
            return super().send(data, *flags)

    monkeypatch.setattr(connection._buffered, "_sock", Counting(fileno=connection._socket.detach()))
    for qos in (0, 1, 0, 1):
        connection.publish("t", b"x", qos, False)
    assert calls == []
    connection.flush()
    assert len(calls) == 1
    assert len(theirs.recv(1_000)) == calls[0]


def test_who_publishes_at_qos_0_is_told_nothing(pair):
    """paho would make two objects for each."""
    connection, _ = opened(pair)
    connection.publish("t", b"x", 0, False)
    connection.flush()
    assert not connection.events


def test_the_last_words_go_out_before_the_socket_closes(pair):
    connection, theirs = opened(pair)
    connection.publish("t", b"x", 0, False)
    connection.disconnect()
    said = theirs.recv(100)
    assert said[0] == 0x30
    assert said[-2] == 0xE0
