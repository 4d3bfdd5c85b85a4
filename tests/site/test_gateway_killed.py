"""A gateway that is killed at work and started again loses nothing and counts nothing twice."""

import threading

import numpy as np
import pytest

from atoll.cli.site import LocalSite
from atoll.kernels import Plan

pytestmark = [pytest.mark.site, pytest.mark.slow]
PLAN = "window 64 hop=1 | rms, kurtosis | quantiles 0.5"


@pytest.fixture(params=["own broker", "external broker"])
def running(request, tmp_path):
    """A site whose broker dies with its gateway, and one whose broker stays."""
    external = request.param.startswith("external")
    broker = request.getfixturevalue("broker_url") if external else None
    name = f"killed-{request.param.split()[0]}"
    with LocalSite(tmp_path / "site", site=name, broker=broker) as site:
        site.start(3)
        yield site


def while_killed(site, work, moment):
    """Run `work` in a thread; kill the gateway at `moment`, start it again, give the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    assert moment.wait(20)
    site.gateway.kill()
    site.start_gateway()
    thread.join(60)
    assert results, "the work failed"
    return results[0]


def test_during_a_put(running):
    samples = np.random.default_rng(1).integers(-9999, 9999, 8_000_000, dtype="i2")
    moment = threading.Event()

    def notice(done, total):
        if done > total // 3:
            moment.set()

    with running.connect() as fleet:
        term = fleet.status()["term"]
        result = while_killed(
            running, lambda: fleet.put("big", samples, key="k", rate=1000, progress=notice), moment
        )
        assert result.samples == len(samples)
        assert np.array_equal(fleet.get("big", "k"), samples)
        assert fleet.run("moments", over="big").value == Plan("moments").run(samples)
        assert fleet.status()["term"] > term


def test_during_a_query(running):
    noise = np.random.default_rng(2)
    streams = {f"s{n}": noise.integers(-99, 99, 1000, dtype="i2") for n in range(6000)}
    moment = threading.Event()

    def notice(_done, _total):
        moment.set()

    with running.connect() as fleet:
        fleet.put_many("many", streams, rate=1)
        result = while_killed(
            running, lambda: fleet.run(PLAN, over="many", progress=notice), moment
        )
        assert result.complete
        assert result.tasks == 6000
        assert result.value == Plan(PLAN).run(streams)
