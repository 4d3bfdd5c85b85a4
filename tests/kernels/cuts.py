"""Streams cut into blocks and partials merged, in ways that a test draws.

Every kernel of the catalogue has its plans here: those of its receipt, and some that put it behind
or before others. One partial must come out, whatever the cuts and the order.
"""

import random
from array import array
from collections.abc import Sequence
from itertools import pairwise

from atoll.kernels import Plan, catalogue, golden
from atoll.kernels.golden_models import golden_models
from atoll.kernels.receipt import SHORT

from .conftest import CODES

RATE_HZ = 1000.0
SCALE = 0.001
MODELS = golden_models()
REDUCERS = [kernel.name for kernel in catalogue() if kernel.group == "reducer"]
OTHERS = [kernel.name for kernel in catalogue() if kernel.group != "reducer"]

# Beside the receipts' plans: stages before and behind, windows that overlap or leave gaps.
BESIDE = {
    "scale": ("scale | window 16 hop=5 | rms | moments",),
    "decimate": ("diff | decimate 4 | median 5 | moments, minmax", "decimate 3 | linear 0.5"),
    "fir": ("fir taps 0.5 0.5 0.125 | decimate 5 | window 8 hop=3 | rms | minmax",),
    "resample": (
        "resample 3 2 half=2 | window 20 hop=7 | rms, mean | minmax, sum",
        "diff | resample 7 3 half=1 | minmax, moments",
        "resample 5 1 half=1 | decimate 2 | window 9 hop=5 | mean",
        "resample 4 3 half=1 | ema 0.25 | window 16 hop=10 | peak",
        "ema 0.25 | resample 3 5 half=2 | minmax",
        "resample 2 7 half=1 | diff | linear 0.5",
    ),
    "psd": ("decimate 2 | window 64 hop=24 | psd 16 | peaks 2 | minmax",),
    "ema": ("diff | ema 0.1 | window 24 hop=40 | mean, kurtosis | quantiles 0.5 bins=32",),
    "biquad": ("biquad sections 0.5 0.5 0 -0.25 0 | decimate 3 | window 16 hop=5 | rms | minmax",),
    "mel": ("window 64 hop=17 | spectrum | mel 4 | moments, minmax",),
    "lines": ("window 64 hop=30 | spectrum | lines 100 200 tol=20 around=90 | minmax, top",),
    "minmax": ("window 24 hop=10 | rms, skewness | moments, minmax, quantiles 0.5 bins=32",),
    "quantiles": ("quantiles 0.5 0.99 bins=256", "window 8 | rms | quantiles 0.5 bins=32"),
    "distinct": ("distinct",),
    "top": ("top 5 width=16", "top width=4096"),
    "novelty": ("window 16 hop=4 | crest, kurtosis, skewness | novelty 5 | threshold 2 1 | sum",),
}


def plans_of(name: str) -> list[Plan]:
    """Plans in which this kernel works."""
    texts = (*SHORT.plans()[name], *BESIDE.get(name, ()))
    return [Plan(text, MODELS) for text in texts]


def wild(dtype: str, chance: random.Random) -> array:
    """Noise, extremes and all magnitudes (NaN and infinities among floats), shuffled."""
    values = [v for case in golden.CASES for v in golden.values(dtype, case)]
    chance.shuffle(values)
    return array(CODES[dtype], values)


class Stream:
    """Samples of a plan's channels; slices are of samples in time."""

    def __init__(self, plan: Plan, samples: array) -> None:
        self._samples, self._channels = samples, plan.channels

    def __len__(self) -> int:
        return len(self._samples) // self._channels

    def __getitem__(self, piece: slice) -> array:
        begin, end = piece.start * self._channels, piece.stop * self._channels
        return self._samples[begin:end]


def whole(plan: Plan, stream: Stream) -> bytes:
    """The stream in one piece."""
    return plan.partial(stream[0 : len(stream)], RATE_HZ, key="s", scale=SCALE)


def partials(plan: Plan, stream: Stream, cuts: Sequence[int]) -> list[bytes]:
    """A partial of each piece; cuts are taken down to where the plan allows them."""
    places = {cut % (len(stream) + 1) // plan.step * plan.step for cut in cuts}
    bounds = sorted({0, *places, len(stream)})
    found, checkpoint = [], b""
    for begin, end in pairwise(bounds):
        if not plan.ordered:
            piece = stream[begin : min(len(stream), end + plan.overlap)]
            found.append(plan.partial(piece, RATE_HZ, start=begin, key="s", scale=SCALE))
            continue
        at = int.from_bytes(checkpoint[12:20], "little")
        piece = stream[at : min(len(stream), end + plan.overlap)]
        place = {"start": at, "key": "s", "scale": SCALE, "checkpoint": checkpoint}
        if end == len(stream):
            found.append(plan.partial(piece, RATE_HZ, **place))
            continue
        part, checkpoint = plan.advance(piece, RATE_HZ, **place)
        found.append(part)
    return found


def merged(plan: Plan, parts: list[bytes], chance: random.Random) -> bytes:
    """Merge in a random order and a random tree, with empty partials thrown in."""
    parts = [*parts, plan.merge([])]
    chance.shuffle(parts)
    while len(parts) > 1:
        taken = [parts.pop() for _ in range(chance.randint(2, 4)) if parts]
        parts.insert(chance.randint(0, len(parts)), plan.merge(taken))
    return parts[0]
