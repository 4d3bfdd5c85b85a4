"""A device whose memory flips a bit of its results is found and set aside, with real processes."""

import subprocess
import sys

import numpy as np
import pytest

from atoll.cli.site import _BROKER_URL, START_TIMEOUT_S, Child, LocalSite, wait_until
from atoll.kernels import Plan

pytestmark = [pytest.mark.site, pytest.mark.slow]

PLAN = "window 64 | rms, kurtosis | quantiles 0.5"
# The device as it is, but for one bit of each partial.
LIAR = """
import sys
from atoll.runtime.workers import Workers
honest = Workers._result

def lying(self, plan, dataset, task):
    failed, data = honest(self, plan, dataset, task)
    return failed, data if failed else data[:-1] + bytes([data[-1] ^ 1])

Workers._result = lying
from atoll.runtime.main import DeviceOptions, run_device
sys.exit(run_device(DeviceOptions(sys.argv[1], sys.argv[2], sys.argv[3], site=sys.argv[4],
                                  profile="demo")))
"""


class AuditedSite(LocalSite):
    """Every task is computed twice."""

    def start_gateway(self):
        words = ["gateway", "--state", str(self.folder / "gateway"), "--site", self.site]
        words += ["--profile", self.profile, "--audit", "100"]
        self.gateway = Child("gateway", words, self.folder / "gateway.log")
        self.url = self.gateway.wait_for(_BROKER_URL, START_TIMEOUT_S)
        return self.gateway


@pytest.mark.parametrize("replicas", [2, 3])
def test_the_liar_is_under_audit(tmp_path, replicas):
    with AuditedSite(tmp_path / "site", site=f"liar-{replicas}") as site:
        site.start(2)
        words = ["liar", str(tmp_path / "liar"), site.url, site.site]
        liar = subprocess.Popen(
            [sys.executable, "-P", "-c", LIAR, *words],
            stdout=subprocess.DEVNULL,
        )
        try:
            site.wait_ready(3)
            look(site, replicas)
        finally:
            liar.terminate()
            liar.wait(20)


def look(site, replicas):
    noise = np.random.default_rng(5)
    streams = {f"s{n}": noise.integers(-999, 999, 20_000, dtype="i2") for n in range(24)}
    with site.connect() as fleet:
        fleet.put_many("data", streams, rate=1000, replicas=replicas)

        def found():
            fleet.run(PLAN, over="data")
            states = {device["id"]: device["state"] for device in fleet.devices()}
            assert states["device-1"] == states["device-2"] == "ready"
            return states["liar"] == "audited"

        wait_until(found, 30, "the liar is under audit")
        result = fleet.run(PLAN, over="data")
        assert result.complete
        assert result.value == Plan(PLAN).run(streams, rate=1000)
        if replicas == 2:  # three copies have nowhere else to go
            wait_until(
                lambda: not any("liar" in shard["holders"] for shard in fleet.shards("data")),
                30,
                "its shards have moved away",
            )
        assert fleet.status()["counters"]["audits disagreed"] >= 1
