"""Filter coefficients and frequency bins, for a plan whose rate is known.

Sines come from own series in float64 (IEEE arithmetic only, no libm), so that every machine designs
the same bits. Filters are Butterworth, by the analogue prototype and the bilinear transform with
pre-warped edges (Oppenheim, Schafer, "Discrete-time signal processing", 7.1), as scipy's `butter`
designs them; each section is scaled to gain 1 where the pass band's gain is 1, which leaves their
product the same and keeps f32 sections in range. Notches follow R. Bristow-Johnson's cookbook.
"""

from math import sqrt
from typing import NamedTuple

from atoll.kernels.errors import PlanError
from atoll.kernels.geometry import FIR_GIVEN
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import f32_bits, f32_value

KINDS = ("lowpass", "highpass", "bandpass", "bandstop", "notch")
TAPS_MAX = 512  # as the portable part
PI = 3.141592653589793

# b0 b1 b2 a1 a2 of the section that changes nothing: stands in where the rate is not known.
IDENTITY = (f32_bits(1.0), 0, 0, 0, 0)


class Context(NamedTuple):
    """What a design depends on beside the operation."""

    rate: float | None
    window: int


def sine(x: float) -> float:
    """sin x for 0 <= x <= pi, within 2 ulp of float64."""
    if x > PI / 2:
        x = PI - x
    if x > PI / 4:
        return _cosine_series(PI / 2 - x)
    return _sine_series(x)


def cosine(x: float) -> float:
    """cos x for 0 <= x <= pi."""
    if x > PI / 2:
        return -cosine(PI - x)
    return _sine_series(PI / 2 - x) if x > PI / 4 else _cosine_series(x)


def _sine_series(x: float) -> float:
    term = total = x
    for k in range(2, 22, 2):
        term = -term * x * x / (k * (k + 1))
        total += term
    return total


def _cosine_series(x: float) -> float:
    term = total = 1.0
    for k in range(1, 21, 2):
        term = -term * x * x / (k * (k + 1))
        total += term
    return total


def root(z: complex) -> complex:
    """The principal square root, of real square roots alone."""
    size = sqrt(z.real * z.real + z.imag * z.imag)
    re = sqrt(max(0.0, (size + z.real) / 2))
    im = sqrt(max(0.0, (size - z.real) / 2))
    return complex(re, -im if z.imag < 0 else im)


def warp(hz: float, rate: float) -> float:
    """The analogue edge of a digital one, with a sampling rate of 2."""
    angle = PI * hz / rate
    return 4.0 * sine(angle) / cosine(angle)


