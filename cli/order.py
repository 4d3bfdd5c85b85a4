"""`atoll stop`, `cancel`, `rm`, `drain`, `forget` and others: a verb, a target, an answer."""

import argparse
from typing import Any

from atoll.cli.options import add_json, add_site, example, open_fleet
from atoll.cli.report import print_json

# verb -> (what the target is, an example of one, what is said when it is done)
_ORDERS = {
    "stop": ("job", "hum", "stopped"),
    "cancel": ("job", "q-3f2a", "cancelled"),
    "rm": ("dataset", "vibration", "deleted"),
    "drain": ("device", "pi-07", "draining; atoll devices shows what is left on it"),
    "undrain": ("device", "pi-07", "takes data again"),
    "forget": ("device", "pi-07", "forgotten"),
    "trust": ("device", "pi-07", "trusted again"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    what, sample, _ = _ORDERS[parser.get_default("verb")]
    parser.add_argument("target", metavar=what.upper(), help=f"name of the {what}")
    add_json(parser)
    add_site(parser)
    example(parser, f"{parser.prog} {sample}")


def run(options: Any) -> int:
    """Give the order and print what the gateway says."""
    with open_fleet(options) as fleet:
        answer = getattr(fleet, options.verb)(options.target)
    if options.json:
        print_json(answer)
    else:
        print(f"{options.target}: {answer.get('note') or _ORDERS[options.verb][2]}")
    return 0
