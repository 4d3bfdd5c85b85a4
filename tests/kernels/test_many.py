"""Windows that run side by side give the bits of each one alone (parts/many.pxi).

A push of one sample at a time never holds a whole window, so that windows go one by one; a push of
the whole stream takes groups of them.
"""

import io
import math
import random
import struct
from array import array

import pytest

from atoll.kernels import Plan
from atoll.kernels.importers import mlp_from_npz
from atoll.kernels.models import Model, centroids, linear, logistic, mahalanobis

from .test_roomy import SHORT, bytes_of, stream

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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [1, 3, 16])
@pytest.mark.parametrize("reducer", ["gram", "merge", "merge bits=30", "merge weight=first"])
def test_rows_of_many_windows_join_as_each_alone(reducer, columns, kind):
    if columns == 1 and "weight" in reducer:
        columns = 2
    plan, samples = Plan(f"window {columns} | {reducer}"), stream(kind)
    whole = bytes_of(plan, samples, len(samples))
    assert whole == bytes_of(plan, samples, 1)
    assert bytes_of(plan, samples, 1025) == whole


def test_products_of_columns_whose_exponents_lie_far_apart_are_exact():
    samples = array("f", (math.ldexp(1 + k % 7, (k * 13) % 61 - 30) for k in range(4000)))
    plan = Plan("window 2 | gram")
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "threshold 500 -300 | sum, minmax",
        "ewma 0.02 | moments",
        "cusum 90 40 | moments, minmax",
        "scale 0.5 1 | threshold 300 100 | sum",
        "resample 3 2 | minmax, sum",
        "resample 5 7 | minmax, moments",
        "resample 16 1 half=4 | minmax",
        "window 4 | mahalanobis @far | minmax, moments",
        "window 9 hop=4 | mahalanobis @further | moments",
        "window 16 | mlp @net | moments",
        "window 16 hop=3 | mlp @net give=class | moments",
        "ewma 1 | moments",
        "window 5 | novelty 11 rate=0.1 | moments",
        "window 20 hop=7 | novelty 64 | moments",
        "window 256 hop=90 | spectrum | peaks 5, lines 100 200 tol=20 around=90 | moments",
        "window 128 | spectrum | lines 100 tol=9 around=17 | minmax, moments",
        "window 256 hop=90 | spectrum | entropy | moments",
        "window 64 | psd 32 | entropy | moments",
    ],
)
def test_detectors_and_models_of_many_values_give_the_bytes_of_each_alone(text, kind):
    rng = random.Random(1)
    models = {
        "far": spread(rng, 4),
        "further": spread(rng, 9),
        "net": mlp_from_npz(network(rng)),
    }
    used = {name: one for name, one in models.items() if f"@{name}" in text}
    plan, samples = Plan(text, used), stream(kind)
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


