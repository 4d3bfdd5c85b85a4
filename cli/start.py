"""`atoll start`: a standing job."""

import argparse
from typing import Any

from atoll.cli.options import add_json, add_site, example, open_fleet
from atoll.cli.report import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("name", help="name of the job; it is the topic of its results too")
    parser.add_argument("plan")
    parser.add_argument(
        "--over", metavar="DATASET", required=True, help="the dataset whose new samples it follows"
    )
    parser.add_argument(
        "--every", metavar="N", help="a result per N samples, or per time such as 10s (64 hops)"
    )
    add_json(parser)
    add_site(parser)
    example(
        parser, "atoll start hum 'window 256 | rms | quantiles 0.5 0.99' --over machine --every 10s"
    )


def run(options: Any) -> int:
    """Start it and say how to follow it."""
    with open_fleet(options) as fleet:
        answer = fleet.start(options.name, options.plan, over=options.over, every=options.every)
    if options.json:
        print_json(answer)
    else:
        print(
            f"{options.name}: started; atoll watch {options.name} follows it, "
            f"atoll stop {options.name} ends it"
        )
        if answer.get("note"):
            print(answer["note"])
    return 0
