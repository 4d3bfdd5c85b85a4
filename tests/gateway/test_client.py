"""What a fleet's methods ask and make of the answers; the gateway answers as the test says."""

import json
from array import array

import pytest

from atoll.gateway.client import GET_ATTEMPTS, connect
from atoll.gateway.client_errors import FleetError, Refused, TimedOut
from atoll.kernels import Plan, PlanError
from atoll.wire.block import Block, encode_block
from atoll.wire.messages import DONE, INCOMPLETE, PROGRESS, Reply, Run, StreamInfo

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


def block(seq):
    """Block `seq` of a stream of blocks of ten samples."""
    info = StreamInfo("data", "k", "i16", 1, 100.0, 1.0, "")
    values = array("h", range(10 * seq, 10 * seq + 10)).tobytes()
    return encode_block(Block(info, 0, seq, 10 * seq, 10, 0, 0, 0, 0, False, values))


def answers_a_get(*attempts):
    """Each attempt: the numbers of the blocks that come; the gateway sent 0 to 3."""
    left = iter(attempts)

    def answer(message):
        parts = [Reply(message.request, PROGRESS, "{}", block(seq)) for seq in next(left)]
        body = {"blocks": 4, "start": 0, "stop": 40}
        return [*parts, Reply(message.request, DONE, json.dumps(body), b"")]

    return answer


@pytest.mark.parametrize(
    "attempts",
    [
        [(0, 1, 0, 1, 2, 3)],  # begun anew by the next gateway
        [(0, 2, 3), (0, 1, 2, 3)],  # one was lost with the broker
    ],
)
def test_a_read_is_whole_and_counts_each_block_once(scripted, attempts):
    scripted.answers = answers_a_get(*attempts)
    with connected(scripted) as fleet:
        assert list(fleet.get("data", "k")) == list(range(40))


def test_a_read_that_stays_incomplete_says_so(scripted):
    scripted.answers = answers_a_get(*[(0, 3)] * GET_ATTEMPTS)
    with connected(scripted) as fleet, pytest.raises(FleetError, match="2 of 4 blocks"):
        fleet.get("data", "k")


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
