"""Slow twins of filters and spectra, in plain Python: same names, same bits (see reference.py)."""

from collections.abc import Sequence
from fractions import Fraction

from atoll.kernels import reference_spectral as spectral
from atoll.kernels.design import Context, lowered
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import f32_value
from atoll.kernels.reference_float import (
    deviations as spread,
)
from atoll.kernels.reference_float import (
    divide,
    f32,
    fraction_f32,
    lanes,
    spread_scale,
)

Samples = Sequence[float]


def biquad(x: Samples, words: tuple[int, ...]) -> list[float]:
    """Second-order sections, transposed direct form II."""
    out = [f32(v) for v in x]
    for k in range(0, len(words), 5):
        b0, b1, b2, a1, a2 = (f32_value(word) for word in words[k : k + 5])
        s1 = s2 = 0.0
        for i, v in enumerate(out):
            y = f32(f32(b0 * v) + s1)
            s1 = f32(f32(f32(b1 * v) - f32(a1 * y)) + s2)
            s2 = f32(f32(b2 * v) - f32(a2 * y))
            out[i] = y
    return out


def envelope(x: Samples, words: tuple[int, ...]) -> list[float]:
    """Magnitudes, through a low-pass where there is a cut-off."""
    return biquad([abs(f32(v)) for v in x], words)


def ema(x: Samples, alpha: float) -> list[float]:
    """y + alpha (x - y), from the first sample."""
    out: list[float] = []
    for v in x:
        y = out[-1] if out else f32(v)
        out.append(f32(y + f32(alpha * f32(f32(v) - y))))
    return out


def fir(x: Samples, words: tuple[int, ...]) -> list[float]:
    """Sum of tap[k] x[i - k], k rising, where all taps lie on samples."""
    values, taps = [f32(v) for v in x], [f32_value(word) for word in words]
    out = []
    for i in range(len(taps) - 1, len(values)):
        total = f32(taps[0] * values[i])
        for k in range(1, len(taps)):
            total = f32(total + f32(taps[k] * values[i - k]))
        out.append(total)
    return out


def resample(x: Samples, words: tuple[int, ...]) -> list[float]:
    """Output m takes the phase and the samples of place m down on the grid of `up` a sample."""
    up, down = words[:2]
    taps = [f32_value(word) for word in words[2:]]
    each, values, out, m = len(taps) // up, [f32(v) for v in x], [], 0
    while m * down // up + each <= len(values):
        at, phase = divmod(m * down, up)
        tap = taps[phase * each : (phase + 1) * each]
        products = [f32(h * v) for h, v in zip(tap, values[at : at + each], strict=True)]
        out.append(lanes(products))
        m += 1
    return out


def median(x: Samples, width: int) -> list[float]:
    """The middle of each `width` samples in order; NaN stands above infinity."""
    runs = (x[i : i + width] for i in range(len(x) - width + 1))
    return [sorted(run, key=_place)[width // 2] + 0 for run in runs]


def _place(v: float) -> tuple[bool, float]:
    return (v != v, 0.0 if v != v else v)


def slope(x: Samples, floats: bool, rate: float) -> float:
    """Least-squares slope a second."""
    n, half = len(x), f32((len(x) - 1) * 0.5)
    d = spread(x, floats)
    total = lanes([f32(f32(i - half) * v) for i, v in enumerate(d)])
    return f32(divide(total, fraction_f32(Fraction(n * (n * n - 1) // 12))) * rate)


def autocorr(x: Samples, floats: bool, lag: int) -> float:
    """sum(d[i] d[i + lag]) over sum(d^2)."""
    d = spread(x, floats)
    shrink = spread_scale(max(map(abs, d)))
    z = [f32(v * shrink) for v in d]
    products = [f32(a * b) for a, b in zip(z, z[lag:], strict=False)]
    return divide(lanes(products), lanes([f32(v * v) for v in z]))


def goertzel(x: Samples, cosine: float, scale: float) -> float:
    """Power at one frequency."""
    s1 = s2 = 0.0
    for v in x:
        s1, s2 = f32(f32(f32(v) - s2) + f32(cosine * s1)), s1
    energy = f32(f32(s1 * s1) + f32(s2 * s2))
    return f32(f32(energy - f32(f32(cosine * s1) * s2)) * scale)


def zero_crossings(x: Samples) -> float:
    """Sign changes, 0 being positive."""
    return float(sum((a < 0) != (b < 0) for a, b in zip(x[1:], x[:-1], strict=True)))


def stage(op: Op, x: Samples, rate: float | None) -> list[float]:
    """One of the filters."""
    words = lowered(op, Context(rate, 1))
    if op.kernel.name == "ema":
        return ema(x, f32_value(op.words[0]))
    filters = {"biquad": biquad, "envelope": envelope, "fir": fir, "resample": resample}
    return filters[op.kernel.name](x, words)


def feature(op: Op, x: Samples, floats: bool, context: Context) -> float | list[float]:
    """One of the features of this file."""
    if op.kernel.name == "slope":
        return slope(x, floats, f32(context.rate or 0.0))
    if op.kernel.name == "autocorr":
        return autocorr(x, floats, op.words[0])
    words = lowered(op, context)
    name = op.kernel.name
    if name in ("lines", "band", "centroid", "entropy", "peaks", "mel"):
        return spectral.feature(name, x, words)
    if name == "goertzel":
        return goertzel(x, f32_value(words[0]), f32_value(words[1]))
    return zero_crossings(x)
