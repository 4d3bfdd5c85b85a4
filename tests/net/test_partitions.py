"""A device that is cut off, in both directions or in one, a zombie, and packets that are lost."""

import signal
import time

import pytest
from net_site import FULL, Query, check_counters, streams_of

from atoll.cli.site import wait_until
from atoll.gateway.client_mail import Mail
from atoll.wire import messages as wire
from atoll.wire.codec import decode
from atoll.wire.topics import Topics

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]


def both_ways(lab, name):
    lab.deafen(name)
    lab.deafen("broker", to=name)


def not_heard(lab, name):
    lab.deafen("broker", to=name)


def hears_nothing(lab, name):
    lab.deafen(name)


@pytest.mark.parametrize("cut", [both_ways, not_heard, hears_nothing][: 3 if FULL else 1])
def test_a_device_that_is_cut_off_is_replaced_and_comes_back(net_site, note, cut):
    site = net_site(5, "fast")
    streams = streams_of(4, count=200)
    with site.connect() as fleet:
        fleet.put_many("many", streams, rate=1)
        times = []
        for turn in range(6 if FULL else 1):
            victim = f"device-{turn % 5 + 1}"
            query = Query(site)
            cut(site.lab, victim)
            cut_s = time.monotonic()
            # TCP goes on acknowledging what a deaf device says, so it is heard until the broker
            # gives its connection up; the one that is not heard is found by its silence.
            times.append(site.events.wait("suspect", cut_s, 25, device=victim) - cut_s)
            site.events.wait("dead", cut_s, 30, device=victim)
            query.result(streams)
            site.lab.heal(victim)
            site.lab.heal("broker")
            # What a deaf device says gets through by TCP's repetition, so it may be ready already.
            site.wait_states(fleet, dict.fromkeys(site.devices, "ready"))
            site.wait_whole(fleet)
            Query(site).result(streams)
        said = [event["text"] for _, event in site.events.heard]
        assert fleet.status()["moved_bytes"] == 0, "\n".join(said)
        check_counters(fleet)
    note(f"{cut.__name__}: cut off to suspect, fast", 25.0, times)


def test_a_zombie_is_refused(net_site):
    """What a device said before a restart is said again, by somebody who kept it."""
    site = net_site(3)
    streams = streams_of(5)
    topics = Topics("net")
    kept = []
    with site.lab.inside("client"):
        mail = Mail(site.url, client_id="zombie")
        mail.open(20)
        mail.subscribe(topics.up("device-1", "#"), lambda *said: kept.append(said))
    with site.connect() as fleet:
        fleet.put_many("many", streams, rate=1)
        query = Query(site)
        stopped_s = site.signal("device-1", signal.SIGSTOP)
        site.events.wait("dead", stopped_s, 20, device="device-1")
        job = query.result(streams).job
        site.signal("device-1", signal.SIGCONT)  # its results come after the answer
        site.events.wait("ready", stopped_s, 30, device="device-1")
        wait_until(
            lambda: any(is_result(spoken(one), job) for one in list(kept)),
            30,
            "a result of device-1 is there",
        )
        late = check_counters(fleet)
        old = list(kept)
        killed_s = time.monotonic()
        site.devices["device-1"].kill()
        site.start_device("device-1")
        site.events.wait("ready", killed_s, 30, device="device-1")
        before = check_counters(fleet)["refused"].get("stale boot", 0)
        said = [message for message in map(spoken, old) if message]
        refused = [m for m in said if not isinstance(m, wire.Partials)]
        assert refused
        assert any(is_result(m, job) for m in said)
        turns = 20 if FULL else 3
        for _ in range(turns):
            for topic, payload, _retained in old:
                if not topic.endswith(("status", "health")):
                    mail.publish(topic, payload)
        wait_until(
            lambda: (
                fleet.status()["counters"]["refused"].get("stale boot", 0) - before
                >= turns * len(refused)
            ),
            30,
            f"{turns * len(refused)} messages of the old boot are refused",
        )
        after = check_counters(fleet)
        assert after["repeated"] > late["repeated"]  # merged once by key, whoever says it again
        assert site.states(fleet)["device-1"] == "ready"
        Query(site).result(streams)
    mail.close()


def is_result(message, job):
    """Of the query itself: those of an audit are compared, and merged nowhere."""
    return isinstance(message, wire.Partials) and message.job == job


def spoken(said):
    topic, payload, _ = said
    if topic.endswith(("status", "health")) or not payload:
        return None
    message = decode(payload)
    return None if isinstance(message, wire.Part) else message


# With 30 % lost in both directions TCP alone needs 109 s for 240,000 bytes on this bridge (7 s with
# 20 %): it waits twice as long after each loss. So there are fewer.
COUNTS = {10: 40, 20: 40, 30: 4}


@pytest.mark.parametrize("percent", COUNTS if FULL else [10])
def test_lost_packets_lose_nothing(net_site, note, percent):
    site = net_site(4)
    streams = streams_of(6, count=COUNTS[percent])
    for host in ("broker", "gateway"):
        site.lab.lose(host, percent)
    with site.connect() as fleet:
        begin_s = time.monotonic()
        fleet.put_many("many", streams, rate=1)
        Query(site).result(streams, timeout_s=300)
        took_s = time.monotonic() - begin_s
        check_counters(fleet)
    note(f"loss_{percent}: {len(streams)} streams put and asked, {percent} % lost", 600.0, [took_s])
