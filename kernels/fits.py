"""What the reducers of rows finish to: covariance and least squares, k-means, averaged vectors.

The sums are exact integers; each number of a result is rounded once, to float64. Least squares
solves the normal equations in fractions, so its coefficients are the nearest float64 too.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from atoll.kernels.errors import KernelError
from atoll.kernels.numbers import NAN, f32_value, ratio, root_ratio

if TYPE_CHECKING:
    from fractions import Fraction

    from atoll.kernels.finish import States, Value
    from atoll.kernels.grammar import Op

UNIT = 1 << 149  # sums are in units of 2^-149, products of 2^-298
CONTRADICTION = "the partial is damaged: its sums contradict each other"


def finish_gram(states: "States", op: "Op", columns: tuple[str, ...]) -> "Value":
    """Means, covariance (population), correlation, and the fit of one column by the others."""
    count, left_out = states.count(), states.count()
    n, width = count - left_out, len(columns)
    sums = [states.limbs() for _ in columns]
    products = {(i, j): states.limbs() for i in range(width) for j in range(i, width)}
    # n^2 times the covariance, exact.
    spread = [
        [n * products[min(i, j), max(i, j)] - sums[i] * sums[j] for j in range(width)]
        for i in range(width)
    ]
    if any(spread[i][j] ** 2 > spread[i][i] * spread[j][j] for i in range(width) for j in range(i)):
        raise KernelError(CONTRADICTION)
    if any(spread[i][i] < 0 for i in range(width)):
        raise KernelError(CONTRADICTION)
    result: dict[str, Value] = {"count": n, "left_out": left_out, "columns": list(columns)}
    result["mean"] = [ratio(total, n * UNIT) if n else NAN for total in sums]
    result["covariance"] = [
        [ratio(v, (n * UNIT) ** 2) if n else NAN for v in row] for row in spread
    ]
    result["correlation"] = [
        [_correlation(spread, i, j) for j in range(width)] for i in range(width)
    ]
    if op.words[0]:
        result["fit"] = _fit(spread, sums, n, op.words[0] - 1)
    return result


def _correlation(spread: list[list[int]], i: int, j: int) -> float:
    below = spread[i][i] * spread[j][j]
    if below == 0:
        return NAN
    value = root_ratio(spread[i][j] ** 2, below)
    return -value if spread[i][j] < 0 else value


def _fit(spread: list[list[int]], sums: list[int], n: int, target: int) -> "Value":
    """Least squares of column `target` by the others, with an intercept.

    None where the other columns do not determine it: too few rows, or columns that follow from
    each other.
    """
    from fractions import Fraction

    others = [k for k in range(len(sums)) if k != target]
    rows = [[Fraction(spread[i][j]) for j in (*others, target)] for i in others]
    solution = _solve(rows)
    if solution is None or n == 0:
        names = ("coefficients", "intercept", "residual", "r2")
        return {"target": target + 1, **dict.fromkeys(names)}
    pairs = list(zip(solution, others, strict=True))
    explained = sum((b * spread[k][target] for b, k in pairs), Fraction())
    rest = spread[target][target] - explained
    shift = sums[target] - sum(b * sums[k] for b, k in pairs)
    intercept = shift / (Fraction(n) * UNIT)
    whole = spread[target][target]
    return {
        "target": target + 1,
        "coefficients": [ratio(b.numerator, b.denominator) for b in solution],
        "intercept": ratio(intercept.numerator, intercept.denominator),
        "residual": ratio(rest.numerator, rest.denominator * (n * UNIT) ** 2),
        "r2": ratio(explained.numerator, explained.denominator * whole) if whole else NAN,
    }


def _solve(rows: "list[list[Fraction]]") -> "list[Fraction] | None":
    """Gauss-Jordan elimination in fractions; None where the matrix is singular."""
    size = len(rows)
    for k in range(size):
        pivot = next((i for i in range(k, size) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        head = rows[k][k]
        rows[k] = [v / head for v in rows[k]]
        for i in range(size):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def finish_centroids(states: "States", op: "Op", columns: tuple[str, ...]) -> "Value":
    """The means of the rows nearest to each centroid, and the inertia about the given ones."""
    width, groups = op.words[:2]
    given = [_units(word) for word in op.words[2:]]
    count, left_out = states.count(), states.count()
    members = [states.count() for _ in range(groups)]
    sums = [states.limbs() for _ in given]
    squares = states.limbs()
    twice = sum(2 * a * b for a, b in zip(given, sums, strict=True))
    held = sum(members[k // width] * v * v for k, v in enumerate(given))
    inertia = squares - twice + held
    if inertia < 0:
        raise KernelError(CONTRADICTION)
    moved = [
        ratio(sums[k], members[k // width] * UNIT) if members[k // width] else f32_value(word)
        for k, word in enumerate(op.words[2:])
    ]
    return {
        "count": count - left_out,
        "left_out": left_out,
        "members": members,
        "centroids": [moved[k * width : (k + 1) * width] for k in range(groups)],
        "inertia": ratio(inertia, UNIT * UNIT),
    }


def _units(word: int) -> int:
    """The f32 of these bits in units of 2^-149."""
    return int(f32_value(word) * 2.0**149)


def finish_merge(states: "States", op: "Op", columns: tuple[str, ...]) -> "Value":
    """The weighted average of the vectors."""
    scale, weighted = op.words
    count, left_out, saturated = states.count(), states.count(), states.count()
    weight = states.limbs()
    sums = [states.limbs() for _ in range(len(columns) - weighted)]
    if weight < 0:
        raise KernelError(CONTRADICTION)
    return {
        "count": count - left_out,
        "left_out": left_out,
        "saturated": saturated,
        "weight": weight,
        "mean": [ratio(total, weight << scale) if weight else NAN for total in sums],
    }


JOINT_FINISHERS: "dict[int, Callable[[States, Op, tuple[str, ...]], Value]]" = {
    104: finish_gram,
    105: finish_centroids,
    106: finish_merge,
}
