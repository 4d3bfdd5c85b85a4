"""What a fleet's methods ask and make of the answers; the gateway answers as the test says."""

import json
from array import array

import pytest

from atoll.gateway.client import connect
from atoll.gateway.client_errors import FleetError, Refused, TimedOut
from atoll.kernels import Plan, PlanError
from atoll.wire.messages import DONE, INCOMPLETE, PROGRESS, Reply, Run

pytestmark = pytest.mark.broker


def connected(scripted, **options):
    return connect(scripted.url, site=scripted.topics.site, **options)


def answers_a_run(partial, **body):
    def answer(message):
        assert isinstance(message, Run)
        halfway = Reply(message.request, PROGRESS, '{"job": "q1", "done": 1, "tasks": 2}', b"")
        full = {"job": "q1", "complete": True, "missing": [], "tasks": 2, "streams": 1} | body
        status = DONE if full["complete"] else INCOMPLETE
        return [halfway, Reply(message.request, status, json.dumps(full), partial)]

    return answer


def test_listing_and_refusal(scripted):
    scripted.answers = lambda message: [
        scripted.done(message, {"x": 1})
        if message.verb == "status"
        else scripted.failed(message, "not today")
    ]
    with connected(scripted) as fleet:
        assert fleet.status() == {"x": 1}
        with pytest.raises(Refused, match="not today"):
            fleet.drain("pi-1")
    assert scripted.asked[-1].verb == "drain"


def test_a_plan_is_checked_before_anybody_is_asked(scripted):
    with connected(scripted) as fleet:
        with pytest.raises(PlanError, match=r"\^"):
            fleet.run("momens", over="data")
        with pytest.raises(PlanError):
            fleet.start("job", "window x", over="data")
    assert scripted.asked == []


def test_run_finishes_the_partial_here(scripted):
    plan = Plan("moments")
    samples = array("f", [1, 2, float("nan")])
    scripted.answers = answers_a_run(plan.partial(samples))
    seen = []
    with connected(scripted) as fleet:
        result = fleet.run(plan, over="data", progress=lambda *args: seen.append(args))
    assert result.value == plan.run(samples)
    assert result.partial == plan.merge([plan.partial(samples)])
    assert (result.complete, result.missing, result.job, result.tasks) == (True, [], "q1", 2)
    assert seen == [(1, 2), (2, 2)]
    assert scripted.asked[0].plan == "moments"


def test_an_incomplete_run_says_what_is_missing(scripted):
    missing = [{"key": "a", "start": 0, "stop": 9, "reason": "gone"}]
    partial = Plan("count").partial(array("h", [1]))
    scripted.answers = answers_a_run(partial, complete=False, missing=missing)
    with connected(scripted) as fleet:
        result = fleet.run("count", over="data")
        assert (result.complete, result.missing) == (False, missing)
        with pytest.raises(FleetError, match="1 parts are missing"):
            result.whole()


def test_by_key_gives_numbers_back(scripted):
    values = {"a": {"minmax": {"min": "nan", "max": "inf"}}}
    scripted.answers = answers_a_run(b"", values=values)
    with connected(scripted) as fleet:
        found = fleet.run("minmax", over="data", by="key").values["a"]["minmax"]
    assert found["min"] != found["min"]
    assert found["max"] == float("inf")


def test_times_of_a_query(scripted):
    scripted.answers = answers_a_run(Plan("count").merge([]))
    with connected(scripted) as fleet:
        fleet.run("count", over="data", since=1.5, until=2.5)
        fleet.run("count", over="data", last=60, timeout_s=2)
        with pytest.raises(Refused, match="alone"):
            fleet.run("count", over="data", last=60, since=1)
    first, second = scripted.asked
    assert (first.since_ms, first.until_ms, first.last_ms) == (1500, 2500, 0)
    assert (second.since_ms, second.until_ms, second.last_ms) == (-1, -1, 60_000)
    assert second.timeout_ms == 2000


def test_watch_gives_the_newest_and_ends_with_the_job(scripted):
    topic = scripted.topics.result("hum")
    scripted.answers = lambda message: [
        scripted.done(message, [{"job": "hum", "kind": "standing"}])
    ]
    scripted.retain(topic, b'{"n": 1}')
    with connected(scripted) as fleet:
        results = fleet.watch("hum", timeout_s=5)
        assert next(results) == {"n": 1}
        scripted.retain(topic, b'{"n": 2}')
        assert next(results) == {"n": 2}
        scripted.retain(topic, b"")
        assert list(results) == []


def test_watch_knows_whether_there_is_such_a_job(scripted):
    scripted.answers = lambda message: [
        scripted.done(message, [{"job": "hum", "kind": "standing"}])
    ]
    with connected(scripted) as fleet:
        with pytest.raises(Refused, match=r"no standing job 'ham'; there are: hum"):
            fleet.watch("ham")
        with pytest.raises(TimedOut):
            next(fleet.watch("hum", timeout_s=0.2))
