"""Standing jobs: orders, marks, batches merged once in any order, what is shown."""

import json
from array import array

import pytest
from gateway_fleet import Fleet

from atoll.gateway import batches, standing
from atoll.gateway import events as on
from atoll.gateway.jsonable import dumps
from atoll.gateway.overdue import ROUND_S
from atoll.gateway.records import MarkSet, WindowSet
from atoll.kernels import Plan
from atoll.wire import messages as wire
from atoll.wire import ordered

PLAN = "window 10 | rms | moments"
VALUES = array("h", range(1_000))


def started(*names, every="100", profile="normal"):
    fleet = Fleet(*(names or "abc"), profile=profile)
    fleet.put("v", {"k": VALUES.tobytes()})
    reply = fleet.ask(wire.Start(fleet.number(), "hum", PLAN, "v", every))
    assert reply.status == wire.DONE, reply.body
    return fleet


def batch(sample, values=VALUES, every=100):
    data = Plan(PLAN).partial(
        values[sample : sample + every], rate=1000.0, start=sample, anchor=0, key="k"
    )
    return wire.Result("k", sample, False, data, 1)


def say(fleet, *samples, name="a", results=()):
    device = fleet.devices[name]
    device.say_results("hum", [*(batch(s) for s in samples), *results])
    fleet.settle()


def progress(fleet):
    return fleet.core.standing.jobs["hum"].streams["k"]


def acting(fleet):
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    return fleet.core.catalog.datasets["v"].shards[stream.shard].owners[0]


def test_every_device_gets_the_order():
    fleet = started()
    for device in fleet.devices.values():
        (order,) = device.orders["hum"]
        assert (order.every, order.every_ms, order.dataset) == (100, 0, "v")
        assert order.plan == Plan(PLAN).canonical


def test_the_newest_window_is_shown_and_the_mark_advances():
    fleet = started()
    say(fleet, 0, 100)
    fleet.run(0.5)
    shown = json.loads(fleet.results["hum"])
    assert shown["job"] == "hum"
    assert shown["streams"]["k"]["sample"] == 100
    assert shown["streams"]["k"]["value"] == Plan(PLAN).finish(batch(100).data)
    assert progress(fleet).mark == 200


