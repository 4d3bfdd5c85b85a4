"""What the framed serial link costs: round trips beside the raw line's, and fifty results a second.

    make bench-serial     or: .venv/bin/python benchmarks/serial.py [--board NAME]

Round trips: an image (apps/rounds.c) publishes QoS 1 messages of a result's size, each when the
broker has answered the one before; the time of twenty of them, as a subscriber sees it, is twenty
(not of one: a subscriber that has to wait for the processor finds several at once).
It is built with the link, `atoll serial` at its other end, and with the raw line, QEMU's socket to
the broker; the two take turns, so that both have the same machine. An emulated line has no baud
rate: what a real one adds is in the bytes that a result takes of it.

Sustained: the node with a standing job of 60 batches a second (15,360 samples a second, 256 a
batch) in a real site. All results of one run come, none is missing, and there are fifty a second by
this machine's clock: that of a board in emulation falls behind where the machine is busy.

Writes build/bench/serial.json: `round_trip_ratio` (the worst board's), `results_per_s` (the least
of any board), and a row a board. Exit 1 where the ratio is above 2 or a board stays below fifty.
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import threading
import time
import wave
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from atoll.cli.board_runs import BoardRuns
from atoll.cli.firmware import BOARDS, build, emulator
from atoll.cli.site import Child, LocalSite, die_with, wait_until
from atoll.gateway.broker import BrokerChild
from atoll.gateway.client_mail import Mail
from atoll.gateway.progress import place_of
from atoll.kernels import Plan
from atoll.transport.serial_link import DATA_MAX, encode_frame
from atoll.wire.codec import decode, encode
from atoll.wire.messages import Partials
from atoll.wire.topics import Topics

OUTPUT = Path("build/bench/serial.json")
RATIO_MAX, RESULTS_MIN = 2.0, 50.0
TURNS, ROUNDS = 5, 400
WARM = 50  # rounds that are not counted: the emulator translates
TOGETHER = 20  # rounds
START_S = 60.0

PLAN = Plan("window 64 | rms | moments")
RATE, EVERY, SECONDS = 15_360, 256, 20
BAUD = 115_200
RESULTS_BYTES_MAX = 976  # of a board's message: 1,024 but for its head (common/node_say.h)
QEMU = tuple(board for board in BOARDS if board != "pico")  # whose emulator has its own pace


class Times:
    """When the messages of a topic came."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.came: list[float] = []

    def take(self, _topic: str, _payload: bytes, _retained: bool) -> None:
        """One came."""
        with self.changed:
            self.came.append(time.perf_counter())
            self.changed.notify_all()

    def wait(self, count: int) -> list[float]:
        """The first so many times."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.came) >= count, START_S):
                raise SystemExit(f"{len(self.came)} of {count} messages came in {START_S:g} s")
            return self.came[:count]


@contextmanager
def board_on(board: str, link: str, port: int, folder: Path) -> Iterator[None]:
    """The image of round trips, on its way to the broker by this link."""
    image = build(board, "rounds", link)
    command = [*emulator(board), "-kernel", str(image.elf), "-display", "none", "-monitor", "none"]
    line = f"socket,id=line,host=127.0.0.1,port={port},nodelay=on"
    if link == "serial":
        path = folder / "line"
        line = f"socket,id=line,path={path},server=on,wait=off"
    command += ["-nic", "none", "-chardev", line, "-serial", "chardev:line"]
    with ExitStack() as stack:
        qemu = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=partial(die_with, os.getpid())
        )
        stack.callback(qemu.wait, 10)
        stack.callback(qemu.terminate)
        if link == "serial":
            words = ["serial", "--port", f"unix:{path}", "--broker", f"mqtt://127.0.0.1:{port}"]
            bridge = Child("bridge", words, folder / "bridge.log")
            stack.callback(bridge.end)
            stack.callback(bridge.terminate)
        yield


def round_trips(board: str, link: str, broker: BrokerChild, rounds: int) -> list[float]:
    """Milliseconds of a round trip, over so many together, one after the other."""
    times = Times()
    mail = Mail(f"mqtt://127.0.0.1:{broker.port}", client_id="rounds-bench")
    mail.open(START_S)
    try:
        mail.subscribe("atoll/rounds", times.take)
        with (
            TemporaryDirectory(prefix="atoll-serial-") as folder,
            board_on(board, link, broker.port, Path(folder)),
        ):
            came = times.wait(WARM + rounds + 1)[WARM::TOGETHER]
    finally:
        mail.close()
    return [1000 * (late - early) / TOGETHER for early, late in pairwise(came)]


def compare(board: str, broker: BrokerChild, turns: int, rounds: int) -> dict[str, Any]:
    """A board's medians of both ways, in turns; the ratio is the median of the turns'."""
    found: dict[str, list[float]] = {"raw": [], "serial": []}
    for _ in range(turns):
        for link, medians in found.items():
            medians.append(statistics.median(round_trips(board, link, broker, rounds)))
    ratios = [framed / raw for raw, framed in zip(*found.values(), strict=True)]
    return {
        "round_trip_ratio": round(statistics.median(ratios), 2),
        "raw_ms": round(statistics.median(found["raw"]), 3),
        "framed_ms": round(statistics.median(found["serial"]), 3),
    }


class Results:
    """What a board hands over, as the broker passes it on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.batches: dict[tuple[int, int], bytes] = {}
        self.when: list[float] = []
        self.messages: list[Partials] = []

    def take(self, _topic: str, payload: bytes, _retained: bool) -> None:
        """One message; what came before is not counted again."""
        message = decode(payload, allowed=(Partials,))
        with self.lock:
            for result in message.results:
                place = place_of(result.task)
                at = place["run"], place["sample"]
                if at not in self.batches:
                    self.batches[at] = result.data
                    self.when.append(time.perf_counter())
            self.messages.append(message)

    def costs(self, topic: str) -> dict[str, Any]:
        """What a result takes of the line: alone in its message, and among as many as fit in one,
        which is how they go where they wait for the line.
        """
        with self.lock:
            message, messages, found = self.messages[-1], len(self.messages), len(self.batches)
        one, two = (encode(message._replace(results=message.results[:1] * n)) for n in (1, 2))
        fit = RESULTS_BYTES_MAX // (len(two) - len(one))
        full = encode(message._replace(results=message.results[:1] * fit))
        line = line_bytes(topic, full) / fit
        return {
            "result_bytes": len(one),
            "line_bytes": line_bytes(topic, one),
            "results_per_message": round(found / messages, 2),
            "full_line_bytes": round(line, 1),
            "line_results_per_s": round(BAUD / 10 / line, 1),
        }


