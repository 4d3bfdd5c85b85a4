"""Our own functions in float64 against mathematics."""

import math

import pytest

from atoll.kernels import series


def test_own_sines_are_sines():
    for k in range(1001):
        x = math.pi * k / 1000
        assert abs(series.sine(x) - math.sin(x)) < 5e-16
        assert abs(series.cosine(x) - math.cos(x)) < 5e-16
        assert abs(series.turns_sine(k / 7) - math.sin(2 * math.pi * k / 7)) < 1e-12
        assert abs(series.turns_cosine(k / 7) - math.cos(2 * math.pi * k / 7)) < 1e-12


def test_bessel_is_that_of_scipy():
    i0 = pytest.importorskip("scipy.special").i0
    assert series.bessel(0.0) == 1.0
    for k in range(100):
        assert abs(series.bessel(k / 5) / i0(k / 5) - 1) < 1e-14


@pytest.mark.parametrize("n", [1, 2, 3, 41, 129])
def test_roots(n):
    assert series.nth_root(1.0, n) == 1.0
    for x in (1.0 + 2**-40, 1.5, 37.0, 1e5):
        assert abs(series.nth_root(x, n) ** n / x - 1) < n * 4e-16
    assert abs(series.root(complex(-3, -4)) - complex(1, -2)) < 1e-15
