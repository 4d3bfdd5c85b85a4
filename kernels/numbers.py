"""Numbers of plans and results: bits of f32, shortest decimals, correctly rounded ratios."""

from math import isqrt
from struct import pack, unpack

INFINITY = float("inf")
NAN = float("nan")

# float64 has 53 bits; a root of 64 bits and a sticky bit rounds once.
_ROOT_BITS = 64


def f32_bits(value: float) -> int:
    """Bits of the nearest f32, -0 as 0; OverflowError beyond the range."""
    return int(unpack("<I", pack("<f", value + 0.0))[0])


def f32_value(bits: int) -> float:
    """The number with these f32 bits."""
    return float(unpack("<f", pack("<I", bits))[0])


def f32_text(bits: int) -> str:
    """The shortest decimal that reads back as the same f32."""
    value = f32_value(bits)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            if f32_bits(float(text)) == bits:
                plain = text.endswith("+0" + text[-1:]) and text[-1:] < "7"  # 100, not 1e+02
                return str(int(float(text))) if plain else text
        except OverflowError:  # rounded up beyond the largest f32: more digits are needed
            continue
    return repr(value)


def part_text(word: int) -> str:
    """A quantile's part (in 1e-9) as a decimal: 990000000 -> 0.99."""
    text = f"{word // 10**9}.{word % 10**9:09d}".rstrip("0")
    return text.rstrip(".")


def ratio(a: int, b: int) -> float:
    """a / b correctly rounded to float64, infinite where it overflows; b > 0."""
    try:
        return a / b
    except OverflowError:
        return -INFINITY if a < 0 else INFINITY


def root_ratio(a: int, b: int) -> float:
    """sqrt(a / b) correctly rounded to float64; a >= 0, b > 0."""
    if a == 0:
        return 0.0
    shift = max(0, _ROOT_BITS - (a.bit_length() - b.bit_length()) // 2)
    quotient, rest = divmod(a << (2 * shift), b)
    root = isqrt(quotient)
    inexact = rest != 0 or root * root != quotient
    return ratio(2 * root + inexact, 1 << (shift + 1))
