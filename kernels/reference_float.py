"""f32 arithmetic in plain Python, for the slow twins.

Computed in float64 and rounded to f32 after each operation, which equals f32 arithmetic for
+ - * / and square root (53 >= 2 24 + 2 bits; Figueroa 1995).
"""

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from struct import pack, unpack

from atoll.kernels.numbers import INFINITY, NAN

LANES = 16


def f32(x: float) -> float:
    """x rounded to f32, to nearest even, infinite beyond the range."""
    try:
        return float(unpack("<f", pack("<f", x))[0])
    except OverflowError:
        return math.copysign(INFINITY, x)


def divide(a: float, b: float) -> float:
    """a / b in f32, as IEEE 754 has it at 0."""
    if b == 0:
        return NAN if a == 0 or a != a else math.copysign(INFINITY, a) * math.copysign(1, b)
    return f32(a / b)


def fraction_f32(x: Fraction) -> float:
    """A fraction rounded once to f32 (normal range)."""
    if x == 0:
        return 0.0
    length = x.numerator.bit_length() - x.denominator.bit_length()
    unit = Fraction(2) ** (length - 24)
    while abs(x) / unit >= 2**24:
        unit *= 2
    while abs(x) / unit < 2**23:
        unit /= 2
    return f32(float(round(x / unit) * unit))


def root_f32(x: Fraction) -> float:
    """The square root of a fraction, rounded once to f32."""
    context = Context(prec=80)
    root = context.divide(Decimal(x.numerator), Decimal(x.denominator)).sqrt(context)
    return fraction_f32(Fraction(root))


def lanes(terms: Sequence[float]) -> float:
    """The sum in 16 lanes and a fixed tree."""
    lane = [0.0] * LANES
    for k, term in enumerate(terms):
        lane[k % LANES] = f32(lane[k % LANES] + term)
    while len(lane) > 1:
        half = len(lane) // 2
        lane = [f32(lane[j] + lane[j + half]) for j in range(half)]
    return lane[0]


def exponent(x: float) -> int:
    """floor(log2 |x|) of a normal f32; -127 below, 128 of infinity and NaN."""
    if x != x or abs(x) == INFINITY:
        return 128
    return max(-127, math.frexp(x)[1] - 1) if x else -127


def range_scale(x: Sequence[float]) -> float:
    """1, or the power of two that brings a peak beyond 2^-50 .. 2^50 near 1."""
    peak_ = f32(max(map(abs, x)))
    e = exponent(peak_)
    if e == 128 or peak_ == 0 or -50 <= e <= 50:
        return 1.0
    return 2.0 ** -max(-126, min(126, e))


def spread_scale(far: float) -> float:
    """The power of two that brings the largest deviation into [0.5, 1)."""
    e = exponent(far)
    if e == 128 or far == 0:
        return 1.0
    return 2.0 ** -(max(-126, min(125, e)) + 1)


def mean(x: Sequence[float], floats: bool) -> float:
    """Mean of the window; scaled where the sum leaves the range."""
    if not floats:
        return fraction_f32(Fraction(sum(map(int, x)), len(x)))
    total = lanes(x)
    if abs(total) < INFINITY:
        return divide(total, len(x))
    by = range_scale(x)
    return divide(divide(lanes([f32(v * by) for v in x]), len(x)), by)


def deviations(x: Sequence[float], floats: bool, by: float = 1.0) -> list[float]:
    """x less its mean: what the mean rounded lacks is taken off as well."""
    if floats:
        middle = f32(mean(x, True) * by)
        first = [f32(f32(v * by) - middle) for v in x]
        rest = divide(lanes(first), len(x))
        return [f32(v - rest) for v in first]
    total, n = sum(map(int, x)), len(x)
    whole = (2 * total + n) // (2 * n)
    rest = fraction_f32(Fraction(total - whole * n, n))
    return [f32(f32(int(v) - whole) - rest) for v in x]