def poles(order: int) -> list[complex]:
    """Left half of the Butterworth circle: one of each pair, and the real one of odd orders."""
    angles = [PI * (2 * k + 1) / (2 * order) for k in range((order + 1) // 2)]
    return [
        complex(-sine(a), cosine(a)) if 2 * k + 1 != order else -1.0 + 0j
        for k, a in enumerate(angles)
    ]


def butterworth(kind: str, order: int, edges: list[float], rate: float) -> list[tuple[float, ...]]:
    """Sections (b0, b1, b2, a1, a2) of a low-, high-, band-pass or band-stop filter."""
    warped = [warp(hz, rate) for hz in edges]
    if kind == "lowpass":
        return [_section(p * warped[0], "low", 0.0) for p in poles(order)]
    if kind == "highpass":
        return [_section(warped[0] / p, "high", 0.0) for p in poles(order)]
    width, centre = warped[1] - warped[0], warped[0] * warped[1]
    sections = []
    for p in poles(order):
        half = (p * width if kind == "bandpass" else width / p) / 2
        split = root(half * half - centre)
        pair = (half + split, half - split)
        if p.imag == 0:
            sections.append(_from_poles(pair, kind, centre))
        else:
            sections += [_section(q, kind, centre) for q in pair]
    return sections


def _section(pole: complex, kind: str, centre: float) -> tuple[float, ...]:
    """The section of an analogue pole and its conjugate (of the pole alone where it is real)."""
    return _from_poles((pole,) if pole.imag == 0 else (pole, pole.conjugate()), kind, centre)


def _from_poles(pair: tuple[complex, ...], kind: str, centre: float) -> tuple[float, ...]:
    digital = [(4.0 + p) / (4.0 - p) for p in pair]
    a1 = -sum(digital).real
    a2 = (digital[0] * digital[1]).real if len(pair) == 2 else 0.0
    middle = (16.0 - centre) / (16.0 + centre)  # cosine of the centre frequency
    if kind == "low":
        zeros, at = ((1.0, 2.0, 1.0) if len(pair) == 2 else (1.0, 1.0, 0.0)), 1.0 + 0j
    elif kind == "high":
        zeros, at = ((1.0, -2.0, 1.0) if len(pair) == 2 else (1.0, -1.0, 0.0)), -1.0 + 0j
    elif kind == "bandpass":
        zeros, at = (1.0, 0.0, -1.0), complex(middle, sqrt(max(0.0, 1 - middle * middle)))
    else:
        zeros, at = (1.0, -2.0 * middle, 1.0), 1.0 + 0j
    over = zeros[0] * at * at + zeros[1] * at + zeros[2]
    under = at * at + a1 * at + a2
    gain = _size(under) / _size(over)
    return (*(gain * b for b in zeros), a1, a2)


def _size(z: complex) -> float:
    return sqrt(z.real * z.real + z.imag * z.imag)


def notch(hz: float, q: float, rate: float) -> tuple[float, ...]:
    """One section with a zero at hz, hz / q wide."""
    angle = 2 * PI * hz / rate
    c, alpha = cosine(angle), sine(angle) / (2 * q)
    a0 = 1 + alpha
    return 1 / a0, -2 * c / a0, 1 / a0, -2 * c / a0, (1 - alpha) / a0


def turns_sine(turns: float) -> float:
    """sin(2 pi turns), for any number of turns below 2^40."""
    part = turns - turns // 1
    return sine(2 * PI * part) if part <= 0.5 else -sine(2 * PI * (1 - part))


def firwin(kind: str, taps: int, edges: list[float], rate: float) -> list[float]:
    """Windowed-sinc taps, Hamming, of gain 1 where the pass band's middle (0, half the rate) is."""
    low = 0.0 if kind == "lowpass" else edges[0] / rate
    high = 0.5 if kind == "highpass" else edges[-1] / rate
    raw = []
    for k in range(taps):
        t = k - (taps - 1) / 2
        ideal = 2 * (high - low)
        if t != 0:
            ideal = (turns_sine(high * t) - turns_sine(low * t)) / (PI * t)
        raw.append(ideal * (0.54 - 0.46 * turns_sine(k / (taps - 1) + 0.25)))
    at = {"lowpass": 0.0, "highpass": 0.5}.get(kind, (low + high) / 2)
    gain = sum(h * turns_sine(at * (k - (taps - 1) / 2) + 0.25) for k, h in enumerate(raw))
    return [h / gain for h in raw]


def lowered(op: Op, context: Context) -> tuple[int, ...]:
    """Words that the interpreter takes for an operation; placeholders where there is no rate."""
    name = op.kernel.name
    if name == "biquad":
        return _biquad(op, context)
    if name == "fir":
        return _fir(op, context)
    if name == "slope":
        return (f32_bits(context.rate or 0.0),)
    if name == "envelope":
        hz = [f32_value(word) for word in op.words]
        return _sections("lowpass", 2, hz, 0.0, context, name) if hz[0] > 0 else ()
    if name == "lines":
        return _lines(op, context)
    if name == "band":
        low, high = (f32_value(word) for word in op.words)
        return _bins(low, high, context, name)
    if name == "centroid":
        return (f32_bits(context.rate / context.window) if context.rate else 0,)
    if name == "goertzel":
        return _goertzel(f32_value(op.words[0]), context)
    return op.words


def _biquad(op: Op, context: Context) -> tuple[int, ...]:
    kind, order = KINDS[op.words[0]], op.words[1]
    hz = [f32_value(word) for word in op.words[3:]]
    edges = 2 if kind in ("bandpass", "bandstop") else 1
    if len(hz) != edges:
        raise PlanError(f"biquad {kind} takes {edges} frequencies, not {len(hz)}")
    return _sections(kind, order, hz, f32_value(op.words[2]), context, f"biquad {kind}")


def _fir(op: Op, context: Context) -> tuple[int, ...]:
    if op.words[0] == FIR_GIVEN:
        if not 2 <= len(op.words) - 2 <= TAPS_MAX:
            raise PlanError(f"fir takes 2 to {TAPS_MAX} taps, not {len(op.words) - 2}")
        return op.words[2:]
    kind = ("lowpass", "highpass", "bandpass")[op.words[0]]
    hz = [f32_value(word) for word in op.words[2:]]
    edges = 2 if kind == "bandpass" else 1
    if len(hz) != edges or sorted(set(hz)) != hz or hz[0] <= 0:
        raise PlanError(f"fir {kind} takes {edges} rising frequencies above 0 Hz, not {hz}")
    if kind == "highpass" and op.words[1] % 2 == 0:
        raise PlanError(
            "fir highpass needs an odd number of taps: an even one is 0 at half the rate"
        )
    if context.rate is None:
        return (0,) * op.words[1]
    _below_half(hz[-1], context.rate, f"fir {kind}")
    return tuple(f32_bits(h) for h in firwin(kind, op.words[1], hz, context.rate))


def _sections(
    kind: str, order: int, hz: list[float], q: float, context: Context, name: str
) -> tuple[int, ...]:
    if sorted(set(hz)) != hz or hz[0] <= 0:
        raise PlanError(f"{name}: frequencies must rise from above 0 Hz, not {hz}")
    if context.rate is None:
        twice = kind in ("bandpass", "bandstop")
        count = 1 if kind == "notch" else order if twice else (order + 1) // 2
        return IDENTITY * count
    _below_half(hz[-1], context.rate, name)
    if kind == "notch":
        sections = [notch(hz[0], q, context.rate)]
    else:
        sections = butterworth(kind, order, hz, context.rate)
    return tuple(f32_bits(value) for section in sections for value in section)


def _below_half(hz: float, rate: float, name: str) -> None:
    if not 0 <= hz < rate / 2:
        raise PlanError(f"{name}: {hz:g} Hz does not lie below half the rate of {rate:g} Hz")


def _bins(low: float, high: float, context: Context, name: str) -> tuple[int, int]:
    """First and last bin whose frequencies lie in [low, high]."""
    if context.rate is None:
        return 0, 0
    per_hz = context.window / context.rate
    first, last = -int(-low * per_hz // 1), int(high * per_hz // 1)
    first, last = max(0, first), min(context.window // 2, last)
    if first > last:
        width = context.rate / context.window
        raise PlanError(
            f"{name}: no bin lies in {low:g} .. {high:g} Hz; bins are {width:g} Hz apart"
        )
    return first, last


def _lines(op: Op, context: Context) -> tuple[int, ...]:
    tol, around = f32_value(op.words[0]), f32_value(op.words[1])
    words: list[int] = []
    for word in op.words[2:]:
        hz = f32_value(word)
        if context.rate is not None:
            _below_half(hz, context.rate, "lines")
        words += _bins(hz - tol, hz + tol, context, "lines")
        words += _bins(hz - around, hz + around, context, "lines")
    return tuple(words)


def _goertzel(hz: float, context: Context) -> tuple[int, int]:
    """2 cos of the frequency, and the factor from |X|^2 to power."""
    if context.rate is None:
        return 0, 0
    _below_half(hz, context.rate, "goertzel")
    ends = 1.0 if hz == 0 else 2.0
    angle = 2 * PI * hz / context.rate
    return f32_bits(2 * cosine(angle)), f32_bits(ends / (float(context.window) * context.window))
