"""A ledger made of what devices told: the site goes on as if nothing had been lost."""

from array import array

import pytest
from gateway_fleet import WALL, Fleet
from test_inventory import sample

from atoll.gateway import effects as do
from atoll.gateway import events as on
from atoll.gateway import records as r
from atoll.gateway.catalog import shard_of
from atoll.gateway.core import QUERIES_A_TERM
from atoll.gateway.core_survey import Survey
from atoll.gateway.ledger import Ledger
from atoll.gateway.ledger_check import check_ledger
from atoll.gateway.rebuilt import DOUBT_ID, rebuilt
from atoll.kernels import Plan
from atoll.wire import messages as wire

PLAN = "window 10 | rms | moments"
VALUES = array("h", range(600)).tobytes()


def survey(devices, *, silent=(), term=1_000, now=0.0):
    """Ask these scripted devices; the survey at its end."""
    asked = Survey(term, now=now)
    asked.handle(on.LinkOpened(WALL), now)
    todo = []
    for name, device in devices.items():
        device.out.clear()
        device.birth()
        todo += asked.handle(on.StatusSeen(name, "ready", device.boot, WALL), now)
        if name in silent:
            (birth,) = device.out
            device.out = []
            todo += asked.handle(on.DeviceSpoke(name, birth, WALL), now)
    for _ in range(10):
        effects, todo = todo, []
        for effect in effects:
            assert isinstance(effect, do.Tell)
            if effect.device not in silent:
                devices[effect.device].take(effect.message)
        for name, device in devices.items():
            out, device.out = device.out, []
            for message in out:
                todo += asked.handle(on.DeviceSpoke(name, message, WALL), now)
    return asked


def made_anew(asked, seed=99):
    return rebuilt(asked.answered, asked.silent, term=asked.term, seed=seed, wall_ms=WALL)


def again(fleet, found, tmp_path):
    """The site under a gateway that begins with a rebuilt ledger, checked as a file."""
    ledger = Ledger(tmp_path / "new")
    ledger.commit(found.records)
    report = check_ledger(tmp_path / "new")
    assert report.whole, report.findings
    fresh = Fleet(ledger=ledger, rows=ledger.load(), now=fleet.now)
    fresh.requests = 100
    fresh.devices = fleet.devices
    for device in fleet.devices.values():
        device.ask_lease()
    fresh.run(5.0)
    return fresh


def owners(fleet):
    return {s.id: s.owners for s in fleet.core.catalog.all_shards()}


def streams(fleet):
    return {
        (d.row.name, key): (s.info, s.shard, s.tail_seq, s.tail_sample, s.anchors, s.held)
        for d in fleet.core.catalog.datasets.values()
        for key, s in d.streams.items()
    }


@pytest.fixture
def fleet():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {f"k{n}": VALUES for n in range(8)})
    fleet.put("v", {"k0": VALUES}, put_id=b"z" * 16)
    fleet.put("w", {"x": VALUES}, replicas=3, shards=5)
    for seq in range(3):
        sample(fleet, "a", seq, seq * 10, range(10), gap=seq == 0)
    fleet.run(2.0)
    return fleet


def test_nothing_moves_and_answers_are_the_same(fleet, tmp_path):
    before = fleet.query(PLAN, "v")
    placed, known, epoch = owners(fleet), streams(fleet), fleet.core.epoch
    found = made_anew(survey(fleet.devices))
    assert found.unknown == []
    assert found.figures == {
        "devices": 3, "silent": 0, "datasets": 3, "shards": 64 + 5 + 1, "streams": 10,
        "samples": 600 * 10 + 30, "bytes": found.figures["bytes"], "standing": 0,
    }  # fmt: skip
    fresh = again(fleet, found, tmp_path)
    assert owners(fresh) == placed
    assert streams(fresh) == known
    assert fresh.core.epoch > epoch
    fresh.run(60.0)
    assert fresh.core.moves.moved_bytes == 0
    assert owners(fresh) == placed
    assert fresh.query(PLAN, "v").blob == before.blob
    assert fresh.states() == dict.fromkeys("abc", "ready")


