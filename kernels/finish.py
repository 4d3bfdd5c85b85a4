"""States of a partial to the numbers people read.

Sums are exact integers up to here; each number is rounded once, to float64, and is therefore the
float64 nearest to the true value. The bytes were checked by the portable part before they come
here, so this reader trusts them.
"""

from collections.abc import Callable, Sequence

from atoll.kernels.errors import KernelError
from atoll.kernels.estimates import finish_distinct, finish_top
from atoll.kernels.grammar import Op
from atoll.kernels.numbers import INFINITY, NAN, f32_value, part_text, ratio, root_ratio
from atoll.kernels.registry import PART_UNIT

DTYPE_F32 = 3
FLOAT_UNIT = 149  # the smallest f32 is 2^-149

CONTRADICTION = "the partial is damaged: its sums contradict each other"

Value = object


class States:
    """Reads numbers off the states of one partial."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def count(self) -> int:
        """One LEB128 integer."""
        data, at = self._data, self._at
        byte = value = data[at]
        shift = 0
        while byte >= 0x80:  # seldom: most are small
            at += 1
            shift += 7
            byte = data[at]
            value ^= (byte ^ 1) << shift  # the 1 takes away the bit that said: there is more
        self._at = at + 1
        return value

    def i32(self) -> int:
        """Four bytes, signed."""
        self._at += 4
        return int.from_bytes(self._data[self._at - 4 : self._at], "little", signed=True)

    def take(self, size: int) -> bytes:
        """So many bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def run(self, n: int) -> list[int]:
        """n counts; a zero is followed by how many more zeros follow."""
        counts: list[int] = []
        while len(counts) < n:
            counts.append(self.count())
            if counts[-1] == 0:
                counts += [0] * self.count()
        return counts[:n]

    def limbs(self) -> int:
        """One exact sum."""
        length = self.count()
        if length == 0:
            return 0
        low = self.count()
        return int.from_bytes(self.take(length), "little", signed=True) << (8 * low)


class NoStates(States):
    """The states of the empty partial: all zero."""

    def __init__(self) -> None:
        super().__init__(b"", 0)

    def count(self) -> int:
        """Zero, as often as asked."""
        return 0

    def limbs(self) -> int:
        """Zero, as often as asked."""
        return 0


def key_value(key: int) -> float:
    """The f32 with this ordered key (parts/sketch.pxi)."""
    return f32_value(key) if key >= 0 else -f32_value(-1 - key)


def finish_count(states: States, op: Op, dtype: int) -> Value:
    """How many values, NaN left out."""
    count = states.count()
    return count - (states.count() if dtype == DTYPE_F32 else 0)


def _power_sums(states: States, dtype: int, order: int) -> tuple[list[int], list[int]]:
    """[finite, nan, +inf, -inf], [sum of x, x^2, ...]."""
    count = states.count()
    apart = [states.count() for _ in range(3)] if dtype == DTYPE_F32 else [0, 0, 0]
    if sum(apart) > count:
        raise KernelError(CONTRADICTION)
    return [count - sum(apart), *apart], [states.limbs() for _ in range(order)]


def _infinite(plus: int, minus: int) -> float:
    return NAN if plus and minus else (INFINITY if plus else -INFINITY)


def finish_sum(states: States, op: Op, dtype: int) -> Value:
    """The sum: an integer of integers, else the nearest float64."""
    (_, _, plus, minus), (total,) = _power_sums(states, dtype, 1)
    if plus or minus:
        return _infinite(plus, minus)
    return ratio(total, 1 << FLOAT_UNIT) if dtype == DTYPE_F32 else total


def finish_moments(states: States, op: Op, dtype: int) -> Value:
    """Population moments of exact power sums."""
    (n, nan, plus, minus), sums = _power_sums(states, dtype, 4)
    result: dict[str, Value] = {"count": n + plus + minus, "nan": nan}
    names = ("mean", "variance", "std", "skewness", "kurtosis")
    if plus or minus:
        return {**result, **dict.fromkeys(names, NAN), "mean": _infinite(plus, minus)}
    if n == 0:
        return {**result, **dict.fromkeys(names, NAN)}
    return {**result, **dict(zip(names, _moments(n, sums, dtype), strict=True))}


