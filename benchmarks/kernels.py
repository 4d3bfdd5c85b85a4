"""Our kernels against the fastest peer installed, single-threaded, on the same 1 M samples.

    make bench-kernels          or: .venv/bin/python benchmarks/kernels.py [--rounds 7] [--check]

docs/kernels.md, "Speed", says how rows are chosen and what a peer may do. Ours and theirs run in
turns, the best round of each counts, and results are compared before any clock starts. The plan of
five features over 10 M samples is compared with whole-array and with cache-blocked numpy. Writes
build/bench/kernels.json.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import kernel_rows_frames
import kernel_rows_models
import kernel_rows_reducers
import kernel_rows_samples
import kernel_rows_spectra
import kernel_rows_watches
import kernel_rows_windows
import numpy as np
from kernel_rows import WINDOW, Array, Data, Row, Work, data, optional, windows

from atoll.kernels import Plan, builds

PLAN_SAMPLES = 10_000_000
BLOCK = 64 * WINDOW  # 256 KB of f32: what cache-blocked numpy works on at a time
OUTPUT = Path("build/bench/kernels.json")
LOOSE_NEEDED = 0.2  # of the fastest way without the guarantee (docs/kernels.md names them)
GEOMEAN_NEEDED, WORST_NEEDED, PLAN_NEEDED, BLOCKED_NEEDED = 4.0, 0.9, 10.0, 3.0
FIVE = f"window {WINDOW} | mean, rms, peak, crest, kurtosis | quantiles 0.5 0.99"
SPENT_S = 0.5  # of a work in all its rounds: enough for those that take 100 ms
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MODULES = (
    kernel_rows_samples,
    kernel_rows_frames,
    kernel_rows_windows,
    kernel_rows_spectra,
    kernel_rows_reducers,
    kernel_rows_models,
    kernel_rows_watches,
)
PEERS = ("scipy", "bottleneck", "sklearn", "cmsisdsp")


def best(works: list[Work], rounds: int) -> list[float]:
    """Shortest time of each, in seconds, in turns; each runs once before its clock starts.

    Time of this thread on a processor: what else runs on the machine does not count. What takes
    has taken SPENT_S together is not repeated.
    """
    times = [math.inf] * len(works)
    spent = [0.0] * len(works)
    for _ in range(rounds):
        for k, work in enumerate(works):
            if spent[k] > SPENT_S:
                continue
            work()
            begun = time.thread_time()
            work()
            took = time.thread_time() - begun
            times[k] = min(times[k], took)
            spent[k] += took
    return times


def compare(row: Row, d: Data, rounds: int) -> dict[str, Any]:
    """Our time and the best peer's, after a look at their results."""
    plan = row.made()
    ours = plan.run(d.x, row.rate)
    every = {**row.peers, **row.loose}
    for name, work in every.items():
        if not row.same(ours, work()):
            raise SystemExit(f"{row.kernel} {d.dtype}: {name} gives another result")
    mine, *others = best([partial(plan.partial, d.x, row.rate), *every.values()], rounds)
    times = dict(zip(every, others, strict=True))
    peer = min(row.peers, key=times.__getitem__)
    loose = min(row.loose, key=times.__getitem__, default=None)
    return {
        "kernel": row.kernel,
        "dtype": d.dtype,
        "ours_ms": round(mine * 1e3, 3),
        "peer": peer,
        "peer_ms": round(times[peer] * 1e3, 3),
        "ratio": round(times[peer] / mine, 2),
        "loose_peer": loose,
        "loose_ms": loose and round(times[loose] * 1e3, 3),
        "loose_ratio": loose and round(times[loose] / mine, 2),
        "gb_per_s": round(d.x.nbytes / mine / 1e9, 1) if row.reads else None,
    }


def five(w: Array) -> list[Array]:
    """Mean, rms, peak, crest, kurtosis of rows, in numpy's float32 (float64 for integers)."""
    w = w.astype("f8") if w.dtype.kind == "i" else w
    mean = w.mean(1)
    rms = np.sqrt((w * w).mean(1))
    peak = np.abs(w).max(1)
    d = w - mean[:, None]
    d2 = d * d
    kurtosis = (d2 * d2).mean(1) / d2.mean(1) ** 2
    return [mean, rms, peak, peak / rms, kurtosis]


