"""The shell: commits before it speaks; trouble with the disk; input that is no message."""

import json

import pytest
from gateway_site import SITE, TOPICS, MemorySite

from atoll.gateway.errors import LedgerError
from atoll.gateway.listings import Listings
from atoll.wire import messages as wire
from atoll.wire.codec import encode


@pytest.fixture
def site(tmp_path):
    made = MemorySite(tmp_path)
    for name in "ab":
        made.start_device(name)
    made.run_until(lambda: sum(m.serves for m in made.core.members.members.values()) == 2)
    return made


def ledger(site):
    return site.gateway[2]


def ready(site):
    numbers = site.put("v", {f"k{n}": b"\1\0" * 100 for n in range(20)})
    for number in numbers:
        assert site.answer(number).status == wire.DONE


def test_many_events_share_a_commit(site):
    before = ledger(site).commits
    ready(site)
    records = ledger(site).commits - before
    assert records < 40, "20 puts take two steps each; commits are shared"


def test_nothing_is_said_that_is_not_committed(site, monkeypatch):
    ready(site)
    real, failing = ledger(site).commit, True

    def commit(batch):
        if failing:
            raise LedgerError("disk full", fatal=False)
        real(batch)

    monkeypatch.setattr(ledger(site), "commit", commit)
    said = len(site.broker.log)
    number = site.query("moments", "v")
    site.run(3.0)
    assert not any(
        client == "gateway" and "/down/task" in topic for client, topic, _ in site.broker.log[said:]
    )
    assert sum("disk full" in line for line in site.said) == 1
    failing = False
    assert site.answer(number).status == wire.DONE
    assert any("can be written again; it could not: disk full" in line for line in site.said)
    told = [payload for _, topic, payload in site.broker.log if topic.endswith("/event")]
    assert any(b"can be written again" in payload for payload in told)


def test_a_ledger_that_is_broken_ends_the_process(site, monkeypatch):
    def commit(batch):
        raise LedgerError("malformed")

    monkeypatch.setattr(ledger(site), "commit", commit)
    site.query("moments", "nothing")
    site.put("v", {"k": b"\0\0"})
    site.run(1.0)
    assert site.gateway[0].stopped


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (TOPICS.up("a", "birth"), b"\xff\xff", "indefinite"),
        (TOPICS.up("a", "partial"), encode(wire.Stored(1, 0, 0, 1, [])), "unexpected"),
        (TOPICS.up("a", "status"), b"{}", "status"),
        (TOPICS.up("a", "status"), b"no json", "json"),
        (TOPICS.request("c"), encode(wire.Reply(1, 0, "", b"")), "unexpected"),
        (TOPICS.request("c"), b"\xa1" * 70_000, "size"),
        (f"atoll/v1/{SITE}/device/a/up/what", b"x", "topic"),
    ],
)
def test_what_is_no_message_is_counted(site, topic, payload, reason):
    site.client.link.publish(topic, payload, purpose="test")
    site.run(0.1)
    assert sum(site.core._desk.refused.values()) == 1, site.core._desk.refused
    assert reason in " ".join(site.core._desk.refused)


def test_health_for_people_is_no_business_of_the_core(site):
    site.client.link.publish(TOPICS.up("a", "health"), b"anything", purpose="test")
    site.run(0.1)
    assert site.core._desk.refused == {}


def test_events_and_status_can_be_read_by_people(site):
    ready(site)
    lines = [json.loads(p) for _, topic, p in site.broker.log if topic == TOPICS.event]
    assert {"birth", "ready", "dataset"} <= {line["event"] for line in lines}
    assert all(line["text"] and line["at_ms"] for line in lines)
    assert json.loads(site.broker.retained[TOPICS.gateway_status])["state"] == "ready"


def test_a_link_without_room_keeps_the_order(site):
    ready(site)
    link = site.gateway[1]
    link.make_room(0)
    number = site.query("moments", "v")
    site.run(0.05)
    assert number not in site.client.answers
    link.make_room(2)
    site.run(0.05)
    link.make_room(None)
    assert site.answer(number).status == wire.DONE


def test_leases_are_not_acknowledged_unless_they_would_overtake(site, monkeypatch):
    link, said = site.gateway[1], []
    real = link.publish

    def publish(topic, payload, *, purpose, retain=False, qos=1):
        said.append((purpose, qos))
        return real(topic, payload, purpose=purpose, retain=retain, qos=qos)

    monkeypatch.setattr(link, "publish", publish)
    site.run(5.0)
    assert {quality for purpose, quality in said if purpose == "lease"} == {0}
    said.clear()
    monkeypatch.setattr(type(link), "queued", 1)  # under way: nothing is overtaken
    site.run(5.0)
    assert {quality for purpose, quality in said if purpose == "lease"} == {0}
    said.clear()
    monkeypatch.setattr(type(link), "unsent", 1)
    site.run(5.0)
    assert {quality for purpose, quality in said if purpose == "lease"} == {1}


def test_a_gateway_that_reads_late_judges_nobody_by_silence(site):
    link = site.gateway[1]
    link.on_behind(True)
    site.run(6.0)
    assert site.core.members.time.overloaded
    link.on_behind(False)
    assert not site.core.members.time.overloaded


def test_a_forgotten_device_leaves_nothing_retained(site):
    ready(site)
    site.devices["a"].kill()
    site.run_until(lambda: site.core.members.members["a"].state in ("dead", "out"))
    site.command("forget", "a")
    site.run(0.2)
    assert not [topic for topic in site.broker.retained if "/device/a/" in topic]


def test_an_answer_that_is_too_large_is_refused_aloud(site, monkeypatch):
    monkeypatch.setattr(Listings, "datasets", lambda listings: ["x" * 5_000_000])
    reply = site.command("datasets")
    assert reply.status == wire.FAILED
    assert "larger than a message may be" in reply.body
