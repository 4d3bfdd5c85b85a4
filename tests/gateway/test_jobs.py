"""Queries: equal to Plan.run, over losses, failures, repeats and bounds."""

import json
from array import array

import pytest
from gateway_data import data_of, filled, wanted
from gateway_fleet import WALL

from atoll.gateway import events as on
from atoll.gateway import jobs
from atoll.kernels import Plan
from atoll.wire import messages as wire

RMS = "window 128 hop=64 | rms | quantiles 0.5 0.99"


@pytest.mark.parametrize(
    "text", [RMS, "moments", "histogram -3000 3000 bins=16", "window 100 | rms, peak", "minmax"]
)
def test_an_answer_is_what_one_machine_computes(text):
    data = data_of()
    reply = filled(data=data).query(text, "v")
    assert reply.status == wire.DONE
    assert reply.blob == wanted(text, data)
    body = json.loads(reply.body)
    assert body["complete"] is True
    assert body["streams"] == 12
    assert body["missing"] == []


def test_a_result_by_key():
    data = data_of(5)
    body = json.loads(filled(data=data).query(RMS, "v", by_key=True).body)
    plan = Plan(RMS)
    assert body["values"] == {key: plan.run(values, rate=1000.0) for key, values in data.items()}


def test_a_stream_shorter_than_a_window_counts_with_nothing():
    data = {"long": array("h", range(500)), "short": array("h", range(10))}
    reply = filled(data=data).query(RMS, "v")
    assert reply.blob == wanted(RMS, data)


def test_long_streams_are_cut_and_merge_to_the_same(monkeypatch):
    monkeypatch.setattr("atoll.gateway.cutting.PIECE_SAMPLES", 1_000)
    data = data_of(4, most=20_000)
    reply = filled(data=data).query(RMS, "v")
    assert json.loads(reply.body)["tasks"] > 12
    assert reply.blob == wanted(RMS, data)


def test_a_silent_devices_tasks_go_to_others_at_once():
    data = data_of(20)
    fleet = filled(data=data)
    for device in fleet.devices.values():
        device.mute = True
    assert fleet.query(RMS, "v") is None
    victim = next(name for name, device in fleet.devices.items() if device.tasks)
    fleet.cut.add(victim)
    fleet.handle(on.StatusSeen(victim, "lost", 1, 0))
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.settle()
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.DONE
    assert reply.blob == wanted(RMS, data)
    assert fleet.command("status")["takeovers"][0]["device"] == victim


def test_late_partials_of_the_lost_device_are_counted_and_harmless():
    data = data_of(20)
    fleet = filled(data=data)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(RMS, "v")
    zombie = next(device for device in fleet.devices.values() if device.tasks)
    fleet.handle(on.StatusSeen(zombie.name, "lost", 1, 0))
    zombie.out.clear()
    zombie.work()
    late, zombie.out = zombie.out, []
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.settle()
    assert fleet.reply(fleet.requests).blob == wanted(RMS, data)
    for message in late:
        fleet.handle(on.DeviceSpoke(zombie.name, message, 0))
    assert fleet.core._desk.counters["repeated"] > 0
    assert zombie.outbox == {}, "what comes late is acknowledged too"


def test_different_bytes_for_one_key_are_an_event_and_the_first_counts():
    data = data_of(3)
    fleet = filled("a", "b", data=data)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    a, b = fleet.devices.values()
    worker, other = (a, b) if a.tasks else (b, a)
    job = worker.tasks[0].job
    worker.work()
    first = worker.out[0]
    lie = Plan("moments").partial(array("h", [1]))
    fleet.handle(on.DeviceSpoke(worker.name, first._replace(results=first.results[:1]), 0))
    changed = [first.results[0]._replace(data=lie)]
    fleet.handle(on.DeviceSpoke(other.name, first._replace(results=changed), 0))
    assert fleet.core._desk.counters["disagreed"] == 1
    assert any(kind == "audit" and job in text for kind, text in fleet.events)
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.settle()
    assert fleet.reply(fleet.requests).blob == wanted("moments", data)


def test_a_failed_task_is_done_by_another_replica():
    data = data_of(10)
    fleet = filled(data=data)
    broken = fleet.devices["a"]
    broken.blocks.clear()
    reply = fleet.query(RMS, "v")
    fleet.run(1.0)
    reply = fleet.reply(reply.request if reply else fleet.requests)
    assert reply.blob == wanted(RMS, data)


