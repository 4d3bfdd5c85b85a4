"""Designs against scipy's butter, and against mathematics."""

import cmath
import math
from array import array
from struct import unpack

import pytest

from atoll.kernels import Plan, PlanError, design

# (kind, order, edges, rate, response at 0.01, 0.07, 0.13, 0.25 and 0.4 of the rate), of
# scipy.signal.butter(..., output="sos") and sosfreqz, scipy 1.17.
BUTTER = [
    (
        "lowpass",
        1,
        [100],
        1000,
        [
            (0.990731922745, -0.0958236922625),
            (0.678763757402, -0.466951302642),
            (0.360519110697, -0.480151102799),
            (0.0954915028125, -0.293892626146),
            (0.0110227625, -0.104409105),
        ],
    ),
    (
        "lowpass",
        4,
        [50],
        1000,
        [
            (0.867131800673, -0.498076337407),
            (-0.109527260158, 0.218518587837),
            (0.0100564354411, 0.0148591123254),
            (0.000575787509958, 0.000253915498587),
            (6.95044327474e-06, 9.40700574974e-07),
        ],
    ),
    (
        "highpass",
        3,
        [300],
        1000,
        [
            (-5.43415561214e-07, -1.18907272656e-05),
            (-0.00137283055891, -0.00405720931798),
            (-0.018558554913, -0.024910272299),
            (-0.357599379483, 0.0186321063487),
            (0.595238095238, 0.79859570625),
        ],
    ),
    (
        "bandpass",
        2,
        [2000, 5000],
        12000,
        [
            (-0.00211447730884, 0.000137943858841),
            (-0.0984085148535, 0.0525225064271),
            (-0.202674594723, 0.383548127532),
            (0.850755037897, 0.508510733202),
            (0.326616311361, -0.8058474398),
        ],
    ),
    (
        "bandpass",
        3,
        [100, 120],
        1000,
        [
            (-1.86719769973e-07, -5.33831876275e-06),
            (-0.0032445331637, -0.00754069853001),
            (-0.12762591901, 0.0635626089405),
            (-8.79106090806e-05, 0.000533992190394),
            (-5.98421356592e-07, 1.27819313628e-05),
        ],
    ),
    (
        "bandstop",
        2,
        [45, 55],
        1000,
        [
            (0.99819600702, -0.0600124058666),
            (0.911755134371, 0.4025014259),
            (0.992583283592, 0.121343379246),
            (0.998908013762, 0.0467074962184),
            (0.999889902502, 0.0148381520141),
        ],
    ),
    (
        "lowpass",
        8,
        [1000],
        48000,
        [
            (-0.819288807975, -0.573374264365),
            (2.84603456923e-06, 5.45774825273e-05),
            (1.97197564272e-07, 1.94484980701e-07),
            (3.21531872197e-10, 1.12340977053e-10),
            (4.20581685466e-14, 4.60970529471e-15),
        ],
    ),
    (
        "bandpass",
        1,
        [10, 400],
        1000,
        [
            (0.5, 0.5),
            (0.995307104109, 0.0683437825927),
            (0.995304544897, -0.068362327376),
            (0.919181154014, -0.272556709915),
            (0.5, -0.5),
        ],
    ),
]
PARTS = (0.01, 0.07, 0.13, 0.25, 0.4)


def response(sections, part):
    z = cmath.exp(2j * math.pi * part)
    total = 1.0 + 0j
    for b0, b1, b2, a1, a2 in sections:
        total *= (b0 * z * z + b1 * z + b2) / (z * z + a1 * z + a2)
    return total


@pytest.mark.parametrize(("kind", "order", "edges", "rate", "expected"), BUTTER)
def test_responds_as_scipys_butter(kind, order, edges, rate, expected):
    sections = design.butterworth(kind, order, [float(hz) for hz in edges], float(rate))
    for part, (re, im) in zip(PARTS, expected, strict=True):
        assert abs(response(sections, part) - complex(re, im)) < 1e-9


