"""Measure what builds of many sets of kernels take, and fit the table of kernels/cost.py to them.

    .venv/bin/python benchmarks/flash_table.py [--sets 60] [--known FILE]

Sets are those of every receipt's first plan, random ones, and the whole catalogue, as built by
`portable.py --only` with -Os for Cortex-M0, M3 and M4F. The fit is of least squares without
negative numbers, relative to each build; it prints the largest error and writes the table into
kernels/cost.py. Takes half a minute of a processor a set: builds are kept in --known
(build/flash_table.jsonl) and not repeated.
"""

import argparse
import json
import random
import re
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np
from firmware_size import CC, CORES, SIZE

from atoll.kernels import Plan, catalogue, cost, portable
from atoll.kernels.golden_models import golden_models
from atoll.kernels.receipt import SHORT
from atoll.kernels.registry import BY_NAME

COLUMNS = ("m0", "m3", "m4f")
TABLE = Path(cost.__file__)
RIDGE = 1e-8  # parts that always come together share what they take
FLAGS = ["-std=c99", "-ffp-contract=off", "-Os", "-mthumb"]

Build = tuple[list[str], list[int]]


def sizes(names: list[str]) -> list[int]:
    """Bytes of code of a build with these kernels, on each of the columns' cores."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        portable.write(Path(folder), names)
        for core in COLUMNS:
            words = [CC, *FLAGS, *CORES[core], "-c", "atoll_kernels.c", "-o", "made.o"]
            subprocess.run(words, cwd=folder, check=True)
            shown = subprocess.run(
                [SIZE, "made.o"], cwd=folder, check=True, capture_output=True, text=True
            )
            found.append(int(shown.stdout.splitlines()[1].split()[0]))
    return found


def drawn(chance: random.Random) -> list[str]:
    """A set as a plan could have it."""
    groups: dict[str, list[str]] = {}
    for kernel in catalogue():
        groups.setdefault(kernel.group, []).append(kernel.name)

    def some(group: str, low: int, high: int) -> list[str]:
        return chance.sample(groups[group], chance.randint(low, high))

    names = some("sample", 0, 3)
    if chance.random() < 0.85:
        names += ["window", *some("frame", 0, 2), *some("feature", 1, 5)]
        if any(BY_NAME[name].code >= 64 for name in names):
            names += some("spectrum", 1, 1)
    if chance.random() < 0.4:
        names += some("row", 1, 2)
    return sorted({*names, *some("reducer", 1, 4)})


def wanted(count: int) -> list[list[str]]:
    """The sets to build."""
    models, chance = golden_models(), random.Random(1)
    plans = [sorted(set(Plan(texts[0], models).kernels)) for texts in SHORT.plans().values()]
    return [sorted(BY_NAME), *plans, *(drawn(chance) for _ in range(count))]


def measured(count: int, known: Path) -> list[Build]:
    """Builds of all sets, those of the file among them."""
    known.parent.mkdir(parents=True, exist_ok=True)
    lines = known.read_text().splitlines() if known.exists() else []
    builds = {tuple(names): size for names, size in map(json.loads, lines)}
    for k, names in enumerate(wanted(count)):
        if tuple(names) not in builds:
            builds[tuple(names)] = sizes(names)
            with known.open("a") as file:
                print(json.dumps([names, builds[tuple(names)]]), file=file)
        print(f"\r{k + 1} sets", end="", flush=True)
    print()
    return [(list(names), size) for names, size in builds.items()]


def fitted(builds: list[Build]) -> dict[str, list[int]]:
    """The table: a number a part and column."""
    sets = [cost.parts(BY_NAME[name] for name in names) for names, _ in builds]
    names = sorted(set().union(*sets))
    nnls = import_module("scipy.optimize").nnls
    has = np.array([[name in some for name in names] for some in sets], float)
    found: dict[str, list[int]] = {name: [] for name in names}
    for column, core in enumerate(COLUMNS):
        y = np.array([size[column] for _, size in builds], float)
        a = np.vstack([has / y[:, None], np.sqrt(RIDGE) * np.eye(len(names))])
        x, _ = nnls(a, np.concatenate([np.ones(len(y)), np.zeros(len(names))]))
        off = np.abs(has @ x / y - 1)
        print(f"{core}: within {off.max():.1%}, on average {off.mean():.1%}, of {len(y)} builds")
        for name, value in zip(names, x, strict=True):
            found[name].append(round(value))
    return found


def write(table: dict[str, list[int]]) -> None:
    """Put the table into cost.py."""
    lines = [f'    "{name}": ({", ".join(map(str, row))}),' for name, row in table.items()]
    body = "TABLE: dict[str, tuple[int, int, int]] = {\n" + "\n".join(lines) + "\n}\n"
    text = re.sub(r"^TABLE: .*?\}\n", body, TABLE.read_text(), flags=re.MULTILINE | re.DOTALL)
    TABLE.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=60, help="random sets beside the plans' (60)")
    parser.add_argument("--known", type=Path, default=Path("build/flash_table.jsonl"))
    options = parser.parse_args()
    write(fitted(measured(options.sets, options.known)))


if __name__ == "__main__":
    main()
