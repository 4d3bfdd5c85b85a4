"""The long run of the simulator: chunks of seeds over fleets of several sizes, until enough events.

    make sim-night        or: .venv/bin/python benchmarks/sim_night.py [--events N] [--resume]

One process, one chunk after the other, each of other seeds; what a chunk found is said at once,
with the command that shows it again, and the run goes on. The sums are written after each chunk, so
that a run that was stopped goes on with `--resume`. Writes build/bench/sim-night.json: `events`,
`messages`, `seeds`, `events_per_s`, `lost`, `duplicated`, `wrong`, `double_owners`, `unfinished`,
and a row a chunk. Ends with 1 if an invariant was broken.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from atoll.sim.runner import KINDS, Report, replay_command, run_seeds
from atoll.sim.site import Setup

OUTPUT = Path("build/bench/sim-night.json")
EVENTS, SEEDS = 100_000_000, 10_000
FIRST = 10_000_000  # apart from the seeds of the tests and of `make sim-ci`
CHUNK = 100
# In turn: the usual small site, many devices, few of everything, zones of several devices; long
# enough for a device to be out after 60 s where that is drawn.
SETUPS = (
    Setup(hours=0.02),
    Setup(devices=12, hours=0.012),
    Setup(devices=4, shards=4, hours=0.02),
    Setup(devices=20, shards=16, hours=0.008),
)
SUMS = ("seeds", "events", "messages", "answers", *KINDS)


def commit() -> str:
    """What is being run, if it is known."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def row_of(number: int, setup: Setup, report: Report, built: str) -> dict[str, Any]:
    """A chunk's row."""
    figures = report.figures()
    names = ("cpu_s", "virtual_hours", "failed_seeds")
    row = {"chunk": number, "devices": setup.devices, "shards": setup.shards, "commit": built}
    return row | {name: figures[name] for name in (*SUMS, *names)}


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The headline of all chunks."""
    total: dict[str, Any] = {name: sum(row[name] for row in rows) for name in SUMS}
    cpu_s = sum(row["cpu_s"] for row in rows)
    total["events_per_s"] = round(total["events"] / cpu_s) if cpu_s else 0
    total["virtual_hours"] = round(sum(row["virtual_hours"] for row in rows), 1)
    total["cpu_s"] = round(cpu_s, 1)
    return total


def run_chunk(number: int) -> tuple[Setup, Report]:
    """The seeds of one chunk; failures are said as they come."""
    setup = SETUPS[number % len(SETUPS)]
    first = FIRST + number * CHUNK
    report = run_seeds(range(first, first + CHUNK), setup, failures_max=CHUNK)
    for outcome in report.failures:
        print(f"seed {outcome.seed}: {outcome.violation}", file=sys.stderr)
        print(f"again: {replay_command(outcome.seed, setup)}", file=sys.stderr, flush=True)
    return setup, report


def main() -> int:
    """Chunks until there are enough events and seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=EVENTS, help=f"at least so many ({EVENTS:,})")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"at least so many ({SEEDS:,})")
    parser.add_argument("--resume", action="store_true", help="go on behind the last chunk written")
    parser.add_argument("--to", type=Path, default=OUTPUT, help=f"where to write ({OUTPUT})")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if options.resume and options.to.exists():
        rows = json.loads(options.to.read_text())["rows"]
    built = commit()
    total = summed(rows)
    while total["events"] < options.events or total["seeds"] < options.seeds:
        number = rows[-1]["chunk"] + 1 if rows else 0
        rows.append(row_of(number, *run_chunk(number), built))
        total = summed(rows)
        options.to.parent.mkdir(parents=True, exist_ok=True)
        options.to.write_text(json.dumps(total | {"rows": rows}, indent=1) + "\n")
        share = min(total["events"] / options.events, total["seeds"] / options.seeds)
        print(
            f"{100 * share:5.1f} %  {total['seeds']:,} seeds, {total['events']:,} events at"
            f" {total['events_per_s']:,} a second, {sum(total[kind] for kind in KINDS)} broken",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    print(json.dumps(total))
    return 1 if any(total[kind] for kind in KINDS) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
