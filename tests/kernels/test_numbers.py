"""Decimals and bits both ways; ratios and roots rounded once."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from atoll.kernels import numbers

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(FLOATS)
def test_shortest_text_reads_back(value):
    bits = numbers.f32_bits(value)
    assert numbers.f32_bits(float(numbers.f32_text(bits))) == bits


def test_text_is_short():
    assert numbers.f32_text(numbers.f32_bits(0.1)) == "0.1"
    assert numbers.f32_text(numbers.f32_bits(-2000.0)) == "-2000"
    assert numbers.f32_bits(-0.0) == 0


def test_part_text():
    assert [numbers.part_text(w) for w in (0, 500_000_000, 999_000_000, 10**9)] == [
        "0",
        "0.5",
        "0.999",
        "1",
    ]


@given(st.integers(0, 10**40), st.integers(1, 10**40))
def test_root_is_the_nearest_float(a, b):
    root = numbers.root_ratio(a, b)
    if a == 0:
        assert root == 0.0
        return
    # The true root lies between the midpoints to both neighbours.
    below = (Fraction(root) + Fraction(math.nextafter(root, 0))) / 2
    above = (Fraction(root) + Fraction(math.nextafter(root, math.inf))) / 2
    assert below**2 <= Fraction(a, b) <= above**2


def test_ratio_overflows_to_infinity():
    assert numbers.ratio(-(10**400), 1) == -math.inf
    assert numbers.ratio(1, 3) == 1 / 3
