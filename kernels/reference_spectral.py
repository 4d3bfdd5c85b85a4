"""Slow twins of tapers, spectra and what is read off them: same names, same bits (reference.py)."""

from collections.abc import Sequence

from atoll.kernels.numbers import INFINITY, NAN, f32_value
from atoll.kernels.reference_float import deviations, divide, exponent, f32, lanes

Samples = Sequence[float]


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


def psd(x: Samples, floats: bool, words: tuple[int, ...]) -> list[float]:
    """Mean over segments of the power of each, less its mean and tapered, as a density."""
    n, hop, kind, factor = words
    total, segments = [0.0] * (n // 2 + 1), 0
    for at in range(0, len(x) - n + 1, hop):
        segment = x[at : at + n]
        bad = any(v - v != 0 for v in map(f32, segment))
        power = [NAN] * (n // 2 + 1) if bad else spectrum(taper(deviations(segment, floats), kind))
        total = [f32(a + b) for a, b in zip(total, power, strict=True)]
        segments += 1
    by = divide(f32_value(factor), segments)
    return [f32(v * by) for v in total]


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
    """Sum of the power of bins; of a density times their width."""
    total = lanes(p[words[0] : words[1] + 1])
    return f32(total * f32_value(words[2])) if len(words) == 3 else total


def centroid(p: Samples, bin_hz: float) -> float:
    """Mean frequency, weighted by power."""
    return divide(lanes([f32(v * f32(k * bin_hz)) for k, v in enumerate(p)]), lanes(p))


_LOG = tuple(map(f32, (0.32059890, 0.41219859, 0.57707802, 0.96179669, 2.88539008)))


def log2(x: float) -> float:
    """log2 x for x > 0."""
    if x != x or x == INFINITY:
        return x
    e, m = 0, x
    if x < 2.0**-126:
        e, m = -24, x * 2.0**24
    e += exponent(m)
    m *= 2.0 ** -exponent(m)
    if m > f32(1.41421356):
        e, m = e + 1, m / 2
    s = divide(f32(m - 1.0), f32(m + 1.0))
    q, y = f32(s * s), _LOG[0]
    for term in _LOG[1:]:
        y = f32(f32(y * q) + term)
    return f32(e + f32(y * s))


def entropy(p: Samples) -> float:
    """Entropy of the shares of power over that of equal shares."""
    total, by = lanes(p), 1.0
    if total > 2.0**100:
        by = 2.0**-64
    elif total < 2.0**-100:
        by = 2.0**100
    total = lanes([f32(v * by) for v in p])
    shares = [divide(f32(v * by), total) for v in p]
    terms = [f32(q * log2(q)) if q != 0 else 0.0 for q in shares]
    return divide(0.0 - lanes(terms), log2(len(p)))


def peaks(p: Samples, most: int, bin_hz: float) -> list[float]:
    """The largest local maxima as frequency and power; plateaus count once, at their middle."""
    found, k = [], 1
    while k + 1 < len(p):
        end = k + 1
        if p[k - 1] < p[k]:
            while end + 1 < len(p) and p[end] == p[k]:
                end += 1
            if p[end] < p[k]:
                found.append((f32((k + end - 1) // 2 * bin_hz), p[k]))
        k = end
    found.sort(key=lambda peak: -peak[1])
    out = [v for peak in found[:most] for v in peak]
    return out + [NAN] * (2 * most - len(out))


def mel(p: Samples, words: tuple[int, ...]) -> list[float]:
    """Power in triangles over bins; as a level where asked."""
    edges = [f32_value(word) for word in words[1:]]
    out = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        up, down = divide(1.0, f32(middle - low)), divide(1.0, f32(high - middle))
        terms = []
        for k in range(int(low) + 1, len(p)):
            if k >= high:
                break
            rise, fall = f32(f32(k - low) * up), f32(f32(high - k) * down)
            terms.append(f32(p[k] * (rise if k <= middle else fall)))
        power = lanes(terms)
        if words[0] == 1:
            power = f32(f32(3.01029996) * log2(max(f32(1e-10), power)))
        out.append(power)
    return out


def feature(name: str, p: Samples, words: tuple[int, ...]) -> float | list[float]:
    """One of the features of a spectrum."""
    if name == "lines":
        return lines(p, words)
    if name == "band":
        return band(p, words)
    if name == "centroid":
        return centroid(p, f32_value(words[0]))
    if name == "entropy":
        return entropy(p)
    if name == "peaks":
        return peaks(p, words[0], f32_value(words[1]))
    return mel(p, words)
