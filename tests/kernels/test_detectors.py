"""Detectors find what they are for."""

from array import array

import numpy as np

from atoll.kernels import Plan

NAN, INF = float("nan"), float("inf")


def test_threshold_has_hysteresis():
    x = array("f", [0, 4, 6, 5, 4, 3.5, 3, 2, 4, 5, 6])
    assert Plan("threshold 5 3").run(x) == {"threshold": [0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1]}
    assert Plan("threshold 5").run(x) == {"threshold": [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1]}


def test_ewma_scores_in_deviations():
    x = np.random.default_rng(1).normal(50, 2, 20_000).astype("f4")
    x[15_000] = 70
    score = np.abs(Plan("ewma 0.01").run(x)["ewma"])
    assert score.argmax() == 15_000
    assert 8 < score[15_000] < 12
    assert 0.9 < np.sqrt((score[1000:14_000] ** 2).mean()) < 1.1


def test_cusum_finds_a_small_shift():
    x = np.random.default_rng(2).normal(0, 1, 4000).astype("f4")
    x[2000:] += 0.5
    sums = np.array(Plan("cusum 0 0.25").run(x)["cusum"])
    assert sums[:2000].max() < 40
    assert sums[-1] > 200
    down = np.array(Plan("cusum 0 0.25").run(-x)["cusum"])
    np.testing.assert_array_equal(down, sums)


def test_novelty_learns_what_is_usual():
    source = np.random.default_rng(3)
    modes = np.array([[0, 0], [20, 5], [-10, 30]])
    x = (modes[source.integers(0, 3, 5000)] + source.normal(0, 1, (5000, 2))).astype("f4")
    x[4000] = [50, -50]
    score = np.array(Plan("window 2 | novelty 6").run(x.ravel())["novelty"])
    assert score[200:].argmax() == 3800
    assert score[4000] > 20
    assert score[1000:4000].max() < 8


def test_what_is_not_finite_teaches_nothing():
    x = array("f", [1, 2, 3, 2, 1, 2, 3])
    for text, plain in (("ewma 0.2", 1), ("cusum 2", 1), ("threshold 2.5 1.5", 1)):
        plan = Plan(text)
        name = plan.kernels[0]
        dirty = plan.run(array("f", [*x[:4], NAN, *x[4:]]))[name]
        assert dirty[4] != dirty[4]
        assert [*dirty[:4], *dirty[5:]] == plan.run(x)[name]
        assert plain
    assert Plan("ewma 0.2").run(array("f", [1, 2, -INF, 3]))["ewma"][2] == INF
    assert Plan("cusum 0").run(array("f", [1, INF, 2]))["cusum"] == [1, INF, 3]
    # Finite, but their squared deviations are not: one glitch must not blind a detector for ever.
    quiet = [1, 2, 1, 2, 3, 1, 2, 1, 2]
    for glitch in (1e25, -1e25, 3e38):
        score = Plan("ewma 0.1").run(array("f", [*quiet, glitch, 1, 2, 30, 1]))["ewma"]
        assert score[9] == INF
        assert [*score[:9], *score[10:]] == Plan("ewma 0.1").run(array("f", [*quiet, 1, 2, 30, 1]))[
            "ewma"
        ]
        assert score[12] > 10
        assert Plan("ewma 0.1").run(array("f", [glitch, 1, 2]))["ewma"] == [INF, 0, 0]
    assert Plan("window 1 | novelty").run(array("f", [1, INF, 2]))["novelty"][1] == INF
