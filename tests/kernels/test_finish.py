"""Bins and keys back to numbers."""

import math

import pytest

from atoll.kernels import finish, reference


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-45, -3.4e38, 0.1])
def test_keys_go_back(value):
    exact = reference.f32(value)
    assert finish.key_value(reference.key(exact)) == exact


def test_keys_keep_the_order():
    values = [-math.inf, -1e30, -1.0, -1e-45, 0.0, 1e-45, 1.0, math.inf]
    keys = [reference.key(v) for v in values]
    assert keys == sorted(keys)
    assert reference.key(-0.0) == reference.key(0.0)


@pytest.mark.parametrize("level", [1, 8, 20, 23])
@pytest.mark.parametrize("value", [1.0, 1.9999, 3.3e-20, -7e30, -1.0])
def test_a_bins_middle_is_within_the_error(level, value):
    exact = reference.f32(value)
    middle = finish.bin_middle(reference.key(exact) >> level, level)
    assert abs(middle - exact) <= 2.0 ** (level - 24) * abs(exact)


def test_bins_at_zero_and_at_the_end():
    assert finish.bin_middle(0, 20) == finish.bin_middle(-1, 20) == 0.0
    assert finish.bin_middle(0x7F7FFFFF >> 23, 23) == 0.75 * 2.0**128


def test_the_empty_partial_has_no_states():
    states = finish.NoStates()
    assert states.count() == states.limbs() == 0