def line_bytes(topic: str, payload: bytes) -> int:
    """Bytes that a QoS 1 message takes of the line, in frames."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + b"\0\1" + payload
    packet = b"\x32" + _length(len(body)) + body
    pieces = (packet[at : at + DATA_MAX] for at in range(0, len(packet), DATA_MAX))
    return sum(len(encode_frame(struct.pack("4B", 2, 1, 1, 0) + piece)) for piece in pieces)


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])


def sustained(board: str, seconds: int) -> dict[str, Any]:
    """More than fifty batches a second of one board in a real site, for so long."""
    values = Random(1)
    count = RATE * (seconds + 30)
    samples = array("h", (values.randrange(-9000, 9000) for _ in range(count)))
    with TemporaryDirectory(prefix="atoll-serial-") as name, LocalSite(Path(name)) as site:
        folder = Path(name)
        with wave.open(str(folder / "motor.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        site.start_gateway()
        words = ["emulate", "--board", board, "--link", "serial"]
        words += ["--samples", str(folder / "motor.wav"), "--rate", str(RATE)]
        words += ["--dataset", "vibration", "--broker", site.url, "--site", site.site]
        results, mail = Results(), Mail(site.url, client_id="results")
        mail.open(START_S)
        topic = Topics(site.site).up(f"{board}-1", "partial")
        mail.subscribe(topic, results.take)
        emulated = Child("emulate", words, folder / "emulate.log")
        try:
            with site.connect() as client:
                wait_until(
                    lambda: [row["state"] for row in client.devices()] == ["ready"],
                    START_S,
                    f"{board} is ready",
                )
                client.start("hum", PLAN.text, over="vibration", every=str(EVERY))
                wanted = int(RESULTS_MIN) * seconds
                wait_until(lambda: len(results.when) > wanted, 3 * seconds, "its results are here")
        finally:
            emulated.terminate()
            emulated.end()
            mail.close()
    return _sustained(board, samples, results, seconds) | results.costs(topic)


def _sustained(board: str, samples: "array[int]", results: Results, seconds: int) -> dict[str, Any]:
    wanted = BoardRuns(PLAN, samples, RATE, EVERY, f"{board}-1/adc")
    runs: dict[int, dict[int, bytes]] = {}
    for (run, sample), data in results.batches.items():
        runs.setdefault(run, {})[sample] = data
    took = results.when[int(RESULTS_MIN) * seconds] - results.when[0]
    return {
        "results_per_s": round(int(RESULTS_MIN) * seconds / took, 1),
        "runs": len(runs),
        "missing": sum(map(wanted.missing, runs.values())),
        "wrong": sum(map(wanted.differing, runs.values())),
    }


def fails(row: dict[str, Any]) -> list[str]:
    """What of a board's row is not as it must be."""
    found = []
    if row["round_trip_ratio"] > RATIO_MAX:
        found.append(f"{row['board']}: {row['round_trip_ratio']} times the raw line's round trip")
    if row["results_per_s"] < RESULTS_MIN:
        found.append(f"{row['board']}: {row['results_per_s']} results a second")
    if row["runs"] != 1 or row["missing"] or row["wrong"]:
        found.append(f"{row['board']}: {row['runs']} runs, {row['missing']} results missing")
    return found


def main() -> int:
    """Print a row a board, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--board", action="append", choices=QEMU, help="this one only")
    parser.add_argument("--turns", type=int, default=TURNS, help=f"of both ways ({TURNS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"in a turn ({ROUNDS})")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of results ({SECONDS})")
    options = parser.parse_args()
    rows = []
    with TemporaryDirectory(prefix="atoll-serial-") as folder:
        broker = BrokerChild(Path(folder), kind="mosquitto")
        broker.start()
        try:
            for board in options.board or QEMU:
                row = {"board": board, **compare(board, broker, options.turns, options.rounds)}
                rows.append(row | sustained(board, options.seconds))
                print(json.dumps(rows[-1]), flush=True)
        finally:
            broker.stop()
    result = {
        "round_trip_ratio": max(row["round_trip_ratio"] for row in rows),
        "results_per_s": min(row["results_per_s"] for row in rows),
        "rows": rows,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "rows"}))
    failures = [words for row in rows for words in fails(row)]
    for words in failures:
        print(words, file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
