"""Plans as callers use them: pieces, merges in any order, results, damage, properties."""

import itertools
import random
import subprocess
import sys
from array import array

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan, PlanError, golden

from .conftest import CODES, same

REDUCERS = (
    "count",
    "sum",
    "moments",
    "minmax",
    "histogram -1000 3000 bins=33",
    "quantiles 0.5 0.99 bins=32",
    "distinct p=7",
    "distinct",
    "top 5 width=16",
    "top width=4096",
)
RATE_HZ = 1000.0
PLAIN = Plan("moments")
WINDOWED = "window 24 hop=10 | rms, skewness | moments, minmax, quantiles 0.5 bins=32"


def wild(dtype, rounds=3):
    """Noise, extremes and all magnitudes (NaN and infinities among floats), shuffled."""
    values = [v for case in golden.CASES for v in golden.values(dtype, case)] * rounds
    random.Random(7).shuffle(values)
    return array(CODES[dtype], values)


def pieces(plan, samples, chance, most=12):
    """Partials of a stream cut at random places that the plan allows."""
    places = range(0, len(samples), plan.step)
    cuts = sorted(chance.sample(places, chance.randint(0, min(most, len(places)))))
    bounds = sorted({0, *cuts, len(samples)})
    return [
        plan.partial(samples[a : b + plan.overlap], RATE_HZ, start=a, key="s")
        for a, b in itertools.pairwise(bounds)
    ]


def merged(plan, parts, chance):
    """Merge in a random order and a random tree, with empty partials thrown in."""
    parts = [*parts, plan.merge([])]
    chance.shuffle(parts)
    while len(parts) > 1:
        taken = [parts.pop() for _ in range(chance.randint(2, 4)) if parts]
        parts.insert(chance.randint(0, len(parts)), plan.merge(taken))
    return parts[0]


def test_pushing_sample_by_sample_gives_the_same_bytes():
    plan, samples = Plan(WINDOWED), wild("i16", 1)
    machine, chance, at = plan.machine("i16"), random.Random(3), 0
    while at < len(samples):
        n = min(chance.choice((1, 2, 9, 24, 100)), len(samples) - at)
        machine.push(samples, at, n, 0)
        at += n
    assert machine.partial() == plan.partial(samples)


def test_results_are_nested_by_stage():
    x = np.arange(4096, dtype="int16")
    result = Plan("window 1024 | mean, rms | quantiles 0.5, count").run(x)
    assert list(result) == ["mean", "rms"]
    assert result["mean"]["quantiles"]["0.5"] == 1535.5
    assert result["rms"]["count"] == 4
    assert list(Plan("moments").run(x)["moments"])[:4] == ["count", "nan", "mean", "variance"]
    assert Plan("window 1024 | mean").run(x) == {"mean": [511.5, 1535.5, 2559.5, 3583.5]}


def test_incomplete_last_window_is_dropped():
    assert Plan("window 10 | mean | count").run(array("h", range(29))) == {"mean": {"count": 2}}
    assert Plan("window 10 | mean").run(array("h", range(9))) == {"mean": []}


def test_mapping_runs_each_stream_from_its_own_first_sample():
    streams = {"b": array("h", [5] * 15), "a": array("h", [1] * 25)}
    plan = Plan("window 10 | mean")
    assert plan.run(streams) == {"mean": [1.0, 1.0, 5.0]}
    assert plan.run_by_key(streams) == {"a": {"mean": [1.0, 1.0]}, "b": {"mean": [5.0]}}
    assert Plan("count").run(streams) == {"count": 40}
    assert Plan("count").run({}) == {"count": 0}


def test_a_gap_starts_windows_anew():
    plan = Plan("window 10 | mean")
    first = plan.partial(array("h", range(25)), start=0)
    second = plan.partial(array("h", range(13)), start=33, anchor=33)
    assert len(plan.finish(plan.merge([second, first]))["mean"]) == 3
    with pytest.raises(KernelError, match="multiples of 10"):
        plan.partial(array("h", range(13)), start=33)


