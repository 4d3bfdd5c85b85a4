"""`atoll ledger check`, `atoll ledger rebuild`: is the gateway's ledger whole, and a new one made
from the devices where it is not.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from atoll.cli.options import SITE_DEFAULT, add_json, seconds
from atoll.cli.report import print_json, size

WAIT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    words = parser.add_subparsers(dest="word", metavar="check|rebuild", required=True)
    check = words.add_parser(
        "check",
        help="look the ledger through",
        description="Look the ledger through: one line for each thing that is wrong, exit code 1."
        " A running gateway is not disturbed.",
        epilog="example:\n  atoll ledger check --state /var/lib/atoll/gateway",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_place(check)
    add_json(check)
    rebuild = words.add_parser(
        "rebuild",
        help="make a new ledger from what the devices have stored",
        description="Make a new ledger from what the devices have stored. Stop the gateway first."
        " The ledger of before is kept under another name.",
        epilog="example:\n  atoll ledger rebuild --state /var/lib/atoll/gateway --devices 4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_place(rebuild)
    _add_rebuild(rebuild)
    add_json(rebuild)
    parser.epilog = (
        "example:\n  atoll ledger check --json\n  atoll ledger rebuild --devices 4\n\n"
        "atoll ledger check --help and atoll ledger rebuild --help have the options"
    )


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", metavar="DIR", help="the gateway's state directory")
    parser.add_argument(
        "--site",
        default=os.environ.get("ATOLL_SITE", SITE_DEFAULT),
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )


def _add_rebuild(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="the gateway's configuration file")
    parser.add_argument("--broker", metavar="URL", help="the site's broker, if it is not its own")
    parser.add_argument("--listen", metavar="ADDR", help="address of the own broker (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port of the own broker (the last one)")
    parser.add_argument("--broker-kind", help="own broker (auto)")
    parser.add_argument(
        "--devices", type=int, default=0, metavar="N",
        help="end as soon as N devices have answered (without: when nobody new comes for 10 s)",
    )  # fmt: skip
    parser.add_argument(
        "--wait", type=seconds, default=WAIT_S, metavar="S", help=f"at most so long ({WAIT_S:g})"
    )
    parser.add_argument("--force", action="store_true", help="replace a ledger that is whole")


def run(options: Any) -> int:
    """Check or rebuild."""
    return _check(options) if options.word == "check" else _rebuild(options)


def _check(options: Any) -> int:
    from atoll.gateway.config import default_state
    from atoll.gateway.ledger_check import check_ledger

    state = Path(options.state) if options.state else default_state(options.site)
    report = check_ledger(state)
    if options.json:
        print_json(
            {
                "path": str(report.path),
                "whole": report.whole,
                "version": report.version,
                "rows": report.rows,
                "findings": [finding._asdict() for finding in report.findings],
            }
        )
    elif report.whole:
        filled = sum(1 for count in report.rows.values() if count)
        print(f"{report.path}: whole: {sum(report.rows.values())} rows in {filled} tables")
    else:
        for finding in report.findings:
            print(f"{report.path}: {finding}")
    return 0 if report.whole else 1


def _rebuild(options: Any) -> int:
    from atoll.gateway.config import load
    from atoll.gateway.rebuild import Wanted, rebuild

    wanted = Wanted(options.devices, options.wait, options.force)
    say = (lambda line: None) if options.json else (lambda line: print(line, flush=True))
    outcome = rebuild(load(options), wanted, say)
    figures, unknown = outcome.rebuilt.figures, outcome.rebuilt.unknown
    if options.json:
        kept = str(outcome.kept) if outcome.kept else None
        print_json({"path": str(outcome.path), "kept": kept, "found": figures, "unknown": unknown})
        return 0
    print(
        f"found: {figures['devices']} devices, {figures['datasets']} datasets,"
        f" {figures['streams']} streams in {figures['shards']} shards, {figures['samples']} samples"
        f" ({size(figures['bytes'])}), {figures['standing']} standing jobs"
    )
    print("not found: open queries and finished answers, marks of drained devices, puts under way")
    for line in unknown:
        print(f"not found: {line}")
    if outcome.kept:
        print(f"the ledger of before is kept as {outcome.kept}")
    print(f"{outcome.path} is rebuilt: start atoll gateway")
    return 0
