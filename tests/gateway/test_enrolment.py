"""Enrolment: tokens, roles, files; and the access list against a real mosquitto, role by topic."""

import json
import os
import stat

import pytest

from atoll.gateway.broker import BrokerChild, find_mosquitto, reload_broker
from atoll.gateway.enrolment import (
    TOKEN_MS,
    Enrolment,
    check_listen,
    is_loopback,
)
from atoll.gateway.errors import ConfigError, GatewayError
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Session, Will
from atoll.transport.url import Broker
from atoll.wire.credential import make_verifier, matches_verifier
from atoll.wire.topics import Topics

T = Topics("demo")
SALT = bytes(12)


@pytest.fixture
def enrolment(tmp_path):
    return Enrolment(tmp_path / "access", "demo")


def test_a_token_is_exchanged_once_and_then_dead(enrolment):
    token = enrolment.enroll_device("d1", 1_000)
    assert len(bytes.fromhex(token)) == 16
    entry = enrolment.entries()["d1"]
    assert (entry.role, entry.expires_ms) == ("pending", 1_000 + TOKEN_MS)
    assert matches_verifier(token, entry.verifier)
    mine = make_verifier("my own secret", SALT)
    assert enrolment.exchange("d1", mine, 2_000)
    assert enrolment.entries()["d1"] == ("device", mine, 0)
    assert not enrolment.exchange("d1", make_verifier("another", SALT), 3_000)
    assert enrolment.entries()["d1"].verifier == mine


def test_a_token_dies_of_age(enrolment):
    enrolment.enroll_device("d1", 0)
    enrolment.enroll_device("d2", 10)
    mine = make_verifier("s", SALT)
    assert not enrolment.exchange("d1", mine, TOKEN_MS)
    assert enrolment.expire(TOKEN_MS) == ["d1"]
    assert [*enrolment.entries()] == ["d2"]
    assert "d1" not in enrolment.access.passwords.read_text()
    assert enrolment.exchange("d2", mine, TOKEN_MS + 9)
    assert enrolment.expire(10 * TOKEN_MS) == []


def test_only_a_verifier_is_taken_for_one(enrolment):
    enrolment.enroll_device("d1", 0)
    for text in ("", "secret", "$7$1$x$y", make_verifier("s", SALT) + "\ngateway:x"):
        assert not enrolment.exchange("d1", text, 1)
    assert not enrolment.exchange("d2", make_verifier("s", SALT), 1)


def test_a_new_token_voids_the_old_secret(enrolment):
    enrolment.enroll_device("d1", 0)
    enrolment.exchange("d1", make_verifier("s", SALT), 1)
    token = enrolment.enroll_device("d1", 2)
    assert enrolment.entries()["d1"].role == "pending"
    assert matches_verifier(token, enrolment.entries()["d1"].verifier)


def test_an_id_has_one_role(enrolment):
    enrolment.enroll_device("x", 0)
    with pytest.raises(GatewayError, match="'x' is a pending already"):
        enrolment.enroll_client("x")
    enrolment.exchange("x", make_verifier("s", SALT), 1)
    with pytest.raises(GatewayError, match="'x' is a device already"):
        enrolment.enroll_client("x")
    enrolment.enroll_client("y")
    with pytest.raises(GatewayError, match="'y' is a client already"):
        enrolment.enroll_device("y", 0)
    assert enrolment.forget("y")
    assert not enrolment.forget("y")
    enrolment.enroll_device("y", 0)
    for enrol in (enrolment.enroll_client, lambda name: enrolment.enroll_device(name, 0)):
        with pytest.raises(GatewayError, match="gateway's own"):
            enrol("gateway")
    enrolment.gateway_secret()
    assert not enrolment.forget("gateway")


@pytest.mark.parametrize(
    "name", ["", "+", "#", "a/b", "a#", "a:b", "a b", "a\nb", "a\0", "%u", "ü"]
)
def test_ids_that_could_reach_other_topics_are_refused(enrolment, name):
    with pytest.raises(GatewayError, match="characters"):
        enrolment.enroll_device(name, 0)
    with pytest.raises(GatewayError, match="characters"):
        enrolment.enroll_client(name)
    assert not enrolment.exists


def test_the_files(enrolment, tmp_path):
    token = enrolment.enroll_device("d1", 0)
    secret = enrolment.enroll_client("c1")
    own = enrolment.gateway_secret()
    assert enrolment.gateway_secret() == own
    directory = tmp_path / "access"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in os.listdir(directory):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name
        text = (directory / name).read_text()
        assert token not in text
        assert secret not in text
        assert (own in text) is (name == "gateway.secret")
    enrolment.exchange("d1", make_verifier("s", SALT), 1)
    acl = enrolment.access.acl.read_text()
    assert (
        "user d1\ntopic write atoll/v1/demo/device/d1/up/#\n"
        "topic read atoll/v1/demo/device/d1/down/#\n"
    ) in acl
    passwords = enrolment.access.passwords.read_text().splitlines()
    assert [line.split(":")[0] for line in passwords] == ["c1", "d1", "gateway"]
    assert all(line.split(":")[1].startswith("$7$") for line in passwords)


