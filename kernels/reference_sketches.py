"""The slow twins of `distinct` and `top`: sets and counters of all values at once."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from struct import pack, unpack

from atoll.kernels.estimates import cardinality, mix, word_value

DTYPES = {"i16": 1, "i32": 2, "f32": 3}


def word(value: float, dtype: str) -> int:
    """The bits that tell a value from others."""
    if dtype == "f32":
        return int(unpack("<I", pack("<f", value + 0.0))[0])
    return int(value) & (0xFFFF if dtype == "i16" else 0xFFFFFFFF)


def distinct(x: Sequence[float], dtype: str, p: int) -> dict[str, object]:
    """The size of the set, or HyperLogLog over a register for each hash prefix."""
    words = {word(v, dtype) for v in x if v == v}
    count = sum(v == v for v in x)
    result: dict[str, object] = {"count": count, "nan": len(x) - count}
    if len(words) <= 2**p // 16:
        return {**result, "estimate": len(words), "error": 0.0}
    registers = [0] * 2**p
    for w in words:
        if dtype == "i16":
            w = w - 2**16 + 2**32 if w >= 2**15 else w
        bits = f"{mix(w + 0x9E3779B1):064b}"
        rest = bits[p:] + "1"
        register = int(bits[:p], 2)
        registers[register] = max(registers[register], rest.index("1") + 1)
    ranks = [registers.count(k) for k in range(66 - p)]
    return {**result, "estimate": cardinality(ranks, p), "error": 1.04 / sqrt(2**p)}


def top(x: Sequence[float], dtype: str, k: int, width: int) -> dict[str, object]:
    """Counts by value; where they are too many, Count-Min by prefix, all prefixes tried."""
    counts = Counter(word(v, dtype) for v in x if v == v)
    total = counts.total()
    error = 0
    if len(counts) > width:
        error = total * 2718282 // (width * 10**6) + 1
        counts = _estimates(counts, 2 if dtype == "i16" else 4, width, error)
    order = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:k]
    values = [[word_value(w, DTYPES[dtype]), times] for w, times in order]
    return {"count": total, "nan": len(x) - total, "values": values, "error": error}


def _estimates(counts: Counter[int], size: int, width: int, error: int) -> Counter[int]:
    kept: Counter[int] = Counter()
    for w, times in counts.items():
        kept[w >> 8 * (size - 1)] += times
    kept = Counter({byte: times for byte, times in kept.items() if times > error})
    for level in range(1, size):
        rows: Counter[tuple[int, int]] = Counter()
        for w, times in counts.items():
            rows.update(dict.fromkeys(_slots(level, w >> 8 * (size - 1 - level), width), times))
        longer: Counter[int] = Counter()
        for prefix, times in kept.items():
            for w in range(prefix * 256, prefix * 256 + 256):
                estimate = min(times, *(rows[slot] for slot in _slots(level, w, width)))
                if estimate > error:
                    longer[w] = estimate
        kept = longer
    return kept


def _slots(level: int, prefix: int, width: int) -> list[tuple[int, int]]:
    """(row, column) of a prefix's counters."""
    hashed = mix(level << 32 | prefix)
    first, step = hashed % 2**32, hashed >> 32 | 1
    return [(row, (first + row * step) % 2**32 * width >> 32) for row in range(3)]
