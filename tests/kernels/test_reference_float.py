"""f32 arithmetic in Python: rounding, ends of the range, the fixed tree."""

import math
from fractions import Fraction

from atoll.kernels import reference_float as rf


def test_rounds_to_even_and_overflows_to_infinity():
    assert rf.f32(2**24 + 1) == 2**24
    assert rf.f32(-3.5e38) == -math.inf
    assert rf.f32(1e-46) == 0.0


def test_divides_as_ieee_has_it():
    assert rf.divide(1.0, 0.0) == math.inf
    assert rf.divide(-1.0, 0.0) == -math.inf
    assert math.isnan(rf.divide(0.0, 0.0))
    assert rf.divide(1.0, 3.0) == rf.f32(1 / 3)


def test_fractions_round_once():
    tie = Fraction(2**24 + 1)
    assert rf.fraction_f32(tie) == 2**24
    assert rf.fraction_f32(tie + Fraction(1, 10**12)) == 2**24 + 2
    assert rf.root_f32(Fraction(4)) == 2.0
    assert rf.root_f32(Fraction(2)) == rf.f32(math.sqrt(2))


def test_lanes_are_sixteen():
    assert rf.lanes([1.0] * 100) == 100.0
    # Sample 16 meets sample 0 before any other: the large numbers cancel first.
    assert rf.lanes([2.0**100] + [1.0] * 15 + [-(2.0**100)]) == 15.0
