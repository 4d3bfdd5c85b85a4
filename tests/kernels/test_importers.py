"""Fitted estimators and .npz networks become models that decide as they do."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan, importers
from atoll.kernels.importers import at_most_f32, from_sklearn, mlp_from_npz, read_npz
from atoll.kernels.numbers import f32_value


def ran(model, x, text=""):
    plan = Plan(f"window {x.shape[1]} | {model.kind} @m{text}", {"m": model})
    return np.array(plan.run(np.ascontiguousarray(x, "f4").ravel())[model.kind])


def stump(threshold, low, high):
    """A fitted tree of one split, as scikit-learn lays it out."""
    return SimpleNamespace(
        children_left=np.array([1, -1, -1]),
        children_right=np.array([2, -1, -1]),
        feature=np.array([1, -2, -2]),
        threshold=np.array([threshold, -2.0, -2.0]),
        value=np.array([[[0.0]], [[low]], [[high]]]),
    )


def test_a_tree_by_hand():
    fitted = SimpleNamespace(tree_=stump(0.1, 3.0, 5.0), n_features_in_=2)
    near = np.float32(0.1)  # above the float64 threshold
    x = np.array([[9, near], [9, np.nextafter(near, np.float32(0))], [0, -1]])
    assert ran(from_sklearn(fitted), x).tolist() == [5.0, 3.0, 3.0]


def test_thresholds_round_down():
    for value in (0.1, -0.1, 1e-50, -1e-50, 0.0, 1.5, 1e39, -1e39, 2.0**-140 * 1.3):
        found = np.float32(at_most_f32(value))
        assert float(found) <= value
        with np.errstate(over="ignore"):
            assert float(np.nextafter(found, np.float32(np.inf))) > value


def test_what_is_not_fitted_is_said():
    with pytest.raises(KernelError, match="SimpleNamespace is not fitted"):
        from_sklearn(SimpleNamespace())


def data(classes, seed=1):
    source = np.random.default_rng(seed)
    y = source.integers(0, classes, 600)
    x = source.normal(0, 1, (600, 4)) + y[:, None] * [1, -1, 0.5, 0]
    return x.astype("f4"), y


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(
    ("module", "name", "options"),
    [
        ("linear_model", "LogisticRegression", {}),
        ("tree", "DecisionTreeClassifier", {"max_depth": 6}),
        ("ensemble", "RandomForestClassifier", {"n_estimators": 12, "max_depth": 5}),
        ("ensemble", "ExtraTreesClassifier", {"n_estimators": 12, "max_depth": 5}),
        ("ensemble", "GradientBoostingClassifier", {"n_estimators": 12, "max_depth": 3}),
    ],
)
def test_classifiers_of_scikit_learn(module, name, options, classes):
    pytest.importorskip("sklearn")
    from importlib import import_module

    x, y = data(classes)
    fitted = getattr(import_module(f"sklearn.{module}"), name)(**options).fit(x, y)
    model = from_sklearn(fitted)
    got = ran(model, x)
    true = fitted.predict_proba(x)
    if got.ndim == 1:
        true = true[:, 1]
    assert np.abs(got - true).max() < 1e-5
    best = np.sort(fitted.predict_proba(x), 1)
    clear = best[:, -1] - best[:, -2] > 1e-4
    np.testing.assert_array_equal(ran(model, x, " give=class")[clear], fitted.predict(x)[clear])


@pytest.mark.parametrize(
    ("module", "name", "options"),
    [
        ("linear_model", "Ridge", {}),
        ("tree", "DecisionTreeRegressor", {"max_depth": 7}),
        ("ensemble", "RandomForestRegressor", {"n_estimators": 10, "max_depth": 5}),
        ("ensemble", "GradientBoostingRegressor", {"n_estimators": 20}),
    ],
)
def test_regressors_of_scikit_learn(module, name, options):
    pytest.importorskip("sklearn")
    from importlib import import_module

    x, y = data(5)
    y = y + x[:, 3] * 3
    fitted = getattr(import_module(f"sklearn.{module}"), name)(**options).fit(x, y)
    assert np.abs(ran(from_sklearn(fitted), x) - fitted.predict(x)).max() < 1e-4


def test_kmeans_of_scikit_learn():
    pytest.importorskip("sklearn")
    from sklearn.cluster import KMeans

    x, _ = data(3)
    fitted = KMeans(3, n_init=3, random_state=0).fit(x)
    plan = Plan("window 4 | centroids @m", {"m": from_sklearn(fitted)})
    found = plan.run(x.ravel())["centroids"]
    np.testing.assert_allclose(found["centroids"], fitted.cluster_centers_, atol=1e-4)
    np.testing.assert_allclose(found["inertia"], fitted.inertia_, rtol=1e-4)


def network(**changes):
    source = np.random.default_rng(8)
    arrays = {
        "input_scale": np.float32(0.05),
        "input_zero": np.int8(-4),
        "output_scale": np.float32(0.1),
        "w0": source.integers(-128, 128, (6, 5), "int8"),
        "b0": source.integers(-2000, 2000, 6, "int32"),
        "m0": np.int32(1 << 30),
        "s0": source.integers(36, 39, 6, "uint8"),
        "z0": np.int8(-3),
        "w1": source.integers(-128, 128, (3, 6), "int8"),
        "b1": source.integers(-2000, 2000, 3, "int32"),
        "m1": source.integers(1 << 29, 1 << 30, 3, "int32"),
        "s1": np.int32(37),
        **changes,
    }
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in arrays.items() if value is not None})
    file.seek(0)
    return arrays, file


def by_numpy(a, x):
    """The network in numpy's integers."""
    q = np.rint(x * np.float32(1 / a["input_scale"])).astype("i8") + a["input_zero"]
    q = q.clip(-128, 127) - a["input_zero"]
    for k, low in ((0, 0), (1, -128)):
        total = q @ a[f"w{k}"].T.astype("i8") + a[f"b{k}"]
        shift = a[f"s{k}"].astype("i8")
        zero = int(a.get(f"z{k}", 0))
        scaled = (total * a[f"m{k}"].astype("i8") + (1 << (shift - 1))) >> shift
        q = scaled.clip(low if k else 0, 127 - zero)
    return q * np.float64(a["output_scale"])