@pytest.mark.parametrize("order", range(1, 9))
@pytest.mark.parametrize("kind", ["lowpass", "highpass", "bandpass", "bandstop"])
def test_edges_are_at_half_power_and_poles_are_stable(kind, order):
    edges = [100.0, 180.0] if kind.startswith("band") else [100.0]
    sections = design.butterworth(kind, order, edges, 1000.0)
    assert len(sections) == (order if len(edges) == 2 else (order + 1) // 2)
    for hz in edges:
        assert abs(abs(response(sections, hz / 1000)) - math.sqrt(0.5)) < 1e-9
    for *_, a1, a2 in sections:
        assert abs(a2) < 1
        assert abs(a1) < 1 + a2


def test_a_notch_takes_its_frequency_away():
    section = design.cookbook("notch", 50.0, 30.0, 1000.0)
    assert abs(response([section], 0.05)) < 1e-12
    assert abs(abs(response([section], 0.2)) - 1) < 0.01


def test_sections_by_q_have_their_gain_where_they_should():
    for kind, passes, at_edge in (
        ("lowpass", 0.0, 3.0),
        ("highpass", 0.5, 3.0),
        ("bandpass", 0.1, 1.0),
    ):
        section = design.cookbook(kind, 100.0, 3.0, 1000.0)
        assert abs(abs(response([section], passes)) - 1) < 1e-9
        assert abs(abs(response([section], 0.1)) - at_edge) < 1e-9


def test_a_second_order_butterworth_is_the_cookbook_at_its_q():
    ours = design.cookbook("lowpass", 100.0, math.sqrt(0.5), 1000.0)
    (theirs,) = design.butterworth("lowpass", 2, [100.0], 1000.0)
    assert all(abs(a - b) < 1e-12 for a, b in zip(ours, theirs, strict=True))


def test_given_sections_are_taken_as_they_are():
    plan = Plan("biquad sections 0.5 0.5 0 -0.25 0 | sum")
    assert not plan.rated
    assert plan.ordered
    assert unpack("<5f", plan.words("f32")[28:48]) == (0.5, 0.5, 0.0, -0.25, 0.0)


def test_stages_behind_a_change_of_rate_see_the_new_rate():
    """A line of 100 Hz stays at 100 Hz; it once was looked for at the old rate."""
    x = array("f", [math.sin(2 * math.pi * 100 * k / 8000) for k in range(8 * 1024)])
    for text in ("decimate 8", "resample 1 8", "resample 1 4 | decimate 2"):
        found = Plan(f"{text} | window 512 hop=256 | taper | spectrum | peaks 1").run(x, 8000)
        assert found["peaks"][0][0] == pytest.approx(100, abs=1.0)
        found = Plan(f"{text} | window 500 hop=250 | goertzel 100").run(x, 8000)
        assert found["goertzel"][0] == pytest.approx(0.5, rel=0.01)
        with pytest.raises(PlanError, match="half the rate of 1000"):
            Plan(f"{text} | window 512 | goertzel 600").check("f32", 8000.0)


def test_words_are_the_same_bits_everywhere():
    words = Plan("biquad bandpass 2000 5000 | sum").words("i16", 12000.0)
    expected = (
        "050000000a000000fafb253f00000000fafb25bf48950bbfe200a63e9d49e73e000000009d49e7be"
        "7b7ea33f2f78073f6100000000000000"
    )
    assert words[20:].hex() == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("biquad lowpass 100 200 | sum", "1 frequency"),
        ("biquad bandpass 200 100 | sum", "must rise"),
        ("biquad bandpass 100 200 q=3 | sum", "1 frequency"),
        ("biquad lowpass 100 q=3 order=4 | sum", "not both"),
        ("biquad sections 1 2 3 | sum", "of 1 to 8 sections"),
        ("resample 256 255 half=32 | sum", "at most 6144"),
        ("window 64 | spectrum | mel 4 low=300 high=200", "no band"),
        ("window 64 | spectrum | mel 100", "no bin lies in band"),
        ("biquad lowpass 0 | sum", "above 0"),
        ("biquad lowpass 500 | sum", "half the rate"),
        ("envelope 700 | sum", "half the rate"),
        ("window 64 | goertzel 600", "half the rate"),
        ("window 64 | spectrum | lines 600", "half the rate"),
        ("window 64 | spectrum | lines 100", "no bin lies"),
        ("window 64 | spectrum | band 20 10", "no bin lies"),
    ],
)
def test_designs_that_cannot_be_show_where(text, reason):
    with pytest.raises(PlanError) as caught:
        Plan(text).check("i16", 1000.0)
    assert reason in str(caught.value)
    assert "^" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fir highpass 100 taps=8 | sum", "odd number"),
        ("fir bandpass 100 | sum", "2 rising"),
        ("fir taps 1 | sum", "2 to 512"),
        ("median 4 | sum", "odd"),
        ("decimate 4096 | decimate 2 | sum", "beyond 4096"),
        ("decimate 4096 | resample 1 2 half=1 | sum", "beyond 4096"),
        ("resample 2 2 | sum", "are equal"),
        ("resample 65 1 | sum", "at most 64"),
        ("resample 2 1 | resample 1 2 | sum", "one resample"),
        ("resample 8 1 half=1 | window 32 hop=4 | rms", "hop=8 or more"),
        ("resample 2 1 | ema 0.5 | threshold 1", "cut them into windows"),
        ("window 64 | psd 128", "within the window"),
        ("window 64 | psd 24", "power of two"),
        ("window 64 | psd 32 hop=33", "hop must not"),
        ("window 64 | psd 32 | spectrum", "one spectrum"),
        ("window 64 | peaks", "reads a spectrum"),
        ("window 8 | autocorr 8", "within the window"),
    ],
)
def test_stages_that_cannot_be(text, reason):
    with pytest.raises(PlanError, match=reason):
        Plan(text)
