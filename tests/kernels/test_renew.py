"""A machine that goes on: the next batch begins where the last one ended, with the same partials as
a fresh machine that is given the overlap."""

from array import array
from random import Random

import pytest

from atoll.kernels import Plan

PLANS = [
    "moments",
    "window 64 | rms | quantiles 0.5 0.99",
    "window 64 hop=16 | rms, peak, kurtosis | histogram 0 5000 bins=8",
    "window 48 hop=80 | p2p | minmax",
    "diff | abs | quantiles 0.5",
    "fir lowpass 100 taps=15 | window 32 hop=16 | mean | moments",
    "decimate 4 | median 5 | window 16 | mean | distinct",
    "window 32 | detrend | taper hann | spectrum | centroid | moments",
    "window 16 hop=8 | mean | top",
]


@pytest.mark.parametrize("dtype", ["i16", "i32", "f32"])
@pytest.mark.parametrize("text", PLANS)
def test_batches_of_one_machine_are_those_of_fresh_ones(text, dtype):
    random = Random(text)
    code = {"i16": "h", "i32": "i", "f32": "f"}[dtype]
    samples = array(code, (random.randrange(-4000, 4000) for _ in range(6_000)))
    plan = Plan(text)
    every = 10 * plan.step
    machine = plan.machine(dtype, 1000.0)
    machine.locate(0, b"k")
    at = start = 0
    while (stop := start + every + plan.overlap) <= len(samples):
        while at < stop:  # as samples come, in pieces of any size
            count = min(random.randrange(1, 200), stop - at)
            machine.push(samples, at, count, 0)
            at += count
        piece = samples[start:stop]
        assert machine.partial() == plan.partial(piece, 1000.0, start=start, anchor=0, key="k")
        machine.renew()
        start += every


@pytest.mark.parametrize("text", PLANS)
def test_a_machine_that_is_reset_remembers_nothing(text):
    samples = array("h", (Random(text).randrange(-4000, 4000) for _ in range(1_000)))
    plan = Plan(text)
    machine = plan.machine("i16", 1000.0)
    machine.push(samples, 100, 333, 0)
    machine.reset()
    machine.locate(0, b"k")
    machine.push(samples, 0, len(samples), 0)
    assert machine.partial() == plan.partial(samples, 1000.0, key="k")
