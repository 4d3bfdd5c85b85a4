"""Whether anybody is there, and what becomes of open calls, over a real broker."""

import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from atoll.gateway import client_session
from atoll.gateway.client import connect
from atoll.gateway.client_errors import Closed, FleetError, TimedOut, Unreachable
from atoll.gateway.client_session import Session
from atoll.transport.url import parse_broker
from atoll.wire.messages import Command

pytestmark = pytest.mark.broker


def silence(action):
    action()
    return []


def connected(scripted, **options):
    return connect(scripted.url, site=scripted.topics.site, **options)


def test_no_broker_is_known_at_once(free_port):
    started_s = time.monotonic()
    with pytest.raises(Unreachable, match="Connection refused"):
        connect(f"mqtt://127.0.0.1:{free_port}", site="demo", timeout_s=10)
    assert time.monotonic() - started_s < 3


def test_a_site_that_never_was(broker_url):
    with pytest.raises(Unreachable, match="no gateway has been seen for site 'nowhere'"):
        connect(broker_url, site="nowhere")


@pytest.mark.parametrize("state", ["lost", "stopped"])
def test_an_absent_gateway_is_known_at_once(scripted, state):
    scripted.status(state)
    started_s = time.monotonic()
    with pytest.raises(Unreachable, match=f"is {state}"):
        connected(scripted, timeout_s=10)
    assert time.monotonic() - started_s < 3


class HeldBack:
    """Between a client and a broker: what the broker says after its first words waits for `go`."""

    def __init__(self, url):
        self._broker = parse_broker(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self.holds, self.go = threading.Event(), threading.Event()
        self._sockets = [self._listener]
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self):
        client, _ = self._listener.accept()
        broker = socket.create_connection((self._broker.host, self._broker.port))
        self._sockets += [client, broker]
        self._threads.append(threading.Thread(target=self._pass, args=(client, broker)))
        self._threads[-1].start()
        client.sendall(broker.recv(4_096))
        held = broker.recv(4_096)
        self.holds.set()
        self.go.wait(20)
        with contextlib.suppress(OSError):  # the client had enough
            client.sendall(held)
            self._pass(broker, client)

    @staticmethod
    def _pass(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(4_096):
                sink.sendall(data)

    def close(self):
        self.go.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for each in self._threads:
            each.join()


@pytest.fixture
def held_back(scripted):
    relay = HeldBack(scripted.url)
    yield relay
    relay.close()


def test_a_slow_broker_is_waited_for(scripted, held_back, monkeypatch):
    monkeypatch.setattr(client_session, "_STATUS_WAIT_S", 0.05)
    after = threading.Timer(0.5, held_back.go.set)
    after.start()
    with connect(held_back.url, site=scripted.topics.site, timeout_s=10) as fleet:
        assert fleet is not None
    after.join()


def test_a_broker_that_stays_silent_is_not_taken_for_a_wrong_site(scripted, held_back):
    with pytest.raises(Unreachable, match="did not answer within 1 s"):
        connect(held_back.url, site=scripted.topics.site, timeout_s=1)
    assert held_back.holds.is_set()


def test_a_broker_that_refuses_a_subscription_is_named(denying_url):
    with pytest.raises(Unreachable, match=r"refuses this user the topics atoll/v1/demo/"):
        connect(denying_url, site="demo", timeout_s=10)


def test_bad_address_and_site():
    with pytest.raises(ValueError, match="mqtt"):
        connect("http://127.0.0.1", site="demo")
    with pytest.raises(ValueError, match="site"):
        connect("mqtt://127.0.0.1", site="a/b")


def test_silence_ends(scripted):
    scripted.answers = lambda message: []
    session = Session(scripted.url, site=scripted.topics.site, timeout_s=5)
    call = session.submit(lambda number: Command(number, "status", ""))
    with pytest.raises(TimedOut, match=r"within 0\.3 s"):
        list(session.replies(call, 0.3))
    session.close()


def test_a_new_gateway_is_asked_again(scripted):
    """What was asked of the old one is lost with it."""
    asked = threading.Event()
    scripted.answers = lambda message: silence(asked.set)
    with connected(scripted) as fleet:
        found = []
        thread = threading.Thread(target=lambda: found.append(fleet.status()))
        thread.start()
        assert asked.wait(5)
        scripted.answers = lambda message: [scripted.done(message, {"term": 2})]
        scripted.status("lost")
        scripted.status("ready", term=2)
        thread.join(5)
    assert found == [{"term": 2}]
    assert len(scripted.asked) == 2
    assert scripted.asked[0] == scripted.asked[1]


def test_a_gateway_that_connects_after_us_is_asked_again(scripted):
    """Both had lost the broker; what was asked before the gateway was back reached nobody."""
    asked = threading.Event()
    scripted.answers = lambda message: silence(asked.set)
    with connected(scripted) as fleet:
        found = []
        thread = threading.Thread(target=lambda: found.append(fleet.status()))
        thread.start()
        assert asked.wait(5)
        scripted.answers = lambda message: [scripted.done(message, {"term": 1})]
        scripted.status("ready")
        thread.join(5)
    assert found == [{"term": 1}]


def test_closing_ends_open_calls(scripted):
    asked = threading.Event()
    scripted.answers = lambda message: silence(asked.set)
    fleet = connected(scripted)
    errors = []

    def ask():
        try:
            fleet.status()
        except Closed as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(5)
    fleet.close()
    thread.join(5)
    assert len(errors) == 1
    fleet.close()
    with pytest.raises(Closed):
        fleet.status()


def test_a_forked_child_is_told(scripted):
    with connected(scripted) as fleet:
        child = os.fork()
        if child == 0:
            try:
                fleet.status()
            except FleetError as error:
                os._exit(0 if "connect anew" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert fleet.status() == {}


def test_ctrl_c_reaches_a_waiting_call(scripted):
    scripted.answers = lambda message: silence(lambda: os.kill(os.getpid(), signal.SIGINT))
    with connected(scripted) as fleet, pytest.raises(KeyboardInterrupt):
        fleet.status()


def test_a_large_answer(scripted):
    rows = [{"id": f"device-{n}", "note": "x" * 200} for n in range(2000)]
    scripted.answers = lambda message: [scripted.done(message, rows)]
    with connected(scripted) as fleet:
        assert fleet.devices() == rows
