"""Operations that a plan is said to take, against those that its twin does for the same bits."""

import pytest

from atoll.kernels import Plan, golden, reference, reference_float, reference_signal
from atoll.kernels import reference_spectral as spectral

# A plan, and how often its twin rounds a sample that is f32 already: no operation.
PLANS = (
    ("biquad lowpass 100 order=4 | window 1 | p2p", 1),
    ("biquad bandpass 100 200 order=3 | window 1 | p2p", 1),
    ("biquad highpass 100 q=2 | window 1 | p2p", 1),
    ("fir lowpass 100 taps=63 | window 1 | p2p", 1),
    ("fir lowpass 100 taps=31 | decimate 4 | fir highpass 20 taps=31 | window 1 | p2p", 1.25),
    ("resample 3 2 half=4 | window 3 | p2p", 1),
    ("resample 2 5 half=4 | window 3 | p2p", 1),
    ("window 512 | spectrum", 1),
    ("window 256 | psd 64", 5.25),
    ("window 128 | kurtosis", 0),
    ("window 128 hop=64 | kurtosis", 0),
    ("window 128 | goertzel 100", 1),
    ("window 512 | spectrum | entropy", 1),
    ("window 512 | detrend line | taper | spectrum | mel 12", 3),
    ("window 128 | detrend | rms", 0),
)


@pytest.fixture
def counted(monkeypatch):
    """Roundings to f32: one an operation."""
    done = [0]
    plain = reference_float.f32

    def f32(x):
        done[0] += 1
        return plain(x)

    for module in (reference, reference_float, reference_signal, spectral):
        monkeypatch.setattr(module, "f32", f32)
    return done


@pytest.mark.parametrize(("text", "idle"), PLANS)
def test_operations_are_what_the_twin_does(text, idle, counted, monkeypatch):
    tables = {}
    for name in ("turn_sine", "turn_cosine"):  # tables, made once
        monkeypatch.setattr(spectral, name, _tabled(getattr(spectral, name), name, tables, counted))
    values = golden.values("f32", "noise") * 2
    counted[0] = 0
    reference.run(text, values, "f32", 1000.0)
    done = counted[0] / len(values) - idle
    assert Plan(text).cost().ops_per_sample == pytest.approx(done, rel=0.1)


def test_what_stages_leave_out_costs_nothing_behind_them():
    whole = Plan("abs | window 64 | rms").cost().ops_per_sample
    fourth = Plan("decimate 4 | abs | window 64 | rms").cost().ops_per_sample
    assert fourth == pytest.approx(1 + whole / 4)
    assert Plan("window 64 hop=16 | rms").cost().ops_per_sample == 8.0
    assert Plan("channels 3 | diff | sum").cost().ops_per_sample == 9.0


def _tabled(function, name, tables, counted):
    def look(k, n):
        if (name, k, n) not in tables:
            before = counted[0]
            tables[name, k, n] = function(k, n)
            counted[0] = before
        return tables[name, k, n]

    return look
