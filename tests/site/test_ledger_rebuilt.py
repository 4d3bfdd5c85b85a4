"""A ledger that is gone is made anew from the devices, with real processes: nothing moves, and the
same questions have the same answers.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from atoll.cli.site import LocalSite, wait_until
from atoll.kernels import Plan

pytestmark = [pytest.mark.site, pytest.mark.slow]

PLAN = "window 64 | rms, kurtosis | quantiles 0.5 0.9"


def atoll(*words):
    return subprocess.run(
        [sys.executable, "-P", "-m", "atoll.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(params=["own broker", "external broker"])
def running(request, tmp_path):
    external = request.param.startswith("external")
    broker = request.getfixturevalue("broker_url") if external else None
    name = f"rebuilt-{request.param.split()[0]}"
    with LocalSite(tmp_path / "site", site=name, broker=broker, profile="normal") as site:
        site.start(3, sources=["cpu=proc:50hz"])
        yield site


def state_of(fleet):
    """What must be the same afterwards."""
    shards = fleet.shards()
    placed = {(s["dataset"], s["shard"]): s["holders"] for s in shards}
    datasets = {
        d["name"]: (d["streams"], d["shards"], d["replicas"], d["dtype"]) for d in fleet.datasets()
    }
    return placed, datasets


def rebuild(site, *more):
    words = ["ledger", "rebuild", "--state", str(site.folder / "gateway"), "--site", site.site]
    if site._broker:
        words += ["--broker", site._broker]
    return atoll(*words, "--devices", "3", "--json", *more)


def test_the_ledger_is_deleted_and_made_anew(running):
    noise = np.random.default_rng(3)
    streams = {f"s{n}": noise.integers(-999, 999, 50_000, dtype="i2") for n in range(12)}
    with running.connect() as fleet:
        fleet.put_many("data", streams, rate=1000, scale=0.5, unit="g")
        fleet.put("few", streams["s0"], key="x", rate=10, replicas=3, shards=7)
        fleet.start("hum", "window 10 | rms | moments", over="cpu", every=50)
        wait_until(
            lambda: any(j["job"] == "hum" and j["done"] > 3 for j in fleet.jobs()), 30, "it hums"
        )
        before = fleet.run(PLAN, over="data")
        by_key = fleet.run(PLAN, over="data", by="key").values
        placed = state_of(fleet)
        epoch, term = fleet.status()["epoch"], fleet.status()["term"]
    running.gateway.kill()
    state = running.folder / "gateway"
    for path in state.glob("ledger.sqlite*"):
        path.unlink()
    assert atoll("ledger", "check", "--state", str(state)).returncode == 1

    done = rebuild(running)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["unknown"] == []
    assert (answer["found"]["devices"], answer["found"]["standing"]) == (3, 1)
    assert answer["found"]["streams"] == 12 + 1 + placed[1]["cpu"][0]
    checked = atoll("ledger", "check", "--state", str(state))
    assert checked.returncode == 0, checked.stdout
    again = rebuild(running)
    assert again.returncode == 1
    assert "is whole" in again.stderr
    assert again.stderr.count("\n") == 1

    running.start_gateway()
    running.wait_ready(3)
    with running.connect() as fleet:
        assert state_of(fleet) == placed
        after = fleet.run(PLAN, over="data")
        assert (after.partial, after.value) == (before.partial, before.value)
        assert after.complete
        assert after.value == Plan(PLAN).run(streams, rate=1000)
        assert fleet.run(PLAN, over="data", by="key").values == by_key
        assert np.array_equal(fleet.get("data", "s7"), streams["s7"])
        status = fleet.status()
        assert status["moved_bytes"] < 100_000, "only the live streams are copied on"
        assert status["epoch"] > epoch
        assert status["term"] > term
        more = noise.integers(-999, 999, 3_000, dtype="i2")
        fleet.put("data", more, key="s1", rate=1000, scale=0.5, unit="g")
        whole = np.concatenate([streams["s1"], more])
        assert np.array_equal(fleet.get("data", "s1"), whole)
        one = fleet.run("moments", over="data", by="key").values["s1"]
        assert one == Plan("moments").run(whole, rate=1000)
        wait_until(
            lambda: any(j["job"] == "hum" and j["done"] > 2 for j in fleet.jobs()), 30, "it hums on"
        )
        assert status["counters"]["lost"] == 0


def test_a_damaged_ledger_stops_the_gateway_with_one_line(running):
    state = running.folder / "gateway"
    with running.connect() as fleet:
        fleet.put("d", np.arange(500, dtype="i2"), key="k", rate=1)
        before = fleet.run("moments", over="d")
    running.gateway.terminate()
    running.gateway.end()
    path = state / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) // 2):
        data[at] ^= 0x55
    path.write_bytes(data)
    words = ["gateway", "--state", str(state), "--site", running.site]
    stopped = atoll(*words, *(["--broker", running._broker] if running._broker else []))
    assert stopped.returncode == 1
    (line,) = stopped.stderr.splitlines()
    assert "atoll ledger check" in line
    assert "atoll ledger rebuild" in line
    assert atoll("ledger", "check", "--state", str(state)).returncode == 1
    done = rebuild(running)
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)["kept"]
    assert Path(kept).read_bytes() == bytes(data)
    running.start_gateway()
    running.wait_ready(3)
    with running.connect() as fleet:
        assert fleet.run("moments", over="d").partial == before.partial
