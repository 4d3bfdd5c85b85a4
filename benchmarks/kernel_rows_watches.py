"""Rows of the detectors: over samples where they watch each value, over rows of four otherwise.

Recursions are written as whoever knows numpy and scipy would: running means by `lfilter`, sums that
stop at 0 by a sum less its running minimum, hysteresis by the last crossing so far. `novelty` moves
the prototype that was nearest before the next row is measured; that has no form over arrays, and
its peer is a loop in Python.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import Array, Data, Row, Work, close, named, optional, windows
from kernel_rows_samples import extremes

from atoll.kernels.models import mahalanobis

signal, distance = optional("scipy.signal"), optional("scipy.spatial.distance")

HIGH, LOW = 3000, -3000
ALPHA = 0.01
TARGET, DRIFT = 100, 500
COLUMNS, PROTOTYPES, RATE = 4, 8, 0.05
NOVELTY_COLUMNS = 256


def last(name: str, rtol: float) -> Callable[[Any, Any], bool]:
    """Smallest and largest of a detector's scores agree, relative to the larger."""

    def agree(ours: Any, theirs: Any) -> bool:
        found = ours[name]["minmax"]
        size = max(abs(found["min"]), abs(found["max"]))
        return close(0, rtol * size)([found["min"], found["max"]], theirs[:2])

    return agree


def switched(d: Data) -> list[Row]:
    """threshold: where the last value beyond a bound was above the upper one."""
    x = d.x
    places = np.arange(len(x), dtype="i4")

    def last_crossing() -> float:
        above = x > HIGH
        at = np.where(above | (x < LOW), places, 0)
        np.maximum.accumulate(at, out=at)
        return float(np.count_nonzero(above[at]))

    def filled() -> float:
        """By the runs between crossings: what is beyond a bound stands until the next that is."""
        above = x > HIGH
        at = np.flatnonzero(above | (x < LOW))
        on = above[at]
        ends = np.append(at[1:], len(x))
        return float((ends - at)[on].sum())

    same = named("threshold", lambda o, t: bool(o["sum"] == t))
    peers: dict[str, Work] = {"numpy": last_crossing, "numpy, runs": filled}
    return [Row("threshold", f"threshold {HIGH} {LOW} | sum", peers, same)]


def averaged(d: Data) -> list[Row]:
    """ewma: plain means while 1 / n is more than ALPHA, `lfilter` from there on."""
    if not signal:
        return []
    x = d.f if d.x.dtype == "f4" else d.x
    start = math.ceil(1 / ALPHA) - 1
    n = np.arange(1, start + 1)
    b, a = np.array([ALPHA], "f4"), np.array([1, ALPHA - 1], "f4")
    fresh = np.array([ALPHA * (1 - ALPHA)], "f4")

    def score() -> tuple[Any, ...]:
        y = x.astype("f4") if x.dtype != "f4" else x
        before = np.empty_like(y)  # the running mean that each value is held against
        first = np.cumsum(y[:start], dtype="f8") / n
        before[0] = 0
        before[1 : start + 1] = first
        rest = signal.lfilter(b, a, y[start:-1], zi=[np.float32((1 - ALPHA) * first[-1])])[0]
        before[start + 1 :] = rest
        d = y - before
        squares = d * d
        # b' = (1 - 1/n) (b + d^2 / n^2 ...): n b is the sum of (1 - 1/n) d^2 in the plain part.
        early = np.cumsum((1 - 1 / n) * squares[:start], dtype="f8") / n
        spread = np.empty_like(y)
        spread[0] = 0
        spread[1 : start + 1] = early
        late = signal.lfilter(fresh, a, squares[start:-1], zi=[np.float32((1 - ALPHA) * early[-1])])
        spread[start + 1 :] = late[0]
        np.sqrt(spread, out=spread)
        return extremes(np.divide(d, spread, out=np.zeros_like(d), where=spread > 0))

    return [Row("ewma", f"ewma {ALPHA} | minmax", {"scipy.signal": score}, last("ewma", 1e-3))]


