"""Batches that are stored and not merged: the gateway sees them by itself and asks for them."""

from array import array

import pytest
from gateway_fleet import Fleet

from atoll.gateway.catalog import Stream
from atoll.gateway.overdue import ROUND_S, joined, unmerged
from atoll.gateway.progress import Line
from atoll.wire import messages as wire

INFO = wire.StreamInfo("v", "k", "i16", 1, 100.0, 1.0, "g")
ROUND = 1.5 * ROUND_S


def stream_of(*runs, anchors=(0,)):
    stream = Stream(INFO, 0)
    stream.held["d"] = [
        wire.BlockRun(seq, seq, first, stop - first, 0, first in anchors, 9)
        for seq, first, stop in runs
    ]
    stream.anchors, stream.tail_sample = list(anchors), runs[-1][2]
    return stream


def line_of(mark, *ahead):
    line = Line()
    line.mark, line.ahead = mark, dict.fromkeys(ahead, b"")
    return line


@pytest.mark.parametrize(
    ("stream", "line", "wanted"),
    [
        (stream_of((0, 0, 560)), line_of(100, 200, 400), [(100, 200), (300, 400)]),
        (stream_of((0, 0, 560)), line_of(500), []),  # its overlap is not there yet
        (stream_of((0, 0, 560)), line_of(-1), []),
        (stream_of((0, 0, 150), (2, 180, 450)), line_of(100), [(200, 300), (300, 400)]),
        (stream_of((0, 0, 150), (1, 150, 300), anchors=(0, 150)), line_of(0), [
            (0, 100), (100, 150), (150, 250),
        ]),
        (stream_of((0, 0, 105), (1, 105, 300), anchors=(0, 105)), line_of(0, 105), [(0, 100)]),
    ],
)  # fmt: skip
def test_what_is_stored_and_not_merged(stream, line, wanted):
    assert list(unmerged(stream, line, "d", 100, 5, 10)) == wanted
    assert list(unmerged(stream, line, "nobody", 100, 5, 10)) == []


def test_stretches_that_follow_each_other_are_one():
    assert joined([(0, 10), (10, 25), (30, 40)]) == [(0, 25), (30, 40)]


def started():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": array("h", range(500)).tobytes()})
    assert fleet.ask(wire.Start(fleet.number(), "hum", "moments", "v", "100")).status == wire.DONE
    return fleet


def say(fleet, *samples):
    device = fleet.devices[acting(fleet)]
    results = [wire.Result("k", sample, False, b"partial", 1) for sample in samples]
    device.say_results("hum", results)
    fleet.settle()


def acting(fleet):
    dataset = fleet.core.catalog.datasets["v"]
    return dataset.shards[dataset.streams["k"].shard].owners[0]


def test_who_acts_is_asked_for_what_lacks_and_nobody_else():
    fleet = started()
    say(fleet, 0, 200, 300)
    fleet.run(ROUND)
    assert not any(device.again for device in fleet.devices.values())  # it may be under way
    fleet.run(ROUND_S)
    owner = acting(fleet)
    (again,) = fleet.devices[owner].again
    assert again.job == "hum"
    assert again.stretches == [wire.Stretch("k", 100, 200)]
    assert not any(d.again for name, d in fleet.devices.items() if name != owner)
    fleet.run(4 * ROUND_S)  # it may wait before a hole, but not for so long
    assert fleet.devices[owner].again[-1].stretches == [
        wire.Stretch("k", 100, 200), wire.Stretch("k", 400, 500)
    ]  # fmt: skip


def test_what_came_in_the_meantime_is_not_asked_for():
    fleet = started()
    say(fleet, 0, 200)
    fleet.run(ROUND)
    say(fleet, 100, 300, 400)
    fleet.run(2 * ROUND)
    assert not any(device.again for device in fleet.devices.values())


def test_a_device_that_restarts_is_asked_again(monkeypatch):
    """As long as it lacks: a message may be lost."""
    monkeypatch.setattr("atoll.gateway.overdue.PORTION", 1)
    fleet = started()
    say(fleet, 0, 200, 300, 400)
    fleet.run(ROUND + 3 * ROUND_S)
    again = fleet.devices[acting(fleet)].again
    assert len(again) == 3
    assert {tuple(one.stretches) for one in again} == {(wire.Stretch("k", 100, 200),)}
    say(fleet, 100)
    fleet.run(2 * ROUND_S)
    assert len(again) == 3
    fleet.command("stop", "hum")
    fleet.run(2 * ROUND_S)