def test_the_files_follow_from_the_record(enrolment):
    enrolment.enroll_device("d1", 0)
    acl, passwords = (path.read_bytes() for path in reversed(enrolment.access))
    enrolment.access.acl.unlink()
    enrolment.access.passwords.write_text("")
    enrolment.refresh()
    assert (enrolment.access.acl.read_bytes(), enrolment.access.passwords.read_bytes()) == (
        acl,
        passwords,
    )


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b"[]",
        b'{"version":2,"users":{}}',
        b'{"version":1,"users":{"d1":{"role":"device","verifier":"x","expires_ms":0}}}',
        b'{"version":1,"users":{"d1":{}}}',
        b'{"version":1,"users":[]}',
    ],
)
def test_a_damaged_record_is_said_and_not_overwritten(enrolment, tmp_path, record):
    path = tmp_path / "access" / "enrolment.json"
    path.parent.mkdir()
    path.write_bytes(record)
    with pytest.raises(GatewayError, match=r"enrolment\.json"):
        enrolment.enroll_device("d1", 0)
    assert path.read_bytes() == record


def test_a_record_cannot_smuggle_roles_or_lines(enrolment, tmp_path):
    enrolment.enroll_device("d1", 0)
    path = tmp_path / "access" / "enrolment.json"
    tree = json.loads(path.read_bytes())
    for name, role in (
        ("d1", "root"),
        ("gateway", "device"),
        ("a\nb", "device"),
    ):
        users = {name: tree["users"]["d1"] | {"role": role}}
        path.write_text(json.dumps({"version": 1, "users": users}))
        with pytest.raises(GatewayError):
            enrolment.entries()


def test_listening_beyond_loopback_needs_enrolment(enrolment):
    for address in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert is_loopback(address)
        check_listen(address, enrolment)
    enrolment.gateway_secret()
    for address in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""):
        assert not is_loopback(address)
        with pytest.raises(ConfigError, match="nobody is enrolled: `atoll enroll ID`"):
            check_listen(address, enrolment)
    enrolment.enroll_device("d1", 0)
    check_listen("0.0.0.0", enrolment)


# --- against mosquitto -------------------------------------------------------------------------


class Site:
    """mosquitto with our access files, and sessions as any user."""

    def __init__(self, tmp_path, enrolment):
        self.loop = Loop()
        self.enrolment = enrolment
        self.directory = tmp_path / "broker"
        self.child = BrokerChild(self.directory, kind="mosquitto", access=enrolment.access)
        self.child.start()
        self.links = []

    def session(self, user, password, will=None):
        """A link as `user`, started; its inbox and its problems."""
        broker = Broker("127.0.0.1", self.child.port, user, password)
        session = Session(f"{user}-session", will, backoff_max_s=0.3)
        link = Link(self.loop, [broker], session)
        link.inbox, link.problems = [], []
        link.on_message, link.on_down = link.inbox.append, link.problems.append
        link.start()
        self.links.append(link)
        return link

    def comes_in(self, link):
        """Whether the link gets a session; refused ones are told so."""
        self.loop.run_until(lambda: link.up or link.problems, 10.0)
        return link.up

    def close(self):
        for link in self.links:
            link.close(drain_s=0.0)
        self.child.stop()
        self.loop.close()


@pytest.fixture
def site(tmp_path, enrolment):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    enrolment.gateway_secret()
    made = Site(tmp_path, enrolment)
    yield made
    made.close()


TOPICS = {
    "d1 status": T.up("d1", "status"),
    "d1 lease": T.up("d1", "lease"),
    "d1 partial": T.up("d1", "partial"),
    "d1 told lease": T.down("d1", "lease"),
    "d1 told task": T.down("d1", "task"),
    "d2 status": T.up("d2", "status"),
    "d2 health": T.up("d2", "health"),
    "d2 partial": T.up("d2", "partial"),
    "d2 told map": T.down("d2", "map"),
    "c1 request": T.request("c1"),
    "c1 reply": T.reply("c1"),
    "c2 request": T.request("c2"),
    "c2 reply": T.reply("c2"),
    "result": T.result("j"),
    "event": T.event,
    "gateway": T.gateway_status,
    "lead": T.lead,
    "ledger": T.ledger,
    "standby": T.standby,
    "other site": "atoll/v1/other/event",
    "other": "home/light",
}

READS_ALL = {"result", "event", "gateway", "d1 status", "d2 status", "d2 health"}
ALL = {name for name in TOPICS if not name.startswith("other")}
# Who may write, who may read.
MATRIX = {
    "gateway": (ALL, ALL),
    "gateway-b": (ALL, ALL),
    "d1": ({"d1 status", "d1 lease", "d1 partial"}, {"d1 told lease", "d1 told task"}),
    "d2": ({"d2 status", "d2 health", "d2 partial"}, {"d2 told map"}),
    "pending": (set(), set()),
    "c1": ({"c1 request"}, {"c1 reply"} | READS_ALL),
    "c2": ({"c2 request"}, {"c2 reply"} | READS_ALL),
}


