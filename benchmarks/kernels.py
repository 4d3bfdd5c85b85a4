"""Our kernels against the fastest peer installed, single-threaded, on the same 1 M samples.

    make bench-kernels          or: .venv/bin/python benchmarks/kernels.py [--rounds 7] [--check]

A peer gives the same guarantee: exact f32 sums are compared with `math.fsum`, window features with
numpy over the reshaped array, the spectrum with scipy.fft in float32, filters with scipy.signal.
Peers that are not installed are named and left out. The plan of five features over 10 M samples is
compared with whole-array and with cache-blocked numpy. Every figure is the best of the rounds, ours
and theirs in turns. Writes build/bench/kernels.json.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from atoll.kernels import Plan

SAMPLES = 1_000_000
PLAN_SAMPLES = 10_000_000
WINDOW = 1_024
BLOCK = 64 * WINDOW  # 256 KB of f32: what cache-blocked numpy works on at a time
RATE_HZ = 12_000.0
OUTPUT = Path("build/bench/kernels.json")
GEOMEAN_NEEDED, WORST_NEEDED, PLAN_NEEDED, BLOCKED_NEEDED = 4.0, 0.9, 10.0, 3.0
FIVE = f"window {WINDOW} | mean, rms, peak, crest, kurtosis | quantiles 0.5 0.99"

Work = Callable[[], object]


def optional(name: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def best(works: list[Work], rounds: int) -> list[float]:
    """Shortest time of each, in seconds, taken in turns."""
    times = [math.inf] * len(works)
    for _ in range(rounds):
        for k, work in enumerate(works):
            begun = time.perf_counter()
            work()
            times[k] = min(times[k], time.perf_counter() - begun)
    return times


def windows(x: np.ndarray) -> np.ndarray:
    """Whole windows as rows, without a copy."""
    return x[: len(x) // WINDOW * WINDOW].reshape(-1, WINDOW)


def five(w: np.ndarray) -> list[np.ndarray]:
    """Mean, rms, peak, crest, kurtosis of rows, in numpy's float32 (float64 for integers)."""
    w = w.astype("f8") if w.dtype.kind == "i" else w
    mean = w.mean(1)
    rms = np.sqrt((w * w).mean(1))
    peak = np.abs(w).max(1)
    d = w - mean[:, None]
    d2 = d * d
    kurtosis = (d2 * d2).mean(1) / d2.mean(1) ** 2
    return [mean, rms, peak, peak / rms, kurtosis]


