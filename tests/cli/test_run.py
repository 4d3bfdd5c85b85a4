import json
from base64 import b64decode

import numpy as np
import pytest

from atoll.kernels import Plan

pytestmark = pytest.mark.site
PLAN = "window 1024 hop=512 | rms | quantiles 0.5 0.99"


@pytest.fixture(scope="module")
def stored(site):
    noise = np.random.default_rng(3)
    streams = {f"k{n}": noise.integers(-3000, 3000, 300_000, dtype="i2") for n in range(4)}
    with site.connect() as fleet:
        fleet.put_many("cli-run", streams, rate=1000)
    return streams


def test_over_the_fleet_as_on_one_machine(on_site, stored):
    found = json.loads(on_site("run", PLAN, "--over", "cli-run", "--json").stdout)
    plan = Plan(PLAN)
    assert found["value"] == plan.run(stored)
    parts = [plan.partial(stored[key], key=key) for key in sorted(stored)]
    assert b64decode(found["partial"]) == plan.merge(parts)
    assert found["complete"] is True
    assert found["missing"] == []
    assert found["job"].startswith("q")


def test_fleet_and_file_print_the_same(on_site, atoll, site, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5000, dtype="i2"))
    on_site("put", "cli-same", "a.npy", "--rate", "100")
    fleet = on_site("run", PLAN, "--over", "cli-same").stdout.splitlines()
    here = atoll("run", PLAN, "--file", "a.npy").stdout.splitlines()
    assert fleet[:-1] == here[:-1]
    assert fleet[-1].startswith("job q")
    by_fleet = json.loads(on_site("run", PLAN, "--over", "cli-same", "--json").stdout)
    by_file = json.loads(atoll("run", PLAN, "--file", "a.npy", "--json").stdout)
    assert by_fleet.keys() == by_file.keys()
    assert by_fleet["value"] == by_file["value"]
    assert by_fleet["partial"] == by_file["partial"]
    assert by_file["job"] is None


def test_by_key(on_site, stored):
    found = json.loads(
        on_site("run", "moments", "--over", "cli-run", "--by", "key", "--json").stdout
    )
    assert found["value"] == Plan("moments").run_by_key(stored)
    assert "k3:" in on_site("run", "moments", "--over", "cli-run", "--by", "key").stdout


def test_the_last_second_only(on_site, stored):
    done = on_site("run", "count", "--over", "cli-run", "--last", "1s", "--json")
    assert json.loads(done.stdout)["value"] == {"count": 4000}


def test_no_number_that_json_has_not(atoll, tmp_path):
    np.save(tmp_path / "nan.npy", np.array([np.inf, -np.inf], "f4"))
    shown = atoll("run", "minmax", "--file", "nan.npy", "--json").stdout
    found = json.loads(shown, parse_constant=pytest.fail)
    assert (found["value"]["minmax"]["min"], found["value"]["minmax"]["max"]) == (
        "-inf",
        "inf",
    )


def test_a_file_has_no_times(atoll, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3, "i2"))
    assert (
        "go with --over" in atoll("run", "count", "--file", "a.npy", "--last", "1s", code=2).stderr
    )


def test_a_plan_over_nothing(on_site):
    assert "no dataset 'cli-none'" in on_site("run", "count", "--over", "cli-none", code=1).stderr
