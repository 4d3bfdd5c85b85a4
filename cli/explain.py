"""`atoll explain`: what would move, how many bytes, how long, before anything does."""

import argparse
from typing import Any

from atoll.cli.main import USAGE
from atoll.cli.options import add_json, add_site, example, open_fleet
from atoll.cli.report import print_json, print_table, size


class CannotExplain(Exception):
    """The words on the command line ask for nothing that there is."""

    exit_code = USAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.usage = (
        f"{parser.prog} drain ID | lose ID | lose zone ZONE | add --capacity W [--zone ZONE]"
        " | DATASET/NUMBER"
    )
    parser.add_argument("words", nargs="+", metavar="WHAT", help="drain, lose, add or a shard")
    parser.add_argument("--capacity", type=float, metavar="W", help="of the device to add")
    parser.add_argument("--zone", default="", help="of the device to add (default: its own)")
    add_json(parser)
    add_site(parser)
    example(
        parser,
        f"{parser.prog} drain pi-07",
        f"{parser.prog} lose zone rack-2",
        f"{parser.prog} add --capacity 2 --zone rack-3",
        f"{parser.prog} vibration/12",
    )


def run(options: Any) -> int:
    """Ask and print."""
    target = _target(options)
    with open_fleet(options) as fleet:
        answer = fleet.explain(target)
    if options.json:
        print_json(answer)
    elif "walk" in answer:
        _print_shard(answer)
    else:
        _print_change(answer)
    return 0


def _target(options: Any) -> str:
    words = list(options.words)
    adds = words == ["add"]
    if adds and options.capacity is None:
        raise CannotExplain("explain add needs --capacity W")
    if not adds and (options.capacity is not None or options.zone):
        raise CannotExplain("--capacity and --zone belong to explain add")
    if adds:
        words += [f"{options.capacity:g}", *([options.zone] if options.zone else [])]
    return " ".join(words)


def _print_change(answer: dict[str, Any]) -> None:
    assumed = "" if answer["rate_measured"] else " (assumed, nothing has moved yet)"
    print(f"{answer['what']}:")
    print(f"  {answer['shards']} shards concerned, {answer['moves']} copies to make")
    print(f"  {size(answer['bytes'])} in about {answer['seconds']:.1f} s")
    print(f"  a step moves {size(answer['rate_bytes_s'])} a second{assumed}")
    print(f"  at most {size(answer['ram_bytes'])} of memory on one device")
    if answer.get("held"):
        print(f"  held back: {answer['held']}")
    elif "out_after_s" in answer:
        print(f"  copies begin {answer['out_after_s']:.0f} s after the loss")
    for name, words in (("lost", "no other copy of"), ("short", "too few replicas of")):
        if answer[name]:
            print(f"  {words} {len(answer[name])} shards: {', '.join(answer[name][:8])}")
    if answer.get("stay"):
        stay = answer["stay"]
        print(f"  nobody else can take {len(stay)} shards: {', '.join(stay[:8])}")
        left = _copies(answer["left"])
        print(f"  they stay; if it goes all the same, the worst off has {left} left")
    targets = answer["targets"]
    if targets:
        print()
        rows = [(device, to["shards"], size(to["bytes"])) for device, to in targets.items()]
        print_table(("to", "shards", "size"), rows)


def _copies(count: int) -> str:
    return "no copy" if not count else "one copy" if count == 1 else f"{count} copies"


def _print_shard(answer: dict[str, Any]) -> None:
    print(
        f"{answer['what']}: {answer['streams']} streams, {size(answer['bytes'])},"
        f" {len(answer['owners'])} of {answer['wanted']} replicas, epoch {answer['epoch']}"
    )
    for line in answer["why"]:
        print(f"  {line}")
    if set(answer["goal"]) != set(answer["owners"]):
        print(f"  it is to be on {', '.join(answer['goal'])}")
    print()
    rows = [(step["device"], step["zone"], step["said"]) for step in answer["walk"]]
    print_table(("walk", "zone", "verdict"), rows, empty="the walk meets no device")
