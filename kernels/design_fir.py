"""Taps of filters with finite memory, designed as scipy designs them (series.py has the sines)."""

from math import sqrt

from atoll.kernels.errors import PlanError
from atoll.kernels.geometry import FIR_GIVEN, FIR_HEAD, resample_taps
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import f32_bits, f32_value
from atoll.kernels.series import PI, bessel, turns_cosine, turns_sine

KINDS = ("lowpass", "highpass", "bandpass")
WINDOWS = ("hamming", "hann", "blackman")
TAPS_MAX = 512  # as the portable part
RESAMPLE_TAPS_MAX = 6144  # of all phases: a program has room for no more (parts/resample.pxi)
KAISER_BETA = 5.0


def _weight(window: str, turns: float) -> float:
    """A symmetric window, from 0 to 1 turn."""
    c = turns_cosine(turns)
    if window == "hamming":
        return 0.54 - 0.46 * c
    if window == "hann":
        return 0.5 - 0.5 * c
    return 0.42 - 0.5 * c + 0.08 * turns_cosine(2 * turns)


def firwin(
    kind: str, taps: int, edges: list[float], rate: float, window: str = "hamming"
) -> list[float]:
    """Windowed-sinc taps, of gain 1 where the pass band's middle (0, half the rate) is."""
    low = 0.0 if kind == "lowpass" else edges[0] / rate
    high = 0.5 if kind == "highpass" else edges[-1] / rate
    raw = []
    for k in range(taps):
        t = k - (taps - 1) / 2
        raw.append(_sinc(low, high, t) * _weight(window, k / (taps - 1)))
    at = {"lowpass": 0.0, "highpass": 0.5}.get(kind, (low + high) / 2)
    gain = sum(h * turns_cosine(at * (k - (taps - 1) / 2)) for k, h in enumerate(raw))
    return [h / gain for h in raw]


def _sinc(low: float, high: float, t: float) -> float:
    """The ideal band from low to high (parts of the rate), t samples from its middle."""
    if t == 0:
        return 2 * (high - low)
    return (turns_sine(high * t) - turns_sine(low * t)) / (PI * t)


def resampler(up: int, down: int, half: int) -> list[float]:
    """Taps of the low-pass between `up` and `down`: Kaiser window, as scipy's resample_poly.

    Its edge is at half the lower of both rates, its gain `up`, `half` zeros to each side.
    """
    most = max(up, down)
    reach = half * most
    raw = []
    for k in range(-reach, reach + 1):
        part = k / reach
        weight = bessel(KAISER_BETA * sqrt(1 - part * part)) / bessel(KAISER_BETA)
        raw.append(_sinc(0.0, 0.5 / most, float(abs(k))) * weight)
    gain = sum(raw)
    return [up * h / gain for h in raw]


def resample_words(op: Op) -> tuple[int, ...]:
    """up, down, then for each phase its taps, the last one (of the oldest sample) first."""
    up, down, half = op.words
    each = resample_taps(up, down, half)
    if up * each > RESAMPLE_TAPS_MAX:
        raise PlanError(
            f"resample {up} {down} takes {up * each} taps, at most {RESAMPLE_TAPS_MAX} fit: "
            "a smaller half, or a simpler ratio"
        )
    taps = resampler(up, down, half)
    taps += [0.0] * (up * each - len(taps))
    phases = [taps[k::up][::-1] for k in range(up)]
    return (up, down, *(f32_bits(h) for phase in phases for h in phase))


def fir_words(op: Op, rate: float | None) -> tuple[int, ...]:
    """The taps; zeros where there is no rate."""
    if op.words[0] == FIR_GIVEN:
        given = op.words[FIR_HEAD:]
        if not 2 <= len(given) <= TAPS_MAX:
            raise PlanError(f"fir takes 2 to {TAPS_MAX} taps, not {len(given)}")
        return given
    kind = KINDS[op.words[0]]
    hz = [f32_value(word) for word in op.words[FIR_HEAD:]]
    edges = 2 if kind == "bandpass" else 1
    if len(hz) != edges or sorted(set(hz)) != hz or hz[0] <= 0:
        raise PlanError(f"fir {kind} takes {edges} rising frequencies above 0 Hz, not {hz}")
    if kind == "highpass" and op.words[1] % 2 == 0:
        raise PlanError(
            "fir highpass needs an odd number of taps: an even one is 0 at half the rate"
        )
    if rate is None:
        return (0,) * op.words[1]
    below_half(hz[-1], rate, f"fir {kind}")
    taps = firwin(kind, op.words[1], hz, rate, WINDOWS[op.words[2]])
    return tuple(f32_bits(h) for h in taps)


def below_half(hz: float, rate: float, name: str) -> None:
    """Refuse a frequency that samples at this rate cannot have."""
    if not 0 <= hz < rate / 2:
        raise PlanError(f"{name}: {hz:g} Hz does not lie below half the rate of {rate:g} Hz")
