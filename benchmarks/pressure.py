"""Back-pressure: ten times more comes in than can be stored, for ten minutes; memory stays flat.

A site as processes: a gateway with its broker, two devices whose disks are held at DISK_BYTES_S
(each write sleeps for as long as such a disk takes), live sources on both, and a client that
publishes pieces at a fixed rate, whatever it is answered. Live samples and pieces are each ten
times what the disks bear. Once a second the resident set of every process is read.

A process is flat if its largest resident set in the second half is at most 10 % and 8 MiB above
its largest in the first half (the first fifth is warming up and counts for neither). What was
dropped or refused is printed by reason, as each process counts it. Writes
build/bench/pressure.json: `flat`, `seconds`, `factor`, `growth_mb_max`, `dropped` (by process and
reason), `rows` (a process each). Ends with 1 if a process was not flat or nothing was counted.

    python benchmarks/pressure.py [--seconds 600] [--factor 10]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atoll.cli.report import print_table
from atoll.cli.site import LocalSite
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Incoming, Session
from atoll.transport.url import parse_broker
from atoll.wire.block import crc32c
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.messages import Piece, Put, Reply, StreamInfo
from atoll.wire.topics import Topics

OUTPUT = Path("build/bench/pressure.json")
DEVICES = 2
DISK_BYTES_S = 200_000
PIECE_BYTES = 60_000
WARM_SHARE = 0.2
GROWTH_SHARE, GROWTH_MB = 0.10, 8.0
# A device on a disk that takes so many bytes a second: the runtime as it is, its files slowed down.
SLOW_DEVICE = f"""
import sys, time
from atoll.runtime import files
append = files.SystemFiles.append

def slow(self, handle, pieces):
    time.sleep(sum(map(len, pieces)) / {DISK_BYTES_S})
    return append(self, handle, pieces)

files.SystemFiles.append = slow
from atoll.runtime.main import DeviceOptions, run_device
sys.exit(run_device(DeviceOptions(sys.argv[1], sys.argv[2], sys.argv[3], site=sys.argv[4],
                                  profile="fast", sources=tuple(sys.argv[5:]))))
"""


class Flood:
    """A client that does not listen: pieces at a fixed rate, one stream after the other."""

    def __init__(self, url: str, site: str, bytes_s: float) -> None:
        self._loop = Loop()
        self._topics = Topics(site)
        self._link = Link(self._loop, [parse_broker(url)], Session("flood"))
        self._link.subscribe(self._topics.reply("flood"))
        self._link.on_message = self._answered
        self._link.start()
        self._every_s = PIECE_BYTES / bytes_s
        self._data = array("h", range(PIECE_BYTES // 2)).tobytes()
        self._number = 0
        self.counts = {"sent": 0, "no room in the link": 0, "stored": 0}

    def run(self, seconds: float) -> None:
        """Publish for so long."""
        self._loop.call_later(0.0, self._say, self._loop.now())
        self._loop.call_later(seconds, self._loop.stop)
        self._loop.run()

    def _say(self, due: float) -> None:
        self._number += 1
        info = StreamInfo("flood", f"k{self._number % 64}", "i16", 1, 1_000.0, 1.0, "")
        piece = Piece(info, 0, 2, 0, 0, crc32c(self._data), self._data)
        put = Put(self._number, self._number.to_bytes(16, "big"), [piece])
        if self._link.publish(self._topics.request("flood"), encode(put), purpose="request"):
            self.counts["sent"] += 1
        else:
            self.counts["no room in the link"] += 1
        self._loop.call_at(due + self._every_s, self._say, due + self._every_s)

    def _answered(self, incoming: Incoming) -> None:
        try:
            reply = decode(incoming.payload, allowed=(Reply,))
        except WireError:
            return
        reason = "stored"
        if reply.status:
            reason = str(json.loads(reply.body)["error"]).partition(";")[0]
            for words in ("not stored", "no device that holds"):
                reason = words if words in reason else reason
        self.counts[reason] = self.counts.get(reason, 0) + 1


def flood(words: list[str]) -> int:
    """The client's process: URL, site, bytes a second, seconds; its counts as JSON."""
    url, site, bytes_s, seconds = words
    client = Flood(url, site, float(bytes_s))
    client.run(float(seconds))
    print(json.dumps(client.counts))
    return 0


def rss_mb(pid: int) -> float:
    """A process's resident set in MiB; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/statm").read_text()
    except OSError:
        return 0.0
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_048_576


def children(pid: int) -> Iterator[int]:
    """Processes that a process started: the gateway's broker."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def sources(folder: Path, factor: float) -> list[str]:
    """Recordings replayed at so many times what a disk bears, on four streams."""
    rate = DISK_BYTES_S * factor / 4 / 2
    found = []
    for number in range(4):
        path = folder / f"live{number}.csv"
        path.write_text("\n".join(str(n % 997) for n in range(50_000)))
        found.append(f"live{number}=file:{path}@{rate / 2:.0f}hz,loop")
    return found