def _moments(n: int, sums: list[int], dtype: int) -> tuple[float, ...]:
    """With M_p = n^p times the p-th central moment, in units of the sums: all exact."""
    s1, s2, s3, s4 = sums
    unit = 1 << FLOAT_UNIT if dtype == DTYPE_F32 else 1
    m2 = n * s2 - s1 * s1
    if m2 < 0 or s4 < 0:
        raise KernelError(CONTRADICTION)
    mean, variance = ratio(s1, n * unit), ratio(m2, (n * unit) ** 2)
    std = root_ratio(m2, (n * unit) ** 2)
    if m2 == 0:
        return mean, variance, std, NAN, NAN
    m3 = n * n * s3 - 3 * n * s1 * s2 + 2 * s1**3
    m4 = n**3 * s4 - 4 * n * n * s1 * s3 + 6 * n * s1 * s1 * s2 - 3 * s1**4
    skewness = root_ratio(m3 * m3, m2**3)
    return mean, variance, std, -skewness if m3 < 0 else skewness, ratio(m4, m2 * m2)


def finish_minmax(states: States, op: Op, dtype: int) -> Value:
    """Both extremes with their places; None where there is no value."""
    count = states.count()
    nan = states.count() if dtype == DTYPE_F32 else 0
    result: dict[str, Value] = {"count": count - nan, "nan": nan}
    if count == nan:
        names = ("min", "min_at", "min_key", "max", "max_at", "max_key")
        return {**result, **dict.fromkeys(names)}
    extremes = [states.i32(), states.i32()]
    values: Sequence[Value] = extremes
    if dtype == DTYPE_F32:
        values = [key_value(key) for key in extremes]
    key = ""
    for name, value in zip(("min", "max"), values, strict=True):
        at, length = states.count(), states.count()
        # 0: the key of the extreme before. A key that was cut may end within a character.
        key = states.take(length - 1).decode(errors="replace") if length else key
        result |= {name: value, f"{name}_at": at, f"{name}_key": key}
    return result


def finish_histogram(states: States, op: Op, dtype: int) -> Value:
    """Counts by bin, and what lies outside."""
    under, over, nan = states.count(), states.count(), states.count()
    counts = states.run(op.words[2])
    return {
        "count": under + over + sum(counts),
        "nan": nan,
        "low": f32_value(op.words[0]),
        "high": f32_value(op.words[1]),
        "counts": counts,
        "under": under,
        "over": over,
    }


def finish_quantiles(states: States, op: Op, dtype: int) -> Value:
    """The value of rank ceil(q n), for each q; the middle of its bin where bins are wide."""
    nan, plus, minus, level, used = (states.count() for _ in range(5))
    bins: list[tuple[int, int]] = []
    for k in range(used):
        step = states.count()
        key = bins[-1][0] + 1 + step if k else (step >> 1) ^ -(step & 1)
        bins.append((key, states.count()))
    total = minus + sum(count for _, count in bins) + plus
    result: dict[str, Value] = {"count": total, "nan": nan}
    for word in op.words[1:]:
        rank = max(1, -(-word * total // PART_UNIT))
        result[part_text(word)] = _ranked(rank, total, (minus, plus), bins, level)
    result["error"] = _half_width(level)
    return result


def _ranked(
    rank: int, total: int, infinite: tuple[int, int], bins: list[tuple[int, int]], level: int
) -> float:
    minus, plus = infinite
    if total == 0:
        return NAN
    if rank <= minus:
        return -INFINITY
    if rank > total - plus:
        return INFINITY
    rank -= minus
    for key, count in bins:
        rank -= count
        if rank <= 0:
            return bin_middle(key, level)
    raise AssertionError("ranks end with the last bin")


def bin_middle(key: int, level: int) -> float:
    """Middle of a bin's values; 0 of the bins that touch 0 (their values are below 2^-125)."""
    if level == 0:
        return key_value(key)
    magnitude = key if key >= 0 else -1 - key
    if magnitude == 0:
        return 0.0
    middle = (_edge(magnitude << level) + _edge((magnitude + 1) << level)) / 2
    return middle if key >= 0 else -middle


def _edge(bits: int) -> float:
    """Value of an f32's bits, 2^128 for those of infinity and above: where the last bin ends."""
    return f32_value(bits) if bits < 0x7F800000 else 2.0**128


def _half_width(level: int) -> float:
    """Relative error of a bin's middle: half its width over its smallest value."""
    if level == 0:
        return 0.0
    if level <= 23:
        return 2.0 ** (level - 24)
    return (2.0 ** (1 << (level - 23)) - 1) / 2


FINISHERS: dict[int, Callable[[States, Op, int], Value]] = {
    96: finish_count,
    97: finish_sum,
    98: finish_moments,
    99: finish_minmax,
    100: finish_histogram,
    101: finish_quantiles,
    102: finish_distinct,
    103: finish_top,
}
