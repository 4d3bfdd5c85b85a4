"""`atoll explain`, then the thing itself, with real processes: what was said is what moves."""

import json
import subprocess
import sys

import numpy as np
import pytest

from atoll.cli.site import LocalSite, wait_until

pytestmark = [pytest.mark.site, pytest.mark.slow]


@pytest.fixture
def site(tmp_path):
    with LocalSite(tmp_path / "site", site="explained") as site:
        site.start(4)
        with site.connect() as fleet:
            random = np.random.default_rng(1)
            for number in range(24):
                samples = random.integers(-3_000, 3_000, 40_000, dtype="i2")
                fleet.put("v", samples, key=f"k{number}", rate=1_000)
            yield site, fleet


def explained(site, *words):
    command = [sys.executable, "-P", "-m", "atoll.cli", "explain", *words, "--json"]
    command += ["--broker", site.url, "--site", site.site]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def places(fleet):
    return {row["shard"]: set(row["holders"]) for row in fleet.shards("v")}


def come(before, after):
    return {(shard, d) for shard, owners in after.items() for d in owners - before[shard]}


def still(fleet):
    """Nothing is on its way, and every shard has its copies."""
    rows = fleet.shards("v")
    whole = all(not row["moving"] and row["copies"] >= row["wanted"] for row in rows)
    return whole and fleet.status()["moves_waiting"] == 0


def compare(fleet, answer, before, moved, what):
    wait_until(lambda: come(before, places(fleet)) == listed(answer), 60, what)
    wait_until(lambda: still(fleet), 60, f"{what}: at rest")
    assert come(before, places(fleet)) == listed(answer)
    assert fleet.status()["moved_bytes"] - moved == answer["bytes"] > 0


def listed(answer):
    return {(move["shard"], move["to"]) for move in answer["list"]}


def test_drain_lose_and_add(site):
    site, fleet = site
    before, moved = places(fleet), fleet.status()["moved_bytes"]
    answer = explained(site, "drain", "device-2")
    assert places(fleet) == before
    fleet.drain("device-2")
    compare(fleet, answer, before, moved, "drained")
    assert all("device-2" not in owners for owners in places(fleet).values())

    before, moved = places(fleet), fleet.status()["moved_bytes"]
    answer = explained(site, "lose", "device-3")
    assert (answer["held"], answer["lost"]) == ("", [])
    site.devices["device-3"].kill()
    compare(fleet, answer, before, moved, "lost")

    before, moved = places(fleet), fleet.status()["moved_bytes"]
    capacity = next(row["capacity"] for row in fleet.devices() if row["id"] == "device-1")
    answer = explained(site, "add", "--capacity", str(capacity))
    for move in answer["list"]:
        move["to"] = "device-9"
    site.start_device("device-9")
    compare(fleet, answer, before, moved, "added")


def test_a_shard_is_explained_by_its_walk(site):
    site, fleet = site
    for row in fleet.shards("v")[:8]:
        answer = explained(site, f"v/{row['shard']}")
        assert answer["owners"] == row["holders"]
        assert len(answer["ideal"]) == row["wanted"]
