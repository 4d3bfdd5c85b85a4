"""`atoll run`: a plan over a dataset of the fleet, or over a file on this machine; the same output
for both.
"""

import argparse
import time
from base64 import b64encode
from typing import Any

from atoll.cli.options import (
    UsageError,
    add_json,
    add_range,
    add_site,
    example,
    open_fleet,
    seconds,
)
from atoll.cli.progress import Progress
from atoll.cli.report import cell, print_json, print_value, warn

INCOMPLETE = 3
# A person reads this many of the missing parts; --json has all.
_MISSING_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "plan", help="such as 'window 1024 | rms | quantiles 0.5 0.99'; see atoll kernels"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--over", metavar="DATASET", help="run where the dataset lies")
    source.add_argument(
        "--file", metavar="PATH", help="run here, over a .npy, .csv, .wav or a directory"
    )
    parser.add_argument("--by", choices=("key",), help="a result for each stream")
    parser.add_argument(
        "--limit", type=seconds, metavar="S", help="seconds until what is there must do"
    )
    add_range(parser)
    local = parser.add_argument_group("with --file")
    local.add_argument(
        "--rate", type=float, metavar="HZ", help="samples a second, where the file does not say"
    )
    local.add_argument("--scale", type=float, help="what a bare `scale` multiplies by (the file's)")
    local.add_argument("--column", help="which column of a .csv")
    local.add_argument(
        "--dtype", choices=("i16", "i32", "f32"), help="sample type of a .csv column"
    )
    add_json(parser)
    add_site(parser)
    example(
        parser,
        "atoll run 'window 1024 | rms | quantiles 0.5 0.99' --over vibration",
        "atoll run moments --file motor-1.npy --rate 12000",
    )


def run(options: Any) -> int:
    """Run the plan and print its result; exit code 3 where some of the data was out of reach."""
    result = _over_file(options) if options.file else _over_fleet(options)
    if options.json:
        print_json(result)
    else:
        _print(result, by_key=options.by is not None)
    if result["complete"]:
        return 0
    for missing in result["missing"][:_MISSING_SHOWN]:
        warn(f"missing: {missing if isinstance(missing, str) else cell(_words(missing))}")
    warn(f"incomplete: {len(result['missing'])} parts are missing")
    return INCOMPLETE


def _over_fleet(options: Any) -> dict[str, Any]:
    with open_fleet(options) as fleet, Progress("run", " tasks") as progress:
        result = fleet.run(
            options.plan,
            over=options.over,
            by=options.by,
            since=options.since,
            until=options.until,
            last=options.last,
            timeout_s=options.limit,
            progress=progress,
        )
    found = result._asdict()
    found["partial"] = b64encode(result.partial).decode()
    del found["values"]
    return found


def _over_file(options: Any) -> dict[str, Any]:
    from atoll.cli.files import Reading, load
    from atoll.kernels import Plan

    if options.since is not None or options.until is not None or options.last is not None:
        raise UsageError("a file has no times: --since, --until and --last go with --over")
    plan = Plan(options.plan)
    recordings = load(options.file, Reading(None, options.column, options.dtype, channels=True))
    started_s = time.perf_counter()
    partials = {
        each.key: plan.partial(
            each.rows,
            rate=options.rate or each.rate_hz,
            key=each.key,
            scale=each.scale if options.scale is None else options.scale,
        )
        for each in recordings
    }
    merged = plan.merge([partials[key] for key in sorted(partials)])
    found: dict[str, Any] = {
        "value": plan.finish(merged),
        "partial": b64encode(merged).decode(),
        "complete": True,
        "missing": [],
        "job": None,
        "elapsed_s": time.perf_counter() - started_s,
        "streams": len(recordings),
        "tasks": len(recordings),
        "gaps": 0,
    }
    if options.by:
        found["value"] = {key: plan.finish(partials[key]) for key in sorted(partials)}
        found["partial"] = ""
    return found


def _print(result: dict[str, Any], *, by_key: bool) -> None:
    if by_key:
        for key, value in result["value"].items():
            print(f"{key}:")
            print_value(value)
    else:
        print_value(result["value"])
    gaps = f", {result['gaps']} gaps" if result["gaps"] else ""
    job = f"job {result['job']}, " if result["job"] else ""
    print(
        f"\n{job}{result['streams']} streams, {result['tasks']} tasks, "
        f"{result['elapsed_s'] * 1000:.1f} ms{gaps}"
    )


def _words(missing: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in missing.items())
