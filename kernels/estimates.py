"""What `distinct` and `top` read from their states: exact while small, an estimate after that.

Every formula is integer arithmetic or + - * / and square root in float64, so that all machines
finish to the same number.
"""

from heapq import heappop, heappush
from math import sqrt
from typing import TYPE_CHECKING

from atoll.kernels.numbers import INFINITY, f32_value

if TYPE_CHECKING:
    from atoll.kernels.finish import States, Value
    from atoll.kernels.grammar import Op

DTYPE_I16, DTYPE_F32 = 1, 3
ROWS = 3  # of counters a level (parts/hitters.pxi)
FIRST = 256  # counters of the first byte

_MASK = (1 << 64) - 1
_LN_2 = 0.6931471805599453
# e in millionths, rounded up: the bound of Count-Min is e / width of all values.
_E_MILLIONTHS = 2718282


def mix(x: int) -> int:
    """The 64-bit finalizer of MurmurHash3 (parts/platform.h)."""
    x = ((x ^ (x >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    x = ((x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return x ^ (x >> 33)


def word_value(word: int, dtype: int) -> float:
    """The value of the bits that tell values apart."""
    if dtype == DTYPE_F32:
        return f32_value(word)
    bits = 16 if dtype == DTYPE_I16 else 32
    return word - (1 << bits) if word >> (bits - 1) else word


def cardinality(ranks: list[int], p: int) -> float:
    """Distinct values behind 2^p registers; ranks[k] of them hold k, 0 <= k <= 65 - p.

    O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6:
    no bias table, and no range where the estimator changes.
    """
    m = 1 << p
    q = 64 - p
    z = m * _tau(1 - ranks[q + 1] / m)
    for k in range(q, 0, -1):
        z = 0.5 * (z + ranks[k])
    z += m * _sigma(ranks[0] / m)
    return m * m / (2 * _LN_2) / z if z else INFINITY


def _sigma(x: float) -> float:
    """x + sum of x^(2^k) 2^(k - 1)."""
    if x == 1:
        return INFINITY
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """(1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3."""
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before = sqrt(x), z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


def _entries(states: "States", counted: bool) -> list[tuple[int, int]]:
    """(word, count) of a table."""
    found, least = [], 0
    for _ in range(states.count()):
        word = least + states.count()
        least = word + 1
        found.append((word, states.count() if counted else 1))
    return found


def finish_distinct(states: "States", op: "Op", dtype: int) -> "Value":
    """How many different values, and the standard error of that (0 while it is exact)."""
    p = op.words[0]
    count = states.count()
    nan = states.count() if dtype == DTYPE_F32 else 0
    result: dict[str, Value] = {"count": count - nan, "nan": nan}
    if not states.count():
        return {**result, "estimate": len(_entries(states, False)), "error": 0.0}
    ranks = [0] * 64
    packed = int.from_bytes(states.take(3 << p >> 2), "little")
    for k in range(1 << p):
        ranks[packed >> (6 * k) & 63] += 1
    return {**result, "estimate": cardinality(ranks, p), "error": 1.04 / sqrt(1 << p)}


def finish_top(states: "States", op: "Op", dtype: int) -> "Value":
    """The most frequent values with their counts, and by how much a count may be too high."""
    k, width = op.words
    count = states.count()
    nan = states.count() if dtype == DTYPE_F32 else 0
    total = count - nan
    result: dict[str, Value] = {"count": total, "nan": nan}
    if states.count():
        error = total * _E_MILLIONTHS // (width * 1_000_000) + 1
        levels = 1 if dtype == DTYPE_I16 else 3
        found = heaviest(states.run(FIRST + levels * ROWS * width), width, error, k)
    else:
        error = 0
        found = sorted(_entries(states, True), key=lambda entry: (-entry[1], entry[0]))[:k]
    values = [[word_value(word, dtype), times] for word, times in found]
    return {**result, "values": values, "error": error}


def heaviest(counters: list[int], width: int, error: int, k: int) -> list[tuple[int, int]]:
    """The k words of the largest estimates above `error`, from prefix to longer prefix.

    A prefix occurs at least as often as the words behind it, so the search takes the largest
    estimate first, and every word that it meets is the next largest.
    """
    levels = (len(counters) - FIRST) // (ROWS * width)
    heap = [(-counters[byte], byte, 0) for byte in range(FIRST) if counters[byte] > error]
    heap.sort()
    found: list[tuple[int, int]] = []
    while heap and len(found) < k:
        times, prefix, level = heappop(heap)
        if level == levels:
            found.append((prefix, -times))
            continue
        for word in range(prefix << 8, (prefix + 1) << 8):
            estimate = min(-times, occurrences(counters, width, level + 1, word))
            if estimate > error:
                heappush(heap, (-estimate, word, level + 1))
    return found


def occurrences(counters: list[int], width: int, level: int, prefix: int) -> int:
    """Count-Min: the least of the prefix's counters, at or above the truth."""
    hashed = mix(level << 32 | prefix)
    slot, step = hashed & 0xFFFFFFFF, hashed >> 32 | 1
    at, least = FIRST + (level - 1) * ROWS * width, _MASK
    for _ in range(ROWS):
        least = min(least, counters[at + (slot * width >> 32)])
        slot = (slot + step) & 0xFFFFFFFF
        at += width
    return least