def test_what_every_replica_fails_is_listed_exactly():
    data = data_of(10)
    fleet = filled(data=data)
    for device in fleet.devices.values():
        for name in [name for name in device.blocks if name[1] == "k3"]:
            del device.blocks[name]
    fleet.query("moments", "v")
    fleet.run(2.0)
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.INCOMPLETE
    body = json.loads(reply.body)
    assert body["complete"] is False
    (entry,) = body["missing"]
    assert (entry["key"], entry["start"], entry["stop"]) == ("k3", 0, len(data["k3"]))
    assert "no samples" in entry["reason"]
    rest = {key: values for key, values in data.items() if key != "k3"}
    assert reply.blob == wanted("moments", rest)


def test_a_device_that_restarts_gets_its_tasks_again():
    data = data_of(4)
    fleet = filled("a", "b", data=data)
    for device in fleet.devices.values():
        device.mute = True
    assert fleet.query("moments", "v") is None
    for device in fleet.devices.values():
        device.mute = False
        device.restart()
        device.birth()
        device.ask_lease()
    fleet.run(1.5)
    assert fleet.reply(fleet.requests).blob == wanted("moments", data)


def test_without_live_copies_the_query_ends_incomplete_after_a_while():
    data = data_of(10)
    fleet = filled("a", "b", "c", "d", data=data, profile="demo")
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    fleet.cut |= {"a", "b"}
    fleet.run(1.5)
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.run(60.0)
    reply = fleet.reply(fleet.requests)
    both = {
        key
        for key, stream in fleet.core.catalog.datasets["v"].streams.items()
        if set(stream.held) <= {"a", "b"}
    }
    if both:
        assert reply.status == wire.INCOMPLETE
        assert {entry["key"] for entry in json.loads(reply.body)["missing"]} == both
    else:
        assert reply.status == wire.DONE


def alone_with_the_news(data):
    """Two devices; the second block of each stream is on one of them only, which falls silent."""
    fleet = filled("a", "b", data=data)
    fleet.put("v", {key: values.tobytes() for key, values in data.items()}, put_id=b"q" * 16)
    for name in [name for name in fleet.devices["a"].blocks if name[2] == 1]:
        del fleet.devices["a"].blocks[name]
    for key, stream in fleet.core.catalog.datasets["v"].streams.items():
        run = stream.held["a"][0]
        stream.held["a"] = [run._replace(last_seq=0, sample_count=len(data[key]))]
    fleet.cut.add("b")
    fleet.run(3.5)
    return fleet, {key: values + values for key, values in data.items()}


def test_samples_of_a_silent_device_are_waited_for():
    fleet, whole = alone_with_the_news(data_of(3))
    assert fleet.query("moments", "v") is None
    fleet.cut.clear()
    fleet.run(2.0)
    assert fleet.reply(fleet.requests).blob == wanted("moments", whole)


def test_samples_of_a_silent_device_are_missing_in_the_end():
    fleet, _ = alone_with_the_news(data_of(3))
    fleet.query("moments", "v")
    fleet.run(60.0)
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.INCOMPLETE
    assert len(json.loads(reply.body)["missing"]) == 3


def test_a_deadline_gives_what_there_is():
    data = data_of(6)
    fleet = filled("a", "b", data=data)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v", timeout_ms=2_000)
    fleet.devices["a"].work()
    fleet.run(3.0)
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.INCOMPLETE
    missing = {entry["key"] for entry in json.loads(reply.body)["missing"]}
    rest = {key: values for key, values in data.items() if key not in missing}
    assert missing
    assert reply.blob == wanted("moments", rest)


def test_the_same_request_twice_is_one_query():
    fleet = filled("a", "b", data=data_of(3))
    run = wire.Run(77, "moments", "v", False, -1, -1, 0, 0)
    first, second = fleet.ask(run), fleet.ask(run)
    assert first.body == second.body
    assert len(fleet.core.jobs.finished) == 1


def test_queries_by_time():
    values = array("h", range(10_000))
    fleet = filled("a", "b", data={"k": values})
    reply = fleet.query("minmax", "v", since=WALL + 2_000, until=WALL + 3_000)
    assert reply.blob == Plan("minmax").partial(
        values[2_000:3_000], rate=1000.0, start=2_000, key="k"
    )
    reply = fleet.query("minmax", "v", last=500)
    assert reply.blob == Plan("minmax").partial(values[9_500:], rate=1000.0, start=9_500, key="k")


@pytest.mark.parametrize(
    ("plan", "dataset", "said"),
    [
        ("nonsense", "v", "nonsense"),
        ("window 0 | rms", "v", "window"),
        ("", "v", "empty"),
        ("moments", "w", "no dataset 'w'; there are: v"),
    ],
)
def test_what_cannot_be_run_says_why(plan, dataset, said):
    reply = filled("a", "b", data=data_of(1)).query(plan, dataset)
    assert reply.status == wire.FAILED
    assert said in json.loads(reply.body)["error"]


