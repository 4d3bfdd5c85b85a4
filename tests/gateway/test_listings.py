"""What people are shown."""

from array import array

import pytest
from gateway_fleet import WALL, Fleet

from atoll.wire import messages as wire


@pytest.fixture
def fleet():
    found = Fleet("a", "b", "c")
    found.put("v", {"k1": array("h", range(500)).tobytes(), "k2": b"\1\0" * 10})
    return found


def test_status(fleet):
    status = fleet.command("status")
    assert status["site"] == "test"
    assert status["devices"] == {"ready": 3}
    assert (status["datasets"], status["streams"], status["shards"]) == (1, 2, 64)
    assert (status["replicas_min"], status["shards_short"], status["moving"]) == (2, 0, 0)
    assert status["counters"]["lost"] == 0


def test_devices(fleet):
    devices = fleet.command("devices")
    assert [device["id"] for device in devices] == ["a", "b", "c"]
    assert {device["state"] for device in devices} == {"ready"}
    assert sum(device["shards"] for device in devices) == 128
    assert sum(device["bytes"] for device in devices) > 2 * 1_020


def test_shards(fleet):
    shards = fleet.command("shards", "v")
    assert [shard["shard"] for shard in shards] == list(range(64))
    assert sum(shard["streams"] for shard in shards) == 2
    assert all(shard["wanted"] == 2 and len(shard["holders"]) == 2 for shard in shards)
    assert "no dataset" in fleet.command("shards", "w")["error"]


def test_datasets(fleet):
    (dataset,) = fleet.command("datasets")
    assert dataset["name"] == "v"
    assert (dataset["dtype"], dataset["streams"], dataset["samples"]) == ("i16", 2, 510)
    assert (dataset["first_ms"], dataset["last_ms"]) == (WALL, WALL + 500)


def test_jobs(fleet):
    fleet.query("moments", "v")
    fleet.ask(wire.Start(50, "hum", "moments", "v", ""))
    standing, query = fleet.command("jobs")
    assert (standing["name"], standing["kind"], standing["state"]) == ("hum", "standing", "running")
    assert (query["job"], query["kind"], query["state"], query["tasks"]) == (
        "q1",
        "query",
        "done",
        2,
    )
