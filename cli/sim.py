"""`atoll sim`: a whole site under faults, from a seed; nothing is started, nothing is sent."""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from atoll.cli.options import add_json, example
from atoll.cli.report import print_json

DEVICES_MAX = 20_000
SEEDS = 10
PROGRESS_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--devices", type=_count, default=6, help="devices of the site (6)")
    parser.add_argument("--shards", type=_count, default=8, help="shards of the dataset (8)")
    parser.add_argument(
        "--hours", type=float, default=0.02, help="virtual hours under faults (0.02)"
    )
    parser.add_argument(
        "--seeds", type=_count, default=SEEDS, help=f"how many seeds to run ({SEEDS})"
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument(
        "--faults",
        default="all",
        help="kinds of faults, joined by commas; all, none (all). --faults list says which there"
        " are",
    )
    parser.add_argument(
        "--fleet",
        metavar="FILE",
        help="a fleet of your own instead (TOML): devices, zones, datasets, faults; see"
        " docs/simulator.md",
    )
    parser.add_argument("--events", type=int, default=0, help="stop after so many events")
    parser.add_argument("--story", action="store_true", help="tell the story also with --json")
    add_json(parser)
    example(
        parser,
        "atoll sim",
        "atoll sim --devices 100 --shards 64 --hours 0.1 --seeds 3",
        "atoll sim --faults crash,gateway,loss --seeds 100 --json",
        "atoll sim --fleet examples/fleet.toml",
    )


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text}: 1 to 10,000,000")
    return number


def run(options: Any) -> int:
    """Run the seeds and print what was found; 1 if an invariant is broken."""
    from atoll.sim.nemesis import KINDS
    from atoll.sim.runner import replay_command
    from atoll.sim.site import Setup

    if options.faults == "list":
        for kind, text in KINDS.items():
            print(f"{kind:<12} {text}")
        return 0
    if options.fleet:
        return _run_fleet(options)
    faults = tuple(KINDS) if options.faults == "all" else _kinds(options.faults, KINDS)
    problem = _problem(options, faults, KINDS)
    if problem:
        print(f"atoll sim: {problem}", file=sys.stderr)
        return 2
    setup = Setup(options.devices, options.shards, options.hours, faults)
    seeds = range(options.first, options.first + options.seeds)
    return _report(options, setup, seeds, lambda seed: replay_command(seed, setup))


def _run_fleet(options: Any) -> int:
    from pathlib import Path

    from atoll.sim.fleet import FleetError, load

    try:
        setup, count = load(Path(options.fleet))
    except FleetError as error:
        print(f"atoll sim: {error}", file=sys.stderr)
        return 2
    seeds = count if options.seeds == SEEDS else options.seeds
    again = f"atoll sim --fleet {options.fleet} --seeds 1 --story --first"
    numbers = range(options.first, options.first + seeds)
    return _report(options, setup, numbers, lambda seed: f"{again} {seed}")


def _report(options: Any, setup: Any, seeds: range, again: Callable[[int], str]) -> int:
    """Run the seeds; 1 if one of them has failed."""
    from atoll.sim.runner import run_seeds, story

    report = run_seeds(seeds, setup, events_max=options.events, told=_Progress(len(seeds)))
    figures = report.figures()
    for outcome in report.failures:
        out = sys.stderr if options.json else sys.stdout
        if not options.json or options.story:
            print(*story(outcome, setup), sep="\n", file=out)
        print(f"seed {outcome.seed}: {outcome.violation}", file=out)
        print(f"again: {again(outcome.seed)}", file=out)
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


class _Progress:
    """A line every few seconds on a terminal, while many seeds run."""

    def __init__(self, seeds: int) -> None:
        self._seeds, self._done, self._events = seeds, 0, 0
        self._next = time.monotonic() + PROGRESS_S

    def __call__(self, outcome: Any) -> None:
        self._done += 1
        self._events += outcome.events
        if time.monotonic() >= self._next and sys.stderr.isatty():
            self._next = time.monotonic() + PROGRESS_S
            text = f"{self._done} of {self._seeds} seeds, {self._events:,} events"
            print(text, file=sys.stderr, flush=True)


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
