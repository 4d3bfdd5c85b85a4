"""The stated errors of reducers, models and detectors, against numpy in float64 or better.

Sums are held against fractions: each number of an exact reducer is the float64 nearest to it.
"""

import math
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest

from atoll.kernels import Plan
from atoll.kernels.importers import from_sklearn, mlp_from_npz
from atoll.kernels.models import centroids, linear, logistic, mahalanobis
from atoll.kernels.numbers import f32_value

from .accuracy import DATA, EPS, data, ours
from .test_importers import by_numpy, network

COLUMNS = 8


def streams(name):
    """As f32, and rounded into i32 and i16 where the data has a like there."""
    x = data(name)
    found = {"f32": x}
    if name != "magnitudes":
        found |= {"i32": np.rint(x * 16).astype("i4"), "i16": np.rint(x / 40).astype("i2")}
    return found


def rows(name, n=2000):
    return data(name)[: COLUMNS * n].reshape(-1, COLUMNS)


def nearest(value):
    """The float64 nearest to a fraction, or to a Decimal of many digits."""
    return float(value)


@pytest.mark.parametrize("name", DATA)
def test_count_sum_and_moments_are_rounded_once(name):
    getcontext().prec = 80
    for dtype, x in streams(name).items():
        x = x[:3000]
        v = [Fraction(k) for k in x.tolist()]
        n = len(v)
        found = Plan("count, sum, moments").run(x)
        assert found["count"] == n
        assert found["sum"] == (sum(v) if dtype != "f32" else nearest(sum(v)))
        mean = sum(v) / n
        powers = [sum((k - mean) ** p for k in v) / n for p in (2, 3, 4)]
        m2, m3 = (Decimal(m.numerator) / Decimal(m.denominator) for m in powers[:2])
        moments = found["moments"]
        assert moments["mean"] == nearest(mean)
        assert moments["variance"] == nearest(powers[0])
        assert moments["std"] == nearest(m2.sqrt())
        assert moments["skewness"] == nearest(m3 / (m2 * m2.sqrt()))
        assert moments["kurtosis"] == nearest(powers[2] / powers[0] ** 2)


@pytest.mark.parametrize("name", DATA)
def test_orders_and_counts_are_numpys(name):
    for x in streams(name).values():
        found = Plan("minmax").run(x)["minmax"]
        assert (found["min"], found["min_at"]) == (x.min(), x.argmin())
        assert (found["max"], found["max_at"]) == (x.max(), x.argmax())
        low, high = float(np.float32(np.quantile(x, 0.1))), float(np.float32(x.max()))
        histogram = Plan(f"histogram {low:.9g} {high:.9g} bins=50").run(x)["histogram"]
        edges = np.linspace(low, high, 51)
        near = 2 * np.spacing(np.abs(edges).astype("f4")).astype("f8")
        lower, _ = np.histogram(x, np.concatenate([edges[:-1] + near[:-1], [high]]))
        spread = sum(((x >= e - d) & (x <= e + d)).sum() for e, d in zip(edges, near, strict=True))
        assert np.abs(np.array(histogram["counts"]) - lower).sum() <= 2 * spread
        assert sum(histogram["counts"]) + histogram["under"] + histogram["over"] == len(x)


@pytest.mark.parametrize("name", DATA)
def test_quantiles_keep_the_error_they_report(name):
    parts = (0.001, 0.25, 0.5, 0.99, 1)
    for x in streams(name).values():
        found = Plan("quantiles 0.001 0.25 0.5 0.99 1 bins=64").run(x)["quantiles"]
        true = np.quantile(x, parts, method="inverted_cdf").astype("f8")
        got = np.array([found[f"{part:g}"] for part in parts])
        assert (np.abs(got - true) <= found["error"] * np.abs(true) + 2.0**-126).all()
        exact = Plan("quantiles 0.001 0.25 0.5 0.99 1 bins=256").run(x[:250])["quantiles"]
        assert exact["error"] == 0
        few = np.quantile(x[:250], parts, method="inverted_cdf").tolist()
        assert [exact[f"{part:g}"] for part in parts] == few


@pytest.mark.parametrize("name", DATA)
def test_distinct_and_top_keep_their_bounds(name):
    for x in streams(name).values():
        values, counts = np.unique(x, return_counts=True)
        found = Plan("distinct").run(x)["distinct"]
        assert abs(found["estimate"] / len(values) - 1) <= 4 * found["error"]
        top = Plan("top 20").run(x)["top"]
        true = dict(zip(values.tolist(), counts.tolist(), strict=True))
        assert {v for v, n in true.items() if n > top["error"]} <= {
            v for v, _ in Plan("top 1000").run(x)["top"]["values"]
        }
        assert all(n >= true.get(v, 0) for v, n in top["values"])


