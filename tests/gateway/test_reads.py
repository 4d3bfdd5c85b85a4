"""Reading raw samples back: order, times, loss of a source, bounds."""

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