def summed(d: Data) -> list[Row]:
    """cusum: a sum that starts anew at 0 is the sum less its smallest so far; both in float64."""
    x = d.x

    def side(y: Array) -> Array:
        total = np.cumsum(y, out=y)
        low = np.minimum.accumulate(total)
        np.minimum(low, 0, out=low)
        return np.subtract(total, low, out=total)

    def larger() -> tuple[Any, ...]:
        up = side(np.subtract(x, float(TARGET + DRIFT), dtype="f8"))
        down = side(np.subtract(float(TARGET - DRIFT), x, dtype="f8"))
        return extremes(np.maximum(up, down, out=up))

    same = last("cusum", 1e-4)
    return [Row("cusum", f"cusum {TARGET} {DRIFT} | minmax", {"numpy": larger}, same)]


def measured(d: Data) -> list[Row]:
    """mahalanobis of rows of four: a product with the inverse factor, then lengths."""
    f = windows(d.f, COLUMNS)
    given: Work = (lambda: f) if d.x.dtype == "f4" else (lambda: windows(d.x, COLUMNS).astype("f4"))
    mean = f.mean(0, dtype="f8")
    covariance = np.cov(f.T.astype("f8"))
    model = mahalanobis(mean.tolist(), covariance.tolist())
    turn = np.linalg.inv(np.linalg.cholesky(covariance)).T.astype("f4")
    shift = mean.astype("f4") @ turn

    def product() -> Array:
        y = given() @ turn
        y -= shift
        return np.sqrt(np.vecdot(y, y))

    def in_order() -> Array:
        """The product column by column: sums in their order, whatever the machine."""
        x = given()
        total = np.zeros(len(x), "f4")
        for k in range(COLUMNS):
            y = x[:, 0] * turn[0, k] - shift[k]
            for j in range(1, k + 1):
                y += x[:, j] * turn[j, k]
            total += np.square(y, out=y)
        return np.sqrt(total, out=total)

    peers: dict[str, Work] = {"numpy": in_order}
    if distance:
        inverse, centre = np.linalg.inv(covariance), mean[None]
        peers["scipy.spatial"] = lambda: distance.cdist(
            given(), centre, "mahalanobis", VI=inverse
        ).ravel()
    same = named("mahalanobis", close(1e-4, 1e-5))
    plan = f"window {COLUMNS} | mahalanobis @m"
    return [Row("mahalanobis", plan, peers, same, models={"m": model}, loose={"@": product})]


def learnt(d: Data) -> list[Row]:
    """novelty of rows of 256: a loop, each step in numpy."""
    rows = windows(d.f, NOVELTY_COLUMNS)

    def loop(squared: Callable[[Array], Array]) -> Array:
        points = rows[:PROTOTYPES].copy()
        scores = np.zeros(len(rows), "f4")
        usual = 0.0
        for seen, k in enumerate(range(PROTOTYPES, len(rows)), 1):
            apart = rows[k] - points
            squares = squared(apart)
            best = int(squares.argmin())
            far = math.sqrt(squares[best])
            scores[k] = far / usual if usual > 0 else 0
            usual += max(1 / seen, RATE) * (far - usual)
            points[best] += np.float32(RATE) * apart[best]
        return scores

    same = named("novelty", close(1e-3))
    plan = f"window {NOVELTY_COLUMNS} | novelty {PROTOTYPES} rate={RATE}"
    room = np.empty((PROTOTYPES, NOVELTY_COLUMNS), "f4")
    pairs: Work = partial(loop, lambda apart: np.square(apart, out=room).sum(1))
    loose: Work = partial(loop, lambda apart: np.vecdot(apart, apart))
    peers = {"numpy, a Python loop": pairs}
    return [Row("novelty", plan, peers, same, loose={"vecdot, a loop": loose})]


def rows(d: Data) -> list[Row]:
    """All rows of detectors."""
    return switched(d) + averaged(d) + summed(d) + measured(d) + learnt(d)
