"""Power cuts and rot by the million, over every structure on disk and on flash.

    powercut.py [--cuts N] [--flips N] [--seed N] [--workers N] [--to build/bench/powercut.json]

The work is cut into pieces that run in processes of their own, one a core: the microcontroller's
flash log (tests/firmware/native/powercut.c), the device's disk (cut_device.py), the gateway's
ledger (cut_ledger.py) and rot in all of them (cut_flips.py). What a piece found is noted in
build/powercut/pieces, so that a run that was stopped goes on where it was, as long as the code is
the same. Prints a table, writes its figures as JSON; exit 1 if a promise was broken, with the seed
that shows it.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).resolve().parents[2]
# Of all cuts; the device's structures are the ones with most code behind them.
SHARES = {"flash log": 0.25, "device": 0.60, "ledger": 0.15}
FLIP_SHARES = {"flash log": 0.40, "device": 0.45, "ledger": 0.15}
COUNTERS = ("cuts", "doubles", "lost", "torn", "flips", "flips_noticed", "flips_undetected")
PIECE = 20_000  # cuts or flips of one process
# What the pieces run; other code, and what they found says nothing.
CODE = ("runtime", "gateway", "wire", "tests/powercut", "tests/firmware/native", "firmware_stubs")
FLIPS_A_DISK = 2_000
LEDGER_TURNS = 25


def device(job: dict[str, Any], folder: Path) -> dict[str, int]:
    """Workloads of a device until so many cuts are done."""
    from cut_device import Broken, Campaign

    found = dict.fromkeys(COUNTERS, 0)
    seed = job["seed"]
    while found["cuts"] < job["cuts"]:
        campaign = Campaign(seed)
        try:
            campaign.run(60)
        except Broken as broken:
            found[broken.kind] += 1
            print(f"device, seed {seed}: {broken}", file=sys.stderr)
        found["cuts"] += campaign.cuts
        found["doubles"] += campaign.doubles
        seed += 1
    return found


def ledger(job: dict[str, Any], folder: Path) -> dict[str, int]:
    """Recordings of a ledger until so many cuts are done; this process itself is recorded, for
    the second cuts.
    """
    from cut_ledger import Broken, LedgerCampaign, record

    found = dict.fromkeys(COUNTERS, 0)
    seed = job["seed"]
    trace, again = Path(os.environ["RECORD_TO"]), Path(os.environ["RECORD_UNDER"])
    while found["cuts"] < job["cuts"]:
        campaign = LedgerCampaign(folder, seed)
        try:
            operations = record(Path(os.environ["LD_PRELOAD"]), folder, seed, LEDGER_TURNS)
            campaign.run_once(operations)
            campaign.run_again(operations, trace, again, 4)
        except Broken as broken:
            found[broken.kind] += 1
            print(f"ledger, seed {seed}: {broken}", file=sys.stderr)
            shutil.rmtree(folder / "check", ignore_errors=True)
        found["cuts"] += campaign.cuts
        found["doubles"] += campaign.doubles
        seed += 1
    return found


def flash_log(job: dict[str, Any], folder: Path) -> dict[str, int]:
    """The microcontroller's log: cuts and flips by its own harness."""
    numbers = ("--cuts", job["cuts"], "--flips", job["flips"], "--seed", job["seed"])
    command = [job["program"], *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stderr, end="", file=sys.stderr)
    result = json.loads(done.stdout)
    result["lost"] += result["stuck"] + result["violations"] + result["unworn"]
    result["flips_noticed"] = result["flips_seen"]
    return {name: result[name] for name in COUNTERS}


def rot(make: Callable[[int], Any], job: dict[str, Any]) -> dict[str, int]:
    """Rot in disks that `make` fills until so many flips are done."""
    found = dict.fromkeys(COUNTERS, 0)
    seed = job["seed"]
    while found["flips"] < job["flips"]:
        disk = make(seed)
        for _ in range(min(FLIPS_A_DISK, job["flips"] - found["flips"])):
            problem = disk.flip()
            if problem:
                found["flips_undetected"] += 1
                print(f"seed {seed}: {problem}", file=sys.stderr)
        found["flips"] += disk.flips
        found["flips_noticed"] += disk.noticed
        seed += 1
    return found


def device_rot(job: dict[str, Any], folder: Path) -> dict[str, int]:
    """Rot on a device's disk."""
    from cut_flips import Flips

    return rot(Flips, job)


def ledger_rot(job: dict[str, Any], folder: Path) -> dict[str, int]:
    """Rot in a ledger."""
    from cut_flips import LedgerFlips

    return rot(lambda seed: LedgerFlips(folder, seed), job)


CUT = {"device": device, "ledger": ledger, "flash log": flash_log}
ROT = {"device": device_rot, "ledger": ledger_rot, "flash log": flash_log}


def build_flash_harness() -> Path:
    """The C harness, optimised: its sanitized twin runs in the tests."""
    build = ROOT / "build" / "powercut"
    path = build / "native" / "powercut"
    options = ["--no-print-directory", "-s", "-C", ROOT / "firmware_stubs", f"BUILD={build}"]
    subprocess.run(["make", *options, "SANITIZE=-O2", path], check=True)
    return path


