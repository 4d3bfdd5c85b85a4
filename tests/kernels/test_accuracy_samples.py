"""The stated errors of stages from sample to sample and of frames, against scipy in float64."""

import numpy as np
import pytest

from atoll.kernels import Plan
from atoll.kernels.design import cookbook
from atoll.kernels.models import linear
from atoll.kernels.series import bessel

from .accuracy import DATA, EPS, RATE, data, ours, windows

signal = pytest.importorskip("scipy.signal")
SHOWN = "window 1 | mean"


@pytest.mark.parametrize("name", DATA)
def test_exact_stages_are_numpys(name):
    x = data(name)[:20000]
    low, high = np.float32(-500.5), np.float32(700.25)
    for text, true in (
        ("abs", np.abs(x)),
        ("envelope", np.abs(x)),
        (f"clip {low} {high}", np.clip(x, low, high)),
        ("decimate 7", x[::7]),
        ("diff", np.diff(x)),  # one rounding, as numpy's float32
        ("median 5", np.median(np.lib.stride_tricks.sliding_window_view(x, 5), axis=1)),
    ):
        assert np.array_equal(ours(f"{text} | {SHOWN}", x), true), text
    whole = data("recorded" if name == "recorded" else "random")[:20000].astype("int16")
    assert np.array_equal(ours(f"diff | {SHOWN}", whole), np.diff(whole.astype("i4")))


@pytest.mark.parametrize("name", DATA)
def test_scale_rounds_twice(name):
    x = data(name)[:20000]
    by, add = float(np.float32(0.1)), float(np.float32(-3.7))
    product = x.astype("f8") * by
    found = ours(f"scale 0.1 -3.7 | {SHOWN}", x)
    assert (np.abs(found - (product + add)) <= EPS * (np.abs(product) + np.abs(found))).all()
    assert (np.abs(ours(f"scale | {SHOWN}", x, scale=0.1) - product) <= EPS * np.abs(product)).all()


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    ("text", "kind", "edges"),
    [("lowpass 1000", True, 1000), ("bandpass 500 2500", False, (500, 2500))],
)
def test_fir_is_firwin_in_float64(name, text, kind, edges):
    x = data(name)[:20000]
    taps = signal.firwin(63, edges, pass_zero=kind, fs=RATE)
    found = ours(f"fir {text} taps=63 | {SHOWN}", x)
    true = np.convolve(x.astype("f8"), taps, "valid")
    assert np.abs(found - true).max() <= 63 * EPS * np.abs(taps).sum() * np.abs(x).max()


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    ("kind", "edges", "order"),
    [("bandpass", (2000, 5000), 2), ("lowpass", (240,), 4), ("highpass", (3000,), 3)],
)
def test_biquad_is_butter_in_float64(name, kind, edges, order):
    x = data(name)[:20000]
    sos = signal.butter(order, edges if len(edges) > 1 else edges[0], kind, fs=RATE, output="sos")
    true = signal.sosfilt(sos, x.astype("f8"))
    words = " ".join(map(str, edges))
    found = ours(f"biquad {kind} {words} order={order} | {SHOWN}", x)
    assert np.abs(found - true).max() <= 2**-16 * np.abs(x).max()


@pytest.mark.parametrize("name", DATA)
def test_envelope_is_a_lowpass_of_the_magnitude(name):
    x = data(name)[:20000]
    sos = signal.butter(2, 300, fs=RATE, output="sos")
    found = ours(f"envelope 300 | {SHOWN}", x)
    assert np.abs(found - signal.sosfilt(sos, np.abs(x.astype("f8")))).max() <= (
        2**-16 * np.abs(x).max()
    )


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("alpha", [0.5, 0.01])
def test_ema_is_lfilter_in_float64(name, alpha):
    x = data(name)[:20000]
    a = float(np.float32(alpha))
    true, _ = signal.lfilter([a], [1, a - 1], x.astype("f8"), zi=[(1 - a) * float(x[0])])
    found = ours(f"ema {alpha} | {SHOWN}", x)
    assert np.abs(found - true).max() <= 2**-23 / alpha * np.abs(x).max()


@pytest.mark.parametrize("name", DATA)
def test_channels_run_as_if_they_were_alone(name):
    x = data(name)[: 3 * 4096].reshape(-1, 3)
    found = Plan("channels 3 | fir lowpass 1000 | window 64 | rms").run(x, RATE)["rms"]
    for k in range(3):
        alone = Plan("fir lowpass 1000 | window 64 | rms").run(x[:, k].copy(), RATE)["rms"]
        assert [row[k] for row in found] == alone


FRAME = 32  # as many scores as a model may give


def framed(stage, x):
    """A frame stage's samples, read back by a model that gives each as it is."""
    given = {"each": linear(np.eye(FRAME).tolist(), [0.0] * FRAME)}
    return ours(f"window {FRAME} | {stage} | linear @each", x, given)


@pytest.mark.parametrize("name", DATA)
def test_windows_begin_every_hop(name):
    x = data(name)[:20000]
    found = ours("window 100 hop=37 | peak", x)
    view = np.lib.stride_tricks.sliding_window_view(x, 100)[::37]
    assert np.array_equal(found, np.abs(view).max(-1))


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    ("order", "kind", "times"), [("mean", "constant", 1), ("line", "linear", 4)]
)
def test_detrend_is_scipys(name, order, kind, times):
    x = data(name)[: 256 * FRAME]
    w = windows(x, FRAME)
    bound = times * (FRAME / 16 + 8) * EPS * np.abs(w).max(-1, keepdims=True)
    assert (np.abs(framed(f"detrend {order}", x) - signal.detrend(w, type=kind)) <= bound).all()


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("taper", ["hann", "hamming"])
def test_taper_is_scipys_over_its_mean(name, taper):
    x = data(name)[: 256 * FRAME]
    weight = signal.get_window(taper, FRAME)
    true = windows(x, FRAME) * (weight / weight.mean())
    assert (np.abs(framed(f"taper {taper}", x) - true) <= 2**-21 * np.abs(windows(x, FRAME))).all()


@pytest.mark.parametrize("name", DATA)
def test_sections_by_q_and_given_are_lfilter_of_their_coefficients(name):
    x = data(name)[:20000]
    section = [float(np.float32(v)) for v in cookbook("bandpass", 2000.0, 5.0, RATE)]
    true = signal.lfilter(section[:3], [1.0, *section[3:]], x.astype("f8"))
    for text in ("bandpass 2000 q=5", f"sections {' '.join(map(repr, section))}"):
        found = ours(f"biquad {text} | window 1 | mean", x)
        assert np.abs(found - true).max() <= 2**-19 * np.abs(x).max()


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
