"""Golden vectors: inputs that every build makes for itself, bit for bit, from integers alone.

The generator is xorshift32 (Marsaglia 2003): no library, no float but exact conversions, so a
microcontroller makes the same vectors in 4 KB of RAM. What the kernels make of them is hashed
(receipt.py); the expected hashes stand in tests/kernels/golden.txt.
"""

from array import array
from collections.abc import Iterator

from atoll.kernels.numbers import f32_value

SAMPLES = 512  # 2 KB of f32: half of the smallest board's working memory
CASES = ("noise", "extreme", "wide")

SEEDS = {"noise": 0x2545F491, "extreme": 0x9E3779B9, "wide": 0x6C078965}

EXTREMES = {
    "i16": (-32768, 32767, 0, -1, 1),
    "i32": (-(2**31), 2**31 - 1, 0, -1, 1),
    # Bits: 0, -0, 1, -1, the largest and smallest normal and subnormal numbers.
    "f32": (0, 0x80000000, 0x3F800000, 0xBF800000, 0x7F7FFFFF, 0x00800000, 0x807FFFFF, 1),
}
# NaN and infinities stand apart, in the last quarter of the float extremes.
SPECIAL = (0x7FC00000, 0x7F800000, 0xFF800000, 0x7F800001)


def words(seed: int) -> Iterator[int]:
    """xorshift32 from a seed that is not 0."""
    state = seed
    while True:
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        yield state


def vector(dtype: str, case: str, samples: int = SAMPLES) -> bytes:
    """One vector, little-endian: noise (bell-shaped), extreme (bounds), wide (all magnitudes)."""
    source = words(SEEDS[case])
    if dtype == "f32":
        values = array("I", (_float_bits(case, 4 * k // samples, source) for k in range(samples)))
        return values.tobytes()
    bits = 16 if dtype == "i16" else 32
    numbers = (_integer(dtype, case, bits, source) for _ in range(samples))
    return array("h" if bits == 16 else "i", numbers).tobytes()


def _integer(dtype: str, case: str, bits: int, source: Iterator[int]) -> int:
    word = next(source)
    if case == "extreme":
        return EXTREMES[dtype][word % len(EXTREMES[dtype])]
    if case == "wide":
        return _signed(word >> (32 - bits), bits) >> (next(source) % bits)
    # Four uniform parts of a quarter of the range: near a bell.
    return sum(_signed(next(source) >> (32 - bits), bits) >> 2 for _ in range(4)) >> 1


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _float_bits(case: str, quarter: int, source: Iterator[int]) -> int:
    word = next(source)
    if case == "extreme":
        if quarter == 3:
            return SPECIAL[word % len(SPECIAL)]
        return EXTREMES["f32"][word % len(EXTREMES["f32"])]
    if case == "wide":
        # Any sign and mantissa, exponents 2^-60 .. 2^60.
        return (word & 0x807FFFFF) | ((67 + next(source) % 121) << 23)
    total = sum(_signed(next(source) >> 8, 24) >> 2 for _ in range(4))
    return _bits_of_integer(total, -20)


def _bits_of_integer(value: int, exponent: int) -> int:
    """Bits of value 2^exponent, |value| < 2^24: exact, without float arithmetic."""
    if value == 0:
        return 0
    magnitude, sign = abs(value), (1 << 31) if value < 0 else 0
    length = magnitude.bit_length()
    mantissa = (magnitude << (24 - length)) & 0x7FFFFF
    return sign | ((length - 1 + exponent + 127) << 23) | mantissa


def values(dtype: str, case: str) -> list[int] | list[float]:
    """The vector as Python numbers."""
    data = vector(dtype, case)
    if dtype == "f32":
        return [f32_value(bits) for bits in array("I", data)]
    return array("h" if dtype == "i16" else "i", data).tolist()
