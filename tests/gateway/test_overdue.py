"""Batches that are stored and not merged: the gateway sees them by itself and asks for them."""

from array import array

import pytest
from gateway_fleet import Fleet

from atoll.gateway.catalog import Stream
from atoll.gateway.overdue import ROUND_S, joined, next_whole, unmerged
from atoll.gateway.progress import Line
from atoll.wire import messages as wire
from atoll.wire import ordered

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


@pytest.mark.parametrize(
    ("stream", "begins", "place"),
    [
        (stream_of((0, 0, 560)), 200, 200),
        (stream_of((0, 0, 560)), 500, None),  # it may come
        (stream_of((0, 0, 250), (2, 280, 600)), 200, 300),
        (stream_of((0, 0, 250), (2, 280, 390)), 200, None),  # what is behind is no batch yet
        (stream_of((0, 0, 250), (2, 280, 390), (4, 470, 900)), 200, 500),
        (stream_of((2, 280, 600)), 0, 300),
        (stream_of((2, 280, 600), anchors=()), 0, 280),
        (stream_of((0, 0, 250), (2, 280, 600), anchors=(0, 280)), 200, 280),
        (stream_of((0, 0, 205), (1, 205, 600), anchors=(0, 205)), 205, 205),
        (stream_of((0, 0, 8), (1, 8, 50), (3, 90, 400), anchors=(0, 8, 90)), 8, 90),
        (stream_of((0, 0, 8), (1, 8, 50), (3, 90, 400), anchors=(0, 8)), 8, 108),
        (stream_of((0, 0, 150), (2, 280, 350), (3, 350, 900), anchors=(0, 350)), 200, 300),
    ],
)
def test_where_a_plan_that_remembers_begins_anew(stream, begins, place):
    assert next_whole(stream, stream.held["d"], begins, 100, 5, 10) == place


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


REMEMBERS = "ema 0.1 | window 10 | mean | moments"


@pytest.fixture
def holed():
    """A job that remembers over a stream whose samples 150 to 250 nobody has."""
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": array("h", range(500)).tobytes()})
    start = wire.Start(fleet.number(), "hum", REMEMBERS, "v", "100")
    assert fleet.ask(start).status == wire.DONE
    first = ordered.pack(ordered.Carried(100, 0, b"partial", b"checkpoint"))
    device = fleet.devices[acting(fleet)]
    device.say_results("hum", [wire.Result("k", 0, False, first, 1)])
    fleet.settle()
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    (run,) = next(iter(stream.held.values()))
    for device in stream.held:
        stream.held[device] = [
            run._replace(last_seq=0, sample_count=150),
            run._replace(first_seq=2, last_seq=2, first_sample=250, sample_count=250, gap=False),
        ]
    return fleet


def test_a_hole_that_nobody_can_fill_is_passed_for_all(holed):
    device = holed.devices[acting(holed)]
    device.orders["hum"].clear()
    holed.run(ROUND)
    assert device.orders["hum"] == []  # it may still be filled
    holed.run(2 * ROUND_S)
    assert {tuple(order.marks) for order in device.orders["hum"]} == {(wire.Mark("k", 300),)}
    assert device.orders["hum"][0].checkpoints == []
    assert holed.core._desk.counters["holes passed"] == 1
    assert any("goes on at 300" in str(event) for event in holed.events)
    holed.run(4 * ROUND_S)
    assert holed.core._desk.counters["holes passed"] == 1


def test_a_hole_that_somebody_can_fill_is_waited_for(holed):
    stream = holed.core.catalog.datasets["v"].streams["k"]
    other = next(name for name in stream.held if name != acting(holed))
    stream.held[other] = [stream.held[other][0]._replace(last_seq=2, sample_count=500)]
    holed.run(6 * ROUND_S)
    assert "holes passed" not in holed.core._desk.counters


def test_who_acts_and_stands_still_is_told_the_mark_more_and_more_seldom():
    """It may stand before a hole that ends at a gap, and not know that the mark is behind."""
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": array("h", range(500)).tobytes()})
    start = wire.Start(fleet.number(), "hum", REMEMBERS, "v", "100")
    assert fleet.ask(start).status == wire.DONE
    device = fleet.devices[acting(fleet)]
    device.orders["hum"].clear()
    fleet.run(2.5 * ROUND_S)
    begun = {mark for order in device.orders["hum"] for mark in order.marks}
    assert begun == {wire.Mark("k", 0)}  # it may wait for what is no batch
    device.orders["hum"].clear()
    first = ordered.pack(ordered.Carried(100, 0, b"partial", b"checkpoint"))
    device.say_results("hum", [wire.Result("k", 0, False, first, 1)])
    fleet.run(9 * ROUND_S)
    told = [order for order in device.orders["hum"] if order.marks == [wire.Mark("k", 100)]]
    assert len(told) == 3
    assert told[0].checkpoints[0].sample == 100
    assert "holes passed" not in fleet.core._desk.counters
