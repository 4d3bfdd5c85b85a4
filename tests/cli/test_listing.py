import json

import numpy as np
import pytest

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def stored(site):
    with site.connect() as fleet:
        fleet.put("cli-list", np.zeros(1000, "i2"), key="k", rate=1000, shards=4)


def test_devices(on_site, site, stored):
    rows = json.loads(on_site("devices", "--json").stdout)
    assert [row["id"] for row in rows] == sorted(site.devices)
    assert {row["state"] for row in rows} == {"ready"}
    shown = on_site("devices").stdout
    assert shown.startswith("DEVICE")
    assert "device-2" in shown


def test_one_device(on_site, site):
    [row] = json.loads(on_site("devices", "device-2", "--json").stdout)
    assert row["id"] == "device-2"
    names = {factor["name"] for factor in row["factors"]}
    assert {"memory", "round trip"} <= names
    assert all(0 <= factor["eighths"] <= 8 for factor in row["factors"])
    assert row["capacity"] > 0
    assert row["speed"] > 0
    shown = on_site("devices", "device-2").stdout
    assert "memory_free_bytes" in shown
    assert "FACTOR" in shown
    assert "round trip" in shown
    assert "no device 'device-9'" in on_site("devices", "device-9", code=1).stderr


def test_shards(on_site, stored):
    rows = json.loads(on_site("shards", "cli-list", "--json").stdout)
    assert [row["shard"] for row in rows] == [0, 1, 2, 3]
    assert {row["copies"] for row in rows} == {2}
    assert {len(row["holders"]) for row in rows} == {2}
    assert "2/2" in on_site("shards", "cli-list").stdout
    everything = json.loads(on_site("shards", "--json").stdout)
    assert {"machine", "cli-list"} <= {row["dataset"] for row in everything}
    assert "no dataset" in on_site("shards", "nothing", code=1).stderr


def test_datasets(on_site, stored):
    rows = {row["name"]: row for row in json.loads(on_site("datasets", "--json").stdout)}
    assert rows["cli-list"]["samples"] == 1000
    assert rows["cli-list"]["shards"] == 4
    assert "cli-list" in on_site("datasets").stdout


def test_jobs(on_site, stored):
    on_site("run", "count", "--over", "cli-list")
    rows = json.loads(on_site("jobs", "--json").stdout)
    assert any(row["over"] == "cli-list" and row["state"] == "done" for row in rows)
    assert "query" in on_site("jobs").stdout