@pytest.mark.parametrize("name", DATA)
def test_gram_is_rounded_once(name):
    x = rows(name, 300)
    v = [[Fraction(k) for k in row] for row in x.tolist()]
    n = len(v)
    mean = [sum(column) / n for column in zip(*v, strict=True)]
    found = Plan(f"window {COLUMNS} | gram").run(x.ravel())["gram"]
    assert found["mean"] == [nearest(m) for m in mean]
    for i, j in ((0, 0), (0, 7), (3, 5)):
        product = sum(row[i] * row[j] for row in v) / n - mean[i] * mean[j]
        assert found["covariance"][i][j] == found["covariance"][j][i] == nearest(product)


@pytest.mark.parametrize("name", DATA)
def test_centroids_are_means_of_the_nearest(name):
    x = rows(name)
    points = x[[3, 500, 1500]]
    found = Plan(f"window {COLUMNS} | centroids @m", {"m": centroids(points.tolist())}).run(
        x.ravel()
    )["centroids"]
    v = x.astype("f8")
    squares = ((v[:, None] - points.astype("f8")) ** 2).sum(2)
    label = squares.argmin(1)
    order = np.sort(squares, 1)
    tied = order[:, 1] - order[:, 0] <= 16 * EPS * order[:, 1]  # in f32 the other may win
    assert np.abs(np.bincount(label, minlength=3) - found["members"]).sum() <= 2 * tied.sum()
    if not tied.any():
        for k in range(3):
            column = [nearest(Fraction(math.fsum(c)) / len(c)) for c in v[label == k].T]
            assert found["centroids"][k] == pytest.approx(column, rel=2**-51)


@pytest.mark.parametrize("name", DATA)
def test_merge_is_the_average_in_fixed_point(name):
    x = np.clip(rows(name), -30000, 30000)
    found = Plan(f"window {COLUMNS} | merge").run(x.ravel())["merge"]
    fixed = np.rint(x.astype("f8") * 65536)
    true = [float(Fraction(int(c.sum())) / 65536 / len(c)) for c in fixed.T]
    assert found["mean"] == true
    assert np.abs(np.array(true) - x.mean(0, dtype="f8")).max() <= 2**-17


def floats(model):
    return np.array([f32_value(word) for word in model.words[2:]])


@pytest.mark.parametrize("name", DATA)
def test_scores_keep_their_stated_error(name):
    x = rows(name)
    chance = np.random.default_rng(3)
    weights = chance.normal(0, 1, (3, COLUMNS)).astype("f4")
    bias = chance.normal(0, 1, 3).astype("f4")
    given = {"m": linear(weights.tolist(), bias.tolist())}
    found = ours(f"window {COLUMNS} | linear @m", x.ravel(), given)
    v, w = x.astype("f8"), weights.astype("f8")
    size = np.abs(v) @ np.abs(w).T + np.abs(bias)
    bound = (COLUMNS / 16 + 8) * EPS * size
    scores = v @ w.T + bias
    assert (np.abs(found - scores) <= bound).all()
    small = (weights / np.abs(v).max()).astype("f4")
    given = {"m": logistic(small.tolist(), bias.tolist())}
    found = ours(f"window {COLUMNS} | logistic @m", x.ravel(), given)
    scores = v @ small.astype("f8").T + bias
    size = np.abs(v) @ np.abs(small.astype("f8")).T + np.abs(bias)
    odds = np.exp(scores - scores.max(1, keepdims=True))
    true = odds / odds.sum(1, keepdims=True)
    # A score off by d moves a share by at most its own part of 2 d.
    off = 2 * (COLUMNS / 16 + 8) * EPS * size.max(1, keepdims=True)
    assert (np.abs(found - true) <= true * (2**-21 + 1.01 * off)).all()


@pytest.mark.parametrize("name", DATA)
def test_trees_branch_as_fitted(name):
    ensemble = pytest.importorskip("sklearn.ensemble")
    x = rows(name)
    label = (x[:, 0] > np.median(x[:, 0])).astype(int) + (x[:, 1] > np.quantile(x[:, 1], 0.9))
    fitted = ensemble.RandomForestClassifier(10, max_depth=6, random_state=1).fit(x, label)
    found = ours(f"window {COLUMNS} | tree @m", x.ravel(), {"m": from_sklearn(fitted)})
    true = fitted.predict_proba(x)
    assert np.abs(found.reshape(true.shape) - true).max() <= 10 * EPS