def jobs_of(options: argparse.Namespace, program: Path) -> list[dict[str, Any]]:
    """The campaign in pieces, the longest kinds first."""
    jobs: list[dict[str, Any]] = []
    random = Random(options.seed)
    for name in ("ledger", "device", "flash log"):
        for kind, total in (("cuts", SHARES), ("flips", FLIP_SHARES)):
            left = round(getattr(options, kind) * total[name])
            while left > 0:
                job = {"work": name, "cuts": 0, "flips": 0, "seed": random.randrange(1 << 30)}
                jobs.append(job | {kind: min(left, PIECE)})
                left -= PIECE
    for one in jobs:
        one["program"] = str(program)
    return jobs


def code_digest() -> str:
    """Of everything that the pieces run, in short."""
    found = hashlib.sha256()
    for name in CODE:
        for path in sorted((ROOT / name).rglob("*")):
            if path.suffix in (".py", ".pyx", ".pxi", ".pxd", ".c", ".h"):
                found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


class Notes:
    """What the pieces of this code have found, in a file with a line for each."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._code = code_digest()
        self._lock = Lock()
        self._known: dict[str, tuple[dict[str, Any], float]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            with suppress(ValueError):  # the last line of a run that was killed
                code, key, found, seconds = json.loads(line)
                if code == self._code:
                    self._known[key] = (found, seconds)

    def find(self, job: dict[str, Any]) -> tuple[dict[str, Any], float] | None:
        """What this piece found, if it has been run."""
        return self._known.get(self._key(job))

    def add(self, job: dict[str, Any], found: dict[str, Any], seconds: float) -> None:
        """A piece has ended. One that found something is run again the next time."""
        if found["lost"] or found["torn"] or found["flips_undetected"]:
            return
        line = json.dumps([self._code, self._key(job), found, seconds])
        with self._lock, self._path.open("a") as file:
            file.write(line + "\n")

    @staticmethod
    def _key(job: dict[str, Any]) -> str:
        return json.dumps([job[name] for name in ("work", "cuts", "flips", "seed")])


def run_piece(job: dict[str, Any], recorder: Path, base: Path) -> tuple[dict[str, Any], float]:
    """One piece in a process of its own."""
    folder = Path(tempfile.mkdtemp(dir=base))
    environment = dict(os.environ)
    if job["work"] == "ledger" and job["cuts"]:
        environment |= {
            "LD_PRELOAD": str(recorder),
            "RECORD_UNDER": str(folder / "again"),
            "RECORD_TO": str(folder / "trace-again"),
        }
    command = [sys.executable, __file__, "--piece", json.dumps(job), "--folder", str(folder)]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"{job} ended with {done.returncode}")
    return json.loads(done.stdout), time.monotonic() - began


def run_all(
    jobs: list[dict[str, Any]], workers: int, run: Callable[[Any], tuple[dict[str, Any], float]]
) -> list[tuple[dict[str, Any], float]]:
    """What each piece found, now or in a run that was stopped; progress as they end."""
    from atoll.cli.progress import Progress

    notes = Notes(ROOT / "build" / "powercut" / "pieces")
    done = 0
    lock = Lock()
    began_s = time.monotonic()

    def one(job: dict[str, Any]) -> tuple[dict[str, Any], float]:
        nonlocal done
        known = notes.find(job)
        if known is None:
            known = run(job)
            notes.add(job, *known)
        with lock:
            done += 1
            bar(done, len(jobs))
            if not sys.stderr.isatty() and done % max(1, len(jobs) // 10) == 0:
                took_s = time.monotonic() - began_s
                print(f"{done} of {len(jobs)} pieces, {took_s:.0f} s", flush=True)
        return known

    with Progress("pieces") as bar, ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, jobs))


def campaign(options: argparse.Namespace) -> int:
    """All pieces, on all cores; 1 if a promise was broken."""
    from cut_ledger import build_recorder

    began = time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        base = Path(folder)
        recorder = build_recorder(base)
        jobs = jobs_of(options, build_flash_harness())
        pieces = run_all(jobs, options.workers, lambda job: run_piece(job, recorder, base))
    rows: dict[str, dict[str, Any]] = {}
    for job, (found, seconds) in zip(jobs, pieces, strict=True):
        empty = {"structure": job["work"], "seconds": 0.0} | dict.fromkeys(COUNTERS, 0)
        row = rows.setdefault(job["work"], empty)
        row["seconds"] = round(row["seconds"] + seconds, 1)
        for name in COUNTERS:
            row[name] += found[name]
    return report(options, list(rows.values()), time.monotonic() - began)


def report(options: argparse.Namespace, rows: list[dict[str, Any]], seconds: float) -> int:
    """The table and the file."""
    total = {name: sum(row[name] for row in rows) for name in COUNTERS}
    names = ("structure", *COUNTERS, "seconds")
    lines = [names, *(tuple(row[name] for name in names) for row in rows)]
    for line in (*lines, ("all", *total.values(), round(seconds, 1))):
        print(
            "  ".join(f"{value!s:>{max(len(n), 9)}}" for n, value in zip(names, line, strict=True))
        )
    result = {**total, "seconds": round(seconds, 1), "seed": options.seed, "rows": rows}
    path = Path(options.to)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    broken = total["lost"] + total["torn"] + total["flips_undetected"]
    return 1 if broken else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=1_000_000)
    parser.add_argument("--flips", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--to", default=str(ROOT / "build" / "bench" / "powercut.json"))
    parser.add_argument("--piece", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.piece:
        job = json.loads(options.piece)
        work = (CUT if job["cuts"] else ROT)[job["work"]]
        print(json.dumps(work(job, options.folder)))
        return 0
    return campaign(options)


if __name__ == "__main__":
    sys.exit(main())
