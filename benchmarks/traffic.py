"""What an idle device says in a day, counted with IP headers and printed by purpose.

    make bench-traffic          or: python benchmarks/traffic.py [--minutes 2]

A gateway, its broker and one device, as processes in a network namespace of their own, their clocks
hurried (hurried.py): what is counted are the packets of the device's own connection as they go over
the wire, each with its IP and TCP headers, TCP's own acknowledgements included. Writes
build/bench/traffic.json: `normal_mb_day`, `metered_kib_day`, and `rows`, bytes a day by profile and
purpose. What one connection costs, from the first SYN to `ready`, stands beside it: a device that
is idle makes none.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wiretap import Count, Wiretap, bring_up_loopback

from atoll.cli.site import LocalSite

OUTPUT = Path("build/bench/traffic.json")
DEVICE = "device-1"
DAY_S = 86_400.0
NORMAL_MB, METERED_KIB = 20.0, 100.0
# How much faster time goes: an interval between leases is a second then, and the 40 ms for which
# TCP itself waits to acknowledge are still short beside it.
TIMES = {"normal": 2.0, "metered": 600.0}
INSIDE = "ATOLL_TRAFFIC_INSIDE"


def measure(profile: str, minutes: float) -> tuple[Count, Count, float]:
    """What it took to become ready, what was said after that, and the seconds that this was."""
    times = TIMES[profile]
    with tempfile.TemporaryDirectory() as name:
        site = LocalSite(Path(name), site="traffic", profile=profile)
        here = str(Path(__file__).parent / "hurried.py")
        site.program = (sys.executable, "-P", here, str(times))
        with site:
            site.start_gateway()
            tap = Wiretap(urlsplit(site.url).port or 1883, DEVICE)
            site.start_device(DEVICE)
            site.wait_ready(1)
            time.sleep(5.0)  # what the first lease brings with it
            began, joined = time.monotonic(), tap.take()
            time.sleep(minutes * 60)
            seconds = (time.monotonic() - began) * times
            return joined, tap.take(), seconds


def rows_of(profile: str, said: Count, seconds: float) -> list[dict[str, Any]]:
    """A row for each purpose."""
    return [
        {
            "profile": profile,
            "purpose": purpose,
            "packets_day": round(said.packets[purpose] * DAY_S / seconds, 1),
            "bytes_day": round(octets * DAY_S / seconds),
        }
        for purpose, octets in said.octets.most_common()
    ]


def inside() -> int:
    """In the namespace: measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long for each profile (2)")
    options = parser.parse_args()
    bring_up_loopback()
    rows: list[dict[str, Any]] = []
    totals, joins = {}, {}
    print(f"{'profile':<9}{'purpose':<20}{'packets a day':>15}{'bytes a day':>15}")
    for profile in TIMES:
        joined, said, seconds = measure(profile, options.minutes)
        found = rows_of(profile, said, seconds)
        for row in found:
            print(f"{profile:<9}{row['purpose']:<20}", end="")
            print(f"{row['packets_day']:>15,.0f}{row['bytes_day']:>15,}")
        totals[profile] = sum(row["bytes_day"] for row in found)
        joins[profile] = sum(joined.octets.values())
        print(f"{profile:<9}{'all':<20}{'':>15}{totals[profile]:>15,}", end="")
        print(f"   over {seconds / 3600:.1f} h; a connection: {joins[profile]:,} bytes")
        rows += found
    normal, metered = totals["normal"] / 1e6, totals["metered"] / 1_024
    print(f"normal: {normal:.1f} MB a day (at most {NORMAL_MB:g})")
    print(f"metered: {metered:.1f} KiB a day (at most {METERED_KIB:g})")
    result = {"normal_mb_day": round(normal, 2), "metered_kib_day": round(metered, 1)}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(
        json.dumps(result | {"connection_bytes": joins, "rows": rows}, indent=1) + "\n"
    )
    return 0 if normal <= NORMAL_MB and metered <= METERED_KIB else 1


def main() -> int:
    """Enter a network namespace, as whoever calls."""
    if INSIDE in os.environ:
        return inside()
    words = ["unshare", "--net", *(["--map-root-user"] if os.geteuid() else [])]
    os.environ[INSIDE] = "yes"
    try:
        os.execvp(words[0], [*words, "--", sys.executable, *sys.argv])
    except FileNotFoundError:
        sys.exit("traffic: unshare is missing: apt install util-linux")


if __name__ == "__main__":
    sys.exit(main())
