"""Memory and processor time of the runtime, idle: one device alone, then each of four.

A site with a real broker and gateway, profile normal; one dataset is stored; then nothing happens.
After five minutes of warm-up the figures are read every ten seconds for ten minutes, and the median
counts. PSS (smaps_rollup) counts a page that n processes share as 1/n of a page in each, so that
the sum over processes is what they really take; where other Pythons run it is less than RSS, which
is given beside it. Processor time is the process's own, in percent of one core. Writes
build/bench/pss.json: `alone_mb`, `four_mb` (mean of the four), `rss_mb`, `idle_cpu_percent`,
`warmup_s`, `seconds`, and a row for each device, in MiB.

    python benchmarks/pss.py [--warmup 300] [--seconds 600] [--devices 1,4]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

from atoll.cli.site import LocalSite

OUTPUT = Path("build/bench/pss.json")
STREAMS, SAMPLES = 64, 12_000
ALONE_MIB, FOUR_MIB, CPU_PERCENT = 24.0, 18.0, 0.5
EVERY_S = 10.0
# Kernel's names for what a process has of its own, and for code and read-only data that it shares.
FIELDS = ("Rss", "Pss", "Pss_Anon", "Pss_File", "Private_Dirty")


def rollup_mib(pid: int) -> dict[str, float]:
    """The fields of smaps_rollup in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    lines = (line.split() for line in text.splitlines()[1:])
    kib = {words[0].rstrip(":"): int(words[1]) for words in lines}
    return {name: round(kib.get(name, 0) / 1_024, 2) for name in FIELDS}


def cpu_s(pid: int) -> float:
    """Processor time that a process has taken."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measure(devices: int, warmup_s: float, seconds: float) -> list[dict[str, Any]]:
    """Rows of a site with so many devices: medians over `seconds` after `warmup_s`."""
    folder = tempfile.TemporaryDirectory()
    with folder as name, LocalSite(Path(name), profile="normal") as site:
        site.start(devices)
        with site.connect() as fleet:
            for number in range(STREAMS):
                samples = array("h", (number * at % 997 - 498 for at in range(SAMPLES)))
                fleet.put("vibration", samples, key=f"motor-{number}", rate=12_000)
        time.sleep(warmup_s)
        pids = {name: child.process.pid for name, child in site.devices.items()}
        taken = {name: cpu_s(pid) for name, pid in pids.items()}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in pids}
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(min(EVERY_S, seconds))
            for name, pid in pids.items():
                found[name].append(rollup_mib(pid))
        passed = time.monotonic() - began
        rows = []
        for name, pid in pids.items():
            values = {f: round(statistics.median(one[f] for one in found[name]), 2) for f in FIELDS}
            percent = round((cpu_s(pid) - taken[name]) / passed * 100, 3)
            rows.append({"devices": devices, "device": name, **values, "cpu_percent": percent})
        return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--warmup", type=float, default=300.0, help="seconds of it (300)")
    parser.add_argument("--seconds", type=float, default=600.0, help="seconds of looking (600)")
    parser.add_argument("--devices", default="1,4", help="sites to look at (1,4)")
    options = parser.parse_args()
    sizes = [int(word) for word in options.devices.split(",")]
    rows = [row for size in sizes for row in measure(size, options.warmup, options.seconds)]
    print(f"{'devices':>8} {'device':<10}" + "".join(f"{name:>15}" for name in FIELDS) + "    CPU")
    for row in rows:
        cells = "".join(f"{row[name]:>11.2f} MiB" for name in FIELDS)
        print(f"{row['devices']:>8} {row['device']:<10}{cells} {row['cpu_percent']:>5.2f} %")
    result: dict[str, Any] = {"warmup_s": options.warmup, "seconds": options.seconds}
    result["idle_cpu_percent"] = max(row["cpu_percent"] for row in rows)
    limits = [("idle_cpu_percent", CPU_PERCENT)]
    for name, size, limit in (("alone_mb", 1, ALONE_MIB), ("four_mb", 4, FOUR_MIB)):
        of_size = [row["Pss"] for row in rows if row["devices"] == size]
        if of_size:
            result[name] = round(sum(of_size) / size, 2)
            limits.append((name, limit))
    result["rss_mb"] = max(row["Rss"] for row in rows)
    for name, limit in limits:
        print(f"{name}: {result[name]} (at most {limit:g})")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result | {"rows": rows}, indent=1) + "\n")
    return 0 if all(result[name] <= limit for name, limit in limits) else 1


if __name__ == "__main__":
    sys.exit(main())
