"""Rows of trees, networks, k-means steps and covariances, over rows of a few columns.

Peers of exact sums are exact: `math.fsum` for float32; for int16 float64, whose sums of 62,500
products of 16 bits stay below 2^53, and whole matrices at a time. int8 products are exact in
float32 while their sums stay below 2^24, so a network's layers may run in BLAS.
"""

import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import Array, Data, Row, Work, close, fsums, named, optional, windows

from atoll.kernels.importers import from_sklearn, mlp_from_npz
from atoll.kernels.models import centroids

ensemble, vq = optional("sklearn.ensemble"), optional("scipy.cluster.vq")
spatial = optional("scipy.spatial")

TREE_COLUMNS, TREES, DEPTH = 4, 10, 6
CENTROID_COLUMNS, CENTROIDS = 4, 8
GRAM_COLUMNS = 16
INPUTS, HIDDEN, OUTPUTS = 16, 16, 4
INPUT_SCALE, MULTIPLIER, SHIFT = 100.0, 1 << 30, 39


def floats(d: Data, columns: int) -> Callable[[], Array]:
    """Rows of float32; of integers made anew each time, as whoever has int16 must."""
    f = windows(d.f, columns)
    return (lambda: f) if d.x.dtype == "f4" else (lambda: windows(d.x, columns).astype("f4"))


def forest(d: Data) -> list[Row]:
    """A random forest on rows of four: scikit-learn as a user calls it, and tree by tree."""
    if not ensemble:
        return []
    given = floats(d, TREE_COLUMNS)
    train = windows(d.f, TREE_COLUMNS)[:2000]
    label = (train[:, 0] > train[:, 1]).astype(int) + (train[:, 2] > 3000)
    fitted = ensemble.RandomForestClassifier(TREES, max_depth=DEPTH, n_jobs=1, random_state=1)
    fitted.fit(train, label)
    trees = [member.tree_ for member in fitted.estimators_]

    def one_by_one() -> Array:
        x = given()
        total = trees[0].predict(x)
        for tree in trees[1:]:
            total += tree.predict(x)
        return total.reshape(len(x), -1) / TREES

    def agree(ours: Any, theirs: Array) -> bool:
        bound = len(theirs) * TREES * 2**-24  # that of each row's shares, added up
        return close(0, bound)(ours["tree"]["sum"], theirs.sum(0))

    plan = f"window {TREE_COLUMNS} | tree @m | sum"
    peers: dict[str, Work] = {
        "scikit-learn": lambda: fitted.predict_proba(given()),
        "sklearn trees": one_by_one,
    }
    return [Row("tree", plan, peers, agree, models={"m": from_sklearn(fitted)})]


def network(d: Data) -> list[Row]:
    """Two int8 layers on rows of 16."""
    source = np.random.default_rng(3)
    given = floats(d, INPUTS)
    first = source.integers(-128, 128, (HIDDEN, INPUTS)).astype("i1")
    second = source.integers(-128, 128, (OUTPUTS, HIDDEN)).astype("i1")
    bias = [source.integers(-5000, 5000, n).astype("i4") for n in (HIDDEN, OUTPUTS)]
    file = io.BytesIO()
    arrays: dict[str, Any] = {"input_scale": INPUT_SCALE, "input_zero": 0, "output_scale": 1.0}
    arrays |= {"w0": first, "b0": bias[0], "m0": MULTIPLIER, "s0": SHIFT}
    arrays |= {"w1": second, "b1": bias[1], "m1": MULTIPLIER, "s1": SHIFT}
    np.savez(file, **arrays)
    file.seek(0)

    def layer(x: Array, weights: Array, by: Array, low: float) -> Array:
        # The multiplier is a power of two here, so that float64 rounds as the integers do.
        y = (x @ weights.T + by) * np.float32(MULTIPLIER / 2**SHIFT) + np.float32(0.5)
        return np.clip(np.floor(y, out=y), low, 127, out=y)

    w = [first.astype("f4"), second.astype("f4")]
    by = [v.astype("f4") for v in bias]

    def product() -> Array:
        x = np.rint(given() * np.float32(1 / INPUT_SCALE))
        np.clip(x, -128, 127, out=x)
        return layer(layer(x, w[0], by[0], 0), w[1], by[1], -128)

    plan, same = f"window {INPUTS} | mlp @m", named("mlp", close(0, 0))
    return [Row("mlp", plan, {"numpy": product}, same, models={"m": mlp_from_npz(file)})]


