"""`atoll sim`: a whole site under faults, from a seed; nothing is started, nothing is sent."""

import argparse
import sys
from typing import Any

from atoll.cli.options import add_json, example
from atoll.cli.report import print_json

DEVICES_MAX = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--devices", type=_count, default=6, help="devices of the site (6)")
    parser.add_argument("--shards", type=_count, default=8, help="shards of the dataset (8)")
    parser.add_argument(
        "--hours", type=float, default=0.02, help="virtual hours under faults (0.02)"
    )
    parser.add_argument("--seeds", type=_count, default=10, help="how many seeds to run (10)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument(
        "--faults",
        default="all",
        help="kinds of faults, joined by commas; all, none (all). --faults list says which there"
        " are",
    )
    parser.add_argument("--events", type=int, default=0, help="stop after so many events")
    parser.add_argument("--story", action="store_true", help="tell the story also with --json")
    add_json(parser)
    example(
        parser,
        "atoll sim",
        "atoll sim --devices 100 --shards 64 --hours 0.1 --seeds 3",
        "atoll sim --faults crash,gateway,loss --seeds 100 --json",
    )


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text}: 1 to 10,000,000")
    return number


def run(options: Any) -> int:
    """Run the seeds and print what was found; 1 if an invariant is broken."""
    from atoll.sim.nemesis import KINDS
    from atoll.sim.runner import replay_command, run_seeds, story
    from atoll.sim.site import Setup

    if options.faults == "list":
        for kind, text in KINDS.items():
            print(f"{kind:<12} {text}")
        return 0
    faults = tuple(KINDS) if options.faults == "all" else _kinds(options.faults, KINDS)
    problem = _problem(options, faults, KINDS)
    if problem:
        print(f"atoll sim: {problem}", file=sys.stderr)
        return 2
    setup = Setup(options.devices, options.shards, options.hours, faults)
    seeds = range(options.first, options.first + options.seeds)
    report = run_seeds(seeds, setup, events_max=options.events)
    figures = report.figures()
    for outcome in report.failures:
        out = sys.stderr if options.json else sys.stdout
        if not options.json or options.story:
            print(*story(outcome, setup), sep="\n", file=out)
        print(f"seed {outcome.seed}: {outcome.violation}", file=out)
        print(f"again: {replay_command(outcome, setup)}", file=out)
    if options.json:
        print_json(figures)
    else:
        print(
            f"{figures['seeds']} seeds, {figures['events']:,} events at"
            f" {figures['events_per_s']:,} a second, {figures['virtual_hours']} virtual hours,"
            f" {figures['answers']} answers: {figures['lost']} lost, {figures['duplicated']}"
            f" duplicated, {figures['wrong']} wrong, {figures['double_owners']} double owners,"
            f" {figures['unfinished']} unfinished"
        )
    return 0 if report.passed else 1


def _kinds(text: str, known: Any) -> tuple[str, ...]:
    return () if text == "none" else tuple(filter(None, text.split(",")))


def _problem(options: Any, faults: tuple[str, ...], known: Any) -> str:
    unknown = [kind for kind in faults if kind not in known]
    if unknown:
        return f"no fault {unknown[0]!r}; there are: {', '.join(known)}"
    if options.devices > DEVICES_MAX:
        return f"{options.devices} devices: at most {DEVICES_MAX}"
    if not 0.0 < options.hours <= 10_000:
        return f"{options.hours} hours: above 0, at most 10,000"
    if not 1 <= options.shards <= 65_535:
        return f"{options.shards} shards: 1 to 65,535"
    return ""
