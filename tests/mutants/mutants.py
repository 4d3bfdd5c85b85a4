"""How many seeds of the simulator it takes to notice each bug of catalogue.py.

    make sim-mutants        or: .venv/bin/python tests/mutants/mutants.py [--seeds N] [--only NAME]

Each mutant runs in a process of its own, in which one module's source is changed as it is imported.
Writes build/bench/mutants.json: `mutants`, `found`, and a row a mutant with the `seeds` it took and
what was said. Ends with 1 if one was not found, or if the unchanged sources are "found".
"""

import argparse
import importlib.abc
import importlib.util
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from catalogue import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = Path("build/bench/mutants.json")
SEEDS = 1_000
CONTROL = "none"  # the sources as they are
CONTROL_SEEDS = 40


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and gives its source with the mutant's change."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = "atoll." + mutant.path.removesuffix(".py").replace("/", ".")
        self.path = ROOT / mutant.path
        self.source = changed(mutant)

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Only the one module."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def changed(mutant: Mutant) -> str:
    """The module's source with the bug; ValueError if a text is not there exactly once."""
    source = (ROOT / mutant.path).read_text()
    for old, new in ((mutant.old, mutant.new), *mutant.also):
        count = source.count(old)
        if count != 1:
            raise ValueError(f"{mutant.name}: {old.strip()!r} is {count} times in {mutant.path}")
        source = source.replace(old, new)
    return source


def search(seeds: int, faults: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run seeds until an invariant is broken."""
    from atoll.sim.nemesis import KINDS
    from atoll.sim.site import Setup, Site

    kinds = faults or tuple(KINDS)
    setups = (
        Setup(hours=0.008, faults=kinds),
        Setup(devices=4, shards=4, hours=0.008, faults=kinds),
    )
    for seed in range(seeds):
        outcome = Site(seed, setups[seed % 2]).run()
        if outcome.violation is not None:
            return {"seeds": seed + 1, "found": True, "said": str(outcome.violation)[:200]}
    return {"seeds": seeds, "found": False, "said": ""}


def run_one(name: str, seeds: int, faults: tuple[str, ...] = ()) -> dict[str, Any]:
    """One mutant, or the sources as they are under `faults`, in a process of its own."""
    begin = time.monotonic()
    command = [sys.executable, __file__, "--inside", name, "--seeds", str(seeds)]
    command += [f"--faults={','.join(faults)}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        return {"seeds": 0, "found": False, "said": done.stderr.strip()[-300:], "wall_s": 0.0}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"wall_s": round(time.monotonic() - begin, 1)}


def row_of(mutant: Mutant, seeds: int) -> dict[str, Any]:
    """The row of one mutant; said as it comes."""
    row = {"mutant": mutant.name, "path": mutant.path, "what": mutant.what}
    row |= run_one(mutant.name, seeds)
    said = f"{row['seeds']:4} seeds" if row["found"] else "NOT FOUND"
    print(f"{mutant.name:34} {said}  {row['said'][:90]}", file=sys.stderr, flush=True)
    return row


def control_of(rows: list[dict[str, Any]], pool: ThreadPoolExecutor) -> dict[str, Any]:
    """The sources as they are, under each list of faults over as many seeds as the longest search
    under it took: none of them fails but for its mutant.
    """
    seeds: dict[tuple[str, ...], int] = {}
    for row in rows:
        faults = next(m.faults for m in MUTANTS if m.name == row["mutant"])
        seeds[faults] = max(seeds.get(faults, CONTROL_SEEDS), row["seeds"])
    found = list(pool.map(lambda one: run_one(CONTROL, one[1], one[0]), seeds.items()))
    said = [row["said"] for row in found if row["said"]]
    return {
        "seeds": sum(row["seeds"] for row in found),
        "found": bool(said),
        "said": said[0] if said else "",
        "wall_s": round(sum(row["wall_s"] for row in found), 1),
    }


def inside(name: str, seeds: int, faults: tuple[str, ...]) -> int:
    """In the process of one mutant."""
    if name == CONTROL:
        print(json.dumps(search(seeds, faults)))
        return 0
    mutant = next(m for m in MUTANTS if m.name == name)
    sys.meta_path.insert(0, Changed(mutant))
    print(json.dumps(search(seeds, mutant.faults)))
    return 0


def main() -> int:
    """All mutants, and the sources as they are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"at most so many ({SEEDS})")
    parser.add_argument("--only", action="append", default=[], help="this mutant only")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores, help=f"at once ({cores})")
    parser.add_argument("--resume", action="store_true", help="go on behind the last one written")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--faults", default="", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, default=OUTPUT, help=f"where to write ({OUTPUT})")
    options = parser.parse_args()
    if options.inside:
        faults = tuple(filter(None, options.faults.split(",")))
        return inside(options.inside, options.seeds, faults)
    rows: list[dict[str, Any]] = []
    if options.resume and options.to.exists():
        rows = json.loads(options.to.read_text())["rows"]
    done = {row["mutant"] for row in rows}
    chosen = [m for m in MUTANTS if m.name not in done]
    chosen = [m for m in chosen if not options.only or m.name in options.only]
    with ThreadPoolExecutor(options.processes) as pool:
        for row in pool.map(lambda mutant: row_of(mutant, options.seeds), chosen):
            rows.append(row)
            write(options.to, rows, {})
        control = control_of(rows, pool)
    total = write(options.to, rows, control)
    print(json.dumps(total))
    return 0 if total["found"] == total["mutants"] and not control["found"] else 1


def write(path: Path, rows: list[dict[str, Any]], control: dict[str, Any]) -> dict[str, Any]:
    """The file as far as it has got; its headline."""
    total = {
        "mutants": len(rows),
        "found": sum(row["found"] for row in rows),
        "seeds_max": max((row["seeds"] for row in rows), default=0),
        "control": control,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(total | {"rows": rows}, indent=1) + "\n")
    return total


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
