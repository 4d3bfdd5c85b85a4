"""The slow twin of every kernel, in plain Python: the oracle of the tests, and the specification.

Same names, same meaning, one value at a time. Window features and stages give the same bits as
the portable part: float arithmetic is done in float64 and rounded to f32 after each operation,
which equals f32 arithmetic for + - * / and square root (53 >= 2 24 + 2 bits; Figueroa 1995).
Reducers take the whole multiset at once and use exact fractions. Nothing here is fast, and
nothing here is imported by a device.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import count
from struct import pack, unpack

from atoll.kernels import reference_rows as twins
from atoll.kernels import reference_signal as signal
from atoll.kernels import reference_spectral as spectral
from atoll.kernels.columns import columns, feature_width
from atoll.kernels.design import Context, behind, lowered
from atoll.kernels.finish import bin_middle
from atoll.kernels.geometry import geometry
from atoll.kernels.grammar import Op, parse
from atoll.kernels.models import Model
from atoll.kernels.numbers import INFINITY, NAN, f32_bits, f32_value, part_text
from atoll.kernels.reference_float import (
    deviations,
    divide,
    f32,
    fraction_f32,
    lanes,
    mean,
    range_scale,
    root_f32,
    spread_scale,
)
from atoll.kernels.reference_sketches import distinct, top

Number = float  # int for integer streams
Samples = Sequence[Number]

I32_MIN, I32_MAX = -(2**31), 2**31 - 1


# Sample stages.


def saturated(x: int) -> int:
    """x held within int32."""
    return max(I32_MIN, min(I32_MAX, x))


def abs_(x: Samples, floats: bool) -> list[Number]:
    """Magnitudes; of the smallest int32 the largest."""
    return [abs(v) if floats else saturated(abs(int(v))) for v in x]


def clip(x: Samples, floats: bool, low: float, high: float) -> list[Number]:
    """Samples held within [low, high]; integers within the integers inside."""
    if not floats:
        low, high = saturated(math.ceil(low)), saturated(math.floor(high))
    out = []
    for v in x:
        v = low if v < low else v
        out.append(high if v > high else v)
    return out


def scale(x: Samples, by: float, add: float) -> list[float]:
    """x by + add, rounded after each of the two."""
    return [f32(f32(f32(v) * by) + add) for v in x]


def diff(x: Samples, floats: bool) -> list[Number]:
    """Differences of neighbours."""
    pairs = zip(x[1:], x[:-1], strict=True)
    return [f32(b - a) if floats else saturated(int(b) - int(a)) for b, a in pairs]


# Windows.


def rms(x: Samples, floats: bool) -> float:
    """Root of the mean square; scaled where squares could leave the range."""
    if not floats:
        return root_f32(Fraction(sum(int(v) * int(v) for v in x), len(x)))
    squares = lanes([f32(v * v) for v in x])
    if 2.0**-100 <= squares <= 2.0**100:
        return f32(math.sqrt(divide(squares, len(x))))
    by = range_scale(x)
    squares = lanes([f32(f32(v * by) * f32(v * by)) for v in x])
    return divide(f32(math.sqrt(divide(squares, len(x)))), by)


def peak(x: Samples, floats: bool) -> float:
    """Largest magnitude."""
    return f32(max(abs(v) for v in x))


def p2p(x: Samples, floats: bool) -> float:
    """Largest less smallest."""
    return f32(max(x) - min(x))


def crest(x: Samples, floats: bool) -> float:
    """Peak over rms."""
    return divide(peak(x, floats), rms(x, floats))


def central(x: Samples, floats: bool) -> tuple[float, float, float]:
    """Means of the 2nd to 4th powers of the scaled deviations."""
    if floats:
        by = range_scale(x)
        middle = f32(mean(x, True) * by)
        far = max(abs(f32(f32(v * by) - middle)) for v in (min(x), max(x)))
        spread = deviations(x, True, by)
    else:
        spread = deviations(x, False)
        far = max(map(abs, spread))
    shrink = spread_scale(far)
    z = [f32(v * shrink) for v in spread]
    q = [f32(v * v) for v in z]
    terms = (q, [f32(a * b) for a, b in zip(q, z, strict=True)], [f32(a * a) for a in q])
    m2, m3, m4 = (divide(lanes(t), len(x)) for t in terms)
    return m2, m3, m4


def kurtosis(x: Samples, floats: bool) -> float:
    """Fourth central moment over the squared variance."""
    m2, _, m4 = central(x, floats)
    return divide(m4, f32(m2 * m2))


def skewness(x: Samples, floats: bool) -> float:
    """Third central moment over the variance to the power 3/2."""
    m2, m3, _ = central(x, floats)
    return divide(m3, f32(m2 * f32(math.sqrt(m2))))


def detrend(x: Samples, floats: bool, order: int) -> list[float]:
    """The window less its mean (0), and less its least-squares line (1)."""
    out = deviations(x, floats) if any(v != 0 for v in x) else [0.0] * len(x)
    n = len(x)
    if order == 0 or n < 2:
        return out
    half = f32((n - 1) * 0.5)
    slope = divide(
        lanes([f32(f32(k - half) * v) for k, v in enumerate(out)]),
        fraction_f32(Fraction(n * (n * n - 1) // 12)),
    )
    return [f32(v - f32(f32(k - half) * slope)) for k, v in enumerate(out)]


FEATURES: dict[str, Callable[[Samples, bool], float]] = {
    "mean": mean,
    "rms": rms,
    "peak": peak,
    "p2p": p2p,
    "crest": crest,
    "kurtosis": kurtosis,
    "skewness": skewness,
}


# Reducers: the whole multiset at once.


def finite(x: Samples) -> list[Number]:
    """Without NaN and infinities."""
    return [v for v in x if v - v == 0]


def sum_(x: Samples, floats: bool) -> float:
    """Exact; rounded once for floats."""
    total = sum(map(Fraction, finite(x)), Fraction(0))
    infinite = {v for v in x if abs(v) == INFINITY}
    if infinite:
        return NAN if len(infinite) > 1 else infinite.pop()
    return fraction_f64(total) if floats else int(total)


def fraction_f64(x: Fraction) -> float:
    """A fraction rounded once, infinite beyond the range."""
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return -INFINITY if x < 0 else INFINITY


def root_f64(x: Fraction) -> float:
    """The root of a fraction, rounded once (600 bits on the way)."""
    shift = max(0, 600 - (x.numerator.bit_length() - x.denominator.bit_length()) // 2)
    root = math.isqrt((x.numerator << (2 * shift)) // x.denominator)
    return fraction_f64(Fraction(root, 1 << shift))


def moments(x: Samples, floats: bool) -> dict[str, float]:
    """Population moments about the exact mean."""
    values = [Fraction(v) for v in finite(x)]
    n = len(values)
    infinite = {v for v in x if abs(v) == INFINITY}
    nan = sum(v != v for v in x)
    out: dict[str, float] = {"count": len(x) - nan, "nan": nan}
    out |= dict.fromkeys(("mean", "variance", "std", "skewness", "kurtosis"), NAN)
    if infinite:
        return out | {"mean": NAN if len(infinite) > 1 else infinite.pop()}
    if n == 0:
        return out
    middle = sum(values, Fraction(0)) / n
    m2, m3, m4 = (sum(((v - middle) ** p for v in values), Fraction(0)) / n for p in (2, 3, 4))
    out |= {"mean": fraction_f64(middle), "variance": fraction_f64(m2), "std": root_f64(m2)}
    if m2:
        root = root_f64(m3 * m3 / m2**3)
        out |= {"skewness": -root if m3 < 0 else root, "kurtosis": fraction_f64(m4 / m2**2)}
    return out


def minmax(x: Samples, floats: bool, step: Fraction) -> dict[str, object]:
    """Both extremes and where they are met first, NaN left out, -0 as 0."""
    values = [(v + 0.0 if floats else v, math.floor(k * step)) for k, v in enumerate(x) if v == v]
    out: dict[str, object] = {"count": len(values), "nan": len(x) - len(values)}
    for name, sign in (("min", 1), ("max", -1)):
        v, at = min(values, key=lambda value: (sign * value[0], value[1]), default=(None, None))
        out |= {name: v, f"{name}_at": at, f"{name}_key": None if v is None else ""}
    return out


def histogram(x: Samples, floats: bool, low: float, high: float, bins: int) -> dict[str, object]:
    """Counts between edges low + (k (high - low)) / bins, the last bin closed."""
    span = f32(high - low)
    edges = [f32(low + divide(f32(k * span), bins)) for k in range(bins)] + [high]
    counts = [0] * bins
    values = [f32(v) for v in x]
    for v in values:
        if low <= v <= high:
            counts[max(k for k in range(bins) if edges[k] <= v)] += 1
    under, over = sum(v < low for v in values), sum(v > high for v in values)
    return {
        "count": under + over + sum(counts),
        "nan": sum(v != v for v in x),
        "low": low,
        "high": high,
        "counts": counts,
        "under": under,
        "over": over,
    }


def key(x: float) -> int:
    """The ordered integer of an f32."""
    bits = int(unpack("<i", pack("<f", x + 0.0))[0])
    return bits if bits >= 0 else -1 - (bits & 0x7FFFFFFF)


def quantiles(x: Samples, floats: bool, bins: int, *parts: int) -> dict[str, float]:
    """Rank ceil(q n) among bins of the smallest level at which at most `bins` are used."""
    values = sorted(f32(v) for v in x if v == v)
    keys = [key(v) for v in values if abs(v) != INFINITY]
    level = next(k for k in count() if len({v >> k for v in keys}) <= bins)
    held = Counter(v >> level for v in keys)
    ordered = [v if abs(v) == INFINITY else bin_middle(key(v) >> level, level) for v in values]
    assert sum(held.values()) == len(keys)
    out: dict[str, float] = {"count": len(values), "nan": len(x) - len(values)}
    for part in parts:
        rank = max(1, math.ceil(Fraction(part, 10**9) * len(values)))
        out[part_text(part)] = ordered[rank - 1] if ordered else NAN
    widths = (2.0 ** (level - 24) if level else 0.0) if level < 24 else 0.0
    out["error"] = widths if level < 24 else (2.0**2 ** (level - 23) - 1) / 2
    return out


def reduce(op: Op, x: Samples, dtype: str, step: Fraction = Fraction(1)) -> object:
    """One reducer over all its values, which stand `step` samples apart."""
    floats = dtype == "f32"
    name, words = op.kernel.name, op.words
    if name == "count":
        return sum(v == v for v in x)
    if name == "sum":
        return sum_(x, floats)
    if name == "moments":
        return moments(x, floats)
    if name == "minmax":
        return minmax(x, floats, step)
    if name == "histogram":
        return histogram(x, floats, f32_value(words[0]), f32_value(words[1]), words[2])
    if name == "distinct":
        return distinct(x, dtype, *words)
    if name == "top":
        return top(x, dtype, *words)
    return quantiles(x, floats, *words)


# Plans.


def stage(op: Op, x: Samples, floats: bool, context: Context) -> tuple[list[Number], bool]:
    """One sample stage, and whether floats come out."""
    name = op.kernel.name
    if name == "abs":
        return abs_(x, floats), floats
    if name == "clip":
        return clip(x, floats, f32_value(op.words[0]), f32_value(op.words[1])), floats
    if name == "scale":
        by, add = op.words or (f32_bits(context.scale or 0.0), 0)
        return scale(x, f32_value(by), f32_value(add)), True
    if name == "diff":
        return diff(x, floats), floats
    if name == "decimate":
        return list(x[:: op.words[0]]), floats
    if name == "median":
        return signal.median(x, op.words[0]), floats
    return signal.stage(op, x, context.rate), True


def run(
    text: str,
    x: Samples,
    dtype: str,
    rate: float | None = None,
    models: Mapping[str, Model] | None = None,
    scale: float | None = None,
) -> dict[str, object]:
    """What Plan(text, models).run gives for one stream."""
    ops = parse(text, models)
    given, floats = x, dtype == "f32"
    by_group = {g: [op for op in ops if op.kernel.group == g] for g in GROUPS}
    context = Context(rate, next((op.words[0] for op in by_group["window"]), 1), scale)
    for op in by_group["sample"]:
        x, floats = stage(op, x, floats, context)
        context = behind(op, context)
    reducers = by_group["reducer"]
    rowed = bool(by_group["row"]) or any(op.kernel.joint for op in reducers)
    if not by_group["window"]:
        if rowed:
            return through_rows(ops, [[f32(v)] for v in x])
        dtype = "f32" if floats else ("i32" if x is not given else dtype)
        stride = apart(ops)
        return {op.kernel.name: reduce(op, x, dtype, stride) for op in reducers}
    length, hop = by_group["window"][0].words
    windows = [x[k : k + length] for k in range(0, len(x) - length + 1, hop)]
    frames = by_group["frame"] + by_group["spectrum"]
    framed = [through(frames, window, floats, context) for window in windows]
    for op in by_group["spectrum"]:
        context = behind(op, context)
    if rowed:
        return through_rows(ops, rows_of(by_group["feature"], framed, context))
    if not by_group["feature"]:
        return {by_group["spectrum"][0].kernel.name: [row for row, _ in framed]}
    return {
        op.kernel.name: reduced([feature(op, *frame, context) for frame in framed], reducers, ops)
        for op in by_group["feature"]
    }


def apart(ops: tuple[Op, ...]) -> Fraction:
    """Samples of the stream from value to value."""
    lies = geometry(ops)
    return Fraction(lies.step, lies.windows_a_step)


def reduced(rows: list[float | list[float]], reducers: list[Op], ops: tuple[Op, ...]) -> object:
    """A feature's rows through the reducers; of several numbers each apart, as lists."""
    if not reducers:
        return rows
    parts = [list(p) for p in zip(*[r if isinstance(r, list) else [r] for r in rows], strict=True)]
    step = apart(ops)
    found = [{r.kernel.name: reduce(r, p, "f32", step) for r in reducers} for p in parts or [[]]]
    if len(found) == 1:
        return found[0]
    return {name: [each[name] for each in found] for name in found[0]}