def test_a_time_without_samples_says_so():
    reply = filled("a", "b", data=data_of(1)).query("moments", "v", since=WALL + 10**9)
    assert "no samples in that time" in json.loads(reply.body)["error"]


def test_streams_of_two_kinds_do_not_merge():
    fleet = filled("a", "b", data=data_of(1))
    fleet.put("v", {"other": bytes(40)}, dtype="f32", put_id=b"x" * 16)
    reply = fleet.query("moments", "v")
    assert "f32 and i16" in json.loads(reply.body)["error"]


def test_a_cancelled_query_ends_and_its_devices_are_told():
    fleet = filled("a", "b", data=data_of(6))
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    assert fleet.command("cancel", "q1") == {"cancelled": "q1"}
    assert fleet.reply(1 + 5 + 1).status == wire.FAILED
    assert not any(device.tasks for device in fleet.devices.values())


def test_results_of_no_task_are_refused():
    fleet = filled("a", "b", data=data_of(2))
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    device = fleet.devices["a"]
    device.say_results("q1", [wire.Result("k0", 10_000, False, b"", 0)])
    device.say_results("q1", [wire.Result("nobody", 0, False, b"", 0)])
    device.say_results("q999", [wire.Result("k0", 0, False, b"", 0)])
    fleet.settle()
    assert fleet.core._desk.refused["result of no task"] == 2
    assert fleet.core._desk.counters["late results"] == 1
    assert device.outbox == {}


def test_a_damaged_partial_is_missing_and_nothing_else():
    data = data_of(5)
    fleet = filled("a", "b", data=data)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    for device in fleet.devices.values():
        device.work()
        for at, message in enumerate(device.out):
            if isinstance(message, wire.Partials):
                spoilt = [
                    r._replace(data=b"\0" * 9) if r.key == "k2" else r for r in message.results
                ]
                device.out[at] = message._replace(results=spoilt)
    fleet.settle()
    reply = fleet.reply(fleet.requests)
    assert reply.status == wire.INCOMPLETE
    assert [entry["key"] for entry in json.loads(reply.body)["missing"]] == ["k2"]
    assert reply.blob == wanted("moments", {k: v for k, v in data.items() if k != "k2"})


def test_old_answers_are_forgotten_and_their_topics_cleared():
    fleet = filled("a", "b", data=data_of(1))
    for _ in range(jobs.QUERIES_KEPT_MAX + 3):
        fleet.query("count", "v")
    assert len(fleet.core.jobs.finished) == jobs.QUERIES_KEPT_MAX
    assert fleet.results["q1"] == ""
    assert json.loads(fleet.results["q9"])["job"] == "q9"


def test_large_partials_are_folded_and_the_answer_is_the_same(monkeypatch):
    monkeypatch.setattr("atoll.gateway.query.FOLD_BYTES", 200)
    data = data_of(12)
    fleet = filled(data=data)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(RMS, "v")
    for device in fleet.devices.values():
        for message in device.tasks:
            for task in message.tasks:
                single = message._replace(tasks=[task])
                device.tasks, kept = [single], device.tasks
                device.work()
                device.tasks = kept
        device.tasks = []
    fleet.settle()
    assert fleet.reply(fleet.requests).blob == wanted(RMS, data)


def test_progress_is_told_while_it_lasts():
    fleet = filled("a", "b", data=data_of(8))
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    fleet.devices["a"].work()
    fleet.run(1.0)
    progress = [
        json.loads(m.body) for _, m in fleet.replies if m.status == wire.PROGRESS and m.body != "{}"
    ]
    assert progress[-1]["tasks"] == 8
    assert 0 < progress[-1]["done"] < 8


def test_a_full_device_is_an_event_and_its_tasks_wait_or_go_elsewhere():
    fleet = filled("a", "b", data=data_of(2))
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    worker = next(device for device in fleet.devices.values() if device.tasks)
    (message, *_) = worker.tasks
    full = [
        wire.Result(task.key, task.number, True, b"outbox full: 4096 messages wait", 0)
        for task in message.tasks
    ]
    for _ in range(3):
        worker.say_results(message.job, full)
        fleet.settle()
    assert [text for kind, text in fleet.events if kind == "full"] == [
        f"{worker.name} takes no tasks: outbox full: 4096 messages wait"
    ]
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.run(2.0)
    assert not fleet.core.jobs.open
