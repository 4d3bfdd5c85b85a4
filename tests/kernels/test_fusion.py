"""Features of one window share one reading of it: their statistics are taken once."""

import statistics
import time

import numpy as np
import pytest

from atoll.kernels import Plan

FIVE = "mean, rms, peak, p2p, crest"
ROUNDS = 15


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_five_features_read_the_window_once(dtype):
    """All five together take less than what they take one by one: medians of this thread's own
    processor time, in turns, so that what else runs falls on both."""
    x = np.random.default_rng(3).normal(0, 3000, 1 << 18).astype(dtype)
    texts = [FIVE, *FIVE.split(", ")]
    plans = [Plan(f"window 1024 | {text} | sum") for text in texts]
    times: list[list[float]] = [[] for _ in plans]
    for _ in range(ROUNDS):
        for plan, spent in zip(plans, times, strict=True):
            began = time.thread_time()
            plan.partial(x)
            spent.append(time.thread_time() - began)
    together, *apart = (statistics.median(spent) for spent in times)
    assert together < 0.8 * sum(apart)
