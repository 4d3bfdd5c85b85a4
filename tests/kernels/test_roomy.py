"""Paths for many samples at a time give the bytes of the short ones (platform.h: ATOLL_ROOMY).

A push below every threshold never takes them; a push of the whole stream takes each of them.
"""

import math
import random
import struct
from array import array

import pytest

from atoll.kernels import Plan

SHORT = 30  # samples a push: below every threshold
PLANS = (
    "sum",
    "moments",
    "quantiles 0.1 0.5 0.9",
    "quantiles 0.5 bins=32",
    "histogram -2000 2000 bins=64",
    "histogram 1000000000 1000000064 bins=64",
    "histogram -1e30 1e30 bins=300",
    "abs | moments",
    "clip -500 700 | quantiles 0.5",
    "diff | moments",
    "decimate 3 | moments",
    "decimate 7 | median 3 | moments",
    "scale 0.1 -3 | quantiles 0.5",
    "median 3 | moments",
    "median 5 | quantiles 0.5",
    "median 63 | moments",
    "fir lowpass 90 taps=33 | diff | moments",
    "biquad bandpass 100 300 order=3 | moments",
    "biquad lowpass 100 | moments",
    "resample 3 2 | moments",
    "resample 1 2 | moments",
    "resample 7 3 half=1 | window 20 hop=7 | rms, mean | moments, minmax",
    "resample 2 9 half=12 | minmax, moments",
    "resample 64 5 half=3 | minmax, sum",
    "abs | minmax",
    "clip -500 700 | minmax",
    "clip -90000 700 | minmax",
    "clip 3.2 3.7 | minmax",
    "window 256 hop=130 | spectrum | mel 9 | moments",
    "window 128 hop=50 | spectrum | mel 40 low=90 high=333 give=db | moments",
    "window 256 hop=91 | spectrum | peaks 16 | moments",
    "window 33 hop=20 | kurtosis | moments",
    "window 90 hop=40 | skewness, peak | moments",
    "channels 2 | minmax, moments",
    "channels 3 | window 40 hop=9 | rms, mean | moments",
    "channels 4 | window 100 | rms, crest, kurtosis | quantiles 0.5, minmax",
    "channels 4 | gram",
    "window 147 hop=60 | mean, rms, peak, crest, kurtosis, skewness | moments",
    "window 100 | slope, autocorr 7, zero_crossings | moments",
    "window 128 | detrend line | spectrum | centroid | moments",
    "window 100 hop=30 | goertzel 90, mean | moments",
    "window 40 | mean | minmax, moments",
    "window 40 hop=50 | rms | minmax, moments",
    "window 37 hop=11 | mean, rms | moments",
    "window 23 hop=9 | peak, p2p, zero_crossings | moments",
    "diff | window 16 hop=5 | rms | moments",
)


def plain(rng: random.Random) -> float:
    return rng.gauss(100, 900)


def wide(rng: random.Random) -> float:
    """Floats of every exponent."""
    return struct.unpack("f", rng.randbytes(4))[0]


def odd(rng: random.Random) -> float:
    """Mostly plain; sometimes none, infinite, zero of either sign, or very small."""
    return rng.choice((math.nan, math.inf, -math.inf, -0.0, 0.0, 1e-44) + (plain(rng),) * 60)


def stream(kind: str, n: int = 4000) -> array:
    rng = random.Random(f"{kind} {n}")
    if kind == "h":
        return array("h", (max(-32768, min(32767, round(plain(rng) * 9))) for _ in range(n)))
    if kind == "i":
        return array("i", (rng.choice((rng.randint(-(2**31), 2**31 - 1), 7)) for _ in range(n)))
    draw = {"plain": plain, "wide": wide, "odd": odd}[kind]
    return array("f", (draw(rng) for _ in range(n)))


def bytes_of(plan: Plan, samples: array, step: int) -> bytes:
    """The partial after pushes of `step` samples (of several channels: frames)."""
    machine = plan.machine({"h": "i16", "i": "i32", "f": "f32"}[samples.typecode], 1000.0)
    whole = len(samples) // plan.channels
    for at in range(0, whole, step):
        machine.push(samples, at, min(step, whole - at), 0)
    return machine.partial()


@pytest.mark.parametrize("kind", ["h", "i", "plain", "wide", "odd"])
@pytest.mark.parametrize("text", PLANS)
def test_one_push_gives_the_bytes_of_many(text, kind):
    plan, samples = Plan(text), stream(kind)
    short = bytes_of(plan, samples, SHORT)
    assert bytes_of(plan, samples, len(samples)) == short
    assert bytes_of(plan, samples, 1025) == short


@pytest.mark.parametrize("text", ["abs | minmax", "clip -40 40 | minmax"])
def test_an_extreme_that_comes_again_keeps_the_smaller_place(text):
    """Chunks whose extremes equal those kept are passed over only where they stand behind."""
    later = array("h", (-32768 if k == 9 else 90 * (-1) ** k for k in range(9000)))
    plan = Plan(text)
    expected = plan.run(later)["minmax"]
    for order in ((0, 4500), (4500, 0)):
        parts = [plan.partial(later[at : at + 4500], start=at) for at in order]
        assert plan.finish(plan.merge(parts))["minmax"] == expected
    single = plan.machine("i16", 1000.0)
    for at in range(len(later)):
        single.push(later, at, 1, 0)
    assert single.partial() == plan.partial(later)
