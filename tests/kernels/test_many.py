"""Windows that run side by side give the bits of each one alone (parts/many.pxi).

A push of one sample at a time never holds a whole window, so that windows go one by one; a push of
the whole stream takes groups of them.
"""

import math
import random

import pytest
from .test_roomy import bytes_of, stream

from atoll.kernels import Plan
from atoll.kernels.models import Model, linear, logistic

KINDS = ("h", "i", "plain", "wide", "odd")


def weights(rows: int, columns: int) -> list[list[float]]:
    rng = random.Random(rows * columns)
    return [[rng.gauss(0, 0.003) for _ in range(columns)] for _ in range(rows)]


def model(kind: str, rows: int, columns: int) -> dict[str, Model]:
    make = {"linear": linear, "logistic": logistic}[kind]
    return {"m": make(weights(rows, columns), [0.5 - k for k in range(rows)])}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("give", ["scores", "class"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("shape", ["window 16", "window 7 hop=9", "window 37 hop=5", "window 32"])
@pytest.mark.parametrize("name", ["linear", "logistic"])
def test_models_of_many_rows_give_the_bytes_of_each_alone(name, shape, rows, give, kind):
    models = model(name, rows, int(shape.split()[1]))
    plan, samples = Plan(f"{shape} | {name} @m give={give} | minmax, moments", models), stream(kind)
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "window 100 hop=30 | goertzel 90, mean | moments",
        "window 33 | goertzel 90 | moments",
        "window 40 | mean | minmax, moments",
        "window 40 hop=50 | rms | minmax, moments",
        "window 37 hop=11 | mean, rms | moments",
        "window 23 hop=9 | peak, p2p, zero_crossings | moments",
        "diff | window 16 hop=5 | rms | moments",
        "window 5 hop=1 | skewness | quantiles 0.5, distinct",
        "window 16 hop=5 | spectrum | centroid, band 100 200 | moments",
        "window 128 hop=100 | detrend mean | taper hann | spectrum | centroid | minmax, moments",
        "window 64 | taper flattop | spectrum | peaks 2, entropy | moments",
        "window 256 hop=128 | detrend line | spectrum | centroid | moments",
        "window 32 hop=32 | detrend mean | spectrum | linear @m | moments",
    ],
)
def test_features_of_many_windows_give_the_bytes_of_each_alone(text, kind):
    plan, samples = Plan(text, model("linear", 2, 17)), stream(kind)
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


@pytest.mark.parametrize("kind", ["h", "odd"])
@pytest.mark.parametrize("count", [3, 4, 5, 37, 300])
def test_rows_of_many_windows_are_those_of_each_alone(count, kind):
    plan, samples = Plan("window 12 hop=7 | mean, goertzel 100, peak"), stream(kind)
    samples = samples[: 12 + 7 * (count - 1)]
    whole = plan.run(samples, 1000.0)
    single = [plan.run(samples[7 * k : 7 * k + 12], 1000.0) for k in range(count)]
    for name in ("mean", "goertzel", "peak"):
        expected = [row[name][0] for row in single]
        assert len(whole[name]) == count
        assert all(
            a == b or (math.isnan(a) and math.isnan(b))
            for a, b in zip(whole[name], expected, strict=True)
        )
