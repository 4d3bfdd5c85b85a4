"""Rows: models, detectors and reducers of rows against their twins, cut and merged at random."""

import random
from array import array

import pytest

from atoll.kernels import KernelError, Plan, PlanError, golden, reference
from atoll.kernels.golden_models import golden_models

from .conftest import CODES, same
from .test_plan import merged, pieces, wild

MODELS = golden_models()
ROW = "crest, kurtosis, skewness"
JOINT = (
    "window 7 hop=5 | mean, rms, p2p | gram fit=2",
    "window 4 | gram",
    f"window 16 hop=9 | {ROW} | centroids @centroids",
    "window 6 hop=4 | merge",
    "window 5 | merge bits=3 weight=first",
    "gram",
    "window 16 | spectrum | gram",
    "window 9 | rms, peak | gram, merge bits=4",
)
STATELESS = (
    f"window 16 | {ROW} | linear @linear",
    f"window 16 hop=5 | {ROW} | logistic @logistic | moments, minmax",
    f"window 16 | {ROW} | logistic @one | quantiles 0.5 bins=32",
    f"window 16 | {ROW} | tree @tree",
    f"window 16 | {ROW} | tree @leaves give=class | top 3 width=16",
    f"window 16 | {ROW} | mlp @mlp give=class | histogram 0 2 bins=2",
    f"window 16 | {ROW} | mlp @mlp",
    f"window 16 | {ROW} | mahalanobis @mahalanobis | moments",
    "window 3 hop=2 | logistic @one",
    "diff | linear 0.5 bias=3 | sum",
    "window 3 | logistic @logistic",
    "window 3 | logistic @logistic give=class",
    "window 3 | tree @tree",
    "window 3 | mlp @mlp",
    "logistic -2",
    f"window 16 | {ROW} | logistic @logistic | gram fit=1",
)
WATCHING = (
    "threshold 100 -100 | sum",
    "window 8 | rms, mean | ewma 0.1",
    "diff | window 8 hop=3 | rms | ewma 0.2 | minmax, moments",
    "window 8 hop=5 | mean, peak | cusum 3 0.5 | moments",
    f"window 16 hop=4 | {ROW} | novelty 5 rate=0.1 | threshold 2 1 | count, sum",
    "ema 0.1 | window 10 | rms | cusum 10 | threshold 50",
    f"window 16 | {ROW} | mahalanobis @mahalanobis | ewma",
    "ewma 0.01 | threshold 3 2",
)


def whole_of(plan, samples):
    return plan.partial(samples, 1000, key="s")


@pytest.mark.parametrize("case", golden.CASES)
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", [*JOINT, *STATELESS, *WATCHING])
def test_row_plan_equals_its_twin(text, dtype, case):
    values = golden.values(dtype, case)[:300]
    ours = Plan(text, MODELS).run(array(CODES[dtype], values), 1000)
    assert same(ours, reference.run(text, values, dtype, 1000, MODELS))


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", STATELESS)
def test_any_cut_of_models(text, dtype):
    plan, samples, chance = Plan(text, MODELS), wild(dtype, 1), random.Random(5)
    assert not plan.ordered
    whole = whole_of(plan, samples)
    for _ in range(100):
        assert merged(plan, pieces(plan, samples, chance), chance) == whole


def in_order(plan, samples, chance):
    """Partials of random pieces, each from the checkpoint of the one before."""
    parts, at, checkpoint = [], 0, b""
    while at < len(samples):
        size = chance.randint(1, 12) * plan.step + plan.overlap
        piece = samples[at : at + size]
        part, checkpoint = plan.advance(piece, 1000, start=at, key="s", checkpoint=checkpoint)
        parts.append(part)
        at = int.from_bytes(checkpoint[12:20], "little") if len(piece) == size else len(samples)
    return parts


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", WATCHING)
def test_detectors_go_on_from_a_checkpoint(text, dtype):
    plan, samples, chance = Plan(text, MODELS), wild(dtype, 1)[:700], random.Random(29)
    assert plan.ordered
    whole = whole_of(plan, samples)
    for _ in range(100):
        assert merged(plan, in_order(plan, samples, chance), chance) == whole


