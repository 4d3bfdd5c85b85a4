import json

import numpy as np
import pytest

from atoll.cli.site import wait_until

pytestmark = pytest.mark.site


def shards_of(fleet, device):
    return next(row["shards"] for row in fleet.devices() if row["id"] == device)


def test_rm(on_site, site):
    with site.connect() as fleet:
        fleet.put("cli-rm", np.zeros(1000, "i2"), key="k", rate=1000)
    assert json.loads(on_site("rm", "cli-rm", "--json").stdout)["removed"] == "cli-rm"
    assert "no dataset" in on_site("rm", "cli-rm", code=1).stderr
    assert "cli-rm" not in on_site("datasets").stdout


def test_start_and_stop(on_site, site):
    done = on_site(
        "start", "cli-job", "window 10 | mean | minmax", "--over", "machine", "--every", "20"
    )
    assert "atoll watch cli-job" in done.stdout
    assert "cli-job" in on_site("jobs").stdout
    assert "cli-job: stopped" in on_site("stop", "cli-job").stdout
    assert "no standing job 'cli-job'" in on_site("stop", "cli-job", code=1).stderr


def test_cancel_of_nothing(on_site):
    assert "no job 'q9999'" in on_site("cancel", "q9999", code=1).stderr


def test_drain_and_undrain(on_site, site):
    with site.connect() as fleet:
        fleet.put("cli-drain", np.zeros(100_000, "i2"), key="k", rate=1000)

        def held():
            return [s for s in fleet.shards("cli-drain") if "device-3" in s["holders"]]

        try:
            assert "draining" in on_site("drain", "device-3").stdout
            wait_until(lambda: not held(), 20, "the device is empty")
            assert all(s["copies"] == 2 for s in fleet.shards("cli-drain"))
            assert "draining" in on_site("devices").stdout
        finally:
            on_site("undrain", "device-3")
        wait_until(lambda: shards_of(fleet, "device-3") > 0, 20, "it takes data again")


def test_a_living_device_is_not_forgotten(on_site):
    assert "device-1 is ready: stop it first" in on_site("forget", "device-1", code=1).stderr
    assert "no device 'nobody'" in on_site("forget", "nobody", code=1).stderr
