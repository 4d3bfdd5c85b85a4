"""Recorded bearings: one plan tells a worn race from a healthy one."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from atoll.kernels import Plan

HERE = Path(os.environ.get("ATOLL_RECORDINGS", Path(__file__).parents[3] / "shared/data/vibration"))
PLAN = Plan(
    "biquad bandpass 2000 5000 order=2 | envelope | window 65536 hop=28000 | detrend mean"
    " | taper hann | spectrum | lines 107.4 162.2 tol=2 around=40"
)


@pytest.fixture(scope="module")
def records():
    if not (HERE / "index.json").exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no recordings in {HERE}")
        pytest.skip(f"no recordings in {HERE}")
    index = json.loads((HERE / "index.json").read_text())
    return {e["record"]: np.load(HERE / e["file"]) for e in index if e["channel"] == "drive-end"}


def largest(samples):
    return np.array(PLAN.run(samples, rate=12000)["lines"]).max(axis=0)


def test_each_fault_shows_at_its_frequency(records):
    assert largest(records[105])[1] >= 1000  # inner race
    assert largest(records[130])[0] >= 1000  # outer race
    assert (largest(records[97]) < 100).all()  # healthy


def test_one_row_a_window(records):
    rows = PLAN.run(records[130], rate=12000)["lines"]
    assert len(rows) == (len(records[130]) - 65536) // 28000 + 1
    assert all(len(row) == 2 for row in rows)


def test_pieces_in_order_give_the_same_bytes(records):
    samples, parts, checkpoint = records[97], [], b""
    whole = PLAN.partial(samples, 12000)
    for at in range(0, len(samples), PLAN.step):
        piece = samples[at : at + PLAN.step + PLAN.overlap]
        if len(piece) < PLAN.step + PLAN.overlap:
            break
        part, checkpoint = PLAN.advance(piece, 12000, start=at, checkpoint=checkpoint)
        parts.append(part)
    assert PLAN.merge(reversed(parts)) == whole