def test_a_stream_goes_on_where_it_ended(fleet, tmp_path):
    fresh = again(fleet, made_anew(survey(fleet.devices)), tmp_path)
    assert fresh.put("v", {"k0": VALUES}, put_id=b"n" * 16).status == wire.DONE
    stream = fresh.core.catalog.datasets["v"].streams["k0"]
    assert (stream.tail_seq, stream.tail_sample, stream.anchors) == (3, 1800, [0])
    fresh.put("v", {"new": VALUES}, put_id=b"o" * 16)
    assert fresh.core.catalog.datasets["v"].streams["new"].shard == shard_of("new", 64)
    values = array("h", [*range(600)] * 3)
    expected = Plan(PLAN).partial(values, rate=1000.0, key="k0")
    reply = fresh.query(PLAN, "v", by_key=True)
    assert f'"mean":{Plan(PLAN).finish(expected)["rms"]["moments"]["mean"]}' in reply.body


def test_standing_jobs_go_on_from_their_marks(fleet, tmp_path):
    fleet.ask(wire.Start(fleet.number(), "hum", PLAN, "v", "100"))
    key = "k3"
    acting = owners(fleet)["v", shard_of(key, 64)][0]
    device = fleet.devices[acting]
    partials = {
        at: Plan(PLAN).partial(array("h", range(at, at + 100)), rate=1000.0, key=key)
        for at in (0, 100, 200)
    }
    for at in (0, 100):
        device.say_results("hum", [wire.Result(key, at, False, partials[at], 0)])
        fleet.settle()
    device.marks["hum"] = [wire.Mark(key, 300)]  # the third batch is in its outbox only
    found = made_anew(survey(fleet.devices))
    assert found.figures["standing"] == 1
    assert found.unknown == []
    fresh = again(fleet, found, tmp_path)
    job = fresh.core.standing.jobs["hum"]
    assert job.row.plan == fleet.core.standing.jobs["hum"].row.plan
    assert job.streams[key].mark == 300
    device.say_results("hum", [wire.Result(key, 200, False, partials[200], 0)])
    fresh.run(1.0)
    assert job.streams[key].newest == (200, partials[200])
    assert '"sample":200' in fresh.results["hum"]
    device.say_results("hum", [wire.Result(key, 100, False, partials[100], 0)])
    fresh.run(1.0)
    assert job.streams[key].newest == (200, partials[200])
    assert job.batches == 1


def test_a_job_that_few_devices_know_is_not_taken_over(fleet):
    fleet.ask(wire.Start(fleet.number(), "hum", PLAN, "v", "100"))
    for name in "ab":
        fleet.devices[name].orders.clear()
    found = made_anew(survey(fleet.devices))
    assert found.figures["standing"] == 0
    assert any("known to 1 of 3 devices only" in line for line in found.unknown)


def test_queries_are_numbered_past_all_of_before(fleet, tmp_path):
    fresh = again(fleet, made_anew(survey(fleet.devices)), tmp_path)
    fresh.query(PLAN, "v")
    (job,) = fresh.core.jobs.finished
    assert job == f"q{1_000 * QUERIES_A_TERM + 1}"


def test_term_and_epochs_end_above_everything_seen(fleet):
    fleet.devices["b"].epoch = 5_000
    fleet.devices["c"].lease = 70
    fleet.devices["a"].map = fleet.devices["a"].map._replace(boot=9_999)
    rows = made_anew(survey(fleet.devices, term=1_000)).records
    settings = {row.name: row.value for row in rows if isinstance(row, r.SettingSet)}
    assert settings["term"] == 9_999
    assert settings["epoch"] == 5_001
    assert {x.id: x.lease for x in rows if isinstance(x, r.DeviceSet)}["c"] == 70


