"""Memory of the runtime: PSS of one idle device alone, then of each of four, from smaps_rollup.

A site with a real broker and gateway; one dataset is stored; then nothing happens for a minute. PSS
counts a page that n processes share as 1/n of a page in each, so that the sum over processes is
what they really take. Writes build/bench/pss.json: `alone_mb`, `four_mb` (mean of the four),
`seconds`, and a row for each device, in MiB.

    python benchmarks/pss.py [--seconds 60]
"""

import argparse
import json
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

from atoll.cli.site import LocalSite

OUTPUT = Path("build/bench/pss.json")
STREAMS, SAMPLES = 64, 12_000
ALONE_MIB, FOUR_MIB = 24.0, 18.0
# Kernel's names for what a process has of its own, and for code and read-only data that it shares.
FIELDS = ("Rss", "Pss", "Pss_Anon", "Pss_File", "Private_Dirty")


def rollup_mib(pid: int) -> dict[str, float]:
    """The fields of smaps_rollup in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    lines = (line.split() for line in text.splitlines()[1:])
    kib = {words[0].rstrip(":"): int(words[1]) for words in lines}
    return {name: round(kib.get(name, 0) / 1_024, 2) for name in FIELDS}


def measure(devices: int, seconds: float) -> list[dict[str, Any]]:
    """Rows of a site with so many devices, idle for so long."""
    with tempfile.TemporaryDirectory() as folder, LocalSite(Path(folder)) as site:
        site.start(devices)
        with site.connect() as fleet:
            for number in range(STREAMS):
                samples = array("h", (number * at % 997 - 498 for at in range(SAMPLES)))
                fleet.put("vibration", samples, key=f"motor-{number}", rate=12_000)
        time.sleep(seconds)
        rows = []
        for name, child in site.devices.items():
            values = rollup_mib(child.process.pid)
            rows.append({"devices": devices, "device": name, **values})
        return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to be idle (60)")
    options = parser.parse_args()
    rows = measure(1, options.seconds) + measure(4, options.seconds)
    alone = rows[0]["Pss"]
    four = round(sum(row["Pss"] for row in rows[1:]) / 4, 2)
    print(f"{'devices':>8} {'device':<10}" + "".join(f"{name:>15}" for name in FIELDS))
    for row in rows:
        cells = "".join(f"{row[name]:>11.2f} MiB" for name in FIELDS)
        print(f"{row['devices']:>8} {row['device']:<10}{cells}")
    print(f"one alone: {alone:.2f} MiB (at most {ALONE_MIB:g})")
    print(f"each of four: {four:.2f} MiB (at most {FOUR_MIB:g}; 12 is the mark)")
    result = {"alone_mb": alone, "four_mb": four, "seconds": options.seconds, "rows": rows}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if alone <= ALONE_MIB and four <= FOUR_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
