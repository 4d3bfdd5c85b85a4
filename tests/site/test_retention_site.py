"""Retention with real processes: what is too old goes, from all replicas, and stays gone."""

import time

import numpy as np
import pytest

from atoll.cli.site import wait_until
from atoll.kernels import Plan

pytestmark = pytest.mark.site

PLAN = "window 100 | rms | moments"
DAY_MS = 86_400_000


def test_old_blocks_go_and_are_not_copied_back(site):
    samples = np.arange(30_000, dtype="i2")
    now_ms = int(time.time() * 1000)
    with site.connect() as fleet:
        moved = fleet.status()["moved_bytes"]  # the site is that of other tests, too
        old = {"start_ms": now_ms - 2 * DAY_MS, "rate": 1000}
        fleet.put("aged", samples, key="k", **old)
        fleet.put("kept", samples, key="k", **old)
        assert fleet.retention("aged", keep_s=86_400, keep_bytes=10**9)["keep_s"] == 86_400

        def count(name):
            return next(d["samples"] for d in fleet.datasets() if d["name"] == name)

        wait_until(lambda: count("aged") == 0, 30, "what is too old is gone")
        fleet.put("aged", samples, key="k", rate=1000)
        result = fleet.run("count", over="aged")
        assert result.complete
        assert result.value == Plan("count").run(samples)
        assert count("kept") == len(samples)
        assert np.array_equal(fleet.get("kept", "k"), samples)
        assert fleet.status()["moved_bytes"] == moved
        assert fleet.retention("aged")["keep_bytes"] == 10**9