def spread(rng: random.Random, columns: int) -> Model:
    """A covariance with a dominant diagonal."""
    rows = [
        [900.0 + k if k == j else 30.0 * min(j, k) for j in range(columns)] for k in range(columns)
    ]
    return mahalanobis([rng.gauss(100, 50) for _ in range(columns)], rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shift", [1, 31, 32, 33, 62])
@pytest.mark.parametrize(("inputs", "hidden", "outputs"), [(3, 64, 1), (17, 5, 9), (64, 33, 16)])
def test_networks_of_any_shape_and_shift_give_the_bytes_of_each_row(
    inputs, hidden, outputs, shift, kind
):
    rng = random.Random(f"{inputs} {shift}")
    models = {"net": mlp_from_npz(network(rng, ((hidden, inputs), (outputs, hidden)), shift))}
    plan, samples = Plan(f"window {inputs} hop=29 | mlp @net | moments", models), stream(kind)
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


def network(
    rng: random.Random, shapes: tuple[tuple[int, int], ...] = ((7, 16), (3, 7)), shift: int = 38
) -> io.BytesIO:
    """By default 16 inputs, 7 hidden numbers, 3 outputs: neither a multiple of four."""
    numpy = pytest.importorskip("numpy")
    arrays = {"input_scale": 30.0, "input_zero": 3, "output_scale": 0.5}
    for k, shape in enumerate(shapes):
        draw = [[rng.randint(-128, 127) for _ in range(shape[1])] for _ in range(shape[0])]
        arrays[f"w{k}"] = numpy.array(draw, "i1")
        arrays[f"b{k}"] = numpy.array([rng.randint(-3000, 3000) for _ in range(shape[0])], "i4")
        arrays |= {f"m{k}": 1 << 30, f"s{k}": min(62, shift + k)}
    file = io.BytesIO()
    numpy.savez(file, **arrays)
    file.seek(0)
    return file


MANY = 512  # samples: from here on many are looked at together, parts/histogram.pxi
LONG = 70_000  # samples: above the threshold of parts/counts.pxi


@pytest.mark.parametrize("spread", [3, 900, 40_000])
@pytest.mark.parametrize(
    "text",
    ["quantiles 0.5", "histogram -700 900 bins=50", "distinct", "top 5", "top 5 width=16"],
)
def test_reducers_count_the_values_of_i16_first(text, spread):
    rng = random.Random(f"{text} {spread}")
    samples = array(
        "h", (max(-32768, min(32767, round(rng.gauss(50, spread)))) for _ in range(LONG))
    )
    plan = Plan(text)
    assert bytes_of(plan, samples, LONG) == bytes_of(plan, samples, SHORT)


def near(x: float) -> list[float]:
    """A float32 and its neighbours."""
    bits = struct.unpack("i", struct.pack("f", x))[0]
    return [struct.unpack("f", struct.pack("i", bits + k))[0] for k in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize(
    ("low", "high", "bins"), [(-9000, 9000, 64), (0.1, 0.7, 6), (1e6, 1e6 + 100, 200), (-1, 2, 256)]
)
def test_values_at_the_edges_fall_into_the_same_bins(low, high, bins):
    edges = [low + (high - low) * k / bins for k in range(bins + 1)]
    values = [v for edge in edges if edge for v in near(edge)] + [low - 1, high + 1, math.nan, 0.0]
    samples = array("f", values * (1 + 2 * MANY // len(values)))
    plan = Plan(f"histogram {low} {high} bins={bins}")
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


def wood(rng: random.Random, scores: int, apart: bool, link: int) -> Model:
    """Trees of any shape over three columns, as `tree` takes them (parts/trees.pxi)."""
    trees, depth = 7, 5
    roots, nodes = [], []

    def plant(left: int) -> None:
        here = len(nodes)
        nodes.append([0, 0])
        if left == 0 or rng.random() < 0.2:
            bits = struct.unpack("I", struct.pack("f", rng.gauss(0, 1)))[0]
            nodes[here] = [0, bits if apart else rng.randrange(9)]
            return
        plant(left - 1)
        right = len(nodes)
        plant(left - 1)
        most = struct.unpack("I", struct.pack("f", rng.gauss(100, 900)))[0]
        nodes[here] = [right << 8 | rng.randint(1, 3), most]

    for k in range(trees):
        roots.append(len(nodes) | (k % scores if apart else 0) << 24)
        plant(depth)
    floats = [rng.gauss(0, 1) for _ in range(scores + (0 if apart else 9 * scores))]
    words = [struct.unpack("I", struct.pack("f", v))[0] for v in floats]
    head = [3, scores, link, trees, len(nodes), 0 if apart else 9]
    flat = [word for pair in nodes for word in pair]
    return Model("tree", (*head, *words[:scores], *roots, *flat, *words[scores:]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("give", ["scores", "class"])
@pytest.mark.parametrize("link", [0, 1])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("scores", [1, 3, 6])
def test_trees_over_many_rows_give_the_bytes_of_each_row(scores, apart, link, give, kind):
    models = {"m": wood(random.Random(f"{scores} {apart}"), scores, apart, link)}
    plan, samples = Plan(f"window 3 hop=2 | tree @m give={give} | moments", models), stream(kind)
    assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("columns", "points"), [(1, 3), (4, 8), (7, 64), (16, 5)])
def test_rows_join_the_nearest_point_as_each_alone(columns, points, kind):
    rng = random.Random(columns)
    given = [[rng.gauss(100, 900) for _ in range(columns)] for _ in range(points)]
    given[points - 1] = given[0]  # of equal ones the first
    plan, samples = Plan(f"window {columns} | centroids @m", {"m": centroids(given)}), stream(kind)
    whole = bytes_of(plan, samples, len(samples))
    assert whole == bytes_of(plan, samples, 1)
    assert bytes_of(plan, samples, 1025) == whole


@pytest.mark.parametrize("kind", ["h", "plain", "odd"])
@pytest.mark.parametrize("length", [16, 512, 1024, 2048, 4096])
def test_spectra_of_every_length_side_by_side_are_those_of_each_alone(length, kind):
    samples = stream(kind, length + 5 * 700)
    for feature in ("centroid, entropy", "band 250 260", "lines 200 400 tol=90 around=180"):
        plan = Plan(f"window {length} hop=700 | spectrum | {feature} | moments")
        assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, SHORT)


def test_powers_that_overflow_side_by_side_are_those_of_each_alone():
    rng = random.Random(4)
    samples = array("f", (rng.choice((-3e38, 3e38, 2e19)) for _ in range(900)))
    for feature in ("centroid", "band 200 300", "band 0 500", "mel 5", "peaks 3"):
        plan = Plan(f"window 64 hop=50 | spectrum | {feature} | moments")
        assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, SHORT)


@pytest.mark.parametrize("size", [1.0, 1e-17, 1e17, 1e-38])
def test_spectra_with_bins_without_power_are_those_of_each_alone(size):
    samples = array("f", (size * (k // 90 % 5) * (-1) ** (k // 450 * k) for k in range(3000)))
    for feature in ("entropy, centroid", "lines 100 200 tol=40 around=90", "peaks 3, band 0 500"):
        plan = Plan(f"window 64 hop=30 | spectrum | {feature} | moments, minmax")
        assert bytes_of(plan, samples, len(samples)) == bytes_of(plan, samples, SHORT)


def extremes(text: str, samples: array) -> bytes:
    found = Plan(text).run(samples, 1000.0)
    return array("f", found["peak"] + found["p2p"]).tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [5, 16, 48, 90, 1024])
@pytest.mark.parametrize(
    "stage", ["detrend mean", "detrend line", "taper hann", "taper flattop", "taper hamming"]
)
def test_extremes_of_frames_that_are_not_made_are_theirs(stage, length, kind):
    """Beside a feature that reads the samples the frame is made."""
    for samples in (stream(kind), array(stream(kind, 9).typecode, [0] * 3000)):
        text = f"window {length} hop=37 | {stage} | peak, p2p"
        assert extremes(text, samples) == extremes(f"{text}, mean", samples)
