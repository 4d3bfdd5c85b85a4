"""Verbs and listings, and reading raw samples back."""

import json
from array import array

import pytest
from gateway_fleet import WALL, Fleet

from atoll.gateway import reads
from atoll.wire import messages as wire
from atoll.wire.block import decode_block


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


def test_a_removed_dataset_is_gone_from_devices_and_lists(fleet):
    assert fleet.command("rm", "v") == {"removed": "v", "streams": 2}
    fleet.settle()
    assert not any(device.blocks for device in fleet.devices.values())
    assert fleet.command("datasets") == []
    assert all(device.map.shards == [] for device in fleet.devices.values())
    assert fleet.put("v", {"k1": b"\0\0"}, put_id=b"n" * 16).status == wire.DONE


def test_forgetting_needs_a_device_that_is_gone(fleet):
    assert "stop it first" in fleet.command("forget", "a")["error"]
    fleet.cut.add("a")
    fleet.run(15.0)
    assert fleet.command("forget", "a") == {"forgotten": "a"}
    fleet.run(5.0)
    assert [device["id"] for device in fleet.command("devices")] == ["b", "c"]
    assert fleet.command("status")["replicas_min"] == 2


@pytest.mark.parametrize(
    ("verb", "target", "said"),
    [
        ("dance", "", "no verb 'dance'"),
        ("drain", "x", "no device 'x'; there are: a, b, c"),
        ("cancel", "x", "no job 'x' is open"),
        ("rm", "x", "no dataset 'x'"),
    ],
)
def test_what_is_not_there_is_named(fleet, verb, target, said):
    assert said in fleet.command(verb, target)["error"]


# --- reading ---


def read(fleet, key="k1", *, since=-1, until=-1, last=0):
    number = fleet.number()
    reply = fleet.ask(wire.Get(number, "v", key, since, until, last))
    blobs = [m.blob for _, m in fleet.replies if m.request == number and m.blob]
    return reply, [decode_block(blob) for blob in blobs]


def long_stream(fleet, pieces=40, count=100):
    for index in range(pieces):
        values = array("h", range(index * count, (index + 1) * count)).tobytes()
        wall = WALL + index * count
        fleet.put("v", {"long": values}, put_id=b"L" * 16, index=index, wall_ms=wall)


def test_a_stream_is_read_back_block_by_block(fleet):
    long_stream(fleet)
    reply, blocks = read(fleet, "long")
    assert reply.status == wire.DONE
    assert json.loads(reply.body)["blocks"] == 40
    assert [block.seq for block in blocks] == list(range(40))
    joined = array("h", b"".join(bytes(block.data) for block in blocks))
    assert joined == array("h", range(4_000))


def test_a_range_of_time_is_read_in_whole_blocks(fleet):
    long_stream(fleet)
    reply, blocks = read(fleet, "long", since=WALL + 1_050, until=WALL + 1_300)
    assert [block.seq for block in blocks] == [10, 11, 12]
    body = json.loads(reply.body)
    assert (body["start"], body["stop"]) == (1_050, 1_300)
    _, blocks = read(fleet, "long", last=150)
    assert [block.seq for block in blocks] == [38, 39]


def test_a_time_without_samples_reads_nothing(fleet):
    reply, blocks = read(fleet, since=WALL + 10**9)
    assert (reply.status, blocks) == (wire.DONE, [])


def test_a_read_goes_on_from_another_device(fleet):
    long_stream(fleet)
    holders = list(fleet.core.catalog.datasets["v"].streams["long"].held)
    first = fleet.devices[min(holders)]
    first._sendblocks = lambda message: None
    reply, _ = read(fleet, "long")
    assert reply is None or reply.status == wire.PROGRESS
    fleet.run(2 * reads.PATIENCE_S)
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.DONE
    assert json.loads(reply.body)["blocks"] == 40


def test_a_read_that_nobody_can_serve_fails(fleet):
    for device in fleet.devices.values():
        device._sendblocks = lambda message: None
    read(fleet)
    fleet.run(6 * reads.PATIENCE_S)
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.FAILED
    assert "does not send block 0" in json.loads(reply.body)["error"]
    assert fleet.core.reads._reads == {}


def test_an_unknown_stream_is_named(fleet):
    reply, _ = read(fleet, "nope")
    assert "there are: k1, k2" in json.loads(reply.body)["error"]


def test_reads_are_bounded_by_client(fleet):
    for device in fleet.devices.values():
        device._sendblocks = lambda message: None
    for _ in range(reads.READS_PER_CLIENT_MAX):
        assert read(fleet)[0] is None
    assert "too many reads" in json.loads(read(fleet)[0].body)["error"]