def five_blocked(x: Array) -> list[Array]:
    """The same by blocks that fit in the cache."""
    parts = [five(windows(x[k : k + BLOCK])) for k in range(0, len(x) - WINDOW + 1, BLOCK)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def quantiles(work: Work) -> Work:
    """With the plan's last stage."""
    return lambda: [np.quantile(column, [0.5, 0.99]) for column in work()]


def compare_plan(dtype: str, rounds: int) -> dict[str, float]:
    """The plan of five features against whole-array and cache-blocked numpy."""
    noise = np.random.default_rng(2).normal(100, 3000, PLAN_SAMPLES).clip(-32768, 32767)
    x, plan = noise.astype(dtype), Plan(FIVE)
    works: list[Work] = [
        lambda: plan.run(x),
        quantiles(lambda: five(windows(x))),
        quantiles(lambda: five_blocked(x)),
    ]
    ours, whole, blocked = best(works, rounds)
    return {
        "ours_ms": round(ours * 1e3, 2),
        "numpy_ms": round(whole * 1e3, 2),
        "blocked_ms": round(blocked * 1e3, 2),
        "plan_ratio": round(whole / ours, 2),
        "blocked_ratio": round(blocked / ours, 2),
    }


def memory_gb_per_s(rounds: int) -> float:
    """Bandwidth of reading 4 MB again and again, as the rows do: the largest of them."""
    samples = np.zeros(1_000_000, "f4")
    (seconds,) = best([samples.max], 5 * rounds)
    return samples.nbytes / seconds / 1e9


LAYOUT = "{:<15} {:<8} {:>9} {:<19} {:>9} {:>7} {:>10}  {}"
HEADS = (
    "kernel", "dtype", "ours ms", "peer", "peer ms", "ratio", "of memory", "without the guarantee",
)  # fmt: skip


def show(row: dict[str, Any], bandwidth: float) -> None:
    """A line of the table."""
    share = row["gb_per_s"] and row["gb_per_s"] / bandwidth
    row["memory_share"] = share and round(share, 3)
    cells = (row[k] for k in ("kernel", "dtype", "ours_ms", "peer", "peer_ms", "ratio"))
    loose = row["loose_peer"] and f"{row['loose_peer']} {row['loose_ratio']}"
    print(LAYOUT.format(*cells, f"{share:.0%}" if share else "", loose or ""), flush=True)


def table(rounds: int, only: set[str], bandwidth: float) -> list[dict[str, Any]]:
    """All rows, or those of some kernels, shown as they are measured."""
    print(LAYOUT.format(*HEADS))
    found = []
    for dtype in ("int16", "float32"):
        d = data(dtype)
        for module in MODULES:
            for row in module.rows(d):
                # Without the module of its only peers (missing_peers says which) a row has none.
                if row.peers and (not only or row.kernel in only):
                    found.append(compare(row, d, rounds))
                    show(found[-1], bandwidth)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds of which the best counts (7)")
    parser.add_argument("--only", default="", help="rows of these kernels, between commas")
    parser.add_argument("--check", action="store_true", help="fail below the figures wanted")
    options = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):
        # Libraries read these when they are loaded.
        os.execve(
            sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(THREADS, "1")
        )
    only = set(options.only.split(",")) - {""}
    bandwidth = memory_gb_per_s(options.rounds)
    rows = table(options.rounds, only, bandwidth)
    if only:
        return 0
    plans = {
        dtype: compare_plan(dtype, max(2, options.rounds // 2)) for dtype in ("int16", "float32")
    }
    missing = [n for n in PEERS if optional(n) is None]
    result = {
        "geomean_ratio": round(statistics.geometric_mean(row["ratio"] for row in rows), 2),
        "worst_ratio": min(row["ratio"] for row in rows),
        "worst_loose_ratio": min(
            (row["loose_ratio"] for row in rows if row["loose_peer"]), default=math.inf
        ),
        "plan_ratio": min(p["plan_ratio"] for p in plans.values()),
        "blocked_ratio": min(p["blocked_ratio"] for p in plans.values()),
        "memory_gb_per_s": round(bandwidth, 1),
        "build": builds.BUILD,
        "missing_peers": missing,
        "plans": plans,
        "rows": rows,
    }
    for name, value in result.items():
        if name != "rows":
            print(f"{name}: {value}")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    good = (
        result["geomean_ratio"] >= GEOMEAN_NEEDED
        and result["worst_ratio"] >= WORST_NEEDED
        and result["worst_loose_ratio"] >= LOOSE_NEEDED
        and result["plan_ratio"] >= PLAN_NEEDED
        and result["blocked_ratio"] >= BLOCKED_NEEDED
    )
    return 0 if good or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
