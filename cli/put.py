"""`atoll put`: recordings from files into a dataset."""

import argparse
from collections.abc import Callable
from typing import Any

from atoll.cli.options import UsageError, add_json, add_site, example, moment, open_fleet
from atoll.cli.progress import Progress
from atoll.cli.report import print_json, size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("dataset", help="name of the dataset; it is made where there is none")
    parser.add_argument("path", help=".npy, .csv or .wav file, or a directory with an index.json")
    parser.add_argument(
        "--key", help="name of the stream (default: the file's name without its suffix)"
    )
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="samples a second (a .wav and an index say it)"
    )
    parser.add_argument("--scale", type=float, help="a stored number times this is in the unit (1)")
    parser.add_argument("--unit", help="unit of the scaled samples")
    parser.add_argument("--column", help="which column of a .csv: its name, or its number from 1")
    parser.add_argument(
        "--dtype", choices=("i16", "i32", "f32"), help="sample type of a .csv column"
    )
    parser.add_argument(
        "--start", type=moment, metavar="TIME", help="when the first sample was taken"
    )
    parser.add_argument(
        "--shards", type=int, help="for a new dataset: into how many shards it is cut (64)"
    )
    parser.add_argument("--replicas", type=int, help="for a new dataset: copies of each shard (2)")
    add_json(parser)
    add_site(parser)
    example(
        parser,
        "atoll put vibration motor-1.npy --key motor-1 --rate 12000 --scale 0.000162 --unit g",
        "atoll put sound hall.wav",
    )


def run(options: Any) -> int:
    """Read everything, then store everything."""
    from atoll.cli.files import Reading, load

    recordings = load(
        options.path, Reading(options.key, options.column, options.dtype, channels=True)
    )
    for recording in recordings:
        if options.rate is None and recording.rate_hz is None:
            raise UsageError(f"{options.path} does not say its rate: give --rate HZ")
    total = sum(len(memoryview(recording.samples).cast("B")) for recording in recordings)
    done = samples = 0
    elapsed_s = 0.0
    with open_fleet(options) as fleet, Progress(f"put {options.dataset}", "B") as progress:
        for recording in recordings:
            result = fleet.put(
                options.dataset,
                recording.rows,
                key=recording.key,
                rate=options.rate or recording.rate_hz or 0.0,
                scale=recording.scale if options.scale is None else options.scale,
                unit=recording.unit if options.unit is None else options.unit,
                shards=options.shards,
                replicas=options.replicas,
                start_ms=None if options.start is None else int(options.start * 1000),
                progress=_shifted(progress, done, total),
            )
            done += result.bytes
            samples += result.samples
            elapsed_s += result.elapsed_s
    keys = [recording.key for recording in recordings]
    if options.json:
        print_json(
            {
                "dataset": options.dataset,
                "keys": keys,
                "samples": samples,
                "bytes": done,
                "elapsed_s": elapsed_s,
            }
        )
    else:
        what = keys[0] if len(keys) == 1 else f"{len(keys)} streams"
        print(f"{options.dataset}: {what}, {samples:,} samples, {size(done)}, {elapsed_s:.2f} s")
    return 0


def _shifted(progress: Progress, before: int, total: int) -> Callable[[int, int], None]:
    """One file's progress as part of that of all files."""
    return lambda done, _: progress(before + done, total)
