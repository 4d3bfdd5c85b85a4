"""The twins of filters and spectra against mathematics: they are the oracle of the others."""

import cmath
import math

import pytest

from atoll.kernels import reference_signal as twin


def test_sines_are_within_half_an_ulp_or_so():
    for n in (1, 7, 48, 1024, 65536):
        for k in range(0, n, max(1, n // 64)):
            assert abs(twin.turn_sine(k, n) - math.sin(2 * math.pi * k / n)) < 2**-23
            assert abs(twin.turn_cosine(k, n) - math.cos(2 * math.pi * k / n)) < 2**-23


def test_quarter_turns_are_exact():
    assert [twin.turn_cosine(k, 4) for k in range(4)] == [1.0, 0.0, -1.0, 0.0]


@pytest.mark.parametrize("n", [16, 64])
def test_spectrum_is_the_fourier_sum(n):
    x = [float((k * 37) % 19 - 9) for k in range(n)]
    for k, power in enumerate(twin.spectrum(x)):
        total = sum(v * cmath.exp(-2j * math.pi * k * i / n) for i, v in enumerate(x)) / n
        sides = 1 if k in (0, n // 2) else 2
        assert abs(power - sides * abs(total) ** 2) < 1e-5


def test_tapers_have_mean_one():
    for kind in range(3):
        assert abs(sum(twin.taper([1.0] * 50, kind)) / 50 - 1) < 1e-6


def test_lines_compare_with_the_median():
    assert twin.lines([1.0, 2.0, 9.0, 2.0, 1.0], (2, 2, 0, 4)) == [4.5]
    assert twin.lines([1.0, 3.0], (0, 1, 0, 1)) == [1.5]


def test_small_things():
    assert twin.zero_crossings([1, -1, 0, 5, -2]) == 3.0
    assert twin.ema([4.0, 0.0], 0.25) == [4.0, 3.0]
    assert twin.band([1.0, 2.0, 4.0], (1, 2)) == 6.0
    assert twin.centroid([1.0, 0.0, 1.0], 10.0) == 10.0
