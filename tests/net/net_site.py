"""A site whose broker, gateway, devices and client are hosts of a `Lab`, each a real process."""

import os
import signal
import threading
import time

import numpy as np
from namespaces import Lab

from atoll.cli.site import LocalSite, wait_until
from atoll.gateway.broker import BrokerChild
from atoll.gateway.client_mail import Mail
from atoll.kernels import Plan
from atoll.wire.status import decode_event
from atoll.wire.topics import Topics

PLAN = "window 64 hop=1 | rms, kurtosis | quantiles 0.5"
PORT = 1883
FULL = os.environ.get("ATOLL_NET") == "full"  # repeated until the figures mean something


def streams_of(seed, count=400, samples=3_000):
    noise = np.random.default_rng(seed)
    return {f"s{n}": noise.integers(-99, 99, samples, dtype="i2") for n in range(count)}


class Events:
    """What the gateway says on its event topic, with the time at which it was heard here."""

    def __init__(self, site):
        self._changed = threading.Condition()
        self.heard = []
        self.mail = Mail(site.url, client_id=f"events-{os.getpid()}")
        self.mail.open(20)
        self.mail.subscribe(Topics(site.site).event, self._arrived)

    def _arrived(self, _topic, payload, _retained):
        with self._changed:
            self.heard.append((time.monotonic(), decode_event(payload)))
            self._changed.notify_all()

    def kinds(self, since_s=0.0):
        with self._changed:
            return [event["event"] for at_s, event in self.heard if at_s >= since_s]

    def wait(self, kind, since_s, timeout_s, **members):
        """When the first such event after `since_s` was heard."""

        def found():
            for at_s, event in self.heard:
                wanted = {"event": kind, **members}
                if at_s >= since_s and wanted.items() <= event.items():
                    return at_s
            return None

        with self._changed:
            assert self._changed.wait_for(found, timeout_s), (
                f"no {kind} {members} within {timeout_s} s; heard {self.heard[-8:]}"
            )
            return found()


class NetSite(LocalSite):
    """The processes of a LocalSite on hosts of their own; the broker is nobody's child."""

    def __init__(self, folder, *, profile="normal"):
        self.lab = Lab()
        address = self.lab.add("broker")
        self.lab.add("gateway")
        self.lab.add("client")
        super().__init__(folder, site="net", profile=profile, broker=f"mqtt://{address}:{PORT}")
        self._broker_child = BrokerChild(folder / "broker", listen=address, port=PORT)
        self.start_broker()
        self.events = None

    def start_broker(self):
        with self.lab.inside("broker"):
            self._broker_child.start()

    def kill_broker(self):
        os.kill(self._broker_child.pid, signal.SIGKILL)
        self._broker_child._process.wait()

    def start_gateway(self):
        with self.lab.inside("gateway"):
            return super().start_gateway()

    def start_device(self, name, sources=()):
        if name not in self.lab.addresses:
            self.lab.add(name)
        with self.lab.inside(name):
            return super().start_device(name, sources)

    def connect(self, timeout_s=40.0):
        with self.lab.inside("client"):
            return super().connect(timeout_s)

    def start(self, devices=4, sources=()):
        super().start(devices, sources)
        with self.lab.inside("client"):
            self.events = Events(self)

    def signal(self, name, number):
        """Send a signal; the time just before, since what follows may come before we go on."""
        child = self.gateway if name == "gateway" else self.devices[name]
        at_s = time.monotonic()
        os.kill(child.pid, number)
        return at_s

    def stop(self):
        if self.events is not None:
            self.events.mail.close()
        for child in [*self.devices.values(), self.gateway]:
            if child is not None and child.alive():
                os.kill(child.pid, signal.SIGCONT)
        for host in list(self.lab.addresses):
            self.lab.heal(host)
        super().stop()
        self._broker_child.stop()
        self.lab.close()

    def states(self, fleet):
        return {device["id"]: device["state"] for device in fleet.devices()}

    def wait_states(self, fleet, wanted, timeout_s=60.0):
        wait_until(lambda: self.states(fleet) == wanted, timeout_s, f"the states are {wanted}")

    def wait_whole(self, fleet, timeout_s=60.0):
        """Every shard with data has its copies, and nothing moves."""

        def whole():
            status = fleet.status()
            return not status["shards_short"] and not status["moving"]

        wait_until(whole, timeout_s, "every shard is whole")


class Query:
    """A query in a thread of its own; `begun` is set at the first partials."""

    def __init__(self, site, dataset="many", plan=PLAN):
        self.begun = threading.Event()
        self._found = []
        self._site, self._dataset, self._plan = site, dataset, plan
        self._fleet = site.connect_when_there(40.0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.begun.wait(60), self._found

    def _run(self):
        try:
            notice = lambda *_: self.begun.set()  # noqa: E731
            self._found.append(self._fleet.run(self._plan, over=self._dataset, progress=notice))
        except Exception as error:
            self._found.append(error)
        finally:
            self.begun.set()

    def result(self, streams, timeout_s=90.0):
        """The answer, which is whole and equals what one machine computes."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the query does not end"
        self._fleet.close()
        found = self._found[0]
        if isinstance(found, Exception):
            raise found
        assert found.complete, found.missing[:3]
        assert found.value == Plan(self._plan).run(streams)
        return found


def check_counters(fleet):
    """Nothing was counted twice or is missing."""
    counters = fleet.status()["counters"]
    assert [counters[name] for name in ("lost", "duplicated", "disagreed")] == [0, 0, 0]
    return counters
