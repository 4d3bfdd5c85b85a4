"""The client's conversation, over a real broker, with a gateway that answers as the test says."""

import json
import os
import signal
import threading
import time
from array import array
from itertools import pairwise

import pytest

from atoll.gateway.client import connect
from atoll.gateway.client_errors import Closed, FleetError, Refused, TimedOut, Unreachable
from atoll.gateway.client_session import Session
from atoll.kernels import Plan, PlanError
from atoll.wire.messages import DONE, INCOMPLETE, PROGRESS, Command, Put, Reply, Run

pytestmark = pytest.mark.broker


def silence(action):
    action()
    return []


def connected(scripted, **options):
    return connect(scripted.url, site=scripted.topics.site, **options)


def test_no_broker_is_known_at_once(free_port):
    started_s = time.monotonic()
    with pytest.raises(Unreachable, match="Connection refused"):
        connect(f"mqtt://127.0.0.1:{free_port}", site="demo", timeout_s=10)
    assert time.monotonic() - started_s < 3


def test_a_site_that_never_was(broker_url):
    with pytest.raises(Unreachable, match="no gateway has been seen for site 'nowhere'"):
        connect(broker_url, site="nowhere")


@pytest.mark.parametrize("state", ["lost", "stopped"])
def test_an_absent_gateway_is_known_at_once(scripted, state):
    scripted.status(state)
    started_s = time.monotonic()
    with pytest.raises(Unreachable, match=f"is {state}"):
        connected(scripted, timeout_s=10)
    assert time.monotonic() - started_s < 3


def test_bad_address_and_site():
    with pytest.raises(ValueError, match="mqtt"):
        connect("http://127.0.0.1", site="demo")
    with pytest.raises(ValueError, match="site"):
        connect("mqtt://127.0.0.1", site="a/b")


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


def test_a_large_answer(scripted):
    rows = [{"id": f"device-{n}", "note": "x" * 200} for n in range(2000)]
    scripted.answers = lambda message: [scripted.done(message, rows)]
    with connected(scripted) as fleet:
        assert fleet.devices() == rows


def test_a_plan_is_checked_before_anybody_is_asked(scripted):
    with connected(scripted) as fleet:
        with pytest.raises(PlanError, match=r"\^"):
            fleet.run("momens", over="data")
        with pytest.raises(PlanError):
            fleet.start("job", "window x", over="data")
    assert scripted.asked == []


def answers_a_run(partial, **body):
    def answer(message):
        assert isinstance(message, Run)
        halfway = Reply(message.request, PROGRESS, '{"job": "q1", "done": 1, "tasks": 2}', b"")
        full = {"job": "q1", "complete": True, "missing": [], "tasks": 2, "streams": 1} | body
        status = DONE if full["complete"] else INCOMPLETE
        return [halfway, Reply(message.request, status, json.dumps(full), partial)]

    return answer


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
    values = {"a": {"minmax": {"min": "NaN", "max": "Infinity"}}}
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


def test_silence_ends(scripted):
    scripted.answers = lambda message: []
    session = Session(scripted.url, site=scripted.topics.site, timeout_s=5)
    call = session.submit(lambda number: Command(number, "status", ""))
    with pytest.raises(TimedOut, match=r"within 0\.3 s"):
        list(session.replies(call, 0.3))
    session.close()


def test_a_new_gateway_is_asked_again(scripted):
    """What was asked of the old one is lost with it."""
    asked = threading.Event()
    scripted.answers = lambda message: silence(asked.set)
    with connected(scripted) as fleet:
        found = []
        thread = threading.Thread(target=lambda: found.append(fleet.status()))
        thread.start()
        assert asked.wait(5)
        scripted.answers = lambda message: [scripted.done(message, {"term": 2})]
        scripted.status("lost")
        scripted.status("ready", term=2)
        thread.join(5)
    assert found == [{"term": 2}]
    assert len(scripted.asked) == 2
    assert scripted.asked[0] == scripted.asked[1]


def test_closing_ends_open_calls(scripted):
    asked = threading.Event()
    scripted.answers = lambda message: silence(asked.set)
    fleet = connected(scripted)
    errors = []

    def ask():
        try:
            fleet.status()
        except Closed as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(5)
    fleet.close()
    thread.join(5)
    assert len(errors) == 1
    fleet.close()
    with pytest.raises(Closed):
        fleet.status()


def test_a_forked_child_is_told(scripted):
    with connected(scripted) as fleet:
        child = os.fork()
        if child == 0:
            try:
                fleet.status()
            except FleetError as error:
                os._exit(0 if "connect anew" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert fleet.status() == {}


def test_ctrl_c_reaches_a_waiting_call(scripted):
    scripted.answers = lambda message: silence(lambda: os.kill(os.getpid(), signal.SIGINT))
    with connected(scripted) as fleet, pytest.raises(KeyboardInterrupt):
        fleet.status()


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


def test_put_numbers_its_pieces(scripted):
    samples = array("h", range(-30_000, 30_000)) * 2
    seen = []
    with connected(scripted) as fleet:
        result = fleet.put(
            "data", samples, key="a", rate=1000, progress=lambda *args: seen.append(args)
        )
    assert (result.samples, result.bytes, result.streams) == (120_000, 240_000, 1)
    pieces = [piece for put in scripted.asked for piece in put.pieces]
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert b"".join(piece.data for piece in pieces) == samples.tobytes()
    assert len({put.put_id for put in scripted.asked}) == 1
    assert seen[-1] == (240_000, 240_000)
    step_ms = [b.wall_ms - a.wall_ms for a, b in pairwise(pieces)]
    assert all(step == 30_720 for step in step_ms)


def test_many_small_streams_share_messages(scripted):
    streams = {f"s{n}": array("h", [n] * 100) for n in range(1000)}
    with connected(scripted) as fleet:
        assert fleet.put_many("data", streams, rate=1).streams == 1000
    assert len(scripted.asked) < 10
    found = {p.info.key: p.data for put in scripted.asked for p in put.pieces}
    assert found == {key: values.tobytes() for key, values in streams.items()}


def test_nothing_is_sent_when_one_of_many_is_wrong(scripted):
    with connected(scripted) as fleet, pytest.raises(Refused, match="'b'"):
        fleet.put_many("data", {"a": array("h", [1]), "b": [1]}, rate=1)
    assert scripted.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": float("nan")},
        {"scale": float("inf")},
        {"unit": "x" * 17},
        {"shards": 0},
        {"replicas": 17},
        {"key": ""},
        {"key": "x" * 129},
    ],
)
def test_wrong_words_about_a_stream(scripted, wrong):
    with connected(scripted) as fleet, pytest.raises(Refused):
        fleet.put("data", array("h", [1]), **({"key": "a", "rate": 1} | wrong))
    assert scripted.asked == []


def test_what_a_new_gateway_refused_out_of_turn_is_put_again(scripted):
    """The first message is lost with the old gateway; the second came too early to the new one."""
    lost = []

    def answer(put):
        assert isinstance(put, Put)
        first = put.pieces[0].index
        if not lost:
            lost.append(put)
            return []
        if len(scripted.asked) == 2:
            scripted.status("lost")
            scripted.status("ready", term=2)
            return [scripted.failed(put, f"piece {first} came before piece 0")]
        return [scripted.done(put)]

    scripted.answers = answer
    with connected(scripted) as fleet:
        fleet.put("data", array("h", [1]) * 60_000, key="a", rate=1)
    # Said again with what was open, refused out of turn, and put once more in its turn.
    stored = [put.pieces[0].index for put in scripted.asked[2:]]
    assert stored[0] == 0
    assert stored[-1] == 1
