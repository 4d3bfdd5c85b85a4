"""Slow devices: what starts again, with whom, and that the bytes stay the same."""

import json

from gateway_data import data_of, filled, wanted
from gateway_fleet import Fleet

from atoll.gateway import events as on
from atoll.gateway.dispatch import IN_FLIGHT_MAX
from atoll.gateway.profiles import PROFILES
from atoll.gateway.stragglers import AGAIN_MAX, share_out
from atoll.wire import messages as wire

RMS = "window 64 | rms | quantiles 0.5"
DATA = data_of(40, most=3_000)


def slow_one(fleet, plan=RMS, timeout_ms=0):
    """A query during which the device with most tasks answers nothing; it, and the request."""
    fleet.run(1.0)
    victim = max(fleet.devices.values(), key=lambda d: len(fleet.core.owners.owned[d.name]))
    victim.mute = True
    fleet.query(plan, "v", timeout_ms=timeout_ms)
    assert victim.tasks
    return victim, fleet.requests


def test_tasks_of_a_slow_device_start_again_on_a_replica_before_it_is_suspected():
    fleet = filled(data=DATA)
    victim, request = slow_one(fleet)
    fleet.run(1.0)
    assert fleet.states()[victim.name] == "ready"
    reply = fleet.reply(request)
    assert reply.status == wire.DONE
    assert reply.blob == wanted(RMS, DATA)
    counters = fleet.core._desk.counters
    assert counters["started again"] == sum(len(m.tasks) for m in told_tasks(victim, fleet))
    assert [text for kind, text in fleet.events if kind == "again"]


def told_tasks(victim, fleet):
    return [m for m in victim.told if isinstance(m, wire.Tasks)]


def test_the_second_partial_is_dropped_and_is_the_same():
    fleet = filled(data=DATA)
    victim, request = slow_one(fleet)
    tasks = list(victim.tasks)
    fleet.run(1.0)
    assert fleet.reply(request).status == wire.DONE
    before = dict(fleet.core._desk.counters)
    victim.tasks, victim.mute = tasks, False
    victim.work()
    fleet.settle()
    after = fleet.core._desk.counters
    assert after["repeated"] - before["repeated"] == before["started again"]
    assert (after["disagreed"], after["lost"], after["duplicated"]) == (0, 0, 0)


def test_the_slow_one_may_still_be_first():
    fleet = filled(data=DATA)
    victim, request = slow_one(fleet)
    others = [d for d in fleet.devices.values() if d is not victim]
    for device in others:
        device.mute = True
    fleet.run(1.0)
    victim.mute = False
    victim.work()
    fleet.settle()
    assert fleet.reply(request).status == wire.DONE
    assert fleet.reply(request).blob == wanted(RMS, DATA)


def test_nothing_starts_again_while_everybody_is_busy():
    fleet = filled(data=DATA)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(RMS, "v")
    fleet.run(10.0)
    assert "started again" not in fleet.core._desk.counters


def test_a_task_starts_again_once():
    fleet = filled(data=DATA, profile="metered")
    slow_one(fleet)
    for device in fleet.devices.values():
        device.mute = True
    fleet.run(4.0)
    again = fleet.core._desk.counters.get("started again", 0)
    fleet.run(20.0)
    assert fleet.core._desk.counters.get("started again", 0) == again


def test_a_task_that_fails_where_it_started_again_is_still_the_slow_ones():
    fleet = filled(data=DATA)
    victim, request = slow_one(fleet)
    for device in fleet.devices.values():
        if device is not victim:
            device.samples = lambda *arguments: (None, "")
    fleet.run(1.0)
    victim.mute = False
    victim.work()
    fleet.settle()
    fleet.run(1.0)
    assert fleet.reply(request).status == wire.DONE
    assert fleet.reply(request).blob == wanted(RMS, DATA)


def test_a_task_that_fails_comes_to_the_helper_that_has_it_already_and_counts_once():
    fleet = filled("a", "b", data=DATA)
    victim, request = slow_one(fleet)
    (helper,) = (d for d in fleet.devices.values() if d is not victim)
    fleet.run(0.05)
    helper.mute = True
    fleet.run(1.0)
    assert helper.tasks, "they started again there"
    victim.samples = lambda *arguments: (None, "")
    victim.mute = False
    victim.work()
    fleet.settle()
    again, repeated = helper.tasks
    assert [t.number for t in again.tasks] == [t.number for t in repeated.tasks]
    assert fleet.core.jobs._dispatcher._in_flight[helper.name] == len(again.tasks)
    helper.mute = False
    helper.work()
    fleet.settle()
    assert fleet.reply(request).status == wire.DONE


