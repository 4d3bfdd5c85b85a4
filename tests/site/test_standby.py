"""Two gateways and devices as processes: the leader is killed or stopped at work, and the other
goes on with all that was acknowledged, byte for byte.
"""

import os
import signal
import threading
import time

import numpy as np
import pytest

from atoll.cli.site import LocalSite, wait_until
from atoll.kernels import Plan
from atoll.wire.status import finite

pytestmark = [pytest.mark.site, pytest.mark.broker, pytest.mark.slow]
PLAN_STANDING = "window 10 | mean | moments"
PLAN = "window 64 hop=1 | rms, kurtosis | quantiles 0.5"


@pytest.fixture
def running(tmp_path, broker_url):
    """A site on an external broker, its standby in step."""
    with LocalSite(
        tmp_path / "site", site=f"pair{os.urandom(3).hex()}", profile="fast", broker=broker_url
    ) as site:
        site.start(3, sources=["machine=proc:20hz"])
        site.start_standby()
        with site.connect() as fleet:
            wait_in_step(fleet)
        yield site
        if site.gateway.alive():
            os.kill(site.gateway.pid, signal.SIGCONT)


def wait_in_step(fleet, timeout_s=30.0):
    wait_until(
        lambda: fleet.status()["standby"]["state"] == "in step", timeout_s, "the standby is in step"
    )


def lose(site, how):
    if how == "killed":
        site.gateway.kill()
    else:
        os.kill(site.gateway.pid, signal.SIGSTOP)


def bring_back(site, how):
    """The old leader comes back, finds that it was replaced, and stands by."""
    if how == "killed":
        site.start_gateway()
    else:
        os.kill(site.gateway.pid, signal.SIGCONT)


def while_lost(site, how, work, moment):
    """Run `work` in a thread, and lose the leader at `moment`."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    assert moment.wait(20)
    lose(site, how)
    thread.join(60)
    assert results, "the work failed"
    return results[0]


def held(fleet):
    """Who holds which shard: nothing moves because of a takeover."""
    return {(s["dataset"], s["shard"]): s["holders"] for s in fleet.shards() if s["streams"]}


def check_after(site, fleet, how, term, before):
    status = fleet.status()
    assert status["term"] == term + 1
    assert before.items() <= held(fleet).items()
    assert [status["counters"][n] for n in ("lost", "duplicated", "disagreed")] == [0, 0, 0]
    assert set(status["devices"]) == {"ready"}, status["devices"]
    bring_back(site, how)
    wait_in_step(fleet)
    assert fleet.status()["term"] == term + 1, "the one that comes back does not lead"


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_during_a_put(running, how):
    samples = np.random.default_rng(1).integers(-9999, 9999, 6_000_000, dtype="i2")
    moment = threading.Event()

    def notice(done, total):
        if done > total // 3:
            moment.set()

    with running.connect() as fleet:
        term, before = fleet.status()["term"], held(fleet)
        result = while_lost(
            running, how,
            lambda: fleet.put("big", samples, key="k", rate=1000, progress=notice), moment,
        )  # fmt: skip
        assert result.samples == len(samples)
        assert np.array_equal(fleet.get("big", "k"), samples)
        assert fleet.run("moments", over="big").value == Plan("moments").run(samples)
        check_after(running, fleet, how, term, before)
        assert np.array_equal(fleet.get("big", "k"), samples)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_during_a_query(running, how):
    noise = np.random.default_rng(2)
    streams = {f"s{n}": noise.integers(-99, 99, 1000, dtype="i2") for n in range(4000)}
    moment = threading.Event()

    def notice(_done, _total):
        moment.set()

    with running.connect() as fleet:
        fleet.put_many("many", streams, rate=1)
        wait_in_step(fleet)
        term, before = fleet.status()["term"], held(fleet)
        result = while_lost(
            running, how, lambda: fleet.run(PLAN, over="many", progress=notice), moment
        )
        assert result.complete
        assert result.tasks == 4000
        assert result.value == Plan(PLAN).run(streams)
        check_after(running, fleet, how, term, before)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_standing_job_goes_on_and_misses_no_window(running, how):
    name = "load"
    with running.connect() as fleet:
        term = fleet.status()["term"]
        wait_until(
            lambda: any(d["name"] == "machine" for d in fleet.datasets()), 20, "there is a dataset"
        )
        fleet.start(name, PLAN_STANDING, over="machine", every="20")

        def newest():
            shown = next(fleet.watch(name, timeout_s=20))
            return max((one["sample"], key, one["value"]) for key, one in shown["streams"].items())

        first, _, _ = newest()
        before = held(fleet)
        lose(running, how)
        wait_until(lambda: fleet.status()["term"] == term + 1, 20, "the standby leads")
        wait_until(lambda: newest()[0] > first + 100, 30, "the job goes on")
        check_after(running, fleet, how, term, before)
        sample, key, value = newest()
        assert sample % 20 == 0
        window = fleet.get("machine", key)[sample : sample + 20]
        assert value == finite(Plan(PLAN_STANDING).run(window, rate=20))


def test_a_lost_standby_holds_nobody_up_for_long(running):
    with running.connect() as fleet:
        term = fleet.status()["term"]
        running.standbys["standby"].kill()
        began_s = time.monotonic()
        fleet.put("v", np.arange(1000, dtype="i2"), key="k", rate=1)
        assert time.monotonic() - began_s < 12.0
        status = fleet.status()
        assert (status["term"], status["standby"]["state"]) == (term, "none")
        running.start_standby()
        wait_in_step(fleet)


def test_a_standby_that_is_behind_waits_for_the_one_that_knows_more(running):
    with running.connect() as fleet:
        running.standbys["standby"].kill()
        fleet.put("v", np.arange(1000, dtype="i2"), key="k", rate=1)
        wait_until(lambda: fleet.status()["standby"]["state"] == "none", 20, "it goes on alone")
    running.gateway.kill()
    standby = running.start_standby()
    time.sleep(8.0)  # more than a lease: it could have taken over
    assert "term" not in standby.tail()
    running.start_gateway()
    with running.connect_when_there(20) as fleet:
        assert len(fleet.get("v", "k")) == 1000
        wait_in_step(fleet)