def kmeans(d: Data) -> list[Row]:
    """A step of k-means: the nearest of eight points, members, exact sums of the members."""
    x, given = windows(d.x, CENTROID_COLUMNS), floats(d, CENTROID_COLUMNS)
    points = np.random.default_rng(4).normal(100, 3000, (CENTROIDS, CENTROID_COLUMNS)).astype("f4")
    half = (points.astype("f8") ** 2).sum(1).astype("f4") / 2
    whole = d.x.dtype != "f4"

    def by_product() -> Array:
        return (given() @ points.T - half).argmax(1)

    def step(nearest: Callable[[], Array]) -> list[Any]:
        label = nearest()
        members = np.bincount(label, minlength=CENTROIDS)
        if whole:
            sums = np.array([np.bincount(label, column, CENTROIDS) for column in x.T]).T
        else:
            sums = np.array([fsums(*x[label == k].T) for k in range(CENTROIDS)])
        return [members, sums / members[:, None]]

    def by_distance() -> Array:
        x = given()
        squares = np.zeros((len(x), CENTROIDS), "f4")
        for j in range(CENTROID_COLUMNS):
            apart = x[:, j, None] - points[:, j]
            squares += np.square(apart, out=apart)
        return squares.argmin(1)

    nearest: dict[str, Callable[[], Array]] = {"numpy": by_distance}
    if vq:
        nearest["scipy vq"] = lambda: vq.vq(given(), points, check_finite=False)[0]
    if spatial:
        tree = spatial.KDTree(points)
        nearest["scipy KDTree"] = lambda: tree.query(given())[1]

    def agree(ours: Any, theirs: Any) -> bool:
        found = ours["centroids"]
        counts = np.abs(np.array(found["members"]) - theirs[0]).max() <= 2  # ties in f32
        return bool(counts) and close(1e-3, 1)(found["centroids"], theirs[1])

    plan = f"window {CENTROID_COLUMNS} | centroids @m"
    peers: dict[str, Work] = {n: partial(step, work) for n, work in nearest.items()}
    model = {"m": centroids(points.tolist())}
    # Which point is nearest is decided by a product of floats: another BLAS may say another one.
    loose = {"@": partial(step, by_product)}
    return [Row("centroids", plan, peers, agree, models=model, loose=loose)]


def covariances(d: Data) -> list[Row]:
    """Sums and products of 16 columns, exact."""
    x = windows(d.x, GRAM_COLUMNS)
    pairs = [(i, j) for i in range(GRAM_COLUMNS) for j in range(i, GRAM_COLUMNS)]

    def exact_product() -> list[Array]:
        y = x.astype("f8")
        return [y.sum(0), y.T @ y]

    def summed() -> list[Array]:
        y = x.astype("f8")
        products = np.zeros((GRAM_COLUMNS, GRAM_COLUMNS))
        for i, j in pairs:
            products[i, j] = products[j, i] = math.fsum(y[:, i] * y[:, j])
        return [np.array(fsums(*y.T)), products]

    def agree(ours: Any, theirs: Any) -> bool:
        n, (sums, products) = len(x), theirs
        mean = sums / n
        found = ours["gram"]
        return close(1e-9)(found["mean"], mean) and close(1e-6, 1e-3)(
            found["covariance"], products / n - np.outer(mean, mean)
        )

    peers: dict[str, Work] = {"math.fsum": summed}
    if d.x.dtype != "f4":
        peers = {"numpy f8": exact_product}
    return [Row("gram 16", f"window {GRAM_COLUMNS} | gram", peers, agree)]


def rows(d: Data) -> list[Row]:
    """All of these."""
    return forest(d) + network(d) + kmeans(d) + covariances(d)
