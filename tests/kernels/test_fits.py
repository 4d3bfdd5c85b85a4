"""gram, centroids and merge give what numpy gives in float64, and more digits."""

from array import array

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan
from atoll.kernels.models import centroids


def rows(seed, n, columns):
    source = np.random.default_rng(seed)
    mixed = source.normal(0, 1, (columns, columns))
    return (source.normal(0, 1, (n, columns)) @ mixed + np.arange(columns)).astype("f4")


def test_gram_is_the_covariance():
    x = rows(1, 3000, 5)
    found = Plan("window 5 | gram").run(x.ravel())["gram"]
    v = x.astype("f8")
    assert found["count"] == 3000
    np.testing.assert_allclose(found["mean"], v.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found["covariance"], np.cov(v.T, bias=True), rtol=1e-10)
    np.testing.assert_allclose(found["correlation"], np.corrcoef(v.T), rtol=1e-10)


def test_gram_does_not_cancel():
    x = (np.tile([1e7, 1e7 + 1], 500)).astype("f4")
    found = Plan("window 1 | gram").run(x)["gram"]
    assert found["covariance"] == [[0.25]]


def test_least_squares():
    x = rows(2, 2000, 4)
    found = Plan("window 4 | gram fit=3").run(x.ravel())["gram"]["fit"]
    v = x.astype("f8")
    a = np.column_stack([v[:, [0, 1, 3]], np.ones(len(v))])
    *b, intercept = np.linalg.lstsq(a, v[:, 2], rcond=None)[0]
    np.testing.assert_allclose(found["coefficients"], b, rtol=1e-9)
    np.testing.assert_allclose(found["intercept"], intercept, rtol=1e-9)
    rest = v[:, 2] - a @ [*b, intercept]
    np.testing.assert_allclose(found["residual"], rest.var(), rtol=1e-9)
    np.testing.assert_allclose(found["r2"], 1 - rest.var() / v[:, 2].var(), rtol=1e-9)


def test_an_exact_line_is_found_exactly():
    x = array("f", [v for t in range(50) for v in (t, 3 * t - 7)])
    fit = Plan("window 2 | gram fit=2").run(x)["gram"]["fit"]
    assert fit == {
        "target": 2,
        "coefficients": [3.0],
        "intercept": -7.0,
        "residual": 0.0,
        "r2": 1.0,
    }


def test_dependent_columns_have_no_fit():
    x = array("f", [v for t in range(50) for v in (t, 2 * t, t * t)])
    fit = Plan("window 3 | gram fit=3").run(x)["gram"]["fit"]
    assert fit["coefficients"] is None
    assert fit["r2"] is None


def test_rows_that_are_not_finite_are_left_out():
    inf, nan = float("inf"), float("nan")
    x = array("f", [1, 2, nan, 5, 3, inf, 3, 6])
    found = Plan("window 2 | gram").run(x)["gram"]
    assert (found["count"], found["left_out"]) == (2, 2)
    assert found["mean"] == [2.0, 4.0]


def test_contradicting_sums_are_refused():
    plan = Plan("window 1 | gram")
    good = plan.partial(array("f", [1.0, 1.0]))
    # The product's sum is the last number: one byte, the 2 of 1 + 1.
    assert good[-1:] == b"\x20" or good[-1] in (1, 2, 4, 8, 16, 32, 64)
    with pytest.raises(KernelError, match="contradict"):
        plan.finish(good[:-1] + b"\x01" if good[-1] != 1 else good[:-1] + b"\x00")


def test_a_step_of_kmeans():
    source = np.random.default_rng(5)
    middle = np.array([[0, 0], [8, 1], [3, 9]])
    x = (middle[source.integers(0, 3, 3000)] + source.normal(0, 1, (3000, 2))).astype("f4")
    given = [[1.0, 1.0], [6.0, 0.0], [2.0, 7.0], [100.0, 100.0]]
    found = Plan("window 2 | centroids @c", {"c": centroids(given)}).run(x.ravel())["centroids"]
    v = x.astype("f8")
    far = ((v[:, None] - np.array(given)) ** 2).sum(2)
    label = far.argmin(1)
    assert found["members"] == np.bincount(label, minlength=4).tolist()
    moved = [v[label == k].mean(0) for k in range(3)]
    np.testing.assert_allclose(found["centroids"][:3], moved, rtol=1e-12)
    assert found["centroids"][3] == [100.0, 100.0]
    np.testing.assert_allclose(found["inertia"], far.min(1).sum(), rtol=1e-10)


def test_kmeans_converges_over_merged_parts():
    source = np.random.default_rng(6)
    x = (np.repeat([[0.0], [10.0]], 500, 0) + source.normal(0, 1, (1000, 1))).astype("f4")
    source.shuffle(x)
    given = [[4.0], [5.0]]
    for _ in range(6):
        plan = Plan("window 1 | centroids @c", {"c": centroids(given)})
        parts = [plan.partial(x[k::4].ravel()) for k in range(4)]
        given = plan.finish(plan.merge(parts))["centroids"]["centroids"]
    assert abs(given[0][0]) < 0.2
    assert abs(given[1][0] - 10) < 0.2


def test_merge_is_the_weighted_average():
    source = np.random.default_rng(7)
    vectors = source.normal(0, 1, (40, 100)).astype("f4")
    weight = source.integers(1, 5000, 40)
    x = np.column_stack([weight, vectors]).astype("f4")
    found = Plan("window 101 | merge weight=first").run(x.ravel())["merge"]
    assert found["weight"] == weight.sum()
    true = (vectors.astype("f8") * weight[:, None]).sum(0) / weight.sum()
    assert np.abs(np.array(found["mean"]) - true).max() <= 2**-17


def test_merge_saturates_and_counts():
    x = array("f", [1e9, 0.25, -1e9, 0.75])
    found = Plan("window 2 | merge bits=1").run(x)["merge"]
    assert found["saturated"] == 0
    assert found["mean"] == [0.0, 0.5]  # 0.25 and 0.75 are ties: to 0 and to 2 halves
    found = Plan("window 2 | merge bits=4").run(x)["merge"]
    assert found["saturated"] == 2


@pytest.mark.parametrize("weight", [-1.0, 0.5, 2.0**25, float("nan")])
def test_vectors_without_a_valid_weight_are_left_out(weight):
    found = Plan("window 2 | merge weight=first").run(array("f", [weight, 1, 3, 7]))["merge"]
    assert (found["count"], found["left_out"], found["mean"]) == (1, 1, [7.0])