@pytest.mark.broker
def test_every_role_against_every_topic(site):
    """All users subscribe to each topic by name and by `#`; all users write all topics."""
    enrolment = site.enrolment
    passwords = {"gateway": enrolment.gateway_secret()}
    passwords["gateway-b"] = enrolment.enroll_gateway("gateway-b")
    for device in ("d1", "d2"):
        enrolment.enroll_device(device, 0)
        enrolment.exchange(device, make_verifier(f"secret of {device}", SALT), 1)
        passwords[device] = f"secret of {device}"
    passwords["pending"] = enrolment.enroll_device("pending", 0)
    for client in ("c1", "c2"):
        passwords[client] = enrolment.enroll_client(client)
    assert reload_broker(site.directory)
    links = {user: site.session(user, password) for user, password in passwords.items()}
    for user, link in links.items():
        link.subscribe("#", *TOPICS.values())
        assert site.comes_in(link), (user, link.problems)
    for user, link in links.items():
        for topic in TOPICS.values():
            link.publish(topic, user.encode(), purpose="test")
    assert site.loop.run_until(lambda: all(not link.queued for link in links.values()), 20.0)
    # The gateway's own messages come last: what is still under way comes before them.
    for link in links.values():
        link.inbox.append(None)
    links["gateway"].publish(T.result("end"), b"end", purpose="test")
    links["gateway"].publish(T.down("d1", "ack"), b"end", purpose="test")
    links["gateway"].publish(T.down("d2", "ack"), b"end", purpose="test")
    ends = [link for user, link in links.items() if user != "pending"]
    assert site.loop.run_until(
        lambda: all(link.inbox[-1] and link.inbox[-1].payload == b"end" for link in ends), 20.0
    )
    names = {topic: name for name, topic in TOPICS.items()}
    for reader, link in links.items():
        seen = {(m.payload.decode(), names[m.topic]) for m in link.inbox if m and m.topic in names}
        wanted = {
            (writer, topic)
            for writer, (writes, _) in MATRIX.items()
            for topic in writes & MATRIX[reader][1]
        }
        if reader == "pending":
            wanted = set()
        assert seen == wanted, reader


@pytest.mark.broker
def test_strangers_and_wrong_passwords_stay_outside(site):
    token = site.enrolment.enroll_device("d1", 0)
    reload_broker(site.directory)
    for user, password in (("", ""), ("d1", "wrong"), ("d2", token), ("d1", ""), ("gateway", "")):
        link = site.session(user, password)
        assert not site.comes_in(link)
        assert "uthori" in link.problems[0] or "refused" in link.problems[0]


@pytest.mark.broker
def test_the_life_of_a_token_on_the_wire(site):
    """In with the token, heard on its lease topics only; verifier sent; in with the secret."""
    enrolment = site.enrolment
    gateway = site.session("gateway", enrolment.gateway_secret())
    gateway.subscribe(T.all_up)
    assert site.comes_in(gateway)
    token = enrolment.enroll_device("d1", 0)
    reload_broker(site.directory)
    # A device always comes with its will: it must not be turned away for it, nor get it through.
    will = Will(T.up("d1", "status"), b"lost")
    link = site.session("d1", token, will)
    assert site.comes_in(link)
    secret = "made on the device"
    link.publish(T.up("d1", "partial"), b"", purpose="test")
    link.publish(T.up("d1", "lease"), make_verifier(secret, SALT).encode(), purpose="test")
    assert site.loop.run_until(lambda: gateway.inbox, 10.0)
    assert [message.topic for message in gateway.inbox] == [T.up("d1", "lease")]
    assert enrolment.exchange("d1", gateway.inbox[0].payload.decode(), 1)
    reload_broker(site.directory)
    link.close()
    dead = site.session("d1", token)
    assert not site.comes_in(dead)
    dead.close()
    link = site.session("d1", secret, will)
    assert site.comes_in(link)
    gateway.inbox.clear()
    link.publish(T.up("d1", "partial"), b"", purpose="test")
    assert site.loop.run_until(lambda: gateway.inbox, 10.0)


@pytest.mark.broker
def test_who_is_forgotten_is_turned_away_at_once(site):
    enrolment = site.enrolment
    secret = enrolment.enroll_client("c1")
    reload_broker(site.directory)
    link = site.session("c1", secret)
    link.subscribe(T.event)
    assert site.comes_in(link)
    enrolment.forget("c1")
    reload_broker(site.directory)
    assert site.loop.run_until(lambda: not link.up, 10.0)
    assert site.loop.run_until(lambda: len(link.problems) > 1, 10.0)
    assert not link.up
