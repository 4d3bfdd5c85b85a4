"""`atoll status`: the site in a few lines."""

import argparse
from typing import Any

from atoll.cli.options import add_json, add_site, example, open_fleet
from atoll.cli.report import print_json, size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_json(parser)
    add_site(parser)
    example(parser, "atoll status", "atoll status --json --site demo")


def run(options: Any) -> int:
    """Ask and print."""
    with open_fleet(options) as fleet:
        status = fleet.status()
    if options.json:
        print_json(status)
        return 0
    for name, text in lines(status):
        print(f"{name:<10} {text}")
    return 0


def lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    """The status as pairs of a name and a text."""
    devices = status.get("devices", {})
    counters = status.get("counters", {})
    refused = counters.get("refused", {})
    shown = [
        (
            "site",
            f"{status.get('site')} (term {status.get('term')}, map epoch {status.get('epoch')})",
        ),
        ("devices", _counts(devices) or "none"),
        ("data", f"{status.get('datasets')} datasets, {status.get('shards')} shards"),
        (
            "copies",
            f"at least {status.get('replicas_min')} of every shard, {status.get('moving')} moving",
        ),
        ("jobs", _counts(status.get("jobs", {})) or "none"),
        ("results", f"{counters.get('lost', 0)} lost, {counters.get('duplicated', 0)} duplicated"),
    ]
    if status.get("overloaded"):
        shown.insert(1, ("overloaded", "messages come in faster than this gateway takes them"))
    if refused:
        shown.append(("refused", _counts(refused)))
    for takeover in status.get("takeovers", [])[-3:]:
        took = takeover.get("takeover_s")
        restored = takeover.get("restored_s")
        shown.append(
            (
                "takeover",
                f"{takeover.get('device')}: tasks out again after {_seconds(took)}, "
                f"{takeover.get('shards')} shards ({size(takeover.get('bytes') or 0)}) "
                f"whole again after {_seconds(restored)}",
            )
        )
    return shown


def _counts(counts: dict[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