def test_properties():
    plan = Plan("diff | window 1024 hop=256 | rms | moments")
    assert (plan.step, plan.window, plan.overlap) == (256, 1024, 769)
    assert (plan.ordered, plan.rows) == (False, False)
    assert plan.kernels == ("diff", "window", "rms", "moments")
    assert len(plan.id) == 32
    single = Plan("moments")
    assert (single.step, single.window, single.overlap) == (1, 1, 0)
    assert Plan("window 8 hop=20 | rms").overlap == 0
    assert Plan("window 8 | rms").rows


def test_check():
    plan = Plan("moments")
    plan.check("i16", 12000)
    with pytest.raises(PlanError, match="f64"):
        plan.check("f64")
    with pytest.raises(PlanError, match="positive"):
        plan.partial(array("h", [1]), rate=0)


def test_a_small_moments_partial():
    loud = array("h", [32767, -32768] * 512)
    assert len(Plan("moments").partial(loud)) < 64
    assert len(Plan("moments").partial(array("f", golden.values("f32", "noise")))) < 128


def test_nan_and_infinities():
    inf, nan = float("inf"), float("nan")
    x = array("f", [1.0, nan, inf, 2.0])
    result = Plan("moments, minmax, count, quantiles 0.5 1, histogram 0 2 bins=2, sum").run(x)
    assert result["moments"]["nan"] == 1
    assert result["moments"]["mean"] == inf
    assert same(result["moments"]["variance"], nan)
    assert result["minmax"] == {
        **{"count": 3, "nan": 1, "min": 1.0, "min_at": 0, "min_key": ""},
        **{"max": inf, "max_at": 2, "max_key": ""},
    }
    assert result["count"] == 3
    assert result["quantiles"]["1"] == inf
    assert result["histogram"]["counts"] == [0, 2]
    assert result["histogram"]["over"] == 1
    assert result["sum"] == inf
    assert same(Plan("sum").run(array("f", [inf, -inf])), {"sum": nan})
    assert same(Plan("window 4 | rms, peak").run(x), {"rms": [nan], "peak": [nan]})
    assert Plan("window 2 | peak").run(array("f", [inf, 1])) == {"peak": [inf]}


def test_sums_that_floats_cannot_hold():
    x = array("f", [1e30, 1.0, -1e30, 2.0**-100])
    assert Plan("sum").run(x) == {"sum": 1.0}
    assert Plan("sum").run(array("i", [2**31 - 1] * 5)) == {"sum": 5 * (2**31 - 1)}


@pytest.mark.parametrize("text", [*REDUCERS, WINDOWED, "window 24 | rms, peak"])
def test_damaged_partials_are_refused_or_whole(text):
    plan, chance = Plan(text), random.Random(23)
    good = plan.partial(wild("f32", 1), key="motor")
    survived = 0
    for _ in range(3000):
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
    assert survived < 3000


@pytest.mark.parametrize("data", [b"", b"AP", b"AP\x02\x00" + bytes(9), b"\x00" * 40])
def test_not_a_partial(data):
    with pytest.raises(KernelError, match="damaged"):
        Plan("moments").finish(data)


def test_partials_of_others_are_named():
    samples = array("h", [1, 2])
    with pytest.raises(KernelError, match="another plan"):
        Plan("moments").merge([Plan("sum").partial(samples)])
    with pytest.raises(KernelError, match="another dtype"):
        PLAIN.merge([PLAIN.partial(samples), PLAIN.partial(array("f", [1]))])
    with pytest.raises(KernelError, match="another plan"):
        Plan("window 2 | rms").merge([Plan("window 2 | mean").partial(samples)])


def test_trailing_bytes_are_refused():
    plan = Plan("sum")
    with pytest.raises(KernelError, match="damaged"):
        plan.finish(plan.partial(array("h", [1])) + b"\x00")


def test_counts_that_overflow_are_refused():
    plan = Plan("count")
    head = plan.merge([])[:12]
    huge = head + b"\x01" + b"\xff" * 8 + b"\x7f" + b"\xff" * 8 + b"\x7f"
    assert plan.finish(huge)["count"] == 2**63 - 1
    with pytest.raises(KernelError, match="2\\^63"):
        plan.merge([huge, huge])