GROUPS = ("sample", "window", "frame", "spectrum", "feature", "row", "reducer")


def rows_of(
    features: list[Op], framed: Sequence[tuple[Samples, bool]], context: Context
) -> list[list[float]]:
    """For each window its features side by side, or the window or spectrum itself."""
    if not features:
        return [[f32(v) for v in x] for x, _ in framed]
    rows = []
    for frame in framed:
        found = [feature(op, *frame, context) for op in features]
        rows.append([v for one in found for v in (one if isinstance(one, list) else [one])])
    return rows


def through_rows(ops: tuple[Op, ...], rows: list[list[float]]) -> dict[str, object]:
    """Rows through the row stages, then into the reducers."""
    for op in ops:
        if op.kernel.group == "row":
            rows = twins.stage(op, rows)
    reducers = [op for op in ops if op.kernel.group == "reducer"]
    found = columns(ops)
    names = [name for column in found for name in column.names]
    if reducers and reducers[0].kernel.joint:
        return {op.kernel.name: twins.reduce(op, rows, names) for op in reducers}
    out: dict[str, object] = {}
    at = 0
    for path, wide, listed, _ in found:
        parts = [[row[k] for row in rows] for k in range(at, at + wide)]
        at += wide
        value: object = [list(row) for row in zip(*parts, strict=True)] if listed else parts[0]
        if reducers:
            each = [
                {op.kernel.name: reduce(op, part, "f32", apart(ops)) for op in reducers}
                for part in parts
            ]
            several = {op.kernel.name: [one[op.kernel.name] for one in each] for op in reducers}
            value = several if wide > 1 else each[0]
        inside = out
        for name in path[:-1]:
            inside = inside.setdefault(name, {})  # type: ignore[assignment]
        inside[path[-1]] = value
    return out


def feature(op: Op, x: Samples, floats: bool, context: Context) -> float | list[float]:
    """A feature of one window; NaN where the window holds one."""
    twin = FEATURES.get(op.kernel.name)
    if any(v != v for v in x):
        return [NAN] * feature_width(op) if op.kernel.vector else NAN
    return twin(x, floats) if twin else signal.feature(op, x, floats, context)


def through(frames: list[Op], x: Samples, floats: bool, context: Context) -> tuple[Samples, bool]:
    """A window after its frame stages."""
    for op in frames:
        if op.kernel.name == "detrend":
            x, floats = detrend(x, floats, op.words[0]), True
        elif op.kernel.name == "taper":
            x, floats = spectral.taper(x, op.words[0]), True
        elif op.kernel.name == "psd":
            x, floats = spectral.psd(x, floats, lowered(op, context)), True
        else:
            x, floats = spectral.spectrum(x), True
    return x, floats
