"""One device ten times as slow as the others: what that does to the time of a job."""

from statistics import median

import pytest

from atoll.gateway import cutting
from atoll.sim import device
from atoll.sim.client import EVERY_SAMPLE, Wanted
from atoll.sim.knobs import reset
from atoll.sim.site import Setup, Site
from atoll.wire import messages as wire

SLOW, MOST = 10.0, 2.0  # so many times as slow; a job, of the median of those undisturbed


@pytest.fixture
def calm(monkeypatch):
    """Six devices that hold three copies, and jobs of a second and a half, of 160 tasks."""
    site = Site(1, Setup(devices=6, faults=(), clients=1, datasets=(Wanted("v", 8, 64, 3),)))
    reset()
    monkeypatch.setattr(device, "TASK_S", 0.02)
    monkeypatch.setattr(cutting, "PIECE_SAMPLES", 64)
    site.calm = True
    site.gateway.start()
    for one in site.devices.values():
        one.start()
    site.world.run(5.0)
    for _ in range(40):
        site.clients[0].put()
    site.world.run(60.0)
    assert not site.clients[0].open
    return site


def job_s(site):
    """How long a job takes."""
    replies, begin = [], site.world.now
    site.clients[0].query(EVERY_SAMPLE, dataset="v", then=replies.append)
    while not replies:
        site.world.run(site.world.now + 0.002)
    assert replies[0].status == wire.DONE
    return site.world.now - begin


def test_a_job_takes_at_most_twice_as_long_while_a_device_is_ten_times_as_slow(calm):
    undisturbed = [job_s(calm) for _ in range(9)]
    slowed = []
    for one in calm.devices.values():
        one.slow = SLOW
        slowed += [job_s(calm) for _ in range(9)]
        one.slow = 1.0
        job_s(calm)  # what it still had is done
    assert max(slowed) <= MOST * median(undisturbed), (max(slowed), median(undisturbed))
    counters = calm.gateway.tallies()
    assert counters["started again"] > 0
    assert counters["lost"] == counters["duplicated"] == 0
