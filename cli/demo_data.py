"""What the demonstration computes on: recordings, or what this machine's own counters did just now.

From either it also cuts a few thousand short streams, as many sensors would bring: a query over
them has a task for each, so that a device can die in the middle of it and the cost of a task can be
measured.
"""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from atoll.cli.files import Recording

PIECES = 2_048
PIECE_SAMPLES = 512
# A recording of a machine's counters has some hundred samples, one of a motor some hundred
# thousand.
_WINDOW_LONG, _WINDOW_SHORT = 1_024, 32
_LONG_SAMPLES = 16 * _WINDOW_LONG


class Material(NamedTuple):
    """Streams by key with what they have in common, and where they come from in words."""

    name: str
    source: str
    recordings: list[Recording]

    @property
    def streams(self) -> dict[str, Any]:
        """Samples by key."""
        return {recording.key: recording.samples for recording in self.recordings}

    @property
    def sample_count(self) -> int:
        """Samples in all streams."""
        return sum(len(recording.samples) for recording in self.recordings)

    @property
    def byte_count(self) -> int:
        """Their bytes."""
        return sum(len(each.samples) * each.samples.itemsize for each in self.recordings)


def queries(recordings: Sequence[Recording]) -> list[str]:
    """Three plans that suit the material: all samples, windows to quantiles, windows to a
    histogram.
    """
    longest = max(len(recording.samples) for recording in recordings)
    window = _WINDOW_LONG if longest >= _LONG_SAMPLES else _WINDOW_SHORT
    most = max(max(abs(max(each.samples)), abs(min(each.samples))) for each in recordings)
    high = 1 << max(4, int(most).bit_length())
    return [
        "moments",
        f"window {window} hop={window // 2} | rms | quantiles 0.5 0.99",
        f"window {window} | peak | histogram 0 {high} bins=64",
    ]


# The query during which a device dies: some milliseconds of work for each thousand of its tasks.
KILL_PLAN = "window 256 hop=4 | rms, kurtosis | quantiles 0.5 0.99"
# The query whose tasks have next to no work in them.
OVERHEAD_PLAN = "moments"


def pieces(recordings: Sequence[Recording]) -> dict[str, "array[Any]"]:
    """`PIECES` streams of `PIECE_SAMPLES` samples cut from the recordings, repeated where they are
    too short.
    """
    longest = max(recordings, key=lambda each: len(each.samples))
    typecode = longest.samples.typecode
    same = [each.samples for each in recordings if each.samples.typecode == typecode]
    pool: array[Any] = array(typecode)
    for samples in same:
        pool.extend(samples)
    while len(pool) < PIECE_SAMPLES:
        pool.extend(pool)
    # A stride that is odd against the pool's length makes the pieces differ even where they repeat.
    last = len(pool) - PIECE_SAMPLES
    stride = PIECE_SAMPLES + 1
    return {
        f"sensor-{number:04}": pool[at : at + PIECE_SAMPLES]
        for number in range(PIECES)
        for at in [number * stride % (last + 1)]
    }
