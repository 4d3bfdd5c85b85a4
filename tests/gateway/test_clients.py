"""Verbs that change something, and their errors."""

from array import array

import pytest
from gateway_fleet import Fleet

from atoll.wire import messages as wire


@pytest.fixture
def fleet():
    found = Fleet("a", "b", "c")
    found.put("v", {"k1": array("h", range(500)).tobytes(), "k2": b"\1\0" * 10})
    return found


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


def test_who_came_back_while_it_was_drained_has_a_weight_again():
    """It was out meanwhile, and got its slots anew as one that is to be empty."""
    fleet = Fleet("a", "b", profile="demo")
    fleet.command("drain", "b")
    fleet.cut.add("b")
    fleet.run(120.0)
    assert fleet.core.members.members["b"].row.quota == 0
    fleet.cut.clear()
    fleet.devices["b"].birth()
    fleet.devices["b"].ask_lease()
    fleet.run(5.0)
    table, number = fleet.core.owners.table, fleet.core.members.members["b"].row.number
    assert {table.threshold[slot] for slot in table.owned(number)} == {0}
    assert fleet.command("undrain", "b") == {"draining": "", "device": "b"}
    assert {table.threshold[slot] for slot in table.owned(number)} == {65_535}


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


def test_a_request_that_comes_twice_is_done_once_and_answered_twice():
    fleet = Fleet("a", "b")
    values = bytes(200)
    fleet.put("v", {"k": values})
    start = wire.Start(fleet.number(), "hum", "moments", "v", "100")
    first = fleet.ask(start)
    stop = wire.Command(fleet.number(), "stop", "hum")
    fleet.ask(stop)
    assert fleet.ask(start) == first
    assert fleet.core.standing.jobs == {}, "what was stopped since is not started by an echo"
    remove = wire.Command(fleet.number(), "rm", "v")
    removed = fleet.ask(remove)
    fleet.put("v", {"k": values}, put_id=b"n" * 16)
    assert fleet.ask(remove) == removed
    assert "v" in fleet.core.catalog.datasets, "what was made since is not removed by an echo"
    assert fleet.command("status")["counters"]["repeated requests"] == 2


def test_what_is_only_read_is_read_again():
    fleet = Fleet("a")
    ask = wire.Command(fleet.number(), "devices", "")
    before = fleet.ask(ask)
    fleet.add("b")
    assert fleet.ask(ask) != before
