"""Resets at random moments, and twenty boards at once: nothing acknowledged is lost, nothing wrong.

    make firmware-soak     or: .venv/bin/python tests/firmware/soak.py [--resets N] [--minutes M]

Boards in QEMU sample a recording and run a standing job over it. Their reset line is pulled at
random moments, N times over all boards. Each partial that a board hands over is acknowledged, later
or not at all, and kept by its key. In the end each run has all its partials from its first to its
last, what came twice came with the same bytes, and the bytes are those of `Plan.partial` over the
same samples. Then twenty boards are members of one site for M minutes, and none is ever missed.

Writes build/bench/firmware_soak.json. Exit 1 where anything was lost or differs.
"""

import argparse
import json
import sys
import time
from array import array
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

from board_site import BOARDS, Gateway, symbol

from atoll.cli.site import Child, LocalSite, wait_until
from atoll.gateway.broker import BrokerChild
from atoll.gateway.progress import place_of
from atoll.kernels import Plan
from atoll.wire import messages as m
from atoll.wire.identity import Identity, encode_identity
from conftest import Emulator, Firmware

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build" / "bench" / "firmware_soak.json"
PLAN = Plan("window 64 | rms | moments")
RATE, EVERY = 3_000.0, 256
PAUSE_S = 1.5  # the longest between two resets: a board that starts takes a third of it
FLEET = 20


