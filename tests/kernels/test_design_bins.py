"""Bins against mathematics."""

import math
from itertools import pairwise

import pytest

from atoll.kernels import Plan, PlanError, design_bins


def test_mel_edges_are_even_in_mel():
    edges = design_bins.mel_edges(40, 50.0, 4000.0)
    mel = [2595 * math.log10(1 + hz / 700) for hz in edges]
    steps = [b - a for a, b in pairwise(mel)]
    assert len(edges) == 42
    assert abs(edges[0] - 50) < 1e-10
    assert edges[-1] == 4000.0
    assert max(steps) - min(steps) < 1e-9 * max(steps)


def test_bins_of_a_band():
    assert design_bins.bins(100.0, 200.0, 1000.0, 100, "band") == (10, 20)
    assert design_bins.bins(100.1, 199.9, 1000.0, 100, "band") == (11, 19)
    with pytest.raises(PlanError, match="no bin lies"):
        design_bins.bins(101.0, 102.0, 1000.0, 100, "band")


def test_a_density_knows_its_bins_width():
    words = Plan("window 64 | psd 32 | band 100 200").words("f32", 1000.0)
    assert words[-4:] == bytes.fromhex("0000fa41")  # 31.25 Hz
