"""A plan's cost is known before it runs."""

import pytest

from atoll.kernels import Plan, PlanError


def test_ram_grows_with_the_window_and_the_bins():
    small, large = Plan("window 256 | rms | count").cost(), Plan("window 1024 | rms | count").cost()
    assert large.ram_bytes - small.ram_bytes == 768 * 4
    bins = Plan("histogram 0 1 bins=128").cost().ram_bytes - Plan("histogram 0 1").cost().ram_bytes
    assert bins == 64 * 12


def test_the_smallest_useful_sets_fit_beside_their_window():
    for text in ("window 256 | rms | moments", "window 256 | rms | quantiles 0.5 bins=64"):
        cost = Plan(text).cost(dtype="i16")
        assert cost.ram_bytes - 512 <= 2048


def test_overlapping_windows_cost_more():
    once, twice = Plan("window 64 | rms").cost(), Plan("window 64 hop=32 | rms").cost()
    assert twice.ops_per_sample == 2 * once.ops_per_sample


def test_boards():
    assert Plan("moments").cost("m0").flash_bytes > 0
    with pytest.raises(PlanError, match="m4f"):
        Plan("moments").cost("z80")