def test_devices_of_version_1_give_what_they_hold(fleet, tmp_path):
    before = fleet.query(PLAN, "v")
    for device in fleet.devices.values():
        device.remembers = False
    known = streams(fleet)
    found = made_anew(survey(fleet.devices))
    assert "a, b, c told only what is stored, not what it remembers" in found.unknown
    assert any(line.startswith("dataset w: into how many shards") for line in found.unknown)
    fresh = again(fleet, found, tmp_path)
    assert {k: v[:-1] for k, v in streams(fresh).items()} == {k: v[:-1] for k, v in known.items()}
    assert fresh.query(PLAN, "v").blob == before.blob
    assert fresh.core.catalog.datasets["v"].row.shards == 64
    assert fresh.put("v", {f"n{n}": VALUES for n in range(9)}).status == wire.DONE
    live = fresh.core.catalog.datasets["proc"]
    assert next(iter(live.shards.values())).owners[0] == "a"


def test_a_silent_device_is_named_and_its_places_are_left_to_it(fleet, tmp_path):
    holders = fleet.core.catalog.datasets["v"].streams["k1"].held
    silent = next(iter(holders))
    found = made_anew(survey(fleet.devices, silent=(silent,)))
    assert f"{silent} did not answer: what only it has is not in here" in found.unknown
    doubts = {row.key for row in found.records if isinstance(row, r.PieceSet)}
    assert "k1" in doubts
    assert all(row.put_id == DOUBT_ID for row in found.records if isinstance(row, r.PieceSet))
    fresh = again(fleet, found, tmp_path)
    fresh.put("v", {"k1": VALUES}, put_id=b"n" * 16)
    stream = fresh.core.catalog.datasets["v"].streams["k1"]
    assert stream.tail_seq > 65_536
    assert len(stream.anchors) == 2
    assert fresh.query("count", "v").body.count('"missing":[]') == 1


def test_a_past_tells_where_windows_are_counted_from(fleet, tmp_path):
    for name in ("k2",):
        for device in fleet.devices.values():
            device.blocks.pop(("v", name, 0), None)
    sample(fleet, "a", 3, 30, range(10))
    fleet.devices["a"].blocks.pop(("proc", "a/cpu", 0))
    fleet.devices["a"].pasts = [wire.Past("proc", "a/cpu", 3, 1, 10, 9, 90)]
    for name in "bc":
        fleet.devices[name].blocks.pop(("proc", "a/cpu", 0), None)
    fresh = again(fleet, made_anew(survey(fleet.devices)), tmp_path)
    live = fresh.core.catalog.datasets["proc"].streams["a/cpu"]
    assert live.anchors == [3]
    assert (live.tail_seq, live.tail_sample) == (9, 90)


def test_without_a_past_a_live_streams_beginning_is_said_to_be_unknown(fleet):
    for device in fleet.devices.values():
        device.blocks.pop(("proc", "a/cpu", 0), None)
    found = made_anew(survey(fleet.devices))
    assert any("windows are counted from sample 10" in line for line in found.unknown)


def test_what_contradicts_its_key_or_another_device_is_left_out(fleet):
    asked = survey(fleet.devices)
    told = asked.devices["b"]
    (name, held), *_ = [(n, h) for n, h in told.streams.items() if n[0] == "v"]
    told.streams[name] = held._replace(shard=(held.shard + 1) % 64)
    other = asked.devices["c"]
    (key, odd), *_ = [(n, h) for n, h in other.streams.items() if n[0] == "w"]
    other.streams[key] = odd._replace(info=odd.info._replace(unit="V"))
    found = made_anew(asked)
    assert any("its key says" in line and "left out" in line for line in found.unknown)
    assert any("has unit g, not V" in line for line in found.unknown)


def test_an_old_map_does_not_own(fleet):
    shard = next(s for s in fleet.core.catalog.all_shards() if s.id.dataset == "v")
    stranger = next(n for n in "abc" if n not in shard.owners)
    device = fleet.devices[stranger]
    entry = wire.ShardEntry(*shard.id, 0, 0, 0, 0)
    device.map = device.map._replace(shards=[*device.map.shards, entry])
    rows = made_anew(survey(fleet.devices)).records
    owned = {(x.dataset, x.shard): x.owners for x in rows if isinstance(x, r.ShardSet)}
    assert owned[shard.id] == ",".join(shard.owners)
