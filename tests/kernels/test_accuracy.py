"""What the catalogue says of each kernel's error, against numpy and scipy in float64: windows.

Stages are in test_accuracy_samples.py, reducers and rows in test_accuracy_rows.py.
"""

import numpy as np
import pytest

from atoll.kernels import Plan
from atoll.kernels.design_bins import mel_edges

from .accuracy import DATA, EPS, LANES, RATE, N, data, ours, rms, windows

signal = pytest.importorskip("scipy.signal")


@pytest.mark.parametrize("name", DATA)
def test_psd_is_that_of_scipys_welch(name):
    x = data(name)
    for segment, hop, taper in ((256, 128, "hann"), (1024, 1024, "flattop"), (64, 48, "hamming")):
        found = ours(f"window {N} | psd {segment} hop={hop} taper={taper}", x)
        _, true = signal.welch(
            *(windows(x), RATE),
            window=signal.get_window(taper, segment) if taper != "flattop" else _flattop(segment),
            nperseg=segment,
            noverlap=segment - hop,
        )
        quiet = np.sqrt((windows(x) ** 2).mean(-1, keepdims=True) / RATE)
        bound = 2**-22 * np.log2(segment) * np.maximum(np.sqrt(true.max(-1, keepdims=True)), quiet)
        assert (np.abs(np.sqrt(found) - np.sqrt(true)) <= bound).all(), (segment, taper)


def _flattop(n):
    """ISO 18431-2, as the plan's taper; scipy's has more digits."""
    t = 2 * np.pi * np.arange(n) / n
    return (
        1 - 1.93 * np.cos(t) + 1.29 * np.cos(2 * t) - 0.388 * np.cos(3 * t) + 0.028 * np.cos(4 * t)
    )


@pytest.mark.parametrize("name", DATA)
def test_band_of_a_density_is_a_power(name):
    x = data(name)
    found = ours(f"window {N} | psd 256 | band 0 6000", x)
    _, true = signal.welch(windows(x), RATE, nperseg=256)
    assert np.allclose(found, true.sum(-1) * RATE / 256, rtol=2**-16)


def spectra(x, taper="hann"):
    """Our own spectrum in float64: what features of it are exact about."""
    return ours(f"window {N} | taper {taper} | spectrum", x)


@pytest.mark.parametrize("name", DATA)
def test_entropy_is_that_of_shannon(name):
    x = data(name)
    power = spectra(x)
    share = power / power.sum(-1, keepdims=True)
    terms = np.zeros_like(share)
    np.log2(share, out=terms, where=share > 0)
    true = -(share * terms).sum(-1) / np.log2(power.shape[-1])
    found = ours(f"window {N} | taper | spectrum | entropy", x)
    assert (np.abs(found - true) <= (513 / 16 + 8) * EPS).all()


@pytest.mark.parametrize("name", DATA)
def test_peaks_are_those_of_scipys_find_peaks(name):
    x = data(name)
    found = ours(f"window {N} | taper | spectrum | peaks 5", x)
    for row, power in zip(found, spectra(x), strict=True):
        places, _ = signal.find_peaks(power)
        best = sorted(places, key=lambda k: (-power[k], k))[:5]
        true = [v for k in best for v in (np.float32(k * RATE / N), power[k])]
        true += [np.nan] * (10 - len(true))
        assert np.array_equal(row, true, equal_nan=True)