class Soak:
    """One board, its bridge, and the gateway that this plays."""

    def __init__(self, board, folder, broker, seed):
        self.board, self.random = board, Random(seed)
        values = (self.random.randrange(-9000, 9000) for _ in range(60_000))
        self.samples = array("h", values)
        (folder / "samples").write_bytes(self.samples.tobytes())
        firmware = Firmware()
        image = firmware.image(board, "emulated")
        who = Identity("lab", board, "bench", "vibration", "adc", "g", RATE)
        (folder / "identity").write_bytes(encode_identity(who))
        address = symbol(image, "atoll_identity_start")
        more = ["-device", f"loader,file={folder / 'identity'},addr={address:#x},force-raw=on"]
        more += ["-semihosting-config", f"enable=on,target=native,arg={folder / 'samples'}"]
        self.gateway = Gateway(broker.port, board)
        self.machine = Emulator(board, image, folder, broker=broker.port, more=[*more])
        self.seen = 0
        self.boot = 0
        self.found, self.changed, self.repeated = {}, 0, 0

    def look(self):
        """Take in what the board has said."""
        while self.seen < len(self.gateway.heard):
            message = self.gateway.heard[self.seen]
            self.seen += 1
            if isinstance(message, m.LeaseRequest):
                self.gateway.grant(message)
            elif isinstance(message, m.Birth):
                self.boot = max(self.boot, message.boot)
            elif isinstance(message, m.Partials):
                self._keep(message)

    def _keep(self, message):
        for result in message.results:
            assert not result.failed, result.data
            place = place_of(result.task)
            at = place["run"], place["sample"]
            self.repeated += at in self.found
            self.changed += self.found.setdefault(at, result.data) != result.data
        if self.random.random() < 0.9:  # else it comes again, after the next connection
            span = m.NumberSpan(message.number, message.number)
            self.gateway.say("ack", m.Ack(1, 1, 1, [span]))

    def until(self, claim, timeout_s=60):
        """Be bridge and gateway until `claim` holds."""

        def claimed():
            self.look()
            return claim()

        self.machine.until(claimed, timeout_s)

    def run(self, resets):
        """The whole of it; a row for the report."""
        self.until(lambda: self.boot)
        words = PLAN.words("i16", RATE)
        key = f"{self.board}/adc"
        self.gateway.say("task", m.Program(1, 1, 1, "hum", key, EVERY, PLAN.overlap, words))
        self.until(lambda: len(self.found) >= 2)
        for number in range(resets):
            ends = time.monotonic() + self.random.random() * PAUSE_S
            self.until(lambda ends=ends: time.monotonic() >= ends)
            self.machine.order("system_reset")
            if number % 100 == 99:
                print(f"{self.board}: {number + 1} resets, {len(self.found)} partials", flush=True)
        last = max(run for run, _ in self.found)
        self.until(lambda: sum(run > last for run, _ in self.found) >= 2)
        return self.row(resets)

    def row(self, resets):
        """What was handed over, and what of it is not as it must be."""
        runs = {}
        for (run, sample), data in self.found.items():
            runs.setdefault(run, {})[sample] = data
        lost = sum(max(batches) // EVERY + 1 - len(batches) for batches in runs.values())
        wrong = self.changed + sum(self._wrong(batches) for batches in runs.values())
        row = {"board": self.board, "resets": resets, "boots": self.boot, "runs": len(runs)}
        partials = {"partials": len(self.found), "repeated": self.repeated}
        return {**row, **partials, "lost": lost, "wrong": wrong}

    def _wrong(self, batches):
        """How many of a run's partials `Plan` makes otherwise; a run begins anywhere."""
        last = max(batches)
        for offset in range(len(self.samples) - EVERY - last):
            wrong = sum(self._here(offset + s, s) != data for s, data in batches.items())
            if wrong < len(batches):
                return wrong
        return len(batches)

    def _here(self, at, sample):
        piece = self.samples[at : at + EVERY]
        return PLAN.partial(piece, RATE, start=sample, key=f"{self.board}/adc")

    def end(self):
        """Nothing is left running."""
        self.machine.end()
        self.gateway.end()


def soak(board, resets, seed):
    """A board's row."""
    with TemporaryDirectory(prefix="atoll-soak-") as name:
        folder = Path(name)
        broker = BrokerChild(folder / "broker", kind="mosquitto")
        broker.start()
        try:
            one = Soak(board, folder, broker, seed)
            try:
                return one.run(resets)
            finally:
                one.end()
        finally:
            broker.stop()


def fleet(minutes):
    """Twenty boards of one site: how many were ready at the worst moment of so many minutes, and
    whether any started anew.
    """
    with TemporaryDirectory(prefix="atoll-soak-") as name, LocalSite(Path(name)) as site:
        site.start_gateway()
        words = ["emulate", "--board", "mps2-an385", "--count", str(FLEET), "--id", "mcu"]
        words += ["--link", "serial", "--broker", site.url, "--site", site.site]
        child = Child("emulate", words, Path(name) / "emulate.log")
        try:
            with site.connect() as client:

                def ready():
                    return {r["id"]: r["boot"] for r in client.devices() if r["state"] == "ready"}

                wait_until(lambda: len(ready()) == FLEET, 120, f"{FLEET} boards are ready")
                first, least = ready(), FLEET
                ends = time.monotonic() + 60 * minutes
                while time.monotonic() < ends:
                    least = min(least, len(ready()))
                    time.sleep(1)  # a look a second, for as long as it is to soak
                return {"boards": least, "restarted": int(ready() != first)}
        finally:
            child.terminate()
            child.end()


def main():
    """Run it, print and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--resets", type=int, default=10_000, help="over all boards (10000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of twenty boards (10)")
    parser.add_argument("--board", action="append", choices=BOARDS, help="this one only")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = []
    boards = options.board or BOARDS
    for number, board in enumerate(boards):
        rows.append(soak(board, -(-options.resets // len(boards)), options.seed + number))
        print(json.dumps(rows[-1]), flush=True)
    together = fleet(options.minutes) if options.minutes else {"boards": 0, "restarted": 0}
    result = {name: sum(row[name] for row in rows) for name in ("resets", "partials", "lost")}
    result |= {"wrong": sum(row["wrong"] for row in rows), "fleet": together, "rows": rows}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "rows"}))
    whole = not options.minutes or (together["boards"] == FLEET and not together["restarted"])
    return int(bool(result["lost"] or result["wrong"]) or not whole)


if __name__ == "__main__":
    sys.exit(main())
