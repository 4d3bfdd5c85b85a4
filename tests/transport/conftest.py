"""Real brokers on free loopback ports, and links that are closed at the end."""

import importlib.util
import sys
from pathlib import Path

import pytest

from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Session
from atoll.transport.url import parse_broker

sys.path.insert(0, str(Path(__file__).parent))  # device_end, by name

KINDS = [
    pytest.param("mosquitto", marks=pytest.mark.broker),
    pytest.param("iotcore", marks=pytest.mark.broker),
]


def skip_without(kind):
    there = find_mosquitto() if kind == "mosquitto" else importlib.util.find_spec("iotcore")
    if not there:
        pytest.skip(f"{kind} is not installed")


@pytest.fixture(params=KINDS)
def broker(request, tmp_path):
    """A broker of each kind."""
    skip_without(request.param)
    child = BrokerChild(tmp_path / "broker", kind=request.param)
    child.start()
    yield child
    child.stop()


@pytest.fixture
def mosquitto(tmp_path):
    """mosquitto."""
    skip_without("mosquitto")
    child = BrokerChild(tmp_path / "broker", kind="mosquitto")
    child.start()
    yield child
    child.stop()


@pytest.fixture
def loop():
    """A loop."""
    made = Loop()
    yield made
    made.close()


class Wire:
    """A link with what happened to it."""

    def __init__(self, loop, url, session):
        self.loop = loop
        self.link = Link(loop, [parse_broker(one) for one in url.split(",")], session)
        self.ups = 0
        self.downs = []
        self.messages = []
        self.link.on_up = self._up
        self.link.on_down = self.downs.append
        self.link.on_message = self.messages.append

    def _up(self):
        self.ups += 1

    def connect(self, *patterns):
        self.link.subscribe(*patterns)
        self.link.start()
        self.until(lambda: self.link.up)
        return self

    def until(self, condition, timeout_s=10.0):
        assert self.loop.run_until(condition, timeout_s), f"in vain; {self.downs[-3:]}"

    def payloads(self):
        return [message.payload for message in self.messages]


@pytest.fixture
def wire(loop):
    """Makes links; they are closed at the end."""
    made = []

    def make(url, client_id="a", **options):
        options.setdefault("backoff_max_s", 0.5)
        made.append(Wire(loop, url, Session(client_id, **options)))
        return made[-1]

    yield make
    for one in made:
        one.link.close(drain_s=0.0)
