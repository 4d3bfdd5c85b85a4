import json

import numpy as np
import pytest

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def stored(site):
    with site.connect() as fleet:
        samples = np.arange(100_000, dtype="i2")
        fleet.put("cli-get", samples, key="k", rate=1000, start_ms=1_700_000_000_000)
    return samples


def test_numbers_on_stdout(on_site, stored):
    shown = on_site("get", "cli-get", "k").stdout.split()
    assert [int(word) for word in shown] == stored.tolist()


def test_a_range_of_time(on_site, stored):
    done = on_site(
        "get", "cli-get", "k", "--since", "1700000010", "--until", "1700000010.5", "--json"
    )
    found = json.loads(done.stdout)
    assert found["samples"] == stored[10_000:10_500].tolist()
    assert found["first_ms"] == 1_700_000_010_000


def test_the_last_seconds(on_site, stored):
    found = json.loads(on_site("get", "cli-get", "k", "--last", "2s", "--json").stdout)
    assert found["samples"] == stored[-2000:].tolist()


def test_a_file(on_site, stored, tmp_path):
    shown = on_site("get", "cli-get", "k", "-o", "k.csv").stdout
    assert shown.startswith("k.csv: 100,000 samples (i16, 1000 Hz) from 2023-11-1")
    assert np.array_equal(np.loadtxt(tmp_path / "k.csv", skiprows=1, dtype="i2"), stored)


def test_what_is_not_there(on_site, stored):
    assert "there are: k" in on_site("get", "cli-get", "x", code=1).stderr
    assert "no dataset" in on_site("get", "cli-nothing", "x", code=1).stderr
    assert "no samples" in on_site("get", "cli-get", "k", "--since", "1800000000", code=1).stderr
    assert "known are" in on_site("get", "cli-get", "k", "-o", "k.mp3", code=2).stderr