def test_damaged_checkpoints_of_detectors_are_refused_or_run():
    plan, chance = Plan("window 4 | rms, peak | novelty 3"), random.Random(31)
    samples = array("f", golden.values("f32", "noise"))
    _, good = plan.advance(samples[:256])
    refused = 0
    for _ in range(2000):
        bad = bytearray(good)
        bad[chance.randrange(20, len(bad))] = chance.randrange(256)
        try:
            plan.partial(samples[256:], start=256, checkpoint=bytes(bad))
        except KernelError:
            refused += 1
    assert 0 < refused < 2000


@pytest.mark.parametrize("text", JOINT)
def test_damaged_partials_of_joint_reducers_are_refused_or_whole(text):
    plan, chance = Plan(text, MODELS), random.Random(23)
    good = plan.partial(wild("f32", 1)[:200], key="motor")
    survived = 0
    for _ in range(600):
        data = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data = bytes(data[: chance.choice((len(data), chance.randrange(len(data) + 1)))])
        try:
            value = plan.finish(data)
            plan.merge([data, good])
        except KernelError:
            continue
        survived += 1
        assert isinstance(value, dict)
    assert survived < 600


@pytest.mark.parametrize("text", JOINT)
def test_the_empty_partial_of_joint_reducers(text):
    plan = Plan(text, MODELS)
    assert plan.merge([]) == plan.partial(array("f"))
    assert all(found["count"] == 0 for found in plan.finish(plan.merge([])).values())


def test_results_are_nested_by_stage():
    x = array("h", range(64))
    rows = Plan("window 16 | mean, rms | ewma | threshold 2").run(x)
    assert list(rows) == ["mean", "rms"]
    assert rows["mean"] == {"ewma": {"threshold": [0.0, 0.0, 1.0, 1.0]}}
    reduced = Plan("window 16 | mean, rms | linear 1 0 | sum").run(x)
    assert reduced == {"linear": {"sum": 7.5 + 23.5 + 39.5 + 55.5}}
    several = Plan(f"window 16 | {ROW} | logistic @logistic | count", MODELS).run(x)
    assert several == {"logistic": {"count": [4, 4, 4]}}
    assert Plan("threshold 60").run(x) == {"threshold": [0.0] * 61 + [1.0] * 3}


def test_rows_of_single_samples_keep_their_place():
    plan = Plan("linear -1 | minmax")
    found = plan.finish(plan.partial(array("h", [3, 9, 2]), start=70, key="k"))
    assert found["linear"]["minmax"]["min_at"] == 71


def caret(error):
    lines = str(error.value).split("\n")
    return lines[1][lines[2].index("^") : lines[2].rindex("^") + 1]


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("window 8 | mean, rms | logistic 1 2 3", "logistic", "takes 3 columns, there are 2"),
        ("window 8 | linear 1 2", "linear", "takes 2 columns, there are 8 (0, 1, 2, 3, ...)"),
        ("window 64 | gram", "gram", "at most 16 columns"),
        ("window 8 | rms | gram fit=2", "gram", "names no column"),
        ("window 8 | rms | merge weight=first", "merge", "merge takes rows"),
        ("window 8 | rms | gram, count", "count", "use two plans"),
        ("window 8 | rms | count, gram", "gram", "use two plans"),
        ("window 8 | rms | ewma, cusum 1", "ewma", "a comma joins features or reducers"),
        ("rms | ewma", "rms", "needs a window"),
        ("ewma | window 4 | rms", "window", "window takes samples"),
        ("gram | ewma", "ewma", "cannot follow a reducer"),
        ("threshold 1 2", "threshold", "low must not be above high"),
        ("cusum 1 -1", "-1", "drift must lie"),
        ("ewma 0", "0", "alpha must lie"),
        ("novelty 100", "100", "prototypes must lie"),
        ("window 8 | rms | linear 1 wieght=2", "wieght=2", "no option"),
    ],
)
def test_errors_name_the_stage(text, place, reason):
    with pytest.raises(PlanError) as error:
        Plan(text)
    assert caret(error) == place
    assert reason in str(error.value)
