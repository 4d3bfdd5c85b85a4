import copy
import sys

import numpy as np
import pytest

from atoll.cli.demo_check import disagreement
from atoll.kernels import Plan

PLANS = (
    "moments",
    "window 64 hop=32 | rms | quantiles 0.5 0.99",
    "window 64 | peak | histogram 0 8192 bins=64",
)


@pytest.fixture
def streams():
    noise = np.random.default_rng(9)
    return {f"k{n}": noise.integers(-4000, 4000, 5000 + n, dtype="i2") for n in range(3)}


@pytest.mark.parametrize("plan", PLANS)
def test_the_kernels_agree_with_numpy(plan, streams):
    assert disagreement(plan, streams, Plan(plan).run(streams)) <= 1.0


def spoil(value):
    """The same result with one number a little off."""
    spoiled = copy.deepcopy(value)
    inner = spoiled
    while not any(isinstance(item, float | list) for item in inner.values()):
        inner = next(item for item in inner.values() if isinstance(item, dict))
    if "counts" in inner:
        inner["counts"][5] += 1
    else:
        name = "mean" if "mean" in inner else "0.5"
        inner[name] *= 1.02
    return spoiled


@pytest.mark.parametrize("plan", PLANS)
def test_a_number_that_is_off_is_found(plan, streams):
    assert disagreement(plan, streams, spoil(Plan(plan).run(streams))) > 1.0


def test_samples_left_out_are_found(streams):
    short = dict(list(streams.items())[1:])
    for plan in PLANS:
        assert disagreement(plan, streams, Plan(plan).run(short)) > 1.0


def test_without_numpy_there_is_no_second_opinion(monkeypatch, streams):
    value = Plan("moments").run(streams)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert disagreement("moments", streams, value) is None
