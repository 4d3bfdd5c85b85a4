"""`atoll watch`: the results of a standing job, one after the other."""

import argparse
from typing import Any

from atoll.cli.options import add_json, add_site, example, open_fleet, seconds
from atoll.cli.report import cell, clock, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("name", help="name of the job")
    parser.add_argument("--count", type=int, metavar="N", help="end after N results")
    parser.add_argument(
        "--wait", type=seconds, metavar="S", help="end with exit code 4 after S seconds without one"
    )
    add_json(parser)
    add_site(parser)
    example(parser, "atoll watch hum", "atoll watch hum --json --count 10 > results.jsonl")


def run(options: Any) -> int:
    """Print a line for each result until the job ends or the reader has enough."""
    seen = 0
    with open_fleet(options) as fleet:
        for result in fleet.watch(options.name, timeout_s=options.wait):
            print_json(result) if options.json else print(line(result), flush=True)
            seen += 1
            if options.count is not None and seen >= options.count:
                break
    return 0


def line(result: dict[str, Any]) -> str:
    """One result: when, then for each stream the window's first sample and its numbers by path."""
    shown = [clock(result.get("at_ms"))]
    for key, window in result.get("streams", {}).items():
        numbers = " ".join(f"{path}={text}" for path, text in _numbers("", window["value"]))
        shown.append(f"  {key} @{window['sample']} {numbers}")
    return "\n".join(shown)


def _numbers(path: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        pairs = [
            _numbers(f"{path}.{key}" if path else str(key), item) for key, item in value.items()
        ]
        return [pair for group in pairs for pair in group]
    if isinstance(value, list):
        return [(path, f"[{len(value)} rows]")]
    return [(path, cell(value))]
