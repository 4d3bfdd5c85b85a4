"""Models: made of numbers, written to bytes, named in plans, carried by the canonical form."""

import math
from array import array

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan, PlanError
from atoll.kernels.golden_models import golden_models
from atoll.kernels.models import Model, centroids, linear, logistic, mahalanobis

MODELS = golden_models()
ROW = "window 16 | crest, kurtosis, skewness"


@pytest.mark.parametrize("name", MODELS)
def test_the_canonical_form_carries_the_model(name):
    model = MODELS[name]
    plan = Plan(f"{ROW} | {model.kind} @{name}", MODELS)
    again = Plan.from_bytes(plan.canonical)
    assert again.id == plan.id
    assert again.text == plan.text
    assert again.models == plan.models
    assert Plan(plan.text, plan.models) == plan


def test_names_are_hashes_of_the_words():
    plan = Plan(f"{ROW} | logistic @mine", {"mine": MODELS["logistic"]})
    assert plan.text == f"{ROW} | logistic @{MODELS['logistic'].name}"
    other = Plan(f"{ROW} | logistic @other", {"other": MODELS["logistic"]})
    assert other == plan
    assert list(plan.models) == [MODELS["logistic"].name]


def test_short_models_are_written_out():
    plan = Plan("window 8 | rms, peak | logistic 0.5 -2 bias=0.1 give=class")
    assert plan.text == "window 8 | rms, peak | logistic 0.5 -2 bias=0.1 give=class"
    named = Plan(
        "window 8 | rms, peak | logistic @m give=class", {"m": logistic([[0.5, -2]], [0.1])}
    )
    assert named == plan
    assert Plan.from_bytes(plan.canonical) == plan


def test_files():
    for model in MODELS.values():
        assert Model.from_bytes(model.to_bytes()) == model
    for bad in (b"", b"atoll model 1 tree", b"atoll model 2 tree\n" + bytes(12), b"x\n\n"):
        with pytest.raises(KernelError, match="not a model"):
            Model.from_bytes(bad)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("window 3 | logistic @none", "no model is called 'none'; given in models=: linear"),
        ("window 3 | logistic @linear", "is for linear, not logistic"),
        ("window 3 | tree", "tree needs a model"),
        ("window 3 | tree 1", "takes its model as @NAME"),
        ("window 17 | linear " + "1 " * 17, "more than 16 weights"),
        ("window 3 | linear 1 x 3", "weights are numbers"),
        ("window 3 | linear @linear bias=2", "nothing beside the model"),
        ("window 3 | mlp @mlp give=best", "none of scores, class"),
    ],
)
def test_errors(text, reason):
    with pytest.raises(PlanError) as error:
        Plan(text, MODELS)
    assert reason in str(error.value)


@pytest.mark.parametrize("name", MODELS)
def test_damaged_models_are_refused(name):
    """Whatever words a canonical form brings, the plan is refused or runs within its memory."""
    import random

    chance, model = random.Random(7), MODELS[name]
    samples = array("f", np.random.default_rng(1).normal(0, 1, 64))
    refused = 0
    for _ in range(500):
        words = list(model.words)
        words[chance.randrange(len(words))] = chance.choice(
            (0, 1, 255, 2**31, 2**32 - 1, 0x7FC00000, chance.getrandbits(32))
        )
        try:
            Plan(f"{ROW} | {model.kind} @m", {"m": Model(model.kind, tuple(words))}).run(samples)
        except KernelError:
            refused += 1
    assert refused > 0


def test_bad_numbers_are_refused():
    with pytest.raises(KernelError, match="a bias for each score"):
        linear([[1, 2]], [0, 0])
    with pytest.raises(KernelError, match="rows of one length"):
        linear([[1, 2], [1]], [0, 0])
    with pytest.raises(KernelError, match="no finite number"):
        linear([[math.nan]], [0])
    with pytest.raises(KernelError, match="beyond the range"):
        linear([[1e39]], [0])
    with pytest.raises(KernelError, match="at most 64 of 16 fit"):
        centroids([[0.0]] * 65)
    with pytest.raises(KernelError, match="singular at column 1"):
        mahalanobis([0, 0], [[1, 1], [1, 1]])


def test_linear_keeps_its_stated_error():
    source = np.random.default_rng(2)
    weights, bias = source.normal(0, 2, (3, 40)).astype("f4"), source.normal(0, 1, 3).astype("f4")
    x = source.normal(0, 10, (500, 40)).astype("f4")
    plan = Plan("window 40 | linear @m", {"m": linear(weights.tolist(), bias.tolist())})
    got = np.array(plan.run(x.ravel())["linear"])
    w, v = weights.astype("f8"), x.astype("f8")
    bound = (40 / 16 + 8) * 2**-24 * (np.abs(v) @ np.abs(w).T + np.abs(bias))
    assert (np.abs(got - (v @ w.T + bias)) <= bound).all()


def test_logistic_keeps_its_stated_error():
    z = np.concatenate([np.linspace(-100, 100, 200_001), [0.0, 1e-30, -1e30, 1e30]]).astype("f4")
    got = np.array(
        [p for part in np.array_split(z, 8) for p in Plan("logistic 1").run(part)["logistic"]]
    )
    with np.errstate(over="ignore"):
        true = 1 / (1 + np.exp(-z.astype("f8")))
    normal = true > 2**-126
    assert np.abs(got[normal] / true[normal] - 1).max() <= 2**-21
    assert np.abs(got - true).max() <= 2**-22
    assert (got[z < -104] == 0).all()


def test_softmax_sums_to_one():
    source = np.random.default_rng(3)
    model = logistic(source.normal(0, 3, (5, 4)).tolist(), [0.0] * 5)
    x = source.normal(0, 2, 400).astype("f4")
    got = np.array(Plan("window 4 | logistic @m", {"m": model}).run(x)["logistic"])
    z = (
        x.reshape(-1, 4).astype("f8")
        @ np.array(
            [
                [np.array(w, "u4").view("f4") for w in model.words[3 + 5 * k : 7 + 5 * k]]
                for k in range(5)
            ]
        )
        .astype("f8")
        .T
    )
    true = np.exp(z - z.max(1)[:, None])
    true /= true.sum(1)[:, None]
    assert np.abs(got.sum(1) - 1).max() < 2**-20
    assert np.abs(got - true).max() < 2**-18


def test_mahalanobis_is_the_distance():
    source = np.random.default_rng(4)
    x = source.multivariate_normal([1, -2, 5], [[2, 1, 0], [1, 3, 1], [0, 1, 1.5]], 2000).astype(
        "f4"
    )
    learnt = Plan("window 3 | gram").run(x.ravel())["gram"]
    model = mahalanobis(learnt["mean"], learnt["covariance"])
    got = np.array(Plan("window 3 | mahalanobis @m", {"m": model}).run(x.ravel())["mahalanobis"])
    d = x.astype("f8") - learnt["mean"]
    true = np.sqrt(np.einsum("ij,jk,ik->i", d, np.linalg.inv(learnt["covariance"]), d))
    assert np.abs(got - true).max() < 1e-4
    assert abs((got**2).mean() - 3) < 1e-4
