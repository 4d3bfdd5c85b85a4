"""A device that sleeps as it said, and one that hangs in the middle of a query; real processes."""

import os
import signal
import time

import numpy as np
import pytest

from atoll.cli.site import Child, LocalSite, wait_until
from atoll.kernels import Plan

pytestmark = [pytest.mark.site, pytest.mark.slow]

PLAN = "window 256 | rms | quantiles 0.5"


def row_of(fleet, device):
    return next(row for row in fleet.devices() if row["id"] == device)


def start_sleeper(site, name, seconds):
    words = ["device", "--id", name, "--broker", site.url, "--site", site.site]
    words += ["--store", str(site.folder / name), "--profile", site.profile]
    words += ["--wakes-in", str(seconds), "--shared-machine"]
    site.devices[name] = Child(name, words, site.folder / f"{name}.log")
    return site.devices[name]


def test_asleep_is_not_dead(tmp_path):
    with LocalSite(tmp_path / "site", site="sleepers") as site:
        site.start(2)
        sleeper = start_sleeper(site, "sleeper", 3_600)
        site.wait_ready(3)
        with site.connect() as fleet:
            fleet.put("v", np.arange(20_000, dtype="i2"), key="k", rate=1_000)
            before = {row["shard"]: set(row["holders"]) for row in fleet.shards("v")}
            sleeper.terminate()
            wait_until(lambda: row_of(fleet, "sleeper")["state"] == "sleeping", 20, "it sleeps")
            left_s = row_of(fleet, "sleeper")["wake_ms"] / 1000 - time.time()
            assert 3_400 < left_s <= 3_600
            sleeper.end()
            time.sleep(5.0)  # a dead device of this profile would be out by now: nothing to await
            assert row_of(fleet, "sleeper")["state"] == "sleeping"
            start_sleeper(site, "sleeper", 3_600)
            wait_until(lambda: row_of(fleet, "sleeper")["state"] == "ready", 40, "it is awake")
            after = {row["shard"]: set(row["holders"]) for row in fleet.shards("v")}
            assert after == before
            assert fleet.status()["moved_bytes"] == 0


def test_a_hung_device_does_not_hold_a_query_up(tmp_path):
    data = {f"k{n}": np.arange(n, n + 40_000, dtype="i2") for n in range(32)}
    with LocalSite(tmp_path / "site", site="hung", profile="battery") as site:
        site.start(3)
        with site.connect() as fleet:
            for key, samples in data.items():
                fleet.put("v", samples, key=key, rate=1_000, replicas=2)
            assert fleet.run(PLAN, over="v").complete
            victim = site.devices["device-2"]
            os.kill(victim.pid, signal.SIGSTOP)
            try:
                began = time.monotonic()
                result = fleet.run(PLAN, over="v")
                took = time.monotonic() - began
            finally:
                os.kill(victim.pid, signal.SIGCONT)
            assert result.complete
            assert result.value == Plan(PLAN).run(data, rate=1_000)
            said = (tmp_path / "site" / "gateway.log").read_text()
            assert fleet.status()["counters"].get("started again", 0) > 0, said
            assert took < 20.0, "long before its silence makes it suspect"