def five_blocked(x: np.ndarray) -> list[np.ndarray]:
    """The same by blocks that fit in the cache."""
    parts = [five(windows(x[k : k + BLOCK])) for k in range(0, len(x) - WINDOW + 1, BLOCK)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def moments(x: np.ndarray) -> tuple[float, ...]:
    """Exact power sums of f32, the only way numpy's neighbourhood has: fsum of each power."""
    d = x.astype("f8")
    return tuple(math.fsum(p) for p in (d, d * d, d**3, d**4))


def peers(x: np.ndarray) -> dict[str, tuple[str, dict[str, Work]]]:
    """Kernel to (our plan, peers)."""
    w = windows(x)
    wide = windows(x.astype("f4"))  # squares of int16 do not fit in int16
    fft, signal, bn = optional("scipy.fft"), optional("scipy.signal"), optional("bottleneck")
    table: dict[str, tuple[str, dict[str, Work]]] = {
        "minmax": ("minmax", {"numpy": lambda: (x.min(), x.max(), x.argmin(), x.argmax())}),
        "histogram": (
            "histogram -9000 9000 bins=64",
            {"numpy": lambda: np.histogram(x, 64, (-9000, 9000))},
        ),
        "quantiles": ("quantiles 0.5 0.99", {"numpy": lambda: np.quantile(x, [0.5, 0.99])}),
        "mean": (f"window {WINDOW} | mean | count", {"numpy": lambda: w.mean(1)}),
        "rms": (
            f"window {WINDOW} | rms | count",
            {"numpy": lambda: np.sqrt((wide * wide).mean(1))},
        ),
        "peak": (f"window {WINDOW} | peak | count", {"numpy": lambda: np.abs(w).max(1)}),
        "kurtosis": (f"window {WINDOW} | kurtosis | count", {"numpy": lambda: five(wide)[4]}),
        "diff": ("diff | minmax", {"numpy": lambda: (np.diff(x).min(), np.diff(x).max())}),
    }
    if x.dtype.kind == "f":
        table["sum"] = ("sum", {"math.fsum": lambda: math.fsum(x)})
        table["moments"] = ("moments", {"math.fsum": lambda: moments(x)})
        spectra: dict[str, Work] = {"numpy": lambda: np.abs(np.fft.rfft(w)) ** 2}
        if fft:
            spectra["scipy.fft"] = lambda: np.abs(fft.rfft(w)) ** 2
        table["spectrum"] = (f"window {WINDOW} | spectrum | band 100 200 | count", spectra)
    else:
        table["sum"] = ("sum", {"numpy": lambda: x.sum(dtype="i8")})
    if signal:
        sos = signal.butter(2, [2000, 5000], "bandpass", fs=RATE_HZ, output="sos")
        taps = signal.firwin(64, 1000, fs=RATE_HZ).astype("f4")
        f = x.astype("f4")
        table["biquad"] = (
            "biquad bandpass 2000 5000 | count",
            {"scipy": lambda: signal.sosfilt(sos.astype("f4"), f)},
        )
        table["fir"] = (
            "fir lowpass 1000 taps=64 | count",
            {
                "scipy": lambda: signal.lfilter(taps, [np.float32(1)], f),
                "numpy": lambda: np.convolve(f, taps, "valid"),
            },
        )
        table["median"] = ("median 5 | count", {"scipy": lambda: signal.medfilt(f, 5)})
        if bn:
            table["median"][1]["bottleneck"] = lambda: bn.move_median(f, 5)
    return table


def compare(dtype: str, rounds: int) -> list[dict[str, Any]]:
    """A row for each kernel over samples of a dtype."""
    noise = np.random.default_rng(1).normal(100, 3000, SAMPLES).clip(-32768, 32767)
    x = noise.astype(dtype)
    rows = []
    for kernel, (text, others) in peers(x).items():
        plan = Plan(text)
        times = best([partial(plan.partial, x, RATE_HZ), *others.values()], rounds)
        peer, theirs = min(zip(others, times[1:], strict=True), key=lambda pair: pair[1])
        gb_per_s = x.nbytes / times[0] / 1e9
        rows.append(
            {
                "kernel": kernel,
                "dtype": dtype,
                "ours_ms": round(times[0] * 1e3, 3),
                "peer": peer,
                "peer_ms": round(theirs * 1e3, 3),
                "ratio": round(theirs / times[0], 2),
                "gb_per_s": round(gb_per_s, 1),
            }
        )
    return rows


def compare_plan(dtype: str, rounds: int) -> dict[str, float]:
    """The plan of five features against whole-array and cache-blocked numpy."""
    noise = np.random.default_rng(2).normal(100, 3000, PLAN_SAMPLES).clip(-32768, 32767)
    x, plan = noise.astype(dtype), Plan(FIVE)
    works: list[Work] = [lambda: plan.run(x), lambda: five(windows(x)), lambda: five_blocked(x)]
    ours, whole, blocked = best(works, rounds)
    return {"ours_ms": ours * 1e3, "plan_ratio": whole / ours, "blocked_ratio": blocked / ours}


def memory_gb_per_s(rounds: int) -> float:
    """Bandwidth of reading: the largest of 64 MB, too simple to be anything but memory-bound."""
    data = np.zeros(8_000_000, "i8")
    (seconds,) = best([data.max], rounds)
    return data.nbytes / seconds / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds of which the best counts (7)")
    parser.add_argument("--check", action="store_true", help="fail below the figures wanted")
    options = parser.parse_args()
    rows = [row for dtype in ("int16", "float32") for row in compare(dtype, options.rounds)]
    plans = {
        dtype: compare_plan(dtype, max(2, options.rounds // 2)) for dtype in ("int16", "float32")
    }
    bandwidth = memory_gb_per_s(options.rounds)
    print(
        f"{'kernel':<10} {'dtype':<8} {'ours ms':>9} {'peer':<12} {'peer ms':>9} {'ratio':>7}"
        f" {'of memory':>10}"
    )
    for row in rows:
        row["memory_share"] = round(row["gb_per_s"] / bandwidth, 2)
        print(
            f"{row['kernel']:<10} {row['dtype']:<8} {row['ours_ms']:>9.3f} {row['peer']:<12}"
            f" {row['peer_ms']:>9.3f} {row['ratio']:>7.2f} {row['memory_share']:>9.0%}"
        )
    missing = [n for n in ("scipy", "bottleneck", "cmsisdsp") if optional(n) is None]
    result = {
        "geomean_ratio": round(statistics.geometric_mean(row["ratio"] for row in rows), 2),
        "worst_ratio": min(row["ratio"] for row in rows),
        "plan_ratio": round(min(p["plan_ratio"] for p in plans.values()), 2),
        "blocked_ratio": round(min(p["blocked_ratio"] for p in plans.values()), 2),
        "memory_gb_per_s": round(bandwidth, 1),
        "missing_peers": missing,
        "plans": plans,
        "rows": rows,
    }
    for name in ("geomean_ratio", "worst_ratio", "plan_ratio", "blocked_ratio", "missing_peers"):
        print(f"{name}: {result[name]}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    good = (
        result["geomean_ratio"] >= GEOMEAN_NEEDED
        and result["worst_ratio"] >= WORST_NEEDED
        and result["plan_ratio"] >= PLAN_NEEDED
        and result["blocked_ratio"] >= BLOCKED_NEEDED
    )
    return 0 if good or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