def test_what_does_not_fit_a_message_is_counted(monkeypatch):
    names = ['plain "quoted"', "\\é", "last"]
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {name: VALUES.tobytes() for name in names})
    assert fleet.ask(wire.Start(fleet.number(), "hum", PLAN, "v", "100")).status == wire.DONE

    def say_all(sample):
        news = [batch(sample)._replace(key=name) for name in names]
        fleet.devices["a"].say_results("hum", news)
        fleet.settle()
        fleet.run(0.5)
        body = json.loads(fleet.results["hum"])
        # Compact JSON, as whoever makes it from the same values writes it.
        assert fleet.results["hum"] == dumps(body)
        return body

    body = say_all(0)
    assert [*body["streams"]] == sorted(names)
    assert [*body] == ["job", "at_ms", "streams"]
    monkeypatch.setattr(standing, "SHOWN_BYTES_MAX", 9 * len(dumps(body["streams"])) // 10)
    body = say_all(100)
    assert [*body["streams"]] == sorted(names)[:2]
    assert body["omitted"] == 1


def test_what_a_broker_has_lost_is_shown_again():
    fleet = started()
    say(fleet, 0)
    fleet.run(0.5)
    shown = fleet.results.pop("hum")
    fleet.handle(on.LinkLost())
    fleet.handle(on.LinkOpened(fleet.wall))
    fleet.run(0.5)
    assert json.loads(fleet.results["hum"])["streams"] == json.loads(shown)["streams"]


def test_news_before_the_backlog_counts_once_each():
    fleet = started()
    say(fleet, 300, 200)
    assert progress(fleet).mark == 0
    say(fleet, 0, 100)
    assert progress(fleet).mark == 400
    assert progress(fleet).lines[0].ahead == {}
    say(fleet, 0, 100, 200, 300)
    assert fleet.core._desk.counters["repeated"] == 4
    assert fleet.core.standing.jobs["hum"].batches == 4


def test_what_was_merged_already_is_acknowledged_too():
    fleet = started()
    say(fleet, 0)
    say(fleet, 0)
    assert fleet.devices["a"].outbox == {}


def test_two_devices_that_disagree_are_an_event():
    fleet = started()
    say(fleet, 0)
    say(fleet, results=[batch(0)._replace(data=batch(100).data)], name="b")
    assert fleet.core._desk.counters["disagreed"] == 1
    assert fleet.core.standing.jobs["hum"].batches == 1


def test_whoever_acts_next_is_told_the_marks():
    fleet = started(profile="demo")
    first = acting(fleet)
    say(fleet, 0, 100, name=first)
    fleet.cut.add(first)
    fleet.run(2.5)
    heir = acting(fleet)
    assert heir != first
    assert fleet.devices[heir].orders["hum"][-1].marks == [wire.Mark("k", 200)]


def test_a_device_that_restarts_is_told_again():
    fleet = started()
    name = acting(fleet)
    say(fleet, 0, name=name)
    device = fleet.devices[name]
    device.orders.clear()
    device.restart()
    device.birth()
    device.ask_lease()
    fleet.settle()
    assert device.orders["hum"][-1].marks == [wire.Mark("k", 100)]


def test_a_session_that_began_anew_is_told_again():
    """What was on its way in the old one may be lost: the order too."""
    fleet = started()
    device = fleet.devices[acting(fleet)]
    device.orders.clear()
    device.map = None
    device.birth()
    fleet.settle()
    assert "hum" in device.orders
    assert device.map is not None


def test_a_job_that_begins_while_a_device_is_suspect_reaches_it():
    fleet = started(profile="fast")
    device = fleet.devices["b"]
    fleet.cut.add("b")
    fleet.run(1.6)
    assert fleet.states()["b"] == "suspect"
    fleet.ask(wire.Start(fleet.number(), "buzz", PLAN, "v", "100"))
    fleet.cut.clear()
    device.ask_lease()
    fleet.settle()
    assert fleet.states()["b"] == "ready"
    assert "buzz" in device.orders


def test_a_boot_that_is_met_while_the_device_is_suspect_is_welcomed():
    fleet = started(profile="fast")
    device = fleet.devices["b"]
    fleet.cut.add("b")
    fleet.run(1.6)
    device.restart(lose_blocks=True)
    device.orders.clear()
    fleet.cut.clear()
    device.birth()
    device.ask_lease()
    fleet.settle()
    assert "hum" in device.orders
    assert any(type(message) is wire.InventoryAsk for message in device.told[-12:])


def test_results_that_overtake_the_news_of_their_stream_are_said_again():
    fleet = started()
    fleet.devices["a"].say_results("hum", [wire.Result("a/live", 0, False, b"x", 1)])
    fleet.settle()
    assert fleet.devices["a"].outbox
    assert fleet.core._desk.counters["early results"] == 1
    fleet.devices["b"].say_results("hum", [wire.Result("a/live", 0, False, b"x", 1)])
    fleet.settle()
    assert not fleet.devices["b"].outbox  # of nobody's stream: dropped for good


def test_a_later_batch_that_comes_before_the_first_block_is_known():
    fleet = started()
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    anchors, stream.anchors = stream.anchors, []
    say(fleet, 200)
    stream.anchors = anchors
    say(fleet, 0, 100)
    assert progress(fleet).mark == 300


def test_after_a_gap_the_next_batch_begins_at_the_new_anchor():
    fleet = started()
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    stream.anchors = [0, 250]
    say(fleet, 0, 100)
    assert progress(fleet).mark == 200
    say(fleet, 200)
    assert progress(fleet).mark == 250


def anchors(fleet, *samples):
    """The gaps that the gateway knows. Of the blocks around another one, no list has come."""
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    stream.anchors = list(samples)
    stream.held.clear()


def test_a_gap_that_is_told_after_the_batches_costs_none():
    """The list of blocks was lost with the broker, the batches on both sides of the gap came."""
    fleet = started()
    anchors(fleet, 0)
    say(fleet, 0, 100, 200)  # the last one is short: the gap is at 250
    assert progress(fleet).mark == 300
    say(fleet, 250)
    assert progress(fleet).mark == 350
    anchors(fleet, 0, 250)
    say(fleet, 250, 350)
    assert progress(fleet).mark == 450
    assert fleet.core.standing.jobs["hum"].batches == 5
    assert fleet.core._desk.counters["repeated"] == 1


def test_where_no_gap_is_no_batch_begins_anew():
    """A device that lacks a block in the middle counts on behind it by itself: not merged."""
    fleet = started()
    say(fleet, 0, 100, 200, 250)
    assert progress(fleet).mark == 300
    assert fleet.core.standing.jobs["hum"].batches == 3


def test_a_gap_that_is_told_between_the_batches_moves_the_mark():
    fleet = started()
    say(fleet, 0, 100, 200)
    anchors(fleet, 0, 250)
    say(fleet, 350)
    assert progress(fleet).mark == 250
    say(fleet, 250)
    assert progress(fleet).mark == 450


def test_whoever_acts_next_is_told_the_mark_by_the_gaps_known():
    fleet = started(profile="demo")
    first = acting(fleet)
    say(fleet, 0, 100, 200, name=first)
    anchors(fleet, 0, 250)
    fleet.cut.add(first)
    fleet.run(2.5)
    assert fleet.devices[acting(fleet)].orders["hum"][-1].marks == [wire.Mark("k", 250)]


@pytest.mark.parametrize(
    ("mark", "known", "old", "new"),
    [(300, (0,), 200, 250), (300, (0, 250), 200, 250), (250, (0, 250), 200, 210)],
)
def test_after_a_restart_the_gaps_tell_what_is_merged(mark, known, old, new):
    fleet = started()
    anchors(fleet, *known)
    jobs = fleet.core.standing
    jobs.restore_mark(MarkSet("hum", "k", mark))
    jobs.restore_window(WindowSet("hum", "k", old, batch(old).data))
    say(fleet, old)
    assert jobs.jobs["hum"].batches == 0
    say(fleet, new)
    assert jobs.jobs["hum"].batches == 1


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(("mark", "known", "at"), [(200, (0, 200), 150), (300, (0,), 250)])
def test_after_a_restart_a_batch_at_a_gap_that_nobody_had_told_counts_once(mark, known, at, told):
    """It was merged, or waits before the mark for the news of the gap, which comes, or never."""
    fleet = started()
    anchors(fleet, *known)
    jobs = fleet.core.standing
    jobs.restore_mark(MarkSet("hum", "k", mark))
    jobs.restore_window(WindowSet("hum", "k", at, batch(at).data))
    anchors(fleet, *(sorted({*known, at}) if told else known))
    say(fleet, at)
    assert jobs.jobs["hum"].batches == 0
    assert fleet.core._desk.counters["repeated"] == 1


def test_a_run_shorter_than_a_window_is_passed():
    fleet = started()
    anchors(fleet, 0, 304, 310, 500)
    say(fleet, 0, 100, 200, 310)
    assert progress(fleet).mark == 410
    assert progress(fleet).lines[0].ahead == {}


def test_news_of_a_gap_may_come_after_the_last_result():
    fleet = started()
    anchors(fleet, 0)
    say(fleet, 0, 100, results=[wire.Result("k", 204, False, b"partial", 1)])
    assert progress(fleet).mark == 200
    anchors(fleet, 0, 204)
    fleet.run(2 * ROUND_S)
    assert progress(fleet).mark == 304


def test_a_batch_that_never_comes_is_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr(batches, "AHEAD_MAX", 3)
    fleet = started()
    say(fleet, *range(100, 600, 100))
    assert progress(fleet).mark == 600
    assert fleet.core._desk.counters["lost"] == 1


def test_stopping_cancels_everywhere_and_clears_the_topic():
    fleet = started()
    say(fleet, 0)
    assert fleet.command("stop", "hum") == {"stopped": "hum"}
    assert all(not device.orders for device in fleet.devices.values())
    assert fleet.results["hum"] == ""
    say(fleet, 100)
    assert fleet.core._desk.counters["late results"] == 1
    assert "no standing job" in fleet.command("stop", "hum")["error"]


def test_starting_twice_is_starting_once():
    fleet = started()
    again = fleet.ask(wire.Start(fleet.number(), "hum", PLAN, "v", "100"))
    assert again.status == wire.DONE
    other = fleet.ask(wire.Start(fleet.number(), "hum", "moments", "v", "100"))
    assert "runs already" in json.loads(other.body)["error"]


@pytest.mark.parametrize(
    ("every", "expected"),
    [("", (640, 0)), ("105", (100, 0)), ("3", (10, 0)), ("10s", (0, 10_000)), ("500 ms", (0, 500))],
)
def test_a_batch_is_samples_or_time(every, expected):
    fleet = started(every=every)
    row = fleet.core.standing.jobs["hum"].row
    assert (row.every, row.every_ms) == expected


@pytest.mark.parametrize(
    ("name", "plan", "dataset", "every", "said"),
    [
        ("a b", PLAN, "v", "", "job name"),
        ("q7", PLAN, "v", "", "queries"),
        ("x", "nope", "v", "", "nope"),
        ("x", PLAN, "w", "", "no dataset"),
        ("x", PLAN, "v", "often", "every"),
        ("x", PLAN, "v", "0", "every"),
        ("x", "resample 1 256 | ema 0.1 | sum", "v", "", "a checkpoint takes at most"),
    ],
)
def test_what_cannot_start_says_why(name, plan, dataset, every, said):
    reply = started().ask(wire.Start(99, name, plan, dataset, every))
    assert reply.status == wire.FAILED
    assert said in json.loads(reply.body)["error"]


def test_failed_and_foreign_batches_change_nothing():
    fleet = started()
    say(fleet, results=[wire.Result("k", 0, True, b"no samples", 0)])
    say(fleet, results=[wire.Result("nobody", 0, False, b"", 0)])
    assert "k" not in fleet.core.standing.jobs["hum"].streams
    assert fleet.devices["a"].outbox == {}


def test_shows_are_limited_in_rate():
    fleet = started()
    shown = 0
    carry = fleet.carry

    def count(effects):
        nonlocal shown
        shown += sum(type(effect).__name__ == "ShowResult" for effect in effects)
        carry(effects)

    fleet.carry = count
    for sample in range(0, 1_000, 100):
        say(fleet, sample)
        fleet.now += 0.01
        fleet.handle(on.Woken(fleet.wall))
    assert shown <= 2


REMEMBERS = "window 10 | rms | ewma 0.1 | moments"


def remembering():
    fleet = Fleet("a", "b", "c", profile="demo")
    fleet.put("v", {"k": VALUES.tobytes()})
    reply = fleet.ask(wire.Start(fleet.number(), "hum", REMEMBERS, "v", "100"))
    assert reply.status == wire.DONE, reply.body
    return fleet


def carried(*samples, damaged=b""):
    """Batches in order, each from the checkpoint of the one before."""
    plan, checkpoint, found = Plan(REMEMBERS), b"", []
    for sample in range(0, samples[-1] + 100, 100):
        partial, checkpoint = plan.advance(
            VALUES[sample : sample + 100], 1000.0, start=sample, key="k", checkpoint=checkpoint
        )
        one = ordered.Carried(sample + 100, 0, partial, checkpoint)
        found.append(wire.Result("k", sample, False, damaged or ordered.pack(one), 1))
    return [one for one in found if one.task in samples]


def newest_order(fleet, name):
    return fleet.devices[name].orders["hum"][-1]


def test_another_owner_is_sent_the_checkpoint_at_the_mark():
    fleet = remembering()
    first = acting(fleet)
    say(fleet, name=first, results=carried(0, 100, 200))
    fleet.cut.add(first)
    fleet.run(2.5)
    order = newest_order(fleet, acting(fleet))
    assert order.marks == [wire.Mark("k", 300)]
    (held,) = order.checkpoints
    assert held == wire.Checkpoint("k", 300, 0, ordered.unpack(carried(200)[0].data).checkpoint)


def test_the_checkpoint_stays_while_newer_batches_wait():
    """News before the backlog: the batch before the mark is kept until the next one is merged."""
    fleet = remembering()
    say(fleet, name="a", results=carried(0))
    say(fleet, name="a", results=carried(300))
    assert progress(fleet).base[0] == 0
    assert progress(fleet).newest[0] == 300
    say(fleet, name="a", results=carried(100, 200))
    assert progress(fleet).base[0] == 300
    assert progress(fleet).mark == 400


def test_a_result_without_its_checkpoint_is_refused():
    fleet = remembering()
    say(fleet, name="a", results=carried(0, damaged=b"short"))
    assert progress_or_none(fleet) is None


def progress_or_none(fleet):
    return fleet.core.standing.jobs["hum"].streams.get("k")
