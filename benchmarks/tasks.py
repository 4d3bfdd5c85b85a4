"""What a task costs: 4,096 small tasks over four devices, against dask.distributed on the same
work.

    make bench-tasks            or: .venv/bin/python benchmarks/tasks.py [--rounds 7] [--check]

The work: 4,096 streams of 1,024 i16, the plan `moments`, one partial a stream, merged and finished.
For Atoll that is a query over a dataset, timed from `run` to its result, each task a key in the
gateway's ledger on disk. For dask it is `client.map` and `gather` on four worker processes of one
thread, which call the same kernel on the same arrays; the partials are merged here. dask is given
its choice: the arrays inside the tasks, or scattered over the workers before the clock starts; the
faster of the two counts. Both sides run in turns in one go, with everything of both sides up, and
every answer is compared with the one computed in this process. Writes build/bench/tasks.json.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from atoll.cli.site import LocalSite
from atoll.kernels import Plan

TASKS = 4_096
SAMPLES = 1_024
DEVICES = 4
PLAN = "moments"
DATASET = "bench"
OUTPUT = Path("build/bench/tasks.json")
RATIO_NEEDED, RATIO_MARK = 5.0, 10.0

Timed = Callable[[], tuple[bytes, float]]


def streams() -> dict[str, np.ndarray]:
    """4,096 streams of noise, the same each time."""
    values = np.random.default_rng(1).integers(-2_000, 2_000, (TASKS, SAMPLES), dtype=np.int16)
    return {f"s{number:04}": row for number, row in enumerate(values)}


_plan: Plan  # of a dask worker


def dask_task(samples: Any) -> bytes:
    """One task of dask's; the plan is made once in each worker."""
    global _plan
    try:
        plan = _plan
    except NameError:
        plan = _plan = Plan(PLAN)
    # dask's messages do not align arrays; a copy of 2 KB does, in half a microsecond.
    return plan.partial(samples if samples.flags.aligned else samples.copy())


def atoll_side(site: LocalSite, data: dict[str, np.ndarray]) -> Timed:
    fleet = site.connect()
    fleet.put_many(DATASET, data, rate=1_000)

    def ask() -> tuple[bytes, float]:
        started_s = time.perf_counter()
        result = fleet.run(PLAN, over=DATASET)
        took_s = time.perf_counter() - started_s
        if not result.complete or result.tasks != TASKS:
            raise SystemExit(f"{result.tasks} tasks, missing {result.missing[:3]}")
        return result.partial, took_s

    return ask


def dask_sides(client: Any, data: dict[str, np.ndarray]) -> dict[str, Timed]:
    arrays = [data[key] for key in sorted(data)]
    held = client.scatter(arrays)
    plan = Plan(PLAN)

    def ask(arguments: list[Any]) -> tuple[bytes, float]:
        started_s = time.perf_counter()
        partials = client.gather(client.map(dask_task, arguments, pure=False))
        merged = plan.merge(partials)
        plan.finish(merged)
        return merged, time.perf_counter() - started_s

    return {"dask, arrays sent": lambda: ask(arrays), "dask, arrays scattered": lambda: ask(held)}


def measure(sides: dict[str, Timed], expected: bytes, rounds: int) -> list[dict[str, Any]]:
    """Every side once a round, in turns; the first round warms up and does not count."""
    rows = []
    for number in range(rounds + 1):
        for name, ask in sides.items():
            partial, took_s = ask()
            if partial != expected:
                raise SystemExit(f"{name}: another result than on one machine")
            if number:
                rows.append({"side": name, "round": number, "us_per_task": took_s / TASKS * 1e6})
    return rows


def medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(row["side"] for row in rows)
    return {
        name: statistics.median(row["us_per_task"] for row in rows if row["side"] == name)
        for name in names
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--check", action="store_true", help=f"fail below a ratio of {RATIO_NEEDED}"
    )
    options = parser.parse_args()
    try:
        import distributed
    except ImportError:
        print(
            "benchmarks/tasks.py: dask.distributed is missing: pip install -e '.[bench]'",
            file=sys.stderr,
        )
        return 1
    data = streams()
    plan = Plan(PLAN)
    started_s = time.perf_counter()
    expected = plan.merge([plan.partial(data[key]) for key in sorted(data)])
    local_us = (time.perf_counter() - started_s) / TASKS * 1e6
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        site = LocalSite(Path(folder), profile="normal")
        cluster = distributed.LocalCluster(
            n_workers=DEVICES, threads_per_worker=1, processes=True, dashboard_address=None,
            host="127.0.0.1", local_directory=folder,
        )  # fmt: skip
        with site, cluster, distributed.Client(cluster) as client:
            site.start(DEVICES)
            sides = {"atoll": atoll_side(site, data), **dask_sides(client, data)}
            rows = measure(sides, expected, options.rounds)
    return report(rows, local_us, distributed.__version__, check=options.check)


def report(rows: list[dict[str, Any]], local_us: float, dask_version: str, *, check: bool) -> int:
    found = medians(rows)
    dask_us = min(us for name, us in found.items() if name != "atoll")
    ratio = dask_us / found["atoll"]
    summary = {
        "atoll_us_per_task": round(found["atoll"], 2),
        "dask_us_per_task": round(dask_us, 2),
        "ratio_to_dask": round(ratio, 2),
        "tasks": TASKS,
        "devices": DEVICES,
        "local_us_per_task": round(local_us, 2),
        "medians": found,
        "dask_version": dask_version,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "rows": rows,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(summary, indent=1) + "\n")
    print(f"{TASKS} tasks of {SAMPLES} i16, plan {PLAN!r}, {DEVICES} devices; µs a task, median")
    for name, us in [*found.items(), ("this process alone", local_us)]:
        print(f"  {name:<24} {us:9.1f}")
    print(
        f"{ratio:.1f} times cheaper a task than dask (needed {RATIO_NEEDED:g}, mark {RATIO_MARK:g})"
    )
    print(f"wrote {OUTPUT}")
    return 1 if check and ratio < RATIO_NEEDED else 0


if __name__ == "__main__":
    sys.exit(main())
