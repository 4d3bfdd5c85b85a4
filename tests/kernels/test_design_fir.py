"""Taps against those of scipy."""

import pytest

from atoll.kernels import Plan, design_fir

# Of scipy.signal.firwin, scipy 1.17, at 1,000 Hz.
FIRWIN = [
    (
        "lowpass",
        [100.0],
        [
            0.0134969236341,
            0.0784508686231,
            0.24086247424,
            0.334379467006,
            0.24086247424,
            0.0784508686231,
            0.0134969236341,
        ],
    ),
    (
        "highpass",
        [100.0],
        [
            -0.00798948948616,
            -0.0464389076383,
            -0.142578283594,
            0.791742269116,
            -0.142578283594,
            -0.0464389076383,
            -0.00798948948616,
        ],
    ),
    (
        "bandpass",
        [100.0, 200.0],
        [
            -0.0233554406171,
            -0.0835855721962,
            -0.0744318670062,
            0.238531837095,
            0.476808481299,
            0.238531837095,
            -0.0744318670062,
            -0.0835855721962,
            -0.0233554406171,
        ],
    ),
]


@pytest.mark.parametrize(("kind", "edges", "expected"), FIRWIN)
def test_taps_are_those_of_scipys_firwin(kind, edges, expected):
    taps = design_fir.firwin(kind, len(expected), edges, 1000.0)
    assert all(abs(a - b) < 1e-10 for a, b in zip(taps, expected, strict=True))


@pytest.mark.parametrize("window", design_fir.WINDOWS)
@pytest.mark.parametrize("taps", [9, 10, 101])
def test_every_window_is_scipys(window, taps):
    signal = pytest.importorskip("scipy.signal")
    for kind, edges in (("lowpass", [80.0]), ("bandpass", [50.0, 210.0])):
        theirs = signal.firwin(taps, edges, window=window, fs=1000.0, pass_zero=kind)
        ours = design_fir.firwin(kind, taps, edges, 1000.0, window)
        assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 1e-13


@pytest.mark.parametrize(("up", "down"), [(1, 2), (3, 2), (7, 1), (147, 160)])
def test_resamples_with_the_filter_of_scipys_resample_poly(up, down):
    signal = pytest.importorskip("scipy.signal")
    most = max(up, down)
    theirs = up * signal.firwin(20 * most + 1, 1 / most, window=("kaiser", 5.0))
    ours = design_fir.resampler(up, down, 10)
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 1e-13


def test_equal_taps_are_taps():
    """A moving average was once refused: "values is given twice"."""
    plan = Plan("fir taps 0.25 0.25 0.25 0.25 | window 1 | mean")
    assert plan.text == "fir taps 0.25 0.25 0.25 0.25 | window 1 | mean"
    assert Plan.from_bytes(plan.canonical) == plan


def test_ratios_are_reduced():
    assert Plan("resample 4 6 | sum").text == "resample 2 3 | sum"
    assert Plan("resample 4 6 | sum") == Plan("resample 2 3 | sum")
