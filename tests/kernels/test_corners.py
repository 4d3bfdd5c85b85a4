"""What the catalogue says of no input and of the largest and smallest inputs, kernel by kernel.

NaN and infinities of features and reducers are in test_reference.py and in the golden vectors too;
here is what a reader of `atoll kernels NAME` is told, one line each.
"""

import math
from array import array

import pytest

from atoll.kernels import Plan, catalogue
from atoll.kernels.golden_models import golden_models
from atoll.kernels.models import centroids, linear, logistic, mahalanobis
from atoll.kernels.receipt import SHORT

NAN, INF = math.nan, math.inf
GOLDEN = golden_models()
MODELS = GOLDEN | {
    "two": linear([[1, 1], [2, 2]], [0, 0]),
    "soft": logistic([[1, 1], [2, 2]], [0, 0]),
    "points": centroids([[0, 0], [1, 1]]),
    "unit": mahalanobis([0, 0], [[1, 0], [0, 1]]),
}
WHOLE = " | window 1 | mean"  # shows the samples themselves
LOUD = [1e25, -1e24, 3e25] * 5 + [1.0]


def big(*values):
    """As f32 has them."""
    return list(array("f", values))


# Kernel: plan, dtype, samples, what comes out.
EXTREMES = [
    ("abs", "abs" + WHOLE, "h", [-32768], [32768]),
    ("abs", "abs" + WHOLE, "i", [-(2**31)], [2.0**31]),
    ("clip", "clip -1e30 1e30" + WHOLE, "h", [-32768, 32767], [-32768, 32767]),
    ("scale", "scale 1e10" + WHOLE, "f", [1e38, -1e38], [INF, -INF]),
    ("diff", "diff" + WHOLE, "h", [-32768, 32767], [65535]),
    ("diff", "diff" + WHOLE, "i", [-(2**31), 2**31 - 1], [2.0**31]),
    ("diff", "diff" + WHOLE, "f", [3e38, -3e38], [-INF]),
    ("biquad", "biquad lowpass 100" + WHOLE, "f", [NAN, 1, 1], [NAN, NAN, NAN]),
    ("envelope", "envelope" + WHOLE, "i", [-(2**31)], [2.0**31]),
    ("envelope", "envelope 100" + WHOLE, "f", [NAN, 1, 1], [NAN, NAN, NAN]),
    ("ema", "ema 0.5" + WHOLE, "f", [1, INF, 1], [1, INF, NAN]),
    ("fir", "fir taps 0.5 0.5" + WHOLE, "f", [1, INF, 1, 1], [INF, INF, 1]),
    ("fir", "fir taps 2 2" + WHOLE, "f", [3e38, 3e38], [INF]),
    ("decimate", "decimate 2" + WHOLE, "f", [3e38, 1, -INF], [*big(3e38), -INF]),
    ("median", "median 3" + WHOLE, "f", [1, INF, NAN, -INF], [INF, INF]),
    ("resample", "resample 1 2 half=1" + WHOLE, "f", [NAN, 0, 0, 0, 0, 0, 0], [NAN, 0]),
    ("channels", "channels 2 | window 1 | mean", "f", [INF, 1, 2, -INF], [[INF, 1], [2, -INF]]),
    ("window", "window 2 | peak", "f", [INF, 1, 3e38, 0], [INF, *big(3e38)]),
    ("detrend", "window 4 | detrend | peak", "f", [3e38, -3e38] * 2, [NAN]),
    ("taper", "window 4 | taper flattop | peak", "f", [3e38, -3e38] * 2, [INF]),
    ("spectrum", "window 16 | spectrum", "f", [1e25, -1e25] * 8, [[0] * 8 + [INF]]),
    ("spectrum", "window 16 | spectrum", "f", [1e-30, -1e-30] * 8, [[0] * 9]),
    ("psd", "window 16 | psd 16 | band 0 500", "f", LOUD, [INF]),
    ("mean", "window 2 | mean", "f", [3e38, 3e38], big(3e38)),
    ("rms", "window 2 | rms", "f", [3e38, -3e38], big(3e38)),
    ("rms", "window 2 | rms", "i", [-(2**31)] * 2, [2.0**31]),
    ("peak", "window 2 | peak", "f", [1, -3e38], big(3e38)),
    ("p2p", "window 2 | p2p", "f", [3e38, -3e38], [INF]),
    ("crest", "window 2 | crest", "f", [3e38, -3e38], [1]),
    ("kurtosis", "window 2 | kurtosis", "f", [3e38, -3e38], [1]),
    ("skewness", "window 2 | skewness", "f", [3e38, -3e38], [0]),
    ("zero_crossings", "window 3 | zero_crossings", "f", [INF, -1e-45, 0], [2]),
    ("goertzel", "window 16 | goertzel 100", "f", [1e30] * 16, [NAN]),
    ("goertzel", "window 16 | goertzel 100", "f", [1e-30] * 16, [0]),
    ("slope", "window 16 | slope", "f", [3e38, -3e38] * 8, [NAN]),
    ("autocorr", "window 16 | autocorr 1", "f", [3e38, -3e38] * 8, [NAN]),
    (
        *("lines", "window 16 | spectrum | lines 125 tol=10 around=200", "f"),
        *(LOUD, [[NAN]]),
    ),
    ("band", "window 16 | spectrum | band 0 500", "f", LOUD, [INF]),
    ("centroid", "window 16 | spectrum | centroid", "f", LOUD, [NAN]),
    ("entropy", "window 16 | spectrum | entropy", "f", LOUD, [NAN]),
    ("peaks", "window 16 | spectrum | peaks 1", "f", [1e25, 0, -1e25, 0] * 4, [[250, INF]]),
    ("mel", "window 16 | spectrum | mel 2", "f", LOUD, [[INF, INF]]),
    ("mel", "window 16 | spectrum | mel 1 give=db", "f", [0] * 16, [[-100]]),
    ("linear", "window 2 | linear 1 1", "f", [3e38, 3e38], [INF]),
    ("logistic", "window 2 | logistic 1 1", "f", [3e38, 3e38, -3e38, -3e38], [1, 0]),
    ("logistic", "window 2 | logistic @soft", "f", [3e38, 3e38], [[NAN, NAN]]),
    ("threshold", "threshold 5 3", "f", [INF, 4, -INF, NAN], [1, 1, 0, NAN]),
    ("ewma", "ewma 0.5", "f", [1, 2, 1e25, 1], [0, 0, INF, -1]),
    ("cusum", "cusum 0", "f", [3e38, 3e38, -1], [*big(3e38), INF, INF]),
    ("mahalanobis", "window 2 | mahalanobis @unit", "f", [3e38, 1, NAN, INF], [INF, NAN]),
    ("novelty", "window 2 | novelty 1", "f", [1, 2, 3e38, 1, 1, 3], [0, INF, 0]),
]
REDUCED = [
    ("count", "count", "f", [NAN, INF], 1),
    ("sum", "sum", "f", [3e38] * 3, 3 * big(3e38)[0]),
    ("sum", "sum", "i", [2**31 - 1] * 3, 3 * (2**31 - 1)),
    ("sum", "sum", "f", [INF, -INF], NAN),
    ("histogram", "histogram 0 1 bins=1", "f", [INF, -INF, 1], {"under": 1, "over": 1}),
    ("moments", "moments", "f", [3e38, -3e38], {"mean": 0, "kurtosis": 1}),
    ("minmax", "minmax", "f", [-0.0, INF], {"min": 0, "max": INF}),
    ("quantiles", "quantiles 0 1", "f", [INF, -INF], {"0": -INF, "1": INF}),
    ("distinct", "distinct", "f", [0, -0.0, INF, -INF], {"estimate": 3}),
    ("top", "top", "f", [0, -0.0, INF], {"values": [[0, 2], [INF, 1]]}),
    ("gram", "window 1 | gram", "f", [3e38, -3e38], {"mean": [0], "correlation": [[1]]}),
    ("centroids", "window 2 | centroids @points", "f", [3e38, 3e38], {"members": [1, 0]}),
    ("merge", "window 1 | merge bits=30", "f", [5], {"saturated": 1, "mean": [2 - 2**-30]}),
]
# Models whose input is a row of golden features.
OTHERS = {"tree", "mlp"}


