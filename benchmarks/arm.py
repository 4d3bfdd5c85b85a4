"""Instructions on an ARM board: a device's start, and a block through a plan beside numpy.

    make bench-arm          or: .venv/bin/python benchmarks/arm.py [--check]

aarch64's own Python and the wheel that we ship run under qemu-user as a Cortex-A53, with a plugin
that counts instructions. They are exact and say nothing of time: there are no caches in it. A start
is counted to the moment at which the birth message goes to the socket, in a store that has been
used before: receipts and the board's speed are taken once per installed build.

Writes build/bench/arm.json: `birth_m` (millions), `plan_over_numpy`, and `rows`. With --check the
rows are compared with those kept in benchmarks/arm_expected.json; more than 10 % beyond one of them
fails, as a limit that is missed does.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import arm_site

OUTPUT = arm_site.ROOT / "build/bench/arm.json"
EXPECTED = arm_site.ROOT / "benchmarks/arm_expected.json"
BIRTH_M, RATIO = 300.0, 1 / 3
TOLERANCE = 0.10
PATIENCE_S = 120
SAMPLES = 30_720  # a block of i16
FIVE = "window 1024 | mean, rms, peak, crest, kurtosis | quantiles 0.5 0.99"
PLAN = f"""
import os
from array import array
from atoll.kernels import Plan
block = array("h", [(k * 7919) % 20001 - 10000 for k in range({SAMPLES})]).tobytes()
plan = Plan("{FIVE}")
plan.partial(block, dtype="i16")
os.sched_yield()
plan.partial(block, dtype="i16")
os.sched_yield()
"""
NUMPY = f"""
import os
import numpy as np
block = ((np.arange({SAMPLES}) * 7919) % 20001 - 10000).astype("i2").tobytes()
def five(data):
    w = np.frombuffer(data, "<i2").reshape(-1, 1024).astype("f8")
    mean = w.mean(1)
    rms = np.sqrt((w * w).mean(1))
    peak = np.abs(w).max(1)
    d = w - mean[:, None]
    d2 = d * d
    kurtosis = (d2 * d2).mean(1) / d2.mean(1) ** 2
    return [np.quantile(c, [0.5, 0.99]) for c in (mean, rms, peak, peak / rms, kurtosis)]
five(block)
os.sched_yield()
five(block)
os.sched_yield()
"""
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


@contextmanager
def a_broker() -> Iterator[int]:
    """mosquitto on loopback, and its port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    words = [shutil.which("mosquitto", path=PATH) or "mosquitto", "-p", str(port)]
    broker = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        broker.terminate()
        broker.wait()


def start_once(store: Path, port: int, counts: Path) -> int:
    """Start a device until its birth is there; instructions to the moment it was sent."""
    birth = "atoll/v1/arm/device/pi/up/birth"
    watch = ["mosquitto_sub", "-p", str(port), "-t", birth, "-C", "1", "-F", "%l"]
    words = [*arm_site.program(counts=counts), "-m", "atoll.cli", "device", "--id", "pi"]
    words += ["--site", "arm", "--broker", f"mqtt://127.0.0.1:{port}", "--store", str(store)]
    clear = ["mosquitto_pub", "-p", str(port), "-t", birth, "-r", "-n"]
    for _ in range(100):  # the broker may not listen yet
        if subprocess.run(clear, stderr=subprocess.DEVNULL).returncode == 0:
            break
    device = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        seen = subprocess.run(watch, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    finally:
        device.send_signal(signal.SIGTERM)
        device.wait(PATIENCE_S)
    size = int(seen.stdout)
    sent = [one for one in arm_site.calls(counts) if one.number == arm_site.SEND]
    return next(one.instructions for one in sent if one.size >= size)


def measure() -> dict[str, float]:
    """The rows: millions of instructions."""
    with tempfile.TemporaryDirectory() as name, a_broker() as port:
        folder = Path(name)
        store = folder / "store"
        store.mkdir()
        installed = ("-m", "atoll.runtime.installed", str(store / "installed"))
        subprocess.run([*arm_site.program(), *installed], check=True)
        start_once(store, port, folder / "first")
        rows = {
            "start to birth": start_once(store, port, folder / "second"),
            "python alone": arm_site.whole("", folder),
            "paho alone": arm_site.whole("import paho.mqtt.client", folder),
            "numpy alone": arm_site.whole("import numpy", folder),
            "block, plan of five features": arm_site.between_marks(PLAN, folder),
            "block, numpy": arm_site.between_marks(NUMPY, folder),
        }
    return {name: round(count / 1e6, 3) for name, count in rows.items()}


def trouble(rows: dict[str, float], *, check: bool) -> list[str]:
    """Limits that are missed and, if asked, rows that have grown."""
    found = []
    if rows["start to birth"] > BIRTH_M:
        found.append(f"start to birth: {rows['start to birth']} M, at most {BIRTH_M:g}")
    ratio = rows["block, plan of five features"] / rows["block, numpy"]
    if ratio > RATIO:
        found.append(f"a plan takes {ratio:.2f} of numpy's instructions, at most {RATIO:.2f}")
    expected = json.loads(EXPECTED.read_text()) if check else {}
    for name, kept in expected.items():
        if rows[name] > kept * (1 + TOLERANCE):
            found.append(f"{name}: {rows[name]} M, {kept} M are kept in {EXPECTED.name}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the figures kept")
    options = parser.parse_args()
    arm_site.make_site()
    rows = measure()
    for name, count in rows.items():
        print(f"{name:<30}{count:>10.3f} M instructions")
    ratio = rows["block, plan of five features"] / rows["block, numpy"]
    print(f"start to birth {rows['start to birth']:.0f} M (at most {BIRTH_M:g}); ", end="")
    print(f"plan over numpy {ratio:.3f} (at most {RATIO:.3f})")
    result = {"birth_m": rows["start to birth"], "plan_over_numpy": round(ratio, 4)}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result | {"rows": rows}, indent=1) + "\n")
    wrong = trouble(rows, check=options.check)
    for line in wrong:
        print(f"arm: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
