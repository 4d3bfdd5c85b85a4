"""Data on which the stated errors are asserted, and what is read off them in float64.

Random data, data made to hurt (far from zero, all magnitudes, a line in a quiet floor, a lone
spike), and the recorded bearings where they are.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from atoll.kernels import Plan

RATE = 12000.0
N = 1024
EPS = 2.0**-24
LANES = (N / 16 + 8) * EPS
DATA = ("random", "offset", "magnitudes", "line", "spike", "recorded")


def recorded():
    folder = Path(os.environ.get("ATOLL_RECORDINGS") or "../shared/data/vibration")
    if not (folder / "index.json").exists():
        return None
    entry = json.loads((folder / "index.json").read_text())[0]
    return np.load(folder / entry["file"])[: 64 * N].astype("f4")


def data(name):
    chance = np.random.default_rng(41)
    noise = chance.normal(0, 1000, 64 * N)
    if name == "random":
        return noise.astype("f4")
    if name == "offset":
        return (noise + 1e6).astype("f4")
    if name == "magnitudes":
        return (chance.normal(0, 1, 64 * N) * 2.0 ** chance.uniform(-30, 30, 64 * N)).astype("f4")
    if name == "line":
        return (1e4 * np.sin(np.arange(64 * N) * 0.7) + noise * 1e-6).astype("f4")
    if name == "spike":
        x = np.zeros(64 * N)
        x[5::N] = 3e4
        return x.astype("f4")
    x = recorded()
    if x is None:
        pytest.skip("recordings are missing: set ATOLL_RECORDINGS")
    return x


def windows(x, n=N):
    return x[: len(x) // n * n].reshape(-1, n).astype("f8")


def rms(w):
    return np.sqrt((w**2).mean(-1))


def ours(text, x, models=None, **more):
    (found,) = Plan(text, models or {}).run(x, RATE, **more).values()
    return np.array(found, "f8")
