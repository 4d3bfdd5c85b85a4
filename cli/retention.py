"""`atoll retention`: how long, and how much, is kept of a dataset."""

import argparse
from typing import Any

from atoll.cli.options import add_json, add_site, example, open_fleet, size_bytes, span_s
from atoll.cli.report import print_json, size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("dataset", help="name of the dataset")
    parser.add_argument(
        "--keep", type=_span, metavar="SPAN", help="such as 12h, 7d; all: however old it is"
    )
    parser.add_argument(
        "--keep-bytes", type=_size, metavar="SIZE", help="of each copy, such as 10G; all: no limit"
    )
    add_json(parser)
    add_site(parser)
    example(
        parser,
        "atoll retention vibration --keep 7d --keep-bytes 10G",
        "atoll retention vibration",
    )


def run(options: Any) -> int:
    """Set what is given, print what holds."""
    with open_fleet(options) as fleet:
        now = fleet.retention(options.dataset, keep_s=options.keep, keep_bytes=options.keep_bytes)
    if options.json:
        print_json(now)
        return 0
    age = f"{now['keep_s']:,} s" if now["keep_s"] else "however old"
    much = size(now["keep_bytes"]) if now["keep_bytes"] else "however much"
    print(f"{options.dataset}: {age}, {much}")
    return 0


def _span(text: str) -> float:
    if text == "all":
        return 0.0
    seconds = span_s(text)
    if seconds < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: at least 1s, or all")
    return seconds


def _size(text: str) -> int:
    return 0 if text == "all" else size_bytes(text)