@pytest.mark.parametrize("name", DATA)
def test_mel_is_that_of_triangles_in_mel(name):
    x = data(name)
    edges = np.array(mel_edges(20, 100.0, 5000.0)) * N / RATE
    k = np.arange(N // 2 + 1)
    rise = (k - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - k) / np.diff(edges)[1:, None]
    true = spectra(x) @ np.maximum(0, np.minimum(rise, fall)).T
    power = spectra(x)
    near = np.stack(
        [power[:, int(a) : int(b) + 2].sum(-1) for a, b in zip(edges[:-2], edges[2:], strict=True)],
        1,
    )
    found = ours(f"window {N} | taper | spectrum | mel 20 low=100 high=5000", x)
    # The edges are f32 in bins: a bin's weight is off by that over the triangle's side.
    assert (np.abs(found - true) <= LANES * true + 2**-22 * edges[2:] * near).all()
    level = ours(f"window {N} | taper | spectrum | mel 20 low=100 high=5000 give=db", x)
    assert np.abs(level - 10 * np.log10(np.maximum(found, 1e-10))).max() <= 2**-16


@pytest.mark.parametrize("name", DATA)
def test_window_features_keep_their_stated_error(name):
    x = data(name)
    w = windows(x)
    mean = w.mean(-1)
    d = w - mean[:, None]
    deviation = np.sqrt((d**2).mean(-1))
    found = Plan(f"window {N} | mean, rms, peak, p2p, crest, kurtosis, skewness").run(x)
    got = {key: np.array(value, "f8") for key, value in found.items()}
    assert (np.abs(got["mean"] - mean) <= LANES * np.abs(w).mean(-1)).all()
    assert (np.abs(got["rms"] - rms(w)) <= LANES * rms(w)).all()
    assert (got["peak"] == np.abs(w).max(-1)).all()
    assert (np.abs(got["p2p"] - np.ptp(w, -1)) <= EPS * np.ptp(w, -1)).all()
    crest = np.abs(w).max(-1) / rms(w)
    assert (np.abs(got["crest"] - crest) <= LANES * crest).all()
    kurtosis = (d**4).mean(-1) / deviation**4
    assert (np.abs(got["kurtosis"] - kurtosis) <= 8 * LANES * kurtosis).all()
    size = (np.abs(d) ** 3).mean(-1) / deviation**3
    skewness = (d**3).mean(-1) / deviation**3
    assert (np.abs(got["skewness"] - skewness) <= 8 * LANES * size).all()


@pytest.mark.parametrize("name", DATA)
def test_features_in_order_keep_their_stated_error(name):
    x = data(name)
    w = windows(x)
    d = w - w.mean(-1, keepdims=True)
    deviation = np.sqrt((d**2).mean(-1))
    t = (np.arange(N) - (N - 1) / 2) / RATE
    slope = (d * t).sum(-1) / (t**2).sum()
    found = ours(f"window {N} | slope", x)
    assert (np.abs(found - slope) <= LANES * deviation * RATE / N * 4).all()
    auto = (d[:, 7:] * d[:, :-7]).sum(-1) / (d**2).sum(-1)
    assert (np.abs(ours(f"window {N} | autocorr 7", x) - auto) <= 2 * LANES).all()
    signs = w < 0
    crossings = (signs[:, 1:] != signs[:, :-1]).sum(-1)
    assert (ours(f"window {N} | zero_crossings", x) == crossings).all()
    tone = np.abs(w @ np.exp(-2j * np.pi * 2000.0 / RATE * np.arange(N))) * np.sqrt(2) / N
    found = np.sqrt(np.maximum(0, ours(f"window {N} | goertzel 2000", x)))
    assert (np.abs(found - tone) <= N * EPS * rms(w)).all()


@pytest.mark.parametrize("name", DATA)
def test_spectra_keep_their_stated_error(name):
    x = data(name)
    w = windows(x)
    true = np.abs(np.fft.rfft(w)) ** 2 / N**2
    true[:, 1:-1] *= 2
    found = ours(f"window {N} | spectrum", x)
    bound = 2**-23 * np.log2(N) * rms(w)[:, None]
    assert (np.abs(np.sqrt(found) - np.sqrt(true)) <= bound).all()
    hz = np.arange(N // 2 + 1) * RATE / N
    centre = (found * hz).sum(-1) / found.sum(-1)
    assert (np.abs(ours(f"window {N} | spectrum | centroid", x) - centre) <= LANES * centre).all()
    inside = found[:, (hz >= 1000) & (hz <= 3000)].sum(-1)
    assert (
        np.abs(ours(f"window {N} | spectrum | band 1000 3000", x) - inside) <= LANES * inside
    ).all()


@pytest.mark.parametrize("name", DATA)
def test_lines_are_the_largest_over_the_median(name):
    x = data(name)
    power, hz = spectra(x), np.arange(N // 2 + 1) * RATE / N
    found = ours(f"window {N} | taper | spectrum | lines 1000 2500 tol=30 around=400", x)
    for k, line in enumerate((1000, 2500)):
        near = power[:, np.abs(hz - line) <= 30].max(-1)
        floor = np.median(power[:, np.abs(hz - line) <= 400], axis=-1)
        assert (np.abs(found[:, k] - near / floor) <= 2**-22 * near / floor).all()
