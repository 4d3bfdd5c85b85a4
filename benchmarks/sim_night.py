"""Long runs of the simulator: chunks of seeds over fleets of several sizes, until enough events.

    make sim-night        or: .venv/bin/python benchmarks/sim_night.py [--events N] [--resume]
    make sim-ci                                                        [--from-seed N]

A process a core, each with one chunk of seeds after the other, over cores that are compiled from
the same sources (scripts/compile_cores.py, which sees that they do the same; `--interpreted` goes
without, as the short run of `make sim-ci` does). What a chunk found is said at once, with the
command that shows it again, and the run goes on. The sums are written after each chunk, so that a
run that was stopped goes on with `--resume`.
Writes build/bench/sim-night.json: `events`, `messages`, `seeds`, `events_per_s`, `lost`,
`duplicated`, `wrong`, `double_owners`, `unfinished`, and a row a chunk. Ends with 1 if an invariant
was broken.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import count
from pathlib import Path
from typing import Any

from atoll.sim.runner import KINDS, replay_command, run_seeds
from atoll.sim.site import Setup

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from compile_cores import compiled

OUTPUT = Path("build/bench/sim-night.json")
EVENTS, SEEDS = 100_000_000, 10_000
FIRST = 10_000_000  # apart from the seeds of the tests and of `make sim-ci`
CHUNK = 100
# In turn: the usual small site, many devices, few of everything, zones of several devices; every
# other round long enough for a device to be out after 60 s where that is drawn.
SETUPS = (
    Setup(hours=0.02),
    Setup(devices=12, hours=0.012),
    Setup(devices=4, shards=4, hours=0.02),
    Setup(devices=20, shards=16, hours=0.008),
    Setup(hours=0.008),
    Setup(devices=12, hours=0.006),
    Setup(devices=4, shards=4, hours=0.008),
    Setup(devices=20, shards=16, hours=0.004),
)
SUMS = ("seeds", "events", "messages", "answers", *KINDS)


def usual_python() -> str:
    """The distribution's build of this version where there is one, for cores that are compiled."""
    found = shutil.which(
        f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin"
    )
    return found or sys.executable


def commit() -> str:
    """What is being run, if it is known."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def run_chunk(number: int, first: int, size: int) -> dict[str, Any]:
    """The seeds of one chunk, in this process: its row; failures are said as they come."""
    setup = SETUPS[number % len(SETUPS)]
    report = run_seeds(range(first, first + size), setup, failures_max=size)
    for outcome in report.failures:
        print(f"seed {outcome.seed}: {outcome.violation}", file=sys.stderr)
        print(f"again: {replay_command(outcome.seed, setup)}", file=sys.stderr, flush=True)
    figures = report.figures()
    row: dict[str, Any] = {"chunk": number, "first_seed": first, "devices": setup.devices}
    row |= {"shards": setup.shards, "hours": setup.hours}
    names = ("cpu_s", "virtual_hours", "failed_seeds")
    return row | {name: figures[name] for name in (*SUMS, *names)}


def chunk_apart(
    number: int, first: int, options: argparse.Namespace, environment: dict[str, str]
) -> dict[str, Any]:
    """The row of a chunk that a process of its own runs."""
    python = sys.executable if options.interpreted else options.python
    command = [python, __file__, "--chunk", str(number), "--from-seed", str(first)]
    command += ["--chunk-seeds", str(options.chunk_seeds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The headline of all chunks."""
    total: dict[str, Any] = {name: sum(row[name] for row in rows) for name in SUMS}
    cpu_s = sum(row["cpu_s"] for row in rows)
    total["events_per_s"] = round(total["events"] / cpu_s) if cpu_s else 0
    total["virtual_hours"] = round(sum(row["virtual_hours"] for row in rows), 1)
    total["cpu_s"] = round(cpu_s, 1)
    return total


class Night:
    """Rows of chunks, and what is still to be run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.rows: list[dict[str, Any]] = []
        if options.resume and options.to.exists():
            self.rows = json.loads(options.to.read_text())["rows"]
        self._options, self._commit = options, commit()
        done = {row["first_seed"] for row in self.rows}
        self._chunks = (
            (number, first)
            for number, first in enumerate(count(options.from_seed, options.chunk_seeds))
            if first not in done
        )
        self._environment = dict(os.environ)
        if not options.interpreted:
            paths = (compiled(), sysconfig.get_path("platlib"))
            self._environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))

    def enough(self, under_way: int = 0) -> bool:
        """Whether there will be as many events and seeds as wanted, with those under way: of these
        the seeds are known.
        """
        total, size = summed(self.rows), self._options.chunk_seeds
        expected = total["events"]
        if total["seeds"]:
            expected += under_way * size * total["events"] / total["seeds"]
        seeds = total["seeds"] + under_way * size
        return bool(expected >= self._options.events and seeds >= self._options.seeds)

    def run(self) -> None:
        """Chunks, a process a core, until there are enough."""
        running: set[Future[dict[str, Any]]] = set()
        with ThreadPoolExecutor(self._options.processes) as pool:
            while running or not self.enough():
                while len(running) < self._options.processes and not self.enough(len(running)):
                    number, first = next(self._chunks)
                    words = (number, first, self._options, self._environment)
                    running.add(pool.submit(chunk_apart, *words))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._add(future.result() | {"commit": self._commit})

    def _add(self, row: dict[str, Any]) -> None:
        options = self._options
        self.rows.append(row)
        total = summed(self.rows)
        options.to.parent.mkdir(parents=True, exist_ok=True)
        options.to.write_text(json.dumps(total | {"rows": self.rows}, indent=1) + "\n")
        share = min(
            total["events"] / max(1, options.events), total["seeds"] / max(1, options.seeds)
        )
        print(
            f"{100 * share:5.1f} %  {total['seeds']:,} seeds, {total['events']:,} events at"
            f" {total['events_per_s']:,} a second, {sum(total[kind] for kind in KINDS)} broken",
            file=sys.stderr, flush=True,
        )  # fmt: skip


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=EVENTS, help=f"at least so many ({EVENTS:,})")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"at least so many ({SEEDS:,})")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores, help=f"at once ({cores})")
    parser.add_argument(
        "--python", default=usual_python(), metavar="PATH",
        help="a build of the same Python; a distribution's is often a third faster (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--interpreted", action="store_true", help="the cores as they are")
    parser.add_argument("--resume", action="store_true", help="go on behind the last chunk written")
    parser.add_argument(
        "--from-seed", type=int, default=FIRST, metavar="N", help=f"the first of them ({FIRST:,})"
    )
    parser.add_argument("--to", type=Path, default=OUTPUT, help=f"where to write ({OUTPUT})")
    parser.add_argument(
        "--chunk-seeds", type=int, default=CHUNK, metavar="N", help=f"of a process ({CHUNK})"
    )
    parser.add_argument("--chunk", type=int, default=-1, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Chunks until there are enough events and seeds."""
    options = parse()
    if options.chunk >= 0:
        print(json.dumps(run_chunk(options.chunk, options.from_seed, options.chunk_seeds)))
        return 0
    night = Night(options)
    night.run()
    total = summed(night.rows)
    print(json.dumps(total))
    return 1 if any(total[kind] for kind in KINDS) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
