"""One slow device among others: how much longer jobs take.

    make bench-stragglers       or: .venv/bin/python benchmarks/stragglers.py [--check]

Four devices with three copies of everything, as processes on this machine. Jobs of `--streams`
tasks run one after the other, in turns: some undisturbed, then as many while one device is ten
times as slow (SIGSTOP for 45 of 50 milliseconds), each device in its turn. Every answer is compared
with the one computed in this process. Writes build/bench/stragglers.json: `job_median_s`
(undisturbed), `slow_median_s`, `slow_p99_s`, and `slow_p99_over_median`, which is to be 2 at most.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atoll.cli.site import LocalSite
from atoll.kernels import Plan

DEVICES, REPLICAS = 4, 3
SLOW = 10  # times
SLICE_S = 0.005  # that a slow device runs; then it stands still for nine of them
PLAN = "window 64 hop=1 | rms, kurtosis | quantiles 0.5"
SAMPLES = 40_000
DATASET = "bench"
OUTPUT = Path("build/bench/stragglers.json")
MOST = 2.0


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """A process runs for a tenth of the time."""
    over = threading.Event()

    def throttle() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait(SLICE_S * (SLOW - 1))
            os.kill(pid, signal.SIGCONT)
            time.sleep(SLICE_S)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def job_s(fleet: Any, expected: Any) -> float:
    """One job's seconds."""
    begin_s = time.perf_counter()
    result = fleet.run(PLAN, over=DATASET)
    took_s = time.perf_counter() - begin_s
    if not result.complete or result.value != expected:
        raise SystemExit("an answer is not that of one machine")
    return took_s


def measure(streams: int, jobs: int) -> dict[str, Any]:
    """Undisturbed jobs and slowed ones, in turns."""
    noise = np.random.default_rng(1)
    data = {f"s{n}": noise.integers(-99, 99, SAMPLES, dtype="i2") for n in range(streams)}
    expected = Plan(PLAN).run(data, rate=1_000)
    calm: list[float] = []
    slow: list[float] = []
    with tempfile.TemporaryDirectory() as folder, LocalSite(Path(folder)) as site:
        site.start(DEVICES)
        with site.connect() as fleet:
            fleet.put_many(DATASET, data, rate=1_000, replicas=REPLICAS)
            job_s(fleet, expected)
            for name, child in site.devices.items():
                calm += [job_s(fleet, expected) for _ in range(jobs)]
                with slowed(child.pid):
                    slow += [job_s(fleet, expected) for _ in range(jobs)]
                job_s(fleet, expected)
                print(f"{name}: {calm[-1]:.2f} s, slowed {slow[-1]:.2f} s", flush=True)
            counters = fleet.status()["counters"]
    slow.sort()
    median, p99 = statistics.median(calm), slow[max(0, -(-99 * len(slow) // 100) - 1)]
    return {
        "job_median_s": round(median, 3),
        "slow_median_s": round(statistics.median(slow), 3),
        "slow_p99_s": round(p99, 3),
        "slow_p99_over_median": round(p99 / median, 3),
        "jobs": len(slow),
        "started_again": counters.get("started again", 0),
        "stolen": counters.get("stolen", 0),
        "rows": [{"undisturbed_s": sorted(calm), "slowed_s": slow}],
    }


def main() -> int:
    """Run it; with --check exit 1 where it is more than twice."""
    parser = argparse.ArgumentParser(description="Benchmark of one slow device.")
    parser.add_argument("--streams", type=int, default=240, help="streams, a task each")
    parser.add_argument("--jobs", type=int, default=6, help="jobs a device, of each kind")
    parser.add_argument("--check", action="store_true", help="fail where it is more than twice")
    options = parser.parse_args()
    found = measure(options.streams, options.jobs)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    OUTPUT.write_text(json.dumps({**found, **machine}, indent=2) + "\n")
    print(
        f"a job takes {found['job_median_s']} s (median), with one device {SLOW} times as slow"
        f" {found['slow_median_s']} s, p99 {found['slow_p99_s']} s:"
        f" {found['slow_p99_over_median']} times the undisturbed median"
    )
    return 1 if options.check and found["slow_p99_over_median"] > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
