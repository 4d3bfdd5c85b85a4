"""The gateway computes a task by itself, from blocks that come in parts."""

from array import array

from gateway_fleet import Fleet

from atoll.gateway import recount
from atoll.gateway.recount import Job, Recounts
from atoll.kernels import Plan
from atoll.wire import messages as wire

PLAN = Plan("window 10 | rms | moments")
VALUES = array("h", [(n * 31) % 777 for n in range(4_000)])


def rig(blocks=40):
    """A stream of 100 samples a block on one device, and recounts on the core's own desk."""
    fleet = Fleet("a")
    for index in range(blocks):
        part = VALUES[index * 100 : (index + 1) * 100].tobytes()
        fleet.put("v", {"k": part}, index=index, replicas=1)
    return fleet, fleet.core.audits.recounts, fleet.core.catalog.datasets["v"].streams["k"]


def begin(fleet, recounts, stream, start, stop):
    told = []
    task = wire.Task("k", 0, 0, start, stop)
    began = recounts.begin(Job("a", stream, PLAN, task), told.append)
    fleet.carry(fleet.core._desk.take())
    fleet.settle()
    return began, told


def test_it_is_what_a_device_computes():
    fleet, recounts, stream = rig()
    for start, stop in ((0, 4_000), (0, 50), (120, 340), (3_990, 4_000)):
        began, told = begin(fleet, recounts, stream, start, stop)
        assert began
        expected = PLAN.partial(VALUES[start:stop], rate=1000.0, start=start, key="k")
        assert told == [expected], (start, stop)


def test_blocks_that_do_not_come_or_are_others_tell_nothing():
    fleet, recounts, stream = rig()
    del fleet.devices["a"].blocks["v", "k", 3]
    assert begin(fleet, recounts, stream, 0, 1_000) == (True, [None])
    fleet.devices["a"].blocks.clear()
    assert begin(fleet, recounts, stream, 0, 1_000) == (True, [None])


def test_it_is_given_up_after_a_while():
    fleet, recounts, stream = rig()
    fleet.cut.add("a")
    _, told = begin(fleet, recounts, stream, 0, 1_000)
    assert told == []
    fleet.run(recount.PATIENCE_S + 1)
    assert told == [None]


def test_what_is_too_much_is_refused(monkeypatch):
    fleet, recounts, stream = rig()
    monkeypatch.setattr(recount, "SAMPLE_BYTES_MAX", 1_999)
    assert begin(fleet, recounts, stream, 0, 1_000) == (False, [])
    monkeypatch.setattr(recount, "RECOUNTS_MAX", 0)
    assert begin(fleet, recounts, stream, 0, 100) == (False, [])


def test_samples_that_nobody_holds_are_refused():
    fleet, recounts, stream = rig(blocks=2)
    assert begin(fleet, recounts, stream, 500, 600) == (False, [])


def test_blocks_of_no_recount_are_left_to_others():
    fleet, recounts, _ = rig(blocks=1)
    assert not Recounts(fleet.core._desk).came_up("a", wire.Blocks(1, 0, 0, 77, False, []))
    assert not recounts.failed("a", wire.TransferFailed(1, 0, 0, 77, "no"))
