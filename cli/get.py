"""`atoll get`: one stream's raw samples out of the fleet."""

import argparse
from typing import TYPE_CHECKING, Any

from atoll.cli.options import UsageError, add_json, add_range, add_site, example, open_fleet
from atoll.cli.report import clock, print_json

if TYPE_CHECKING:
    from atoll.gateway.client_samples import Stretch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("dataset")
    parser.add_argument("key", help="name of the stream")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=".npy, .wav or .csv (default: numbers on stdout)"
    )
    add_range(parser)
    add_json(parser)
    add_site(parser)
    example(
        parser,
        "atoll get vibration motor-1 --last 10s -o motor-1.npy",
        "atoll get machine pi-1/cpu | tail",
    )


def run(options: Any) -> int:
    """Fetch the blocks, check them, write the samples."""
    from atoll.cli.writers import WRITERS, samples_of

    suffix = "." + options.output.rpartition(".")[2] if options.output else ".csv"
    if suffix not in WRITERS:
        raise UsageError(f"{options.output}: known are {', '.join(WRITERS)}")
    span = {"since": options.since, "until": options.until, "last": options.last}
    with open_fleet(options) as fleet:
        found = fleet.fetch(options.dataset, options.key, **span)
    samples, width = samples_of(found), found.info.channels
    if options.output:
        WRITERS[suffix](options.output, found.info, samples)
    if options.json:
        print_json(_summary(options, found, samples))
    elif options.output:
        gaps = f", {len(found.gaps)} gaps" if found.gaps else ""
        print(
            f"{options.output}: {len(samples) // width:,} samples ({found.info.dtype}, "
            f"{found.info.rate_hz:g} Hz) from {clock(found.wall_ms)}{gaps}"
        )
    else:
        for at in range(0, len(samples), width):
            print(*samples[at : at + width])
    return 0


def _summary(options: Any, found: "Stretch", samples: Any) -> dict[str, Any]:
    return {
        **found.info._asdict(),
        "count": len(samples) // found.info.channels,
        "first_sample": found.first_sample,
        "first_ms": found.wall_ms,
        "gaps": found.gaps,
        **({"file": options.output} if options.output else {"samples": samples.tolist()}),
    }