def test_the_empty_partial():
    for text in REDUCERS:
        plan = Plan(text)
        assert plan.merge([]) == plan.partial(array("f")) == plan.partial(b"", dtype="i32")
        assert plan.finish(plan.merge([]))
    assert Plan("minmax").run(array("f"))["minmax"]["min"] is None


def test_quantiles_error_bounds_hold():
    x = np.random.default_rng(3).lognormal(0, 3, 50_000).astype("float32")
    parts = [0.001, 0.1, 0.5, 0.9, 0.999]
    result = Plan("quantiles " + " ".join(map(str, parts))).run(x)["quantiles"]
    true = np.quantile(x.astype("f8"), parts, method="inverted_cdf")
    got = np.array([result[str(p)] for p in parts])
    assert 0 < result["error"] <= 2**-4
    assert np.abs(got / true - 1).max() <= result["error"]


def test_histogram_counts_as_numpy_does():
    x = np.random.default_rng(5).integers(-300, 300, 10_000).astype("int16")
    result = Plan("histogram -200 200 bins=64").run(x)["histogram"]
    assert result["counts"] == np.histogram(x, 64, (-200, 200))[0].tolist()
    assert result["under"] == int((x < -200).sum())


# Stated in the catalogue, relative to numpy in float64 (skewness: to the mean cube's magnitude).
LANES = (1024 / 16 + 8) * 2**-24
BOUNDS = {"mean": LANES, "rms": LANES, "peak": 2**-24, "p2p": 2**-23, "crest": LANES}


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
@pytest.mark.parametrize("shift", [0, 12_000])
def test_features_keep_their_stated_error(dtype, shift):
    noise = np.random.default_rng(9).normal(shift, 3000, 64 * 1024).clip(-32768, 32767)
    x = noise.astype(dtype)
    rows = Plan("window 1024 | mean, rms, peak, p2p, crest, kurtosis, skewness").run(x)
    w = x.reshape(-1, 1024).astype("f8")
    d = w - w.mean(1)[:, None]
    sd = np.sqrt((d**2).mean(1))
    true = {
        "mean": w.mean(1),
        "rms": np.sqrt((w**2).mean(1)),
        "peak": np.abs(w).max(1),
        "p2p": np.ptp(w, 1),
    }
    true["crest"] = true["peak"] / true["rms"]
    scale = {**true, "mean": np.abs(w).mean(1)}
    for name, bound in BOUNDS.items():
        assert (np.abs(rows[name] - true[name]) <= bound * scale[name]).all(), name
    kurtosis, skewness = (d**4).mean(1) / sd**4, (d**3).mean(1) / sd**3
    assert (np.abs(rows["kurtosis"] / kurtosis - 1) <= 8 * LANES).all()
    assert (
        np.abs(rows["skewness"] - skewness) <= 8 * LANES * (np.abs(d) ** 3).mean(1) / sd**3
    ).all()


