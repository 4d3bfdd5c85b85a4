"""Frequencies to bins: the words of spectra and of what is read off them."""

from atoll.kernels.design_fir import below_half
from atoll.kernels.errors import PlanError
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import f32_bits, f32_value
from atoll.kernels.series import PI, cosine, nth_root

# Mean squares of the periodic tapers of mean 1 (parts/spectrum.pxi): 1 + sum of a^2 / 2.
_SQUARES = (
    1.0 + 1.0 / 2,
    1.0 + 0.85185185**2 / 2,
    1.0 + (1.93**2 + 1.29**2 + 0.388**2 + 0.028**2) / 2,
)
MEL_HZ = 700.0  # where the mel scale bends (HTK)


def psd_words(op: Op, rate: float | None) -> tuple[int, ...]:
    """Segment, hop, taper, and the factor from power to density: n / (rate mean square taper)."""
    segment, hop, taper = op.words
    factor = segment / (rate * _SQUARES[taper]) if rate else 0.0
    return segment, hop or segment // 2, taper, f32_bits(factor)


def bins(low: float, high: float, rate: float | None, points: int, name: str) -> tuple[int, int]:
    """First and last bin whose frequencies lie in [low, high]."""
    if rate is None:
        return 0, 0
    per_hz = points / rate
    first, last = -int(-low * per_hz // 1), int(high * per_hz // 1)
    first, last = max(0, first), min(points // 2, last)
    if first > last:
        width = rate / points
        raise PlanError(
            f"{name}: no bin lies in {low:g} .. {high:g} Hz; bins are {width:g} Hz apart"
        )
    return first, last


def band_words(op: Op, rate: float | None, points: int, *, density: bool) -> tuple[int, ...]:
    """First and last bin, and of a density the bins' width."""
    low, high = (f32_value(word) for word in op.words)
    found = bins(low, high, rate, points, "band")
    if not density:
        return found
    return (*found, f32_bits(rate / points if rate else 0.0))


def line_words(op: Op, rate: float | None, points: int) -> tuple[int, ...]:
    """For each frequency the bins of the line and those of its neighbourhood."""
    tol, around = f32_value(op.words[0]), f32_value(op.words[1])
    words: list[int] = []
    for word in op.words[2:]:
        hz = f32_value(word)
        if rate is not None:
            below_half(hz, rate, "lines")
        words += bins(hz - tol, hz + tol, rate, points, "lines")
        words += bins(hz - around, hz + around, rate, points, "lines")
    return tuple(words)


def bin_hz(rate: float | None, points: int) -> int:
    """Bits of the bins' distance in Hz."""
    return f32_bits(rate / points) if rate else 0


def goertzel_words(hz: float, rate: float | None, window: int) -> tuple[int, int]:
    """2 cos of the frequency, and the factor from |X|^2 to power."""
    if rate is None:
        return 0, 0
    below_half(hz, rate, "goertzel")
    ends = 1.0 if hz == 0 else 2.0
    angle = 2 * PI * hz / rate
    return f32_bits(2 * cosine(angle)), f32_bits(ends / (float(window) * window))


def mel_edges(bands: int, low: float, high: float) -> list[float]:
    """bands + 2 frequencies, evenly spaced in mel: in 1 + f / 700 they are a geometric series."""
    base = 1 + low / MEL_HZ
    step = nth_root((1 + high / MEL_HZ) / base, bands + 1)
    edges = []
    for _ in range(bands + 2):
        edges.append(MEL_HZ * (base - 1))
        base *= step
    edges[-1] = high
    return edges


def mel_words(op: Op, rate: float | None, points: int) -> tuple[int, ...]:
    """What it gives, then the edges of the triangles, counted in bins."""
    count, give = op.words[0], op.words[3]
    low, high = f32_value(op.words[1]), f32_value(op.words[2])
    if rate is None:
        return (give, *(f32_bits(float(k)) for k in range(count + 2)))
    high = high or rate / 2
    if not low < high <= rate / 2:
        raise PlanError(
            f"mel: {low:g} .. {high:g} Hz is no band up to half the rate of {rate:g} Hz"
        )
    edges = [hz * points / rate for hz in mel_edges(count, low, high)]
    for k in range(count):
        if not int(edges[k] // 1) + 1 < edges[k + 2]:
            raise PlanError(
                f"mel: no bin lies in band {k + 1} of {count}; bins are {rate / points:g} Hz "
                "apart: a longer window, or fewer bands"
            )
    return (give, *map(f32_bits, edges))
