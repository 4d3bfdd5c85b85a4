"""What tests of several packages stand on: a broker, a gateway that answers as a test says, a site.

All of it runs on loopback, on free ports, and is ended by its process id.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from atoll.cli.site import LocalSite
from atoll.gateway import broker as broker_module
from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.gateway.client_mail import Mail
from atoll.wire.codec import decode, encode, split
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.messages import DONE, FAILED, Reply
from atoll.wire.topics import Topics

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every process that a test sends it to.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def free_port():
    """A port on which nobody listens."""
    return unused_port()


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory):
    """A broker for the whole run; tests keep apart by the names of their sites."""
    child = BrokerChild(tmp_path_factory.mktemp("broker"), port=unused_port())
    child.start()
    yield child.url
    child.stop()


# mosquitto's own access lists deny what is read only when it comes; this plugin, and many other
# brokers, refuse the subscription.
_GRANTS = {
    "defaultACLAccess": {"publishClientSend": True, "publishClientReceive": True},
    "groups": [{"groupname": "all", "roles": []}],
    "anonymousGroup": "all",
}


@pytest.fixture
def denying_url(tmp_path, monkeypatch):
    """Of a broker that takes every client and refuses each subscription."""
    plugins = sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    if not plugins or not find_mosquitto():
        pytest.skip("mosquitto with its dynamic-security plugin is not installed")
    grants = tmp_path / "grants.json"
    grants.write_text(json.dumps(_GRANTS))
    extra = f"plugin {plugins[0]}\nplugin_opt_config_file {grants}\n"
    monkeypatch.setattr(broker_module, "_MOSQUITTO_CONF", broker_module._MOSQUITTO_CONF + extra)
    child = BrokerChild(tmp_path / "denying", kind="mosquitto", port=unused_port())
    child.start()
    yield child.url
    child.stop()


class ScriptedGateway:
    """Answers each request with the replies that `answers(message)` gives; notes what was asked."""

    def __init__(self, url, site):
        self.asked = []
        self.answers = lambda message: [self.done(message)]
        self.url = url
        self.topics = Topics(site)
        self.mail = Mail(url, client_id=f"scripted-{site}")
        self.mail.open(5)
        self.mail.subscribe(self.topics.all_requests, self._asked)

    def status(self, state, term=1):
        body = json.dumps({"state": state, "boot": term, "epoch": 1})
        self.retain(self.topics.gateway_status, body.encode())

    def retain(self, topic, payload):
        """Returns once the broker has it, except in an answer, whose thread must not wait."""
        came = threading.Event()

        def echoed(_topic, found, _retained):
            if found == payload:
                came.set()

        link = self.mail._link
        self.mail.subscribe(topic, echoed)
        self.mail._loop.post(lambda: link.publish(topic, payload, purpose="test", retain=True))
        if threading.current_thread() is not self.mail._thread:
            assert came.wait(10)
        self.mail.unsubscribe(echoed)

    def _asked(self, topic, payload, _retained):
        message = decode(payload)
        self.asked.append(message)
        reply_topic = topic.removesuffix("request") + "reply"
        for reply in self.answers(message):
            for part in split(encode(reply), bytes(16), MESSAGE_BYTES_MAX):
                self.mail.publish(reply_topic, part)

    def close(self):
        self.mail.close()

    @staticmethod
    def done(message, body=None, blob=b""):
        return Reply(message.request, DONE, json.dumps({} if body is None else body), blob)

    @staticmethod
    def failed(message, text):
        return Reply(message.request, FAILED, json.dumps({"error": text}), b"")


@pytest.fixture
def scripted(broker_url):
    """A scripted gateway that is ready, on a site of its own."""
    gateway = ScriptedGateway(broker_url, f"t{os.urandom(4).hex()}")
    gateway.status("ready")
    yield gateway
    gateway.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A gateway with its own broker and three devices, for the whole run. Leave it as it was."""
    with LocalSite(tmp_path_factory.mktemp("site"), site="tests") as found:
        found.start(3, sources=["machine=proc:20hz"])
        yield found


@pytest.fixture
def new_site(tmp_path):
    """A site that a test may break: nothing runs on it yet."""
    with LocalSite(tmp_path / "site", site="tests") as found:
        yield found


@pytest.fixture
def atoll(tmp_path):
    """Run the command as a person would, in an empty folder: `atoll("run", ..., code=1)`."""

    def run(*words, code=0, timeout_s=60.0, **environment):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "atoll.cli", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": "100", **environment},
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run


@pytest.fixture
def on_site(atoll, site):
    """The same, told where the session's site is."""

    def run(*words, **options):
        return atoll(*words, ATOLL_BROKER=site.url, ATOLL_SITE=site.site, **options)

    return run
