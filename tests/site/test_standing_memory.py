"""Standing jobs that remember without end, over real processes: a device dies, a gateway dies, and
the windows have the bytes that one machine gives in one go.
"""

import json

import numpy as np
import pytest

from atoll.gateway.jsonable import dumps
from atoll.kernels import Plan

pytestmark = pytest.mark.site

EVERY = 4_000
PLANS = {
    "filter": "biquad lowpass 50 order=4 | window 100 hop=50 | rms | moments, minmax",
    "alarm": "window 100 | rms | ewma 0.05 | threshold 4 2 | sum, count",
    "learn": "window 100 | rms, peak, kurtosis | novelty 4 rate=0.1 | moments",
    "smooth": "ema 0.01 | moments",
}


@pytest.fixture(scope="module")
def samples():
    chance = np.random.default_rng(17)
    return chance.normal(0, 900, 60_000).astype("int16")


def expected(text, key, samples, batches):
    """The newest window after so many batches, each going on from the one before."""
    plan, checkpoint, at = Plan(text), b"", 0
    for _ in range(batches):
        piece = samples[at : at + EVERY + plan.overlap]
        partial, checkpoint = plan.advance(
            piece, 1000, start=at, key=key, scale=1.0, checkpoint=checkpoint
        )
        at = plan.position(checkpoint)
    return json.loads(dumps(plan.finish(partial)))


def whole_batches(text, count):
    return (count - Plan(text).overlap) // EVERY


def reach(fleet, name, key, sample):
    """The newest window once it is that of `sample`."""
    for result in fleet.watch(name, timeout_s=60):
        found = result["streams"].get(key)
        if found is not None and found["sample"] == sample:
            return found["value"]
    raise AssertionError("the job has ended")


@pytest.mark.parametrize("name", PLANS)
def test_batches_go_on_where_the_last_one_ended(site, samples, name):
    text = PLANS[name]
    with site.connect() as fleet:
        fleet.put(f"memory-{name}", samples, key="k", rate=1000)
        fleet.start(name, text, f"memory-{name}", every=EVERY)
        batches = whole_batches(text, len(samples))
        value = reach(fleet, name, "k", (batches - 1) * EVERY)
        fleet.stop(name)
    assert value == expected(text, "k", samples, batches)


def test_a_replica_goes_on_from_the_checkpoint(new_site, samples):
    """The device that acts is killed; then the gateway: the rest has the same bytes."""
    # What it has learnt shows for ever: anew from the mark, every later byte would differ.
    site, text = new_site, PLANS["learn"]
    site.start(3)
    half = samples[: len(samples) // 2]
    with site.connect() as fleet:
        fleet.put("motors", half, key="k", rate=1000, replicas=2)
        fleet.start("learn", text, "motors", every=EVERY)
        before = whole_batches(text, len(half))
        reach(fleet, "learn", "k", (before - 1) * EVERY)
        acting = next(row["holders"][0] for row in fleet.shards("motors") if row["streams"])
    site.devices[acting].kill()
    site.gateway.kill()
    site.start_gateway()
    with site.connect() as fleet:
        fleet.put("motors", samples[len(half) :], key="k", rate=1000)
        batches = whole_batches(text, len(samples))
        value = reach(fleet, "learn", "k", (batches - 1) * EVERY)
    assert value == expected(text, "k", samples, batches)
