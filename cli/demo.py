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
from typing import TYPE_CHECKING, Any

from atoll.cli.options import add_json, example, seconds
from atoll.cli.report import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from atoll.cli.demo_data import Material
    from atoll.cli.site import LocalSite
    from atoll.gateway.client import Fleet

DEVICES = 4
# The device that samples this machine is not the one that is killed: what a dead sensor does not
# see is not lost data.
VICTIM = "device-3"
RECORD_S = 6.0
RECORDINGS_NAME = "vibration"
COPIES = 2


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
    parser.add_argument(
        "--broker-kind",
        choices=("auto", "mosquitto", "iotcore"),
        default="auto",
        help="which broker the gateway brings (auto: mosquitto where it is installed)",
    )
    parser.add_argument(
        "--emulate",
        action="store_true",
        help="two Cortex-M boards in QEMU join the site as well (arm-none-eabi-gcc, QEMU)",
    )
    add_json(parser)
    example(
        parser,
        "atoll demo",
        "atoll demo --data recordings",
        "atoll demo --json > summary.json",
        "atoll demo --emulate",
    )


def run(options: Any) -> int:
    """Run the story and judge it; nothing is left running, whatever happens."""
    from atoll.cli.demo_data import Material
    from atoll.cli.files import load

    if options.emulate:
        from atoll.cli.demo_boards import check_tools

        check_tools()
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


def _tell(options: Any, folder: Path, material: "Material | None") -> dict[str, Any]:
    """The whole story in order; gives its summary."""
    from atoll.cli import demo_live, demo_story
    from atoll.cli.site import LocalSite

    started_s = time.monotonic()

    def say(text: str) -> None:
        if not options.json:
            print(f"{time.monotonic() - started_s:5.1f} s  {text}", flush=True)

    with LocalSite(folder, broker_kind=options.broker_kind) as site:
        site.start(DEVICES, sources=[demo_story.MACHINE_SOURCE])
        say(f"broker, gateway and {DEVICES} devices: six processes, {site.url} (loopback only)")
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
            follower.stop()
            wrong = follower.wrong()
            say(
                f"standing job over live counters: {len(follower.windows())} windows, {wrong} wrong"
            )
            copies = story.copies_min()
            lost, duplicated = story.miscounted(material)
            boards = _boards(site, fleet, material, say) if options.emulate else []
            counters = fleet.status()["counters"]
    rows = story.rows
    opinions = [row.disagreement for row in rows if row.disagreement is not None]
    return {
        "answers_equal": all(row.equal for row in rows),
        "complete": all(row.complete for row in rows),
        "lost": lost,
        "duplicated": duplicated,
        "replicas_min": copies,
        "takeover_s": loss.takeover_s,
        "restored_s": loss.restored_s,
        "task_overhead_us": round(overhead_us, 1),
        "device_pss_mb": max(memory.values(), default=None),
        "device_pss_mb_each": memory,
        "independent_ok": max(opinions) <= 1.0 if opinions else None,
        "standing_windows": len(follower.windows()),
        "standing_wrong": wrong,
        "boards": boards,
        "data": material.source,
        "samples": material.sample_count,
        "elapsed_s": round(time.monotonic() - started_s, 2),
        "loss": loss._asdict(),
        "counters": counters,
        "rows": [row._asdict() for row in rows],
    }


def _boards(
    site: "LocalSite", fleet: "Fleet", material: "Material", say: "Callable[[str], None]"
) -> list[dict[str, Any]]:
    """The act of the emulated boards: a row each."""
    from atoll.cli.demo_boards import Boards

    with Boards(site, material, say) as boards:
        return [row._asdict() for row in boards.run(fleet)]


def problems(summary: dict[str, Any]) -> list[str]:
    """What is not as it should be, in words."""
    from atoll.cli import demo_boards

    checks = (
        (summary["complete"], "a result is incomplete"),
        (summary["answers_equal"], "a result has other bytes than on one machine"),
        (summary["independent_ok"] is not False, "a number is not what numpy says"),
        (summary["lost"] == 0, f"{summary['lost']} samples were lost"),
        (summary["duplicated"] == 0, f"{summary['duplicated']} samples were counted twice"),
        (summary["replicas_min"] >= COPIES, f"a shard has {summary['replicas_min']} copies"),
        (summary["standing_windows"] > 0, "the standing job gave nothing"),
        (summary["standing_wrong"] == 0, "the standing job gave wrong values"),
    )
    found = [text for good, text in checks if not good]
    return found + demo_boards.problems(summary.get("boards", []))


def judge(summary: dict[str, Any]) -> int:
    """The exit code of a summary."""
    if not summary["complete"]:
        return 3
    return 1 if problems(summary) else 0


def _print(summary: dict[str, Any]) -> None:
    """The table, and under it what it says."""
    queries: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in summary["rows"]:
        queries.setdefault((row["plan"], row["over"]), {})[row["when"]] = row
    print()
    print_table(
        ("query", "tasks", "fleet", "after the loss", "one machine", "same bytes", "numpy"),
        [_line(plan, rounds) for (plan, _), rounds in queries.items()],
    )
    print()
    if summary["boards"]:
        print_table(
            ("board in QEMU", "starts", "runs", "partials", "other bytes", "lost"),
            [tuple(row.values()) for row in summary["boards"]],
        )
        print()
    found = problems(summary)
    loss = summary["loss"]["device"]
    if found:
        print(f"FAILED: {'; '.join(found)}")
    else:
        print(
            f"All answers are the same, byte for byte, whether {loss} is there, dies, or is gone,"
        )
        print("and the same as one machine gives alone.")
    takeover = "-" if summary["takeover_s"] is None else f"{summary['takeover_s']:.2f} s"
    print(
        f"{summary['lost']} lost, {summary['duplicated']} counted twice, "
        f"{summary['replicas_min']} copies of all; takeover {takeover}; "
        f"{summary['task_overhead_us']:.0f} µs a task; {summary['device_pss_mb']} MiB a device; "
        f"{summary['elapsed_s']:.0f} s"
    )
    if summary["independent_ok"] is None:
        print("numpy is not installed: the independent check was left out (pip install numpy)")


def _line(plan: str, rounds: dict[str, dict[str, Any]]) -> tuple[Any, ...]:
    """A query's line: the same plan before and after the loss, or during it."""
    rows = list(rounds.values())
    first = rows[0]
    killed = "kill" in rounds
    good = all(row["equal"] and row["complete"] for row in rows)
    opinions = [row["disagreement"] for row in rows if row["disagreement"] is not None]
    return (
        plan,
        first["tasks"],
        f"{_ms(first)} (a device dies)" if killed else _ms(first),
        _ms(rounds["after"]) if "after" in rounds else "-",
        f"{first['local_s'] * 1000:.1f} ms",
        "yes" if good else "NO",
        "-" if not opinions else "agrees" if max(opinions) <= 1.0 else "DISAGREES",
    )


def _ms(row: dict[str, Any]) -> str:
    return f"{row['fleet_s'] * 1000:.0f} ms"
