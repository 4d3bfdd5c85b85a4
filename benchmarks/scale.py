"""How far one gateway process goes: 100, 1,000 and 10,000 devices on it, with a real broker.

    make bench-scale          or: .venv/bin/python benchmarks/scale.py [--devices 100,1000]

The devices are stubs (scale_stubs.py) in a process of their own: real messages, one MQTT session
each, profile `normal` (a heartbeat every 2 s). For each number of devices a gateway is started with
its own broker, the devices come in, and once all are ready CPU (of one core), memory and messages
are taken over a quiet while; then a dataset of 1,000 streams is put, and the listing of all devices
is asked for. Growth is from one size to the next, tenfold: 10 is linear. What would break first is
what is nearest to its limit at the largest size. Where devices have not come in within
`--patience`, the figures are of an overloaded gateway: the row says how many are missing
(`not_ready`; -1 s: not answered), and the run ends with 1. Writes build/bench/scale.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

from atoll.cli.site import LocalSite, SiteError, pss_mb, wait_until
from atoll.gateway.client_errors import FleetError

OUTPUT = Path("build/bench/scale.json")
STUBS = Path(__file__).with_name("scale_stubs.py")
TICKS = os.sysconf("SC_CLK_TCK")
JOIN_A_SECOND = 400.0  # devices that come in a second: a site that is switched on at once, nearly
STREAMS = 1_000
# A round trip of a lease that is longer than the interval piles up; memory of a small board.
TRIP_LIMIT_MS, MEMORY_LIMIT_MB = 2_000.0, 1_024.0


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Stubs:
    """The process of stubs."""

    def __init__(self, port: int, site: str, count: int) -> None:
        words = [str(port), site, "0", str(count), str(count / JOIN_A_SECOND)]
        self.process = subprocess.Popen(
            [sys.executable, str(STUBS), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self) -> dict[str, Any]:
        """Its figures now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> None:
        """Let it go."""
        self.process.terminate()
        self.process.wait(10)


def measure(count: int, seconds: float, patience_s: float) -> dict[str, Any]:
    """One row: a site of so many devices."""
    with tempfile.TemporaryDirectory() as folder:
        site = LocalSite(Path(folder), site="scale", profile="normal", broker_kind="mosquitto")
        with site:
            gateway = site.start_gateway().pid
            broker = int((Path(folder) / "gateway/broker/pid").read_text())
            port = int((Path(folder) / "gateway/broker/port").read_text())
            stubs = Stubs(port, "scale", count)
            try:
                joined = _joined(stubs, count, patience_s, gateway)
                row = _row(site, stubs, gateway, broker, count, seconds)
                return {"devices": count, **joined, **row}
            finally:
                stubs.end()


def _joined(stubs: Stubs, count: int, patience_s: float, gateway: int) -> dict[str, float]:
    """Wait for all devices; how long they took, and what of the gateway's processor."""
    began_s, began_cpu, ready = time.monotonic(), cpu_s(gateway), 0

    def all_ready() -> bool:
        nonlocal ready
        ready = int(stubs.ask()["ready"])
        return ready == count

    try:
        wait_until(all_ready, patience_s, f"{count:,} devices are ready")
    except SiteError as error:
        print(f"scale: {count:,} devices: {error}; {ready:,} are", file=sys.stderr)
    join_s, join_cpu = time.monotonic() - began_s, cpu_s(gateway) - began_cpu
    return {
        "join_s": round(join_s, 2),
        "join_cpu_ms_a_device": round(join_cpu * 1e3 / count, 3),
    }


