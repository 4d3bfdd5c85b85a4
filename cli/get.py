"""`atoll get`: one stream's raw samples out of the fleet."""

import argparse
import sys
from typing import Any

from atoll.cli.options import UsageError, add_json, add_range, add_site, example, open_fleet
from atoll.cli.report import clock, print_json


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
    from atoll.cli.writers import WRITERS, samples_of_blocks

    suffix = "." + options.output.rpartition(".")[2] if options.output else ".csv"
    if suffix not in WRITERS:
        raise UsageError(f"{options.output}: known are {', '.join(WRITERS)}")
    with open_fleet(options) as fleet:
        blocks = list(
            fleet.blocks(
                options.dataset,
                options.key,
                since=options.since,
                until=options.until,
                last=options.last,
            )
        )
    if not blocks:
        print(
            f"atoll: {options.dataset} {options.key}: no samples in that range of time",
            file=sys.stderr,
        )
        return 1
    info, samples = samples_of_blocks(blocks)
    gaps = sum(block.gap for block in blocks[1:])
    if options.output:
        WRITERS[suffix](options.output, info, samples)
    if options.json:
        print_json(
            {
                "dataset": options.dataset,
                "key": options.key,
                "dtype": info.dtype,
                "rate_hz": info.rate_hz,
                "scale": info.scale,
                "unit": info.unit,
                "count": len(samples),
                "gaps": gaps,
                "first_ms": blocks[0].wall_ms,
                **({"file": options.output} if options.output else {"samples": samples.tolist()}),
            }
        )
    elif options.output:
        print(
            f"{options.output}: {len(samples):,} samples ({info.dtype}, {info.rate_hz:g} Hz) "
            f"from {clock(blocks[0].wall_ms)}" + (f", {gaps} gaps" if gaps else "")
        )
    else:
        for value in samples:
            print(value)
    return 0
