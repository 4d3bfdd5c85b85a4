"""The words of operations that depend on the stream: filters, bins, its scale.

Filters are Butterworth, by the analogue prototype and the bilinear transform with pre-warped edges
(Oppenheim, Schafer, "Discrete-time signal processing", 7.1), as scipy's `butter` designs them; each
section is scaled to gain 1 where the pass band's gain is 1, which leaves their product the same and
keeps f32 sections in range. Sections by q follow R. Bristow-Johnson's cookbook. Sines are those of
series.py, so that every machine designs the same bits.
"""

from math import sqrt
from typing import NamedTuple

from atoll.kernels import design_bins as spectral
from atoll.kernels import design_fir
from atoll.kernels.design_fir import below_half
from atoll.kernels.errors import PlanError
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import f32_bits, f32_value
from atoll.kernels.series import PI, cosine, root, sine

KINDS = ("lowpass", "highpass", "bandpass", "bandstop", "notch", "sections")
SECTION_WORDS, SECTIONS_MAX = 5, 8  # as the portable part
NOTCH_Q = 30.0

# b0 b1 b2 a1 a2 of the section that changes nothing: stands in where the rate is not known.
IDENTITY = (f32_bits(1.0), 0, 0, 0, 0)


class Context(NamedTuple):
    """What a design depends on beside the operation: the rate where the operation stands (Hz), the
    window or segment that a spectrum is of, the stream's own scale.
    """

    rate: float | None
    window: int
    scale: float | None = None
    density: bool = False


def behind(op: Op, context: Context) -> Context:
    """The context of what follows `op`: some stages change the rate, or what bins mean."""
    name, rate = op.kernel.name, context.rate
    if name == "psd":
        return context._replace(window=op.words[0], density=True)
    if rate is None or name not in ("decimate", "resample"):
        return context
    up, by = (1, op.words[0]) if name == "decimate" else op.words[:2]
    return context._replace(rate=rate * up / by)


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


def cookbook(kind: str, hz: float, q: float, rate: float) -> tuple[float, ...]:
    """One section at one frequency: a resonance of q, or a band hz / q wide."""
    angle = 2 * PI * hz / rate
    c, alpha = cosine(angle), sine(angle) / (2 * q)
    a0 = 1 + alpha
    b = {
        "lowpass": ((1 - c) / 2, 1 - c, (1 - c) / 2),
        "highpass": ((1 + c) / 2, -(1 + c), (1 + c) / 2),
        "bandpass": (alpha, 0.0, -alpha),
    }.get(kind, (1.0, -2 * c, 1.0))
    return b[0] / a0, b[1] / a0, b[2] / a0, -2 * c / a0, (1 - alpha) / a0


def lowered(op: Op, context: Context) -> tuple[int, ...]:
    """Words that the interpreter takes for an operation; placeholders where there is no rate."""
    name, rate, window = op.kernel.name, context.rate, context.window
    if name == "scale" and not op.words:
        return _own_scale(context.scale), 0
    if name == "biquad":
        return _biquad(op, rate)
    if name == "fir":
        return design_fir.fir_words(op, rate)
    if name == "resample":
        return design_fir.resample_words(op)
    if name == "slope":
        return (f32_bits(rate or 0.0),)
    if name == "envelope":
        hz = [f32_value(word) for word in op.words]
        return _sections("lowpass", 2, hz, 0.0, rate, name) if hz[0] > 0 else ()
    if name == "psd":
        return spectral.psd_words(op, rate)
    if name == "lines":
        return spectral.line_words(op, rate, window)
    if name == "band":
        return spectral.band_words(op, rate, window, density=context.density)
    if name == "centroid":
        return (spectral.bin_hz(rate, window),)
    if name == "peaks":
        return op.words[0], spectral.bin_hz(rate, window)
    if name == "mel":
        return spectral.mel_words(op, rate, window)
    if name == "goertzel":
        return spectral.goertzel_words(f32_value(op.words[0]), rate, window)
    return op.words


def _own_scale(scale: float | None) -> int:
    """The stream's own scale as f32; 1 stands in where it is not known."""
    try:
        return f32_bits(1.0 if scale is None else scale)
    except OverflowError:
        raise PlanError(f"scale: the stream's {scale:g} is beyond the range of f32") from None


def _biquad(op: Op, rate: float | None) -> tuple[int, ...]:
    kind, order, q = KINDS[op.words[0]], op.words[1], f32_value(op.words[2])
    given = op.words[3:]
    if kind == "sections":
        return _given_sections(given)
    hz = [f32_value(word) for word in given]
    if kind == "notch" and q == 0:
        q = NOTCH_Q
    if q and order != 2:
        raise PlanError(f"biquad {kind}: either q or order, not both")
    single = kind in ("lowpass", "highpass", "notch") or q > 0
    if len(hz) != (1 if single else 2):
        raise PlanError(
            f"biquad {kind} takes {'1 frequency' if single else '2 frequencies'}, not {len(hz)}"
        )
    return _sections(kind, order, hz, q, rate, f"biquad {kind}")


def _given_sections(words: tuple[int, ...]) -> tuple[int, ...]:
    count, rest = divmod(len(words), SECTION_WORDS)
    if rest or not 1 <= count <= SECTIONS_MAX:
        raise PlanError(
            f"biquad sections takes b0 b1 b2 a1 a2 of 1 to {SECTIONS_MAX} sections, not "
            f"{len(words)} numbers"
        )
    return words


def _sections(
    kind: str, order: int, hz: list[float], q: float, rate: float | None, name: str
) -> tuple[int, ...]:
    if sorted(set(hz)) != hz or hz[0] <= 0:
        raise PlanError(f"{name}: frequencies must rise from above 0 Hz, not {hz}")
    if rate is None:
        twice = kind in ("bandpass", "bandstop")
        count = 1 if q else order if twice else (order + 1) // 2
        return IDENTITY * count
    below_half(hz[-1], rate, name)
    sections = [cookbook(kind, hz[0], q, rate)] if q else butterworth(kind, order, hz, rate)
    return tuple(f32_bits(value) for section in sections for value in section)
