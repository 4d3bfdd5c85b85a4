"""Real processes killed at random times under load: gateway, devices, and a broker with its store.

    crash.py [--kills N] [--slices N] [--seed N] [--workers N] [--to FILE] [--keep FOLDER]

N kills (500) of each kind, cut into slices; a slice is a fresh site in a process of its own with a
gateway, four devices, mosquitto and four kinds of load (crash_load.py). Every tenth time the broker
loses its store, too. What is answered, shown and on the disks at the end is compared with a
sequential oracle (crash_oracle.py). Prints a table, writes its figures as JSON; exit 1 if something
was lost, there twice, or wrong, with the seed of the slice that shows it.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("gateway", "device", "broker")
BROKEN = ("lost", "duplicated", "wrong")
WORK = ("puts", "samples", "queries", "reads", "windows", "live windows")
TROUBLE = ("asked again", "incomplete answers", "puts in doubt")
SLICE_KILLS = 50  # of each kind; a site of its own every 150 kills
TELL_S = 15.0  # between lines of progress where nobody sees a bar


def cut(kills: int, slices: int) -> list[int]:
    """The kills of each slice, about the same number in each; `slices` 0: of a good length."""
    slices = slices or max(1, round(kills / SLICE_KILLS))
    return [kills // slices + (number < kills % slices) for number in range(slices)]


class Progress:
    """Kills done in all slices, for the person at the terminal or the log."""

    def __init__(self, total: int, show: Any) -> None:
        self._total = total
        self._show = show
        self._done: dict[int, int] = {}
        self._lock = Lock()
        self._began_s = self._told_s = time.monotonic()

    def __call__(self, number: int, done: int) -> None:
        """Slice `number` has done so many kills."""
        with self._lock:
            self._done[number] = done
            count = sum(self._done.values())
            self._show(count, self._total)
            now = time.monotonic()
            if not sys.stderr.isatty() and now - self._told_s > TELL_S:
                self._told_s = now
                print(f"{count} of {self._total} kills, {now - self._began_s:.0f} s", flush=True)


def run_slice(number: int, job: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """One slice in a process of its own."""
    command = [sys.executable, __file__, "--slice", json.dumps(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        result: dict[str, Any] = {}
        for line in process.stdout:
            said = json.loads(line)
            if "done" in said:
                progress(number, said["done"])
            else:
                result = said
    if not result:
        raise SystemExit(f"crash: slice {job} ended with {process.returncode}")
    return result | {"seed": job["seed"], "folder": job["folder"]}


def one_slice(job: dict[str, Any]) -> int:
    """The child's side: lines of JSON, the last one the result."""
    from crash_slice import Options, Slice

    def progress(done: int) -> None:
        print(json.dumps({"done": done}), flush=True)

    work = Slice(Options(Path(job["folder"]), job["kills"], job["seed"]), progress)
    print(json.dumps(work.run()), flush=True)
    return 0


def campaign(options: argparse.Namespace) -> int:
    """All slices; 1 if a promise was broken."""
    from atoll.cli.progress import Progress as Bar

    began = time.monotonic()
    random = Random(options.seed)
    with ExitStack() as stack:
        base = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jobs = [
            {"kills": kills, "seed": random.randrange(1 << 30), "folder": f"{base}/slice-{number}"}
            for number, kills in enumerate(cut(options.kills, options.slices))
        ]
        progress = Progress(3 * options.kills, stack.enter_context(Bar("kills")))
        pool = stack.enter_context(ThreadPoolExecutor(options.workers))
        rows = list(pool.map(run_slice, range(len(jobs)), jobs, [progress] * len(jobs)))
        if not options.keep and any(row["counts"].get(k) for row in rows for k in BROKEN):
            kept = Path(tempfile.mkdtemp(prefix="crash-"))
            shutil.copytree(base, kept, dirs_exist_ok=True)
            print(f"what the processes left and said is in {kept}", file=sys.stderr)
    return report(options, rows, time.monotonic() - began)


def report(options: argparse.Namespace, rows: list[dict[str, Any]], seconds: float) -> int:
    """The tables and the file."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row["counts"])
        for text in row["texts"]:
            if any(row["counts"].get(kind) for kind in BROKEN):
                print(f"slice with seed {row['seed']}: {text}", file=sys.stderr)
    kills = {kind: sum(row["kills"][kind] for row in rows) for kind in KINDS}
    stores = sum(row["stores_deleted"] for row in rows)
    print(f"{'killed':<10} {'times':>6} {'store deleted':>14} {'back after, median / longest':>30}")
    for kind in KINDS:
        times = [row["recovery_s"][kind] for row in rows if kind in row["recovery_s"]]
        middle = sorted(median for median, _ in times)[len(times) // 2] if times else 0.0
        longest = max((most for _, most in times), default=0.0)
        deleted = str(stores) if kind == "broker" else ""
        back = f"{middle:.2f} s / {longest:.2f} s"
        print(f"{kind:<10} {kills[kind]:>6} {deleted:>14} {back:>30}")
    hasty = sum(row["hasty"] for row in rows)
    print(f"{hasty} kills did not wait until what was killed before was back")
    print("  ".join(f"{name} {total[name]:,}" for name in (*WORK, *TROUBLE)))
    print("  ".join(f"{name} {total[name]}" for name in BROKEN) + f"  ({seconds:.0f} s)")
    result = {
        "kills": kills,
        **{name: total[name] for name in BROKEN},
        "stores_deleted": stores,
        "hasty": hasty,
        **{name.replace(" ", "_"): total[name] for name in (*WORK, *TROUBLE)},
        "seconds": round(seconds, 1),
        "seed": options.seed,
        "rows": [{k: v for k, v in row.items() if k != "folder"} for row in rows],
    }
    path = Path(options.to)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if any(total[name] for name in BROKEN) else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=500, help="of each kind (500)")
    parser.add_argument("--slices", type=int, default=0, help="sites (one for every 50 kills)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="slices at the same time (2)")
    parser.add_argument("--to", default=str(ROOT / "build" / "bench" / "crash.json"))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave everything there")
    parser.add_argument("--slice", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.slice:
        return one_slice(json.loads(options.slice))
    try:
        return campaign(options)
    except KeyboardInterrupt:
        print("crash: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