def watch(pids: dict[str, int], seconds: float) -> dict[str, list[float]]:
    """The resident sets, once a second."""
    found: dict[str, list[float]] = {name: [] for name in pids}
    ends = time.monotonic() + seconds
    told = 0
    while (left := ends - time.monotonic()) > 0:
        for name, pid in pids.items():
            found[name].append(rss_mb(pid))
        done = int(seconds - left)
        if done // 30 > told:
            told = done // 30
            line = ", ".join(f"{name} {sizes[-1]:.0f}" for name, sizes in found.items())
            print(f"{done:>5} s: MiB {line}", flush=True)
        time.sleep(min(1.0, left))
    return found


def judged(name: str, sizes: list[float]) -> dict[str, Any]:
    """A row: what the process took, and whether that stayed flat."""
    warm = int(len(sizes) * WARM_SHARE)
    half = (warm + len(sizes)) // 2
    first, second = max(sizes[warm:half]), max(sizes[half:])
    flat = sizes[-1] > 0.0 and second <= first * (1 + GROWTH_SHARE) + GROWTH_MB
    return {
        "process": name,
        "start_mb": round(sizes[0], 1),
        "first_half_mb": round(first, 1),
        "second_half_mb": round(second, 1),
        "flat": flat,
    }


def health_of(url: str, site: str, devices: list[str]) -> dict[str, dict[str, int]]:
    """What each device counts, from its next health report."""
    loop, topics = Loop(), Topics(site)
    link = Link(loop, [parse_broker(url)], Session("reader"))
    found: dict[str, dict[str, int]] = {}

    def take(incoming: Incoming) -> None:
        found[topics.parse(incoming.topic).name] = json.loads(incoming.payload)

    link.on_message = take
    link.subscribe(*(topics.up(device, "health") for device in devices))
    link.start()
    loop.run_until(lambda: len(found) == len(devices), 60.0)
    link.close()
    words = ("refused_", "samples_", "unsent", "late_samples", "outbox_full")
    return {
        device: {k: v for k, v in health.items() if k.startswith(words) and v}
        for device, health in found.items()
    }


def measure(seconds: float, factor: float) -> dict[str, Any]:
    """Run the site under pressure."""
    with tempfile.TemporaryDirectory() as name, LocalSite(Path(name) / "site") as site:
        folder = Path(name)
        site.profile = "fast"
        site.start_gateway()
        names = [f"device-{number}" for number in range(1, DEVICES + 1)]
        words = [sys.executable, "-P"]
        live = sources(folder, factor)
        started: list[subprocess.Popen[Any]] = [
            subprocess.Popen(
                [*words, "-c", SLOW_DEVICE, one, str(folder / one), site.url, site.site, *live],
                stdout=subprocess.DEVNULL,
            )
            for one in names
        ]
        client: subprocess.Popen[str] | None = None
        try:
            site.wait_ready(DEVICES, 60.0)
            rate = str(DISK_BYTES_S * factor)
            client = subprocess.Popen(
                [*words, __file__, "--flood", site.url, site.site, rate, str(seconds)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert site.gateway is not None
            pids = {"gateway": site.gateway.pid, "client": client.pid}
            pids |= {f"broker-{n}": pid for n, pid in enumerate(children(site.gateway.pid))}
            pids |= {one: process.pid for one, process in zip(names, started, strict=True)}
            sizes = watch(pids, seconds - 2.0)
            print("asking what was dropped", flush=True)
            dropped: dict[str, dict[str, int]] = health_of(site.url, site.site, names)
            dropped["client"] = json.loads(client.communicate(timeout=60)[0])
            with site.connect(60.0) as fleet:
                dropped["gateway"] = fleet.status()["counters"]["refused"]
        finally:
            # Killed: to store what waits for such a disk takes a minute and more.
            for process in [*started, client]:
                if process is not None:
                    process.kill()
                    process.wait()
    return summary([judged(*one) for one in sizes.items()], dropped, seconds, factor)


def summary(
    rows: list[dict[str, Any]], dropped: dict[str, dict[str, int]], seconds: float, factor: float
) -> dict[str, Any]:
    """The figures at the top of the file."""
    growth = max(row["second_half_mb"] - row["first_half_mb"] for row in rows)
    return {
        "flat": all(row["flat"] for row in rows),
        "seconds": seconds,
        "factor": factor,
        "growth_mb_max": round(growth, 1),
        "dropped": dropped,
        "rows": rows,
    }


def main() -> int:
    """Measure, print, write; 1 if it is not so."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (600)")
    parser.add_argument("--factor", type=float, default=10.0, help="times what disks bear (10)")
    parser.add_argument("--flood", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        return flood(options.flood)
    result = measure(options.seconds, options.factor)
    heads = ("process", "start_mb", "first_half_mb", "second_half_mb", "flat")
    print_table(heads, [[row[head] for head in heads] for row in result["rows"]])
    counted = [
        (process, reason, count)
        for process, reasons in sorted(result["dropped"].items())
        for reason, count in sorted(reasons.items())
    ]
    print_table(("process", "counted", "times"), counted)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=2) + "\n")
    lost = all(result["dropped"].get(process) for process in ("gateway", "client", "device-1"))
    return 0 if result["flat"] and lost else 1


if __name__ == "__main__":
    sys.exit(main())
