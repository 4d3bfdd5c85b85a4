"""The twins of spectra against mathematics: they are the oracle of the others."""

import cmath
import math

import pytest

from atoll.kernels import reference_spectral as twin


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


def test_logarithms():
    for x in (1.0, 0.75, 1.4142135, 3e38, 1e-40, 2.0**-149, 0.999999):
        x = twin.f32(x)
        assert abs(twin.log2(x) - math.log2(x)) <= 2**-22 * max(1.0, abs(math.log2(x)))
    assert twin.log2(math.inf) == math.inf
    assert math.isnan(twin.log2(math.nan))


def test_entropy_of_the_extremes():
    assert twin.entropy([1.0] * 9) == pytest.approx(1, abs=1e-6)
    assert twin.entropy([0.0, 5.0, 0.0]) == 0.0
    assert math.isnan(twin.entropy([0.0] * 5))


def test_peaks_count_plateaus_once_and_leave_out_ends():
    found = twin.peaks([9.0, 1.0, 2.0, 2.0, 2.0, 1.0, 7.0, 7.0], 2, 10.0)
    assert found[:2] == [30.0, 2.0]
    assert all(math.isnan(v) for v in found[2:])


def test_a_triangle_over_bins():
    edges = [0x3F800000, 0x40400000, 0x40A00000]  # 1, 3, 5
    assert twin.mel([9.0, 9.0, 4.0, 1.0, 2.0, 9.0], (0, *edges)) == [4.0]


def test_small_things():
    assert twin.band([1.0, 2.0, 4.0], (1, 2)) == 6.0
    assert twin.band([1.0, 2.0, 4.0], (1, 2, 0x40000000)) == 12.0
    assert twin.centroid([1.0, 0.0, 1.0], 10.0) == 10.0
