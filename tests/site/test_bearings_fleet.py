"""The recorded bearings over a fleet: the same bytes as on one machine, and the fault's lines."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from atoll.kernels import Plan

pytestmark = pytest.mark.site

PLAN = (
    "biquad bandpass 2000 5000 order=2 | envelope | window 65536 hop=28000 | detrend mean"
    " | taper hann | spectrum | lines 107.4 162.2 tol=2 around=40"
)


@pytest.fixture
def records():
    folder = Path(os.environ.get("ATOLL_RECORDINGS") or "../shared/data/vibration")
    if not (folder / "index.json").is_file():
        pytest.skip("recordings: ATOLL_RECORDINGS names no folder with an index.json")
    listed = json.loads((folder / "index.json").read_text())
    return {
        str(row["record"]): np.load(folder / row["file"])
        for row in listed
        if row["channel"] == "drive-end"
    }


def test_faults_stand_out_over_the_fleet(site, records):
    with site.connect() as fleet:
        for key, samples in records.items():
            fleet.put("bearings", samples, key=key, rate=12_000)
        whole = fleet.run(PLAN, over="bearings")
        apart = fleet.run(PLAN, over="bearings", by="key").values
    assert whole.complete
    assert whole.value == Plan(PLAN).run(records, rate=12_000)
    outer = {key: max(row[0] for row in value["lines"]) for key, value in apart.items()}
    inner = {key: max(row[1] for row in value["lines"]) for key, value in apart.items()}
    assert outer["130"] >= 1_000
    assert inner["105"] >= 1_000
    assert outer["97"] < 100
    assert inner["97"] < 100
