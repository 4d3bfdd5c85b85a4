"""Every kernel against its slow twin, bit for bit, on vectors that reach the corners."""

from array import array

import pytest

from atoll.kernels import Plan, golden, reference

from .conftest import CODES, same

FEATURES = "mean, rms, peak, p2p, crest, kurtosis, skewness"
PLANS = (
    f"window 64 | {FEATURES}",
    f"window 37 hop=50 | {FEATURES}",
    "window 1 | mean, rms, peak, kurtosis",
    "window 50 hop=7 | detrend | rms, peak, skewness",
    "window 33 | detrend line | mean, rms, p2p",
    "moments",
    "sum, count, minmax",
    "histogram -1000 3000 bins=33",
    "histogram -0.5 0.5",
    "quantiles 0 0.001 0.5 0.99 1",
    "quantiles 0.25 0.5 bins=32",
    "distinct p=7, top 4 width=16",
    "distinct, top 100 width=40",
    "distinct, top width=1000",
    "diff | distinct p=8, top width=32",
    "window 7 hop=3 | mean, peak | distinct p=7, top 3 width=16, minmax",
    "abs | moments, minmax",
    "clip -200.5 1000.25 | moments, minmax",
    "scale 0.1 3 | minmax, sum",
    "diff | sum, minmax, moments",
    "diff | abs | window 20 hop=11 | rms, mean",
    "window 16 | rms, kurtosis | moments, quantiles 0.5 0.9 bins=32",
    "window 30 | zero_crossings, goertzel 170.5 | moments",
    "window 30 hop=17 | goertzel 0",
    "biquad bandpass 100 200 | minmax, sum",
    "biquad bandstop 50 150 order=3 | window 64 | rms",
    "biquad lowpass 200 order=3 | envelope 20 | ema 0.125 | moments",
    "biquad highpass 300 order=1 | abs | window 40 hop=20 | taper hamming | rms, peak",
    "envelope | window 50 | detrend | taper | mean, rms",
    "window 33 | taper flattop | mean, peak",
    "fir lowpass 100 taps=15 | minmax, sum",
    "fir taps 0.25 0.5 -0.25 | window 20 hop=7 | rms | minmax",
    "median 5 | sum, minmax",
    "diff | decimate 3 | median 3 | window 8 hop=3 | mean, slope | minmax",
    "decimate 7 | fir highpass 50 taps=5 | moments",
    "window 40 hop=13 | slope, autocorr 1",
    "window 33 | detrend | autocorr 32, slope",
    "window 16 | spectrum",
    "window 32 hop=16 | taper | spectrum",
    "window 64 | spectrum | centroid, band 100 300",
    "window 128 | detrend line | taper | spectrum | lines 100 210 tol=20 around=150",
    "window 256 hop=100 | spectrum | lines 100 tol=4 | minmax",
    "window 128 | spectrum | lines 100 210 tol=20 around=150 | minmax, sum",
    "resample 3 2 half=2 | moments, minmax",
    "resample 2 3 half=1 | window 20 hop=7 | rms, mean | minmax",
    "diff | resample 1 5 half=1 | minmax, sum",
    "resample 4 3 half=1 | ema 0.25 | window 16 hop=10 | peak",
    "resample 7 1 half=1 | decimate 3 | window 16 hop=5 | mean | minmax",
    "window 64 hop=40 | psd 32",
    "window 100 | psd 16 hop=5 taper=flattop | band 100 300, centroid, entropy",
    "window 64 | detrend line | psd 64 taper=hamming hop=64 | peaks 4, mel 3 high=400",
    "window 64 | spectrum | entropy, peaks 2 | minmax",
    "window 128 | taper | spectrum | mel 6 low=20, entropy",
    "window 256 hop=128 | spectrum | mel 4 give=db | quantiles 0.5 bins=32",
    "decimate 2 | window 32 | slope, goertzel 60 | moments",
    "decimate 2 | window 64 hop=16 | spectrum | band 20 90, centroid | sum",
    "biquad lowpass 100 q=0.7 | sum, minmax",
    "biquad bandpass 100 q=5 | sum",
    "biquad sections 0.5 0.5 0 -0.25 0 1 0 0 0.5 0.25 | sum, minmax",
    "fir lowpass 100 taps=15 window=blackman | sum",
    "fir taps 0.25 0.25 0.25 0.25 | sum",
    "scale | window 16 | rms | moments",
    "scale | sum, minmax",
)
RATE_HZ = 1000.0


@pytest.mark.parametrize("case", golden.CASES)
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("text", PLANS)
def test_plan_equals_its_twin(text, dtype, case):
    values = golden.values(dtype, case)
    ours = Plan(text).run(array(CODES[dtype], values), RATE_HZ, scale=0.001)
    assert same(ours, reference.run(text, values, dtype, RATE_HZ, scale=0.001))


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17])
@pytest.mark.parametrize("dtype", CODES)
def test_short_streams_equal_their_twin(dtype, n):
    values = golden.values(dtype, "noise")[:n]
    for text in ("moments, minmax, quantiles 0.5, histogram 0 9", f"window 2 | {FEATURES}"):
        assert same(Plan(text).run(array(CODES[dtype], values)), reference.run(text, values, dtype))


@pytest.mark.parametrize("value", [0.0, 3.4e38, 1e-45, 1e-30, -2.5])
def test_constant_floats_equal_their_twin(value):
    values = [reference.f32(value)] * 40
    text = f"window 40 | {FEATURES}"
    assert same(Plan(text).run(array("f", values)), reference.run(text, values, "f32"))


def test_a_wrong_bit_is_seen():
    assert not same({"a": [1.0]}, {"a": [1.0 + 2**-52]})
    assert not same({"a": 0.0}, {"a": -0.0})
