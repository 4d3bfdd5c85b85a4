"""Elementary functions in float64 by IEEE arithmetic alone, so that every machine designs the same
bits: additions, multiplications, divisions and square roots, no libm.
"""

from math import sqrt

PI = 3.141592653589793


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


def turns_sine(turns: float) -> float:
    """sin(2 pi turns), for any number of turns below 2^40."""
    part = turns - turns // 1
    return sine(2 * PI * part) if part <= 0.5 else -sine(2 * PI * (1 - part))


def turns_cosine(turns: float) -> float:
    """cos(2 pi turns)."""
    return turns_sine(turns + 0.25)


def bessel(x: float) -> float:
    """The modified Bessel function I0 of the first kind, for 0 <= x <= 20 (its power series)."""
    term = total = 1.0
    for k in range(1, 64):
        term = term * (x / (2 * k)) * (x / (2 * k))
        total += term
    return total


def root(z: complex) -> complex:
    """The principal square root, of real square roots alone."""
    size = sqrt(z.real * z.real + z.imag * z.imag)
    re = sqrt(max(0.0, (size + z.real) / 2))
    im = sqrt(max(0.0, (size - z.real) / 2))
    return complex(re, -im if z.imag < 0 else im)


def nth_root(x: float, n: int) -> float:
    """x^(1/n) for x >= 1, within some ulp: Newton's steps from above, until none leads down."""
    guess = x
    for _ in range(n.bit_length() - 1):
        guess = sqrt(guess)  # at last x^(1/m), m the largest power of two up to n
    while True:
        power = 1.0
        for _ in range(n - 1):
            power *= guess
        better = guess - (guess * power - x) / (n * power)
        if not better < guess:
            return guess
        guess = better