def test_no_numpy_is_needed():
    code = (
        "import sys; from array import array; from atoll.kernels import Plan;"
        "p = Plan('window 4 | rms | quantiles 0.5'); p.run(array('h', range(64)));"
        "p.merge([p.partial(array('f', [1.0] * 9))]);"
        "print(*({'numpy', 'dataclasses', 'inspect', 'fractions', 'decimal', 're'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    assert {"numpy", "dataclasses", "inspect"}.isdisjoint(done.stdout.split())


def test_the_gil_is_free_while_kernels_run():
    import threading

    x, plan = np.zeros(4_000_000, "float32"), Plan("moments")
    running, ticks = threading.Event(), []

    def work():
        running.set()
        plan.partial(x)
        running.clear()

    thread = threading.Thread(target=work)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # without dropping the GIL, no tick could fall between
    try:
        thread.start()
        running.wait()
        while running.is_set() and len(ticks) < 1000:
            ticks.append(len(ticks))
    finally:
        thread.join()
        sys.setswitchinterval(interval)
    assert len(ticks) == 1000


ORDERED = (
    "biquad bandpass 100 200 | moments",
    "biquad lowpass 200 order=3 | envelope 20 | window 20 hop=10 | rms | moments, minmax",
    "diff | ema 0.1 | window 24 hop=40 | mean, kurtosis | quantiles 0.5 bins=32",
    "ema 0.25 | diff | diff | minmax, sum",
    "diff | decimate 3 | biquad highpass 100 | window 16 hop=5 | rms | minmax",
    "fir taps 1 -0.5 0.25 | decimate 2 | ema 0.25 | median 3 | moments, minmax",
    "diff | biquad highpass 100 | window 16 hop=8 | taper | spectrum | band 100 300",
)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", ORDERED)
def test_ordered_plans_go_on_from_a_checkpoint(text, dtype):
    """Cut at random and kept in order; merged in any order."""
    plan, chance = Plan(text), random.Random(29)
    samples = array(CODES[dtype], golden.values(dtype, "noise"))
    whole = plan.partial(samples, 1000, key="s")
    assert plan.ordered
    for _ in range(40):
        parts, at, checkpoint = [], 0, b""
        while at < len(samples):
            size = chance.randint(1, 12) * plan.step + plan.overlap
            piece = samples[at : at + size]
            part, checkpoint = plan.advance(piece, 1000, start=at, key="s", checkpoint=checkpoint)
            parts.append(part)
            at = int.from_bytes(checkpoint[12:20], "little") if len(piece) == size else len(samples)
        assert merged(plan, parts, chance) == whole


def test_checkpoints_are_asked_for_and_checked():
    plan, samples = Plan("ema 0.5 | sum"), array("h", range(50))
    first, checkpoint = plan.advance(samples)
    assert plan.finish(first)
    with pytest.raises(KernelError, match="needs the checkpoint"):
        plan.partial(samples, start=50)
    with pytest.raises(KernelError, match="is for sample 50"):
        plan.partial(samples, start=60, checkpoint=checkpoint)
    with pytest.raises(KernelError, match="another plan"):
        Plan("ema 0.25 | sum").partial(samples, start=50, checkpoint=checkpoint)
    with pytest.raises(KernelError, match="damaged"):
        plan.partial(samples, start=50, checkpoint=checkpoint[:-1])


def test_frequencies_need_a_rate():
    with pytest.raises(KernelError, match="pass rate="):
        Plan("window 64 | goertzel 50").run(array("h", range(64)))


def test_spectrum_is_that_of_numpy():
    chance = np.random.default_rng(13)
    for n in (16, 32, 64, 1024, 8192, 65536):
        x = chance.normal(0, 1000, n).astype("float32")
        rows = np.array(Plan(f"window {n} | spectrum").run(x)["spectrum"][0])
        true = np.abs(np.fft.rfft(x.astype("f8"))) ** 2 / n**2
        true[1:-1] *= 2
        rms = np.sqrt((x.astype("f8") ** 2).mean())
        assert np.abs(np.sqrt(rows) - np.sqrt(true)).max() <= 2**-23 * np.log2(n) * rms
        assert abs(rows.sum() / rms**2 - 1) < 2**-18


def test_a_line_keeps_its_height_through_every_taper():
    t = np.arange(1024)
    x = (300 * np.sin(2 * np.pi * 100 * t / 1024)).astype("float32")
    for kind in ("hann", "hamming", "flattop"):
        plan = Plan(f"window 1024 | taper {kind} | spectrum")
        row = plan.run(x)["spectrum"][0]
        assert abs(row[100] / (300**2 / 2) - 1) < 1e-5
        assert max(row[:90]) < 1e-3
    assert abs(Plan("window 1024 | goertzel 100").run(x, 1024)["goertzel"][0] / 45000 - 1) < 1e-4


def test_filters_follow_float64():
    x = np.random.default_rng(17).normal(0, 1000, 5000).astype("float32")
    ours = np.array(Plan("biquad bandpass 2000 5000 | window 1 | mean").run(x, 12000)["mean"])
    true = x.astype("f8")
    words = np.frombuffer(Plan("biquad bandpass 2000 5000 | sum").words("f32", 12000.0), "<f4")
    for b0, b1, b2, a1, a2 in words[7:17].astype("f8").reshape(2, 5):
        s1 = s2 = 0.0
        for i, v in enumerate(true):
            true[i] = y = b0 * v + s1
            s1, s2 = b1 * v - a1 * y + s2, b2 * v - a2 * y
    assert np.abs(ours - true).max() < 2**-20 * np.abs(x).max()
