"""Slow twins of filters and spectra, in plain Python: same names, same bits (see reference.py)."""

from collections.abc import Sequence
from fractions import Fraction

from atoll.kernels.design import Context, lowered
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import NAN, f32_value
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


# Sines by their octant: exact reduction, then a Taylor polynomial.
_SINE = tuple(map(f32, (2.7557319e-06, -1.9841270e-04, 8.3333333e-03, -1.6666667e-01)))
_COSINE = tuple(map(f32, (2.4801587e-05, -1.3888889e-03, 4.1666667e-02, -0.5)))


def turn_sine(k: int, n: int) -> float:
    """sin(2 pi k / n)."""
    octant, rest = divmod(8 * k, n)
    octant &= 7
    if octant & 1:
        rest = n - rest
    a = f32(f32(f32(rest) / f32(n)) * f32(0.78539816339744831))
    q = f32(a * a)
    y = 0.0
    for term in _SINE if octant in (0, 3, 4, 7) else _COSINE:
        y = f32(f32(y * q) + term)
    y = f32(f32(f32(y * q) * a) + a) if octant in (0, 3, 4, 7) else f32(f32(y * q) + 1.0)
    return -y if octant >= 4 else y


def turn_cosine(k: int, n: int) -> float:
    """cos(2 pi k / n)."""
    return turn_sine(4 * k + n, 4 * n)


_TAPERS = (((-1.0, 1),), ((-0.85185185, 1),), ((-1.93, 1), (1.29, 2), (-0.388, 3), (0.028, 4)))


def taper(x: Samples, kind: int) -> list[float]:
    """The window times hann (0), hamming (1) or flat-top (2), of mean 1."""
    out = []
    for i, v in enumerate(x):
        weight = 1.0
        for factor, turns in _TAPERS[kind]:
            weight = f32(
                weight + f32(f32(factor) * turn_cosine(turns * min(i, len(x) - i), len(x)))
            )
        out.append(f32(f32(v) * weight))
    return out


Complex = tuple[float, float]


def plus(a: Complex, b: Complex) -> Complex:
    """a + b."""
    return f32(a[0] + b[0]), f32(a[1] + b[1])


def minus(a: Complex, b: Complex) -> Complex:
    """a - b."""
    return f32(a[0] - b[0]), f32(a[1] - b[1])


def turned(a: Complex, k: int, n: int) -> Complex:
    """a e^(-2 pi i k / n)."""
    c, s = turn_cosine(k, n), turn_sine(k, n)
    return f32(f32(a[0] * c) + f32(a[1] * s)), f32(f32(a[1] * c) - f32(a[0] * s))


def transform(z: list[Complex], n: int) -> list[Complex]:
    """Recursive decimation in time of len(z) complex numbers; n is twice the first length."""
    m = len(z)
    if m == 1:
        return z
    even, odd = transform(z[0::2], n), transform(z[1::2], n)
    out: list[Complex] = [(0.0, 0.0)] * m
    for j in range(m // 2):
        # The last quarter turn is a swap in the portable part; e^(-i pi / 2) is exact.
        if 4 * j >= m > 2:
            re, im = turned(odd[j], (j - m // 4) * (n // m), n)
            term = (im, -re)
        else:
            term = turned(odd[j], j * (n // m), n) if j else odd[j]
        out[j], out[j + m // 2] = plus(even[j], term), minus(even[j], term)
    return out


def spectrum(x: Samples) -> list[float]:
    """One-sided power of n samples: n/2 + 1 numbers."""
    n, m = len(x), len(x) // 2
    if any(v - v != 0 for v in map(f32, x)):
        return [NAN] * (m + 1)
    scaled = [f32(f32(v) * f32(1 / n)) for v in x]
    z = transform(list(zip(scaled[0::2], scaled[1::2], strict=True)), n)
    out = [0.0] * (m + 1)
    first, last = f32(z[0][0] + z[0][1]), f32(z[0][0] - z[0][1])
    out[0], out[m] = f32(first * first), f32(last * last)
    for k in range(1, m // 2 + 1):
        (ar, ai), (br, bi) = z[k], z[m - k]
        e, d = (f32(ar + br), f32(ai - bi)), (f32(ai + bi), f32(br - ar))
        p = turned(d, k, n)
        out[m - k] = halved_square(minus(e, p))
        out[k] = halved_square(plus(e, p))
    return out


def halved_square(a: Complex) -> float:
    """|a|^2 / 2."""
    return f32(0.5 * f32(f32(a[0] * a[0]) + f32(a[1] * a[1])))


def lines(p: Samples, words: tuple[int, ...]) -> list[float]:
    """For each line the largest power over the median around it."""
    out = []
    for k in range(0, len(words), 4):
        first, last, left, right = words[k : k + 4]
        near = sorted(p[left : right + 1])
        middle = f32(0.5 * f32(near[(len(near) - 1) // 2] + near[len(near) // 2]))
        out.append(divide(max(p[first : last + 1]), middle))
    return out


def band(p: Samples, words: tuple[int, ...]) -> float:
    """Sum of the power of bins."""
    return lanes(p[words[0] : words[1] + 1])


def centroid(p: Samples, bin_hz: float) -> float:
    """Mean frequency, weighted by power."""
    return divide(lanes([f32(v * f32(k * bin_hz)) for k, v in enumerate(p)]), lanes(p))


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
    return {"biquad": biquad, "envelope": envelope, "fir": fir}[op.kernel.name](x, words)


def feature(op: Op, x: Samples, floats: bool, context: Context) -> float | list[float]:
    """One of the features of this file."""
    rate, window = context
    if op.kernel.name == "slope":
        return slope(x, floats, rate or 0.0)
    if op.kernel.name == "autocorr":
        return autocorr(x, floats, op.words[0])
    words = lowered(op, Context(rate, window))
    name = op.kernel.name
    if name == "lines":
        return lines(x, words)
    if name == "band":
        return band(x, words)
    if name == "centroid":
        return centroid(x, f32_value(words[0]))
    if name == "goertzel":
        return goertzel(x, f32_value(words[0]), f32_value(words[1]))
    return zero_crossings(x)
