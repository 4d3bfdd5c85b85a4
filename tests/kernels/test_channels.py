"""Streams of several channels: each apart, or together in a row."""

import random
from array import array

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan, PlanError, golden
from atoll.kernels import reference_rows as twins
from atoll.kernels.golden_models import golden_models

from .conftest import CODES, same
from .test_plan import merged, pieces

MODELS = golden_models()
APART = (
    "sum, moments, minmax",
    "diff | abs | quantiles 0.5 bins=32",
    "window 10 hop=7 | rms, mean, skewness | moments, minmax",
    "fir taps 0.5 0.25 | decimate 2 | median 3 | window 8 | detrend | peak, slope | sum",
    "window 32 hop=9 | taper | spectrum | band 10 200, lines 100 tol=40 around=200 | sum, count",
    "ema 0.25 | biquad highpass 100 | window 9 | p2p | minmax",
    "threshold 100 -100 | sum",
    "window 16 | rms, mean | ewma 0.2 | cusum 1 | moments",
)
ROWS = (
    "window 10 hop=7 | rms, mean, skewness",
    "window 32 | spectrum | lines 100 200 tol=40 around=200, centroid",
    "window 32 | spectrum",
    "cusum 1",
)


def stream(dtype, channels, frames=400):
    """Different values in each channel, interleaved; and the channels alone."""
    values = [v for case in golden.CASES for v in golden.values(dtype, case)]
    random.Random(3).shuffle(values)
    flat = array(CODES[dtype], values[: frames * channels])
    return flat, [flat[c::channels] for c in range(channels)]


def columns_of(result, channel):
    """What one channel has in a result of several."""
    if isinstance(result, list):
        return result[channel]
    return {name: columns_of(value, channel) for name, value in result.items()}


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", APART)
def test_each_channel_runs_apart(text, dtype, channels):
    flat, alone = stream(dtype, channels)
    together = Plan(f"channels {channels} | {text}").run(flat, 1000)
    for c in range(channels):
        assert same(columns_of(together, c), Plan(text).run(alone[c], 1000))


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", ROWS)
def test_rows_hold_each_channel(text, dtype):
    flat, alone = stream(dtype, 3)
    together = Plan(f"channels 3 | {text}").run(flat, 1000)
    for c in range(3):
        for name, rows in Plan(text).run(alone[c], 1000).items():
            assert same([row[c] for row in together[name]], rows)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", ["sum, minmax", APART[2], APART[3], "gram", "window 5 | gram"])
def test_any_cut_and_any_order(text, dtype):
    plan, chance = Plan(f"channels 3 | {text}"), random.Random(11)
    flat, _ = stream(dtype, 3)
    samples = memoryview(flat).cast("B").cast(CODES[dtype], (len(flat) // 3, 3))
    whole = plan.partial(samples, 1000, key="s")
    frames = Frames(flat[3 * k : 3 * k + 3] for k in range(len(flat) // 3))
    frames.code = CODES[dtype]
    for _ in range(100):
        assert merged(plan, pieces(plan, frames, chance), chance) == whole


class Frames(list):
    """Frames that slice to one flat array, as a store reads them."""

    def __getitem__(self, key):
        return array(self.code, [v for frame in super().__getitem__(key) for v in frame])


@pytest.mark.parametrize("text", [APART[5], APART[7]])
def test_checkpoints_hold_each_channel(text):
    plan, chance = Plan(f"channels 2 | {text}"), random.Random(13)
    flat, _ = stream("f32", 2)
    whole = plan.partial(flat, 1000, key="s")
    for _ in range(50):
        parts, at, checkpoint = [], 0, b""
        frames = len(flat) // 2
        while at < frames:
            size = chance.randint(1, 12) * plan.step + plan.overlap
            piece = flat[2 * at : 2 * (at + size)]
            part, checkpoint = plan.advance(piece, 1000, start=at, key="s", checkpoint=checkpoint)
            parts.append(part)
            full = len(piece) == 2 * size
            at = int.from_bytes(checkpoint[12:20], "little") if full else frames
        assert merged(plan, parts, chance) == whole


def test_gram_and_models_see_across_channels():
    x = np.random.default_rng(5).normal(0, 1, (600, 3)).astype("f4")
    x[:, 2] += 2 * x[:, 0]
    found = Plan("channels 3 | gram fit=3").run(x)["gram"]
    np.testing.assert_allclose(found["covariance"], np.cov(x.T.astype("f8"), bias=True), rtol=1e-9)
    assert found["columns"] == ["[0]", "[1]", "[2]"]
    model = MODELS["logistic"]
    got = Plan("channels 3 | logistic @logistic", MODELS).run(x)["logistic"]
    rows = [row.tolist() for row in x]
    true = [twins.probabilities(twins.linear(model.words, row)) for row in rows]
    assert same(got, true)


def test_rows_of_windows_stand_channel_by_channel():
    x = np.arange(24, dtype="int16").reshape(8, 3)
    found = Plan("channels 3 | window 4 | merge bits=0").run(x)["merge"]
    assert found["mean"] == ((x[:4] + x[4:]).T.ravel() / 2).tolist()


def test_rows_of_features_stand_by_feature():
    x = np.array([[1, 10], [3, 30]], "int16")
    found = Plan("channels 2 | window 2 | mean, p2p | merge bits=0").run(x)["merge"]
    assert found["mean"] == [2, 20, 2, 20]
    names = Plan("channels 2 | window 2 | mean, p2p | gram").run(x)["gram"]["columns"]
    assert names == ["mean[0]", "mean[1]", "p2p[0]", "p2p[1]"]


def test_the_shape_must_be_the_plans():
    x = np.zeros((10, 3), "f4")
    with pytest.raises(KernelError, match="begin the plan with `channels 3`"):
        Plan("sum").run(x)
    with pytest.raises(KernelError, match="have 3 channels, the plan takes 2"):
        Plan("channels 2 | sum").run(x)
    with pytest.raises(KernelError, match="no whole number of f32 samples of 4 channels"):
        Plan("channels 4 | sum").run(np.zeros(10, "f4"))
    with pytest.raises(KernelError, match="not contiguous"):
        Plan("channels 3 | sum").run(np.zeros((3, 10), "f4").T)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("diff | channels 2 | sum", "must stand before diff"),
        ("channels 2 | channels 2 | sum", "stands once"),
        ("channels 1 | sum", "must lie in 2 .. 16"),
        ("channels 2", "gives no result"),
        ("channels 2 | rms", "needs a window"),
        ("channels 2 | linear 1 2 3", "takes 3 columns, there are 2"),
        ("channels 16 | window 8 | rms, mean | count, sum, moments", "more than 64"),
    ],
)
def test_errors(text, reason):
    with pytest.raises(PlanError) as error:
        Plan(text)
    assert reason in str(error.value)
