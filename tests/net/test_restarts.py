"""What is nobody's death: the gateway or the broker goes, hangs or is cut off, and comes back."""

import signal
import time

import pytest
from net_site import FULL, Query, check_counters, streams_of

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]
EXPIRY_S = 12.5 if FULL else 4.0  # more than a lease of the profile
HANG_S = 30.0 if FULL else 6.0
FATAL = {"suspect", "dead", "out", "takeover", "stopped"}


@pytest.fixture
def running(net_site):
    """Six devices with data, as they stood before anything happened."""
    site = net_site(6, "normal" if FULL else "fast")
    streams = streams_of(3, count=200)
    fleet = site.connect()
    fleet.put_many("many", streams, rate=1)
    yield site, fleet, streams
    fleet.close()


def held(fleet):
    return {shard["shard"]: shard["holders"] for shard in fleet.shards("many")}


def restart_gateway(site, _fleet):
    site.gateway.kill()
    time.sleep(1.0)
    site.start_gateway()


def restart_broker(site, _fleet):
    site.kill_broker()
    time.sleep(1.0)
    site.start_broker()


@pytest.mark.parametrize("restart", [restart_gateway, restart_broker])
def test_a_restart_takes_nothing_over(running, restart):
    site, fleet, streams = running
    epoch, before = fleet.status()["epoch"], held(fleet)
    begun_s = time.monotonic()
    for _ in range(6 if FULL else 1):
        query = Query(site)
        restart(site, fleet)
        query.result(streams)
    # Whoever was missed in the restart would be dead within a lease.
    time.sleep(EXPIRY_S)
    assert not FATAL & set(site.events.kinds(begun_s)), site.events.heard
    assert fleet.status()["epoch"] == epoch
    assert fleet.status()["moved_bytes"] == 0
    assert held(fleet) == before
    assert set(site.states(fleet).values()) == {"ready"}
    check_counters(fleet)


def hang(site):
    site.signal("gateway", signal.SIGSTOP)
    time.sleep(HANG_S)
    site.signal("gateway", signal.SIGCONT)


def cut_off(site):
    site.lab.deafen("gateway")
    site.lab.deafen("broker", to="gateway")
    time.sleep(HANG_S)
    site.lab.heal("gateway")
    site.lab.heal("broker")


@pytest.mark.parametrize("fault", [hang, cut_off] if FULL else [hang])
def test_a_gateway_that_hears_nobody_declares_nobody_dead(running, fault):
    site, fleet, streams = running
    epoch, before = fleet.status()["epoch"], held(fleet)
    begun_s = time.monotonic()
    fault(site)
    Query(site).result(streams)
    time.sleep(2.0)
    assert not {"dead", "out", "takeover"} & set(site.events.kinds(begun_s)), site.events.heard
    site.wait_states(fleet, dict.fromkeys(site.devices, "ready"))
    assert fleet.status()["epoch"] == epoch
    assert fleet.status()["moved_bytes"] == 0
    assert held(fleet) == before
    check_counters(fleet)