@pytest.mark.parametrize("name", DATA)
def test_mlp_is_integers(name):
    arrays, file = network()
    x = rows(name)[:, :5] * np.float32(2 / data(name).std())
    found = ours("window 5 | mlp @m", x.ravel(), {"m": mlp_from_npz(file)})
    np.testing.assert_allclose(found, by_numpy(arrays, x), rtol=2**-23)


@pytest.mark.parametrize("name", DATA)
def test_mahalanobis_keeps_its_stated_error(name):
    x = rows(name)
    v = x.astype("f8")
    covariance = np.cov(v.T) + np.eye(COLUMNS) * 1e-6 * max(1.0, v.var())
    model = mahalanobis(v.mean(0).tolist(), covariance.tolist())
    words = floats(model)
    turn = np.zeros((COLUMNS, COLUMNS))
    turn[np.tril_indices(COLUMNS)] = words[COLUMNS:]
    apart = v - words[:COLUMNS]
    true = np.sqrt(((apart @ turn.T) ** 2).sum(1))
    size = (np.abs(apart) @ np.abs(turn).T).sum(1)
    found = ours(f"window {COLUMNS} | mahalanobis @m", x.ravel(), {"m": model})
    assert (np.abs(found - true) <= COLUMNS**2 * 2**-23 * size).all()


# Detectors, their recursions in float64.


@pytest.mark.parametrize("name", DATA)
def test_threshold_is_exact(name):
    x = data(name)[:20000]
    high, low = (float(np.float32(np.quantile(x, q))) for q in (0.9, 0.3))
    on, true = 0, []
    for value in x.tolist():
        on = 1 if value > high else 0 if value < low else on
        true.append(on)
    assert ours(f"threshold {high:.9g} {low:.9g}", x).tolist() == true


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("alpha", [0.5, 0.05, 0.001])
def test_ewma_keeps_its_stated_error(name, alpha):
    x = data(name)[:20000]
    rate = float(np.float32(alpha))
    mean = variance = peak = 0.0
    true, bound = [], []
    for n, value in enumerate(x.tolist(), 1):
        apart = value - mean
        spread = math.sqrt(variance)
        score = apart / spread if spread else 0.0
        peak = max(peak, abs(value))
        true.append(score)
        bound.append((1 + abs(score)) * (1 + peak / spread if spread else 0) * 2**-22 / rate)
        weight = max(1 / n, rate)
        mean += weight * apart
        variance = (1 - weight) * (variance + weight * apart * apart)
    found = ours(f"ewma {alpha}", x)
    assert (np.abs(found - np.array(true)) <= np.array(bound)).all()


@pytest.mark.parametrize("name", DATA)
def test_cusum_keeps_its_stated_error(name):
    x = data(name)[:20000]
    target, drift = (float(np.float32(v)) for v in (np.median(x), x.std() / 2))
    up = down = off = 0.0
    true, bound = [], []
    for value in x.tolist():
        up = max(0.0, up + value - target - drift)
        down = max(0.0, down + target - value - drift)
        off += 2**-23 * (up + down + abs(value) + abs(target) + drift)
        true.append(max(up, down))
        bound.append(off)
    found = ours(f"cusum {target:.9g} {drift:.9g}", x)
    assert (np.abs(found - np.array(true)) <= np.array(bound)).all()


@pytest.mark.parametrize("name", DATA)
def test_novelty_keeps_its_stated_error(name):
    x = rows(name)
    count, rate = 4, float(np.float32(0.05))
    points, usual, seen, peak = np.zeros((0, COLUMNS)), 0.0, 0, 0.0
    found = ours(f"window {COLUMNS} | novelty {count} rate=0.05", x.ravel())
    for k, row in enumerate(x.astype("f8")):
        peak = max(peak, np.abs(row).max())
        apart = row - points
        squares = (apart**2).sum(1)
        if len(points) < count and (len(points) == 0 or squares.min() > 0):
            assert found[k] == 0
            points = np.vstack([points, row])
            continue
        order = np.sort(squares)
        if order[1] - order[0] <= 2**-18 * order[1] + (2**-20 / rate * peak) ** 2:
            assert k > 20 or name == "spike"
            return  # the other may be nearest in f32, and learns from here on
        best, far = int(squares.argmin()), math.sqrt(order[0])
        score = far / usual if usual else 0.0
        off = 2**-21 / rate * peak * math.sqrt(COLUMNS)
        if usual > 4 * off:
            assert abs(found[k] - score) <= (1 + score) * off / usual
        seen += 1
        usual += max(1 / seen, rate) * (far - usual)
        points[best] += rate * apart[best]
