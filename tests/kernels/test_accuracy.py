"""What the catalogue says of each kernel's error, against numpy and scipy in float64.

On random data, on data made to hurt (far from zero, all magnitudes, a line in a quiet floor, a lone
spike), and on the recorded bearings where they are.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from atoll.kernels import Plan
from atoll.kernels.design import cookbook
from atoll.kernels.design_bins import mel_edges
from atoll.kernels.series import bessel

signal = pytest.importorskip("scipy.signal")

RATE = 12000.0
N = 1024
EPS = 2.0**-24
LANES = (N / 16 + 8) * EPS


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


DATA = ("random", "offset", "magnitudes", "line", "spike", "recorded")


def windows(x, n=N):
    return x[: len(x) // n * n].reshape(-1, n).astype("f8")


def rms(w):
    return np.sqrt((w**2).mean(-1))


def ours(text, x, **more):
    (found,) = Plan(text).run(x, RATE, **more).values()
    return np.array(found, "f8")


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
@pytest.mark.parametrize(("up", "down", "half"), [(3, 2, 10), (2, 5, 4), (7, 1, 3), (147, 160, 4)])
def test_resample_is_the_filter_between_zeros(name, up, down, half):
    x = data(name)[:5000]
    most = max(up, down)
    k = np.arange(-half * most, half * most + 1)
    kaiser = np.array([bessel(5 * np.sqrt(1 - (j / k[-1]) ** 2)) for j in k])
    taps = np.sinc(k / most) * kaiser
    taps *= up / taps.sum()
    raised = np.zeros(len(x) * up)
    raised[::up] = x.astype("f8")
    each = -(-len(taps) // up)
    true = np.convolve(raised, taps)[(each - 1) * up : len(raised) : down]
    found = ours(f"resample {up} {down} half={half} | window 1 | mean", x)
    n = each
    size = np.abs(taps).sum() / up * 2
    assert len(found) == len(true)
    assert np.abs(found - true).max() <= (n / 16 + 8) * EPS * size * np.abs(x).max()


@pytest.mark.parametrize("name", DATA)
def test_sections_by_q_and_given_are_lfilter_of_their_coefficients(name):
    x = data(name)[:20000]
    section = [float(np.float32(v)) for v in cookbook("bandpass", 2000.0, 5.0, RATE)]
    true = signal.lfilter(section[:3], [1.0, *section[3:]], x.astype("f8"))
    for text in ("bandpass 2000 q=5", f"sections {' '.join(map(repr, section))}"):
        found = ours(f"biquad {text} | window 1 | mean", x)
        assert np.abs(found - true).max() <= 2**-19 * np.abs(x).max()


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
