"""What people are shown."""

from array import array

import pytest
from gateway_fleet import WALL, Fleet

from atoll.gateway import client
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


class Client(client.Fleet):
    """The real client, asking the core directly."""

    def __init__(self, fleet):
        self.fleet, self.asked = fleet, 0

    def _ask(self, build):
        self.asked += 1
        command = build(self.asked)
        return self.fleet.command(command.verb, command.target)


def site_of(count):
    """Devices that an earlier gateway knew, each with all that can be said of one."""
    one = Fleet("a")
    one.devices["a"].health = wire.Health(800, 1 << 29, 1 << 33, 45_000, 0, 50, 5, 80)
    one.devices["a"].ask_lease()
    one.settle()
    member = one.core.members.members["a"]
    names = [f"device-{number:05d}-{'x' * 40}" for number in range(count)]
    rows = [member.row._replace(id=name, number=at + 1) for at, name in enumerate(names)]
    fleet = Fleet(rows=rows)
    for other in fleet.core.members.members.values():
        other.gauge, other.health = member.gauge, member.health
    return fleet, names


@pytest.mark.parametrize(("count", "replies"), [(10_000, 11), (1_000, 2), (999, 1)])
def test_ten_thousand_devices_are_listed_in_so_many_replies_as_they_need(count, replies):
    fleet, names = site_of(count)
    asking = Client(fleet)
    found = asking.devices()
    assert [device["id"] for device in found] == names
    assert asking.asked == replies
    assert found[0]["factors"]
    page = fleet.command("devices", names[10])
    assert page[0]["id"] == names[11]


def test_shards_come_by_the_thousand_too():
    fleet = Fleet("a", "b")
    fleet.put("v", {f"k{number}": b"\1\0" for number in range(64)}, shards=2_500)
    numbers = sorted(fleet.core.catalog.datasets["v"].shards)
    asking = Client(fleet)
    assert [row["shard"] for row in asking.shards("v")] == numbers
    assert asking.asked == len(numbers) // 1_000 + 1
    assert [row["shard"] for row in fleet.command("shards", f"v {numbers[-2]}")] == numbers[-1:]
    assert "a number is wanted" in fleet.command("shards", "v x")["error"]


def test_a_gateway_that_gives_all_at_once_is_asked_no_more_than_twice():
    class Older(Client):
        def _ask(self, build):
            self.asked += 1
            return [{"id": f"d{number:04d}"} for number in range(1_000)]

    asking = Older(None)
    assert len(asking.devices()) == 1_000
    assert asking.asked == 2
