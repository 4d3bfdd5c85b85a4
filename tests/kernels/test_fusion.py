"""Features of one window share one reading of it: their statistics are taken once."""

import time

import numpy as np
import pytest

from atoll.kernels import Plan

FIVE = "mean, rms, peak, p2p, crest"


def seconds(text, x):
    plan, best = Plan(text), float("inf")
    plan.partial(x)
    for _ in range(5):
        began = time.perf_counter()
        plan.partial(x)
        best = min(best, time.perf_counter() - began)
    return best


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_five_features_read_the_window_once(dtype):
    """All five together take well less than what they take one by one."""
    x = np.random.default_rng(3).normal(0, 3000, 1 << 20).astype(dtype)
    for _ in range(5):  # another process may have taken the time
        together = seconds(f"window 1024 | {FIVE} | sum", x)
        apart = sum(seconds(f"window 1024 | {name} | sum", x) for name in FIVE.split(", "))
        if together < 0.6 * apart:
            return
    pytest.fail(f"{together:.4f} s together, {apart:.4f} s apart")