def _row(
    site: LocalSite, stubs: Stubs, gateway: int, broker: int, count: int, seconds: float
) -> dict[str, Any]:
    time.sleep(5.0)
    pids = {"gateway": gateway, "broker": broker, "stubs": stubs.process.pid}
    before, used = stubs.ask(), {name: cpu_s(pid) for name, pid in pids.items()}
    since_s = time.monotonic()
    time.sleep(seconds)
    after = stubs.ask()
    span_s = time.monotonic() - since_s
    share = {f"{n}_cpu": round((cpu_s(p) - used[n]) / span_s, 3) for n, p in pids.items()}
    messages = after["sent"] + after["received"] - before["sent"] - before["received"]
    # As the devices see it: an overloaded gateway does not answer who asks it.
    not_ready, listing_s, put_s = count - after["ready"], -1.0, -1.0
    try:
        with site.connect() as fleet:
            not_ready = max(not_ready, count - fleet.status()["devices"].get("ready", 0))
            listing_s = timed(fleet.devices)
            samples = {f"k{n}": array("h", range(100)) for n in range(STREAMS)}
            put_s = timed(lambda: fleet.put_many("v", samples, rate=1, shards=256))
    except FleetError as error:
        print(f"scale: {count:,} devices: {error}", file=sys.stderr)
    return {
        **share,
        "gateway_mb": round(pss_mb(gateway) or 0.0, 1),
        "broker_mb": round(pss_mb(broker) or 0.0, 1),
        "messages_a_s": round(messages / span_s),
        "us_a_message": round(share["gateway_cpu"] * span_s * 1e6 / max(1, messages), 1),
        "trip_p50_ms": after["trip_p50_ms"],
        "trip_p99_ms": after["trip_p99_ms"],
        "not_ready": not_ready,
        "listing_s": listing_s,
        "put_s": put_s,
    }


def timed(work: Any) -> float:
    """Seconds that something takes; -1: it is refused."""
    began_s = time.monotonic()
    try:
        work()
    except FleetError as error:
        print(f"refused: {error}", file=sys.stderr)
        return -1.0
    return round(time.monotonic() - began_s, 3)


def breaks_first(row: dict[str, Any]) -> tuple[str, float]:
    """What is nearest to its limit, and how near (1: at it)."""
    shares = {
        "processor of the gateway (one core)": row["gateway_cpu"],
        "processor of the broker (one core)": row["broker_cpu"],
        "round trip of a lease (2 s)": row["trip_p99_ms"] / TRIP_LIMIT_MS,
        "memory of the gateway (1 GiB)": row["gateway_mb"] / MEMORY_LIMIT_MB,
    }
    name = max(shares, key=lambda one: shares[one])
    return name, round(shares[name], 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", default="100,1000,10000", help="sizes (100,1000,10000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is looked at")
    parser.add_argument(
        "--patience", type=float, default=300.0, metavar="S", help="for all devices to come in"
    )
    parser.add_argument("--to", type=Path, default=OUTPUT, help=f"where to write ({OUTPUT})")
    options = parser.parse_args()
    rows = []
    for count in map(int, options.devices.split(",")):
        try:
            rows.append(measure(count, options.seconds, options.patience))
        except (SiteError, FleetError) as error:
            print(f"scale: {count:,} devices: {error}", file=sys.stderr)
            return 1
        print(json.dumps(rows[-1]), file=sys.stderr)
    columns = [name for name in rows[0] if name != "devices"]
    print(f"{'':<22}" + "".join(f"{row['devices']:>12,}" for row in rows) + f"{'growth':>18}")
    for name in columns:
        growth = [round(b[name] / a[name], 1) if a[name] else 0.0 for a, b in pairwise(rows)]
        cells = "".join(f"{row[name]:>12}" for row in rows)
        print(f"{name:<22}{cells}{'  '.join(map(str, growth)):>18}")
    what, share = breaks_first(rows[-1])
    print(f"breaks first: {what}, at {share:.0%} of it with {rows[-1]['devices']:,} devices")
    head = {name: rows[-1][name] for name in ("devices", "gateway_cpu", "gateway_mb")}
    head["messages_a_s"] = rows[-1]["messages_a_s"]
    result = {**head, "breaks_first": what, "breaks_first_share": share, "rows": rows}
    options.to.parent.mkdir(parents=True, exist_ok=True)
    options.to.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if any(row["not_ready"] or row["put_s"] < 0 for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