def test_networks_of_int8():
    arrays, file = network()
    x = np.random.default_rng(9).normal(0, 2, (400, 5)).astype("f4")
    model = mlp_from_npz(file)
    np.testing.assert_allclose(ran(model, x), by_numpy(arrays, x), rtol=1e-6)
    assert len(np.unique(ran(model, x)[:, 0])) > 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"w0": None}, "layers w0, w1"),
        ({"b1": None}, "no array 'b1'"),
        ({"w1": np.zeros((3, 7), "int8")}, "w1 has shape"),
        ({"b0": np.zeros(2, "int32")}, "b0 has 2 numbers, not one or 6"),
        ({"s0": np.int32(0)}, "s0 holds 0, not a whole number in 1 .. 62"),
        ({"w0": np.full((6, 5), 300, "int32")}, "w0 holds 300"),
        ({"input_scale": np.float32(-1)}, "input_scale must be a positive number"),
        ({"input_zero": np.zeros(2, "int8")}, "input_zero must be one number"),
        ({"w0": np.zeros((6, 5), "complex64")}, "integers and floats are read"),
        ({"w0": np.zeros((6, 5), "int8", order="F")}, "Fortran order"),
    ],
)
def test_bad_networks(changes, reason):
    with pytest.raises(KernelError) as error:
        mlp_from_npz(network(**changes)[1])
    assert reason in str(error.value)


def test_npz_is_read_without_numpy():
    given = {"a": np.arange(6, dtype="int32").reshape(2, 3), "b": np.float32(0.5)}
    file = io.BytesIO()
    np.savez_compressed(file, **given)
    file.seek(0)
    found = read_npz(file)
    assert found["a"] == importers.Array((2, 3), [0, 1, 2, 3, 4, 5])
    assert found["b"] == importers.Array((), [0.5])
    with pytest.raises(KernelError, match="cannot be read"):
        read_npz(io.BytesIO(b"no zip"))


def test_f32_values_of_words():
    assert f32_value(0x80000001) < 0
