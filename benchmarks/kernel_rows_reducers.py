"""Rows of the reducers, of detectors and of models: over samples, and over rows of columns.

Exact sums of float32 have one peer, `math.fsum`; products of two float32 are exact in float64, so
it gives exact products, too. For third and fourth powers it is less exact than ours.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import Array, Data, Row, Work, close, fsums, named, optional, windows

special, vq, distance = (
    optional("scipy.special"),
    optional("scipy.cluster.vq"),
    optional("scipy.spatial.distance"),
)
bn, cmsis = optional("bottleneck"), optional("cmsisdsp")

BINS, LOW, HIGH = 64, -9000, 9000
WEIGHTS = 16
MERGED = 4096  # numbers that are added side by side


def counted(d: Data) -> list[Row]:
    x = d.x
    whole = x.dtype != "f4"
    counts: dict[str, Work] = {"numpy": lambda: len(x) - np.count_nonzero(np.isnan(x))}
    sums: dict[str, Work] = {"math.fsum": lambda: math.fsum(x)}
    moments: dict[str, Work] = {"math.fsum": lambda: fsum_moments(x)}
    if whole:
        sums = {"numpy": lambda: x.sum(dtype="i8"), "numpy, rows": lambda: summed_rows(d)}
        moments = {"numpy": lambda: integer_moments(x), "numpy bincount": counted_moments(x)}
    lows: dict[str, Work] = {"numpy": lambda: ends(x)}
    if bn:
        lows["bottleneck"] = lambda: (
            int(bn.nanargmin(x)),
            int(bn.nanargmax(x)),
        )
    minmax = named("minmax", lambda o, t: (o["min_at"], o["max_at"]) == tuple(t))
    moment = named("moments", lambda o, t: close(1e-9)([o[k] for k in MOMENTS], t))
    # The count of integers is the array's length: nobody computes anything.
    count = [] if whole else [Row("count", "count", counts, named("count", close(0)), reads=True)]
    return [
        *count,
        Row("sum", "sum", sums, named("sum", close(1e-15)), reads=True),
        Row("moments", "moments", moments, moment, reads=True),
        Row("minmax", "minmax", lows, minmax, reads=True),
    ]


MOMENTS = ("mean", "variance", "skewness", "kurtosis")


def ends(x: Array) -> tuple[int, int]:
    return int(x.argmin()), int(x.argmax())


def population(n: int, s1: float, s2: float, s3: float, s4: float) -> tuple[float, ...]:
    mean = s1 / n
    m2 = s2 / n - mean**2
    m3 = s3 / n - 3 * mean * s2 / n + 2 * mean**3
    m4 = s4 / n - 4 * mean * s3 / n + 6 * mean**2 * s2 / n - 3 * mean**4
    return mean, m2, m3 / m2**1.5, m4 / m2**2


def fsum_moments(x: Array) -> tuple[float, ...]:
    y = x.astype("f8")
    square = y * y
    return population(len(x), *fsums(y, square, square * y, square * square))


def integer_moments(x: Array) -> tuple[float, ...]:
    """Of int16, exactly: fourth powers need more than 64 bits together, so halves of 32."""
    y = x.astype("i8")
    square = y * y
    fourth = square * square
    halves = (fourth >> 32).sum(), (fourth & 0xFFFFFFFF).sum()
    s1, s2, s3 = y.sum(), square.sum(), np.vecdot(square, y)
    return population(len(x), int(s1), int(s2), int(s3), (int(halves[0]) << 32) + int(halves[1]))


def summed_rows(d: Data) -> int:
    """Rows of 1,024 fit in 32 bits, of which numpy adds more at a time."""
    rest = d.x[d.w.size :]
    return int(d.w.sum(1, dtype="i4").sum(dtype="i8")) + int(rest.sum(dtype="i8"))


def counted_moments(x: Array) -> Work:
    """Of int16, exactly, from how often each value comes."""
    y = VALUES.astype("i8")
    square = y * y
    fourth = square * square
    powers = (y, square, square * y, fourth >> 32, fourth & 0xFFFFFFFF)

    def moments() -> tuple[float, ...]:
        counts = np.bincount(x.view("u2"), minlength=65536)
        s1, s2, s3, high, low = (int((counts * power).sum()) for power in powers)
        return population(len(x), s1, s2, s3, (high << 32) + low)

    return moments


def counted_values(x: Array) -> Array:
    """How often each value of int16 comes, from the smallest on."""
    counts = np.bincount(x.view("u2"), minlength=65536)
    return np.concatenate([counts[32768:], counts[:32768]])


def binned(d: Data) -> list[Row]:
    x = d.x
    whole = x.dtype != "f4"
    room = np.empty_like(x)
    ranks = [math.ceil(q * len(x)) - 1 for q in (0.5, 0.99)]

    def quantiles() -> Array:
        np.copyto(room, x)
        room.partition(ranks)
        return room[ranks]

    def counted_bins() -> Array:
        return np.add.reduceat(counted_values(x)[: HIGH + 32769], starts)

    def counted_quantiles() -> Array:
        return np.searchsorted(np.cumsum(counted_values(x)), ranks, side="right") - 32768

    def runs() -> Array:
        """How often each value comes, of sorted samples."""
        room[:] = x
        room.sort()
        ends = np.flatnonzero(room[1:] != room[:-1])
        return np.diff(ends, prepend=-1, append=len(x) - 1)

    starts = np.ceil(np.linspace(LOW, HIGH, BINS + 1)[:-1]).astype(int) + 32768
    bins: dict[str, Work] = {"numpy": lambda: np.histogram(x, BINS, (LOW, HIGH))[0]}
    ranked: dict[str, Work] = {"numpy": quantiles}
    distinct: dict[str, Work] = {"numpy": lambda: len(np.unique(x))}
    top: dict[str, Work] = {"numpy": lambda: most(*np.unique(x, return_counts=True))}
    if whole:
        distinct["numpy bincount"] = lambda: np.count_nonzero(np.bincount(x.view("u2")))
        top["numpy bincount"] = lambda: most_of(np.bincount(x.view("u2"), minlength=65536))
        bins["numpy bincount"] = counted_bins
        ranked["numpy bincount"] = counted_quantiles
    else:
        distinct["numpy sort"] = lambda: len(runs())
        top["numpy sort"] = lambda: most_of(runs())
    found = named("quantiles", lambda o, t: close(o["error"])([o["0.5"], o["0.99"]], t))
    often = named("top", lambda o, t: all(abs(v[1] - t) <= o["error"] for v in o["values"][:1]))
    return [
        Row("histogram", f"histogram {LOW} {HIGH} bins={BINS}", bins,
            named("histogram", lambda o, t: o["counts"] == list(t)), reads=True),
        Row("quantiles", "quantiles 0.5 0.99", ranked, found, reads=True),
        Row("distinct", "distinct", distinct,
            named("distinct", lambda o, t: close(4 * o["error"])(o["estimate"], t)), reads=True),
        Row("top", "top 10", top, often, reads=True),
    ]  # fmt: skip


VALUES = np.arange(65536).astype("u2").view("i2")


def most(values: Array, counts: Array) -> int:
    """The ten most frequent; the count of the first is looked at."""
    first = np.argpartition(counts, -10)[-10:]
    return int(max(zip(counts[first], values[first], strict=True))[0])


def most_of(counts: Array) -> int:
    """The same without sorting what is not among the ten; to sort counts beats partition."""
    least = np.sort(counts)[-10]
    at = np.flatnonzero(counts > least)
    at = np.append(at, np.flatnonzero(counts == least)[: 10 - len(at)])
    return int(counts[at[np.argsort(-counts[at])]][0])


def columns(d: Data) -> list[Row]:
    """Rows of four columns."""
    f = windows(d.f, 4)
    names = [(i, j) for i in range(4) for j in range(i, 4)]

    def gram() -> list[float]:
        y = f.astype("f8")
        return fsums(*y.T, *(y[:, i] * y[:, j] for i, j in names))

    def agrees(ours: Any, theirs: list[float]) -> bool:
        return close(1e-12)(ours["mean"], np.array(theirs[:4]) / len(f))

    def merge() -> Array:
        return np.rint(f.astype("f8") * 65536).astype("i8").sum(0) / 65536 / len(f)

    whole = d.f.size // MERGED * MERGED
    room = np.empty(d.f.size, "f4")

    def merge_long() -> Array:
        """Long rows first, which numpy adds by vectors; whole numbers in float64 are exact."""
        np.multiply(d.f, np.float32(65536), out=room)
        np.rint(room, out=room)
        total = room[:whole].reshape(-1, MERGED).sum(0, dtype="f8").reshape(-1, 4).sum(0)
        return (total + room[whole:].reshape(-1, 4).sum(0, dtype="f8")) / 65536 / len(f)

    return [
        Row("gram", "window 4 | gram", {"math.fsum": gram}, named("gram", agrees)),
        Row("merge", "window 4 | merge", {"numpy": merge, "numpy, long rows": merge_long},
            named("merge", lambda o, t: close(1e-4, 1e-4)(o["mean"], t))),
    ]  # fmt: skip


def models(d: Data) -> list[Row]:
    rows = windows(d.x, WEIGHTS)
    f = windows(d.f, WEIGHTS)
    given: Work = (lambda: f) if d.x.dtype == "f4" else (lambda: rows.astype("f4"))
    weights = np.linspace(-1, 1, WEIGHTS).astype("f4").round(3)
    text = " ".join(f"{v:g}" for v in weights)
    close_scores = close(1e-4, 0.05)
    room = np.empty_like(f)

    def in_pairs(by: Array) -> Array:
        return np.multiply(given(), by, out=room).sum(1)

    def by_columns(by: Array) -> Array:
        x = rows
        total = x[:, 0] * by[0]
        for k in range(1, WEIGHTS):
            total += x[:, k] * by[k]
        return total

    fixed = {"numpy": in_pairs, "numpy, columns": by_columns}
    loose = {"@": lambda by: given() @ by, "einsum": lambda by: np.einsum("ij,j->i", given(), by)}

    def of(works: Mapping[str, Callable[[Array], Array]], by: Array) -> dict[str, Work]:
        return {name: partial(work, by) for name, work in works.items()}

    def probable(works: dict[str, Work]) -> dict[str, Work]:
        return {name: partial(probability, work) for name, work in works.items()}

    def probability(work: Work) -> Array:
        return special.expit(work())

    result = [
        Row("linear", f"window {WEIGHTS} | linear {text}", of(fixed, weights),
            named("linear", close_scores), loose=of(loose, weights)),
    ]  # fmt: skip
    if special:
        small = weights * np.float32(1e-4)
        words = " ".join(f"{v:.9g}" for v in small)
        result.append(
            Row("logistic", f"window {WEIGHTS} | logistic {words}", probable(of(fixed, small)),
                named("logistic", close(1e-4)), loose=probable(of(loose, small)))
        )  # fmt: skip
    return result


def rows(d: Data) -> list[Row]:
    """All rows of reducers and models."""
    return counted(d) + binned(d) + columns(d) + models(d)
