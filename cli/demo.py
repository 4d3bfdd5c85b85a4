"""`atoll demo`: a whole site on this machine answers, loses a device, and answers again with the
same bytes.

Everything listens on loopback only and lives in a temporary folder. Without numpy the independent
check is left out, and the table says so; the comparison of bytes is made all the same. Ends with 1
if any byte differs, any number disagrees with numpy, anything was lost or counted twice, or a shard
has too few copies; with 3 if a result is incomplete.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from atoll.cli.options import add_json, example, seconds
from atoll.cli.report import print_json, print_table

DEVICES = 4
# The device that samples this machine is not the one that is killed: what a dead sensor does not
# see is not lost data.
VICTIM = "device-3"
RECORD_S = 6.0
RECORDINGS_NAME = "vibration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--data",
        metavar="DIR",
        default=os.environ.get("ATOLL_RECORDINGS") or None,
        help="recordings with an index.json (ATOLL_RECORDINGS; without: this machine's counters)",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=RECORD_S,
        help=f"how long counters are recorded ({RECORD_S:g})",
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder with stores and logs")
    add_json(parser)
    example(
        parser, "atoll demo", "atoll demo --data recordings", "atoll demo --json > summary.json"
    )


def run(options: Any) -> int:
    """Run the story and judge it; nothing is left running, whatever happens."""
    from atoll.cli.demo_data import Material
    from atoll.cli.files import load

    material = None
    if options.data:
        material = Material(RECORDINGS_NAME, options.data, load(options.data))
    folder = Path(tempfile.mkdtemp(prefix="atoll-demo-"))
    try:
        summary = _tell(options, folder, material)
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print_json(summary)
    else:
        _print(summary)
    return judge(summary)


def _tell(options: Any, folder: Path, material: Any) -> dict[str, Any]:
    from atoll.cli import demo_live, demo_story
    from atoll.cli.site import LocalSite

    started_s = time.monotonic()

    def say(text: str) -> None:
        if not options.json:
            print(f"{time.monotonic() - started_s:5.1f} s  {text}", flush=True)

    with LocalSite(folder) as site:
        site.start(DEVICES, sources=[demo_story.MACHINE_SOURCE])
        say(f"broker, gateway and {DEVICES} devices run as processes at {site.url} (loopback only)")
        with site.connect() as fleet:
            follower = demo_live.Follower(fleet)
            story = demo_story.Story(site, fleet, say)
            if material is None:
                material = demo_live.record(fleet, options.seconds)
            story.load(material)
            story.ask_three(material, "before")
            overhead_us = story.task_overhead_us()
            loss = story.lose(VICTIM)
            story.ask_three(material, "after")
            follower.wait_for_more(2, 10.0)
            memory = story.pss_mb()
            streams = {**material.streams}
            counted = fleet.run("count", over=material.name, by="key").values
            status = fleet.status()
            shards = fleet.shards()
            follower.stop()
            say(f"standing job over the live counters: {len(follower.results)} results meanwhile")
    counters = status.get("counters", {})
    differences = [
        int(counted.get(key, {}).get("count", 0)) - len(samples) for key, samples in streams.items()
    ]
    rows = story.rows
    disagreements = [row.disagreement for row in rows if row.disagreement is not None]
    return {
        "answers_equal": all(row.equal for row in rows),
        "complete": all(row.complete for row in rows),
        "lost": max(int(counters.get("lost", 0)), -sum(min(0, each) for each in differences)),
        "duplicated": max(
            int(counters.get("duplicated", 0)), sum(max(0, each) for each in differences)
        ),
        "replicas_min": min(shard["copies"] for shard in shards if shard["wanted"] > 1),
        "takeover_s": loss.takeover_s,
        "restored_s": loss.restored_s,
        "task_overhead_us": round(overhead_us, 1),
        "device_pss_mb": max(memory.values(), default=None),
        "device_pss_mb_each": memory,
        "independent_ok": all(each <= 1.0 for each in disagreements) if disagreements else None,
        "standing_results": len(follower.results),
        "data": material.source,
        "samples": material.sample_count,
        "elapsed_s": round(time.monotonic() - started_s, 2),
        "loss": loss._asdict(),
        "rows": [row._asdict() for row in rows],
    }


def judge(summary: dict[str, Any]) -> int:
    """The exit code of a summary."""
    good = (
        summary["answers_equal"]
        and summary["independent_ok"] is not False
        and summary["lost"] == summary["duplicated"] == 0
        and summary["replicas_min"] >= 2
        and summary["standing_results"] > 0
    )
    if not summary["complete"]:
        return 3
    return 0 if good else 1


def _print(summary: dict[str, Any]) -> None:
    """The table, and under it what it says."""
    print()
    print_table(
        ("query", "when", "fleet", "one machine", "same bytes", "numpy"),
        [
            (
                row["plan"],
                row["when"],
                f"{row['fleet_s'] * 1000:.1f} ms",
                f"{row['local_s'] * 1000:.1f} ms",
                _mark(row["equal"] and row["complete"]),
                _numpy(row["disagreement"]),
            )
            for row in _shown(summary["rows"])
        ],
    )
    loss = summary["loss"]
    print()
    verdict = "every answer the same, byte for byte" if judge(summary) == 0 else "FAILED"
    print(f"{verdict}: before, while and after {loss['device']} was killed, and on one machine")
    takeover = "-" if summary["takeover_s"] is None else f"{summary['takeover_s']:.2f} s"
    print(
        f"{summary['lost']} lost, {summary['duplicated']} counted twice; "
        f"at least {summary['replicas_min']} copies; "
        f"takeover {takeover}; {summary['task_overhead_us']:.0f} µs a task; "
        f"{summary['device_pss_mb']} MiB a device; {summary['elapsed_s']:.0f} s in all"
    )
    if summary["independent_ok"] is None:
        print("numpy is not installed: the independent check was left out (pip install numpy)")


def _shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows, but only one of the rounds that measured the cost of a task."""
    many = [row for row in rows if row["when"] == "many tasks"]
    return [row for row in rows if row["when"] != "many tasks" or row is many[-1]]


def _mark(good: bool) -> str:
    return "yes" if good else "NO"


def _numpy(disagreement: float | None) -> str:
    if disagreement is None:
        return "-"
    return "agrees" if disagreement <= 1.0 else f"OFF BY {disagreement:.1f} x the stated error"
