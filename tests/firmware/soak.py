"""Resets at random counts of instructions, and twenty boards at once: nothing acknowledged is lost,
nothing wrong, nothing merged twice.

    make firmware-soak     or: .venv/bin/python tests/firmware/soak.py [--resets N] [--minutes M]

Boards in QEMU sample a recording and run a standing job over it (soak_board.py). A plugin of the
emulator stops each at a random count of instructions, and there its reset line is pulled, N times
over all boards. Each partial that a board hands over is acknowledged, later or not at all, and kept
by its key. In the end each run has all its partials from its first to its last, what came twice
came with the same bytes, and the bytes are those of `Plan.partial` over the same samples.

Then twenty boards are members of one real site for M minutes (soak_fleet.py), their buttons are
pressed in turn, and the gateway has merged what they handed over, each partial once.

Writes build/bench/firmware_soak.json. Exit 1 where anything was lost or differs. A signal ends
it with all that it started.
"""

import argparse
import json
import os
import signal
import sys
import time
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

from board_site import BOARDS as ALL
from soak_board import Soak
from soak_fleet import EACH, KINDS, fleet

from atoll.cli.site import die_with
from atoll.gateway.broker import BrokerChild

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build" / "bench" / "firmware_soak.json"
BOARDS = [board for board in ALL if board != "pico"]  # its emulator is not QEMU
TOGETHER = 7  # boards that are reset side by side: each waits most of its time


def soak(resets, seed, board):
    """A board's row."""
    with TemporaryDirectory(prefix="atoll-soak-") as name:
        folder = Path(name)
        broker = BrokerChild(folder / "broker", kind="mosquitto")
        broker.start()
        try:
            one = Soak(board, folder, broker, seed + BOARDS.index(board))
            try:
                return one.run(resets)
            finally:
                one.end()
        finally:
            broker.stop()


def stopped(number, _frame):
    """A signal is an exception, so that what was started is ended on the way out."""
    sys.exit(128 + number)


def begin(parent):
    """In a board's process: it ends when the parent says so or is gone; Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stopped)
    die_with(parent)


def side_by_side(boards, resets, seed):
    """A row a board: each in a process of its own, since each waits most of its time."""
    rows = []
    with Pool(TOGETHER, begin, [os.getpid()]) as pool:
        for row in pool.imap_unordered(partial(soak, resets, seed), boards):
            print(json.dumps(row), flush=True)
            rows.append(row)
    return sorted(rows, key=lambda row: boards.index(row["board"]))


def main():
    """Run it, print and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--resets", type=int, default=10_000, help="over all boards (10000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of twenty boards (10)")
    parser.add_argument("--board", action="append", choices=BOARDS, help="this one only")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopped)
    boards = options.board or BOARDS
    started = time.monotonic()
    rows = side_by_side(boards, -(-options.resets // len(boards)), options.seed)
    together = fleet(options.minutes) if options.minutes else {}
    result = {name: sum(row[name] for row in rows) for name in ("resets", "partials", "lost")}
    result |= {"wrong": sum(row["wrong"] for row in rows), "fleet": together}
    result |= {"seconds": round(time.monotonic() - started), "rows": rows}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "rows"}))
    faults = ("lost", "wrong", "other_boots", "merged_otherwise")
    whole = not options.minutes or together["boards"] == len(KINDS) * EACH
    wrong = result["lost"] or result["wrong"] or any(together.get(name) for name in faults)
    return int(bool(wrong) or not whole)


if __name__ == "__main__":
    sys.exit(main())