def equal(ours, wanted):
    if isinstance(wanted, dict):
        return all(equal(ours[name], value) for name, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(ours, list) and len(ours) == len(wanted)
        return same and all(map(equal, ours, wanted))
    return ours == wanted or (ours != ours and wanted != wanted)


@pytest.mark.parametrize(("name", "text", "code", "values", "wanted"), [*EXTREMES, *REDUCED])
def test_extremes_give_what_is_said(name, text, code, values, wanted):
    (found,) = Plan(text, MODELS).run(array(code, values), 1000.0).values()
    assert equal(found, wanted), found


@pytest.mark.parametrize("name", ["tree", "mlp"])
def test_models_take_infinities(name):
    model = MODELS[name]
    plan = Plan(f"window {model.columns} | {name} @{name}", MODELS)
    (found,) = plan.run(array("f", [INF, -INF, 3e38])).values()
    (near,) = plan.run(array("f", [1e9, -1e9, 1e9])).values()
    assert equal(found, near)


def test_every_kernel_is_here():
    assert {case[0] for case in (*EXTREMES, *REDUCED)} | OTHERS == {k.name for k in catalogue()}


NOTHING = {
    "count": 0,
    "sum": 0.0,
    "moments": {"count": 0, "mean": NAN, "variance": NAN, "skewness": NAN, "kurtosis": NAN},
    "minmax": {"count": 0, "min": None, "min_at": None, "max": None, "max_key": None},
    "histogram": {"count": 0, "under": 0, "over": 0, "counts": [0] * 33},
    "quantiles": {"count": 0, "0.5": NAN},
    "distinct": {"count": 0, "estimate": 0},
    "top": {"count": 0, "values": []},
    "gram": {"count": 0, "mean": [NAN] * 3},
    "centroids": {"count": 0, "members": [0] * 4, "inertia": 0},
    "merge": {"count": 0, "mean": [NAN] * 16},
}


@pytest.mark.parametrize("kernel", catalogue(), ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("code", "hif")
def test_of_nothing_comes_what_is_said(kernel, code):
    plan = Plan(SHORT.plans()[kernel.name][0], GOLDEN)
    assert kernel.of_nothing
    found = plan.run(array(code), 1000.0)
    if kernel.group == "reducer":
        assert kernel.empty
        assert equal(found[kernel.name], NOTHING[kernel.name]), found
    elif kernel.group == "sample":
        assert found == {"sum": 0}
    else:
        assert _leaves(found) in ([], [0])


def _leaves(found):
    if isinstance(found, dict):
        return [leaf for value in found.values() for leaf in _leaves(value)]
    return found if isinstance(found, list) else [found]
