"""What a device writes in a day at the reference load: ten channels of i32 at 1 Hz.

    make bench-writes          or: python benchmarks/writes.py [--minutes 4]

A real device with ten sources, its clock hurried (hurried.py), on an ext4 file system in a file of
its own (root; else on what is there). `amplification` is what was handed to files over the samples'
own bytes; `mb_day` what reached the block device, the file system's journal and tables included.
Once as it is started usually and once with --low-write. Writes build/bench/writes.json:
`amplification` and `mb_day` of the latter, and `rows`.
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from atoll.cli.site import LocalSite

OUTPUT = Path("build/bench/writes.json")
DEVICE, CHANNELS, RATE_HZ, BYTES = "device-1", 10, 1.0, 4
DAY_S = 86_400.0
TIMES = 60.0
AMPLIFICATION, MB_DAY = 1.5, 50.0
IMAGE_BYTES = 256 * 1_048_576
SECTOR = 512
# The file system's own work on new tables is none of the device's.
MKFS = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0")


@contextmanager
def a_disk(folder: Path) -> Iterator[Path | None]:
    """A file system at `folder`; the block device's figures, None where we may not mount."""
    folder.mkdir()
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    path = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    made = subprocess.run([*MKFS, str(image)], env=path, capture_output=True).returncode == 0
    if not made or subprocess.run(mount, env=path, capture_output=True).returncode:
        yield None
        return
    try:
        number = os.stat(folder).st_dev
        yield Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat")
    finally:
        subprocess.run(["umount", str(folder)], env=path, check=True)


def recordings(folder: Path) -> list[str]:
    """Ten slow channels to replay."""
    import numpy as np

    made = []
    for number in range(CHANNELS):
        path = folder / f"channel{number}.npy"
        walk = array("i", [(at * (number + 3)) % 1_009 - 500 for at in range(100_000)])
        np.save(path, np.frombuffer(walk, dtype="<i4"))
        made.append(f"c{number}=file:{path}@{RATE_HZ:g}hz,loop")
    return made


def handed_over(site: LocalSite) -> int:
    """Bytes that the device has given to its files, as it says in its next health."""
    topic = f"atoll/v1/{site.site}/device/{DEVICE}/up/health"
    port = str(urlsplit(site.url).port or 1883)
    words = ["mosquitto_sub", "-p", port, "-t", topic, "-C", "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return int(json.loads(done.stdout)["bytes_written"])


def sectors(disk: Path | None) -> int:
    """What has reached the disk, in its sectors."""
    if disk is None:
        return 0
    os.sync()
    return int(disk.read_text().split()[6])


def measure(options: tuple[str, ...], minutes: float) -> dict[str, Any]:
    """One device for so long."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "site").mkdir()
        with a_disk(folder / "site" / DEVICE) as disk:
            site = LocalSite(folder / "site", site="writes", profile="normal")
            here = str(Path(__file__).parent / "hurried.py")
            site.program = (sys.executable, "-P", here, str(TIMES))
            with site:
                site.start_gateway()
                site.start_device(DEVICE, recordings(folder), options)
                site.wait_ready(1)
                time.sleep(15.0)  # the first blocks, and what they found
                began, files, reached = time.monotonic(), handed_over(site), sectors(disk)
                time.sleep(minutes * 60)
                files, reached = handed_over(site) - files, sectors(disk) - reached
                seconds = (time.monotonic() - began) * TIMES
    payload = CHANNELS * RATE_HZ * BYTES * seconds
    return {
        "options": " ".join(options) or "usual",
        "hours": round(seconds / 3_600, 2),
        "samples_mb_day": round(payload * DAY_S / seconds / 1e6, 2),
        "files_mb_day": round(files * DAY_S / seconds / 1e6, 2),
        "amplification": round(files / payload, 3),
        "disk_mb_day": round(reached * SECTOR * DAY_S / seconds / 1e6, 2) if disk else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=4.0, help="how long for each (4)")
    options = parser.parse_args()
    rows = [measure((), options.minutes), measure(("--low-write",), options.minutes)]
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    low = rows[-1]
    reached = low["disk_mb_day"]
    if reached is None:
        print("writes: no loop mounts here (root is needed): the disk's own figure is not known")
    print(f"low-write: amplification {low['amplification']} (at most {AMPLIFICATION}), ", end="")
    print(f"{reached} MB a day on the disk (at most {MB_DAY:g})")
    result = {"amplification": low["amplification"], "mb_day": reached, "rows": rows}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if low["amplification"] <= AMPLIFICATION and (reached or 0) <= MB_DAY else 1


if __name__ == "__main__":
    sys.exit(main())
