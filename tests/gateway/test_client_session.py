"""Whether anybody is there, and what becomes of open calls, over a real broker."""

import os
import signal
import threading
import time

import pytest

from atoll.gateway.client import connect
from atoll.gateway.client_errors import Closed, FleetError, TimedOut, Unreachable
from atoll.gateway.client_session import Session
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