def test_when_the_helper_dies_the_tasks_go_on():
    fleet = filled(data=DATA)
    victim, request = slow_one(fleet)
    others = [d for d in fleet.devices.values() if d is not victim]
    for device in others:
        device.mute = True
    fleet.run(1.0)
    helper = next((d for d in others if d.tasks), None)
    assert helper is not None
    fleet.cut.add(helper.name)
    fleet.handle(on.StatusSeen(helper.name, "lost", 1, 0))
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.settle()
    fleet.run(PROFILES["normal"].suspect_s)
    assert fleet.reply(request).status == wire.DONE
    assert fleet.reply(request).blob == wanted(RMS, DATA)


def test_a_deadline_gives_what_is_there_and_the_exact_rest(monkeypatch):
    fleet = Fleet("a")
    for number, (key, values) in enumerate(DATA.items()):
        fleet.put("v", {key: values.tobytes()}, put_id=number.to_bytes(16, "big"))
    device = fleet.devices["a"]
    device.mute = True
    fleet.query(RMS, "v", timeout_ms=2_000)
    message = device.tasks.pop()
    half = message.tasks[: len(message.tasks) // 2]
    device.tasks = [message._replace(tasks=half)]
    device.work()
    fleet.settle()
    fleet.run(3.0)
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.INCOMPLETE
    body = json.loads(reply.body)
    missing = {(m["key"], m["start"], m["stop"]) for m in body["missing"]}
    assert missing == {(t.key, t.start, t.stop) for t in message.tasks[len(half) :]}
    done = {task.key for task in half}
    assert reply.blob == wanted(RMS, {k: v for k, v in DATA.items() if k in done})


def test_what_waits_for_a_busy_device_is_handed_to_an_idle_one(monkeypatch):
    monkeypatch.setattr("atoll.gateway.dispatch.IN_FLIGHT_MAX", 4)
    fleet = filled(data=DATA)
    victim, request = slow_one(fleet)
    assert len(told_tasks(victim, fleet)[0].tasks) == 4
    fleet.run(1.0)
    assert fleet.core._desk.counters["stolen"] > 0
    assert fleet.reply(request).blob == wanted(RMS, DATA)
    assert sum(len(m.tasks) for m in told_tasks(victim, fleet)) == 4
    for device in fleet.devices.values():
        assert all(len(m.tasks) <= 4 for m in told_tasks(device, fleet)), "the bound holds here too"
    assert IN_FLIGHT_MAX > AGAIN_MAX


def test_whoever_takes_from_several_busy_ones_keeps_to_its_bound(monkeypatch):
    monkeypatch.setattr("atoll.gateway.dispatch.IN_FLIGHT_MAX", 4)
    fleet = filled("a", "b", "c", data=DATA)
    fleet.run(1.0)
    for name in "ab":
        fleet.devices[name].mute = True
    flights, carry, most = fleet.core.jobs._dispatcher._in_flight, fleet.carry, []

    def watch(effects):
        most.append(max(flights.values(), default=0))
        carry(effects)

    monkeypatch.setattr(fleet, "carry", watch)
    fleet.query(RMS, "v")
    fleet.run(2.0)
    assert fleet.core._desk.counters["stolen"] > 0
    assert max(most) == 4


def test_sharing_out_is_even_and_never_with_the_slow_one():
    slow = {"a": list(range(10)), "b": [10, 11]}
    shared = share_out(None, slow, ["b", "c", "d"], lambda query, number, device: True, 99)
    assert {n for numbers in shared.values() for n in numbers} == set(range(12))
    assert max(map(len, shared.values())) - min(map(len, shared.values())) <= 1
    assert not {10, 11} & set(shared["b"])
    many = share_out(None, {"a": list(range(9_999))}, ["b"], lambda *arguments: True, AGAIN_MAX)
    assert len(many["b"]) == AGAIN_MAX
