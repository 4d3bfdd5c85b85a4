"""The slow twins of models, detectors and reducers of rows.

A row is a list of f32. Models and detectors are computed in the order and with the roundings of
the portable part; reducers in fractions.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from atoll.kernels.grammar import Op
from atoll.kernels.numbers import INFINITY, NAN, f32_value
from atoll.kernels.reference_float import divide, f32, lanes

Row = Sequence[float]


def floats(words: Sequence[int]) -> list[float]:
    """Words as the f32 of these bits."""
    return [f32_value(word) for word in words]


def signed(word: int) -> int:
    """A word as a signed integer."""
    return word - 2**32 if word >> 31 else word


# Models.


def exponential(x: float) -> float:
    """e^x as the portable part has it: reduction by ln 2 in two parts, a polynomial of degree 7."""
    if x < f32(-103.9):
        return 0.0
    if x != x:
        return NAN
    n = f32(x * f32(1.44269504))
    k = int(f32(n + 0.5) if n >= 0 else f32(n - 0.5))
    r = f32(f32(x - f32(k * f32(0.693359375))) - f32(k * f32(-2.12194440e-4)))
    y = f32(1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        y = f32(f32(y * r) + f32(c))
    y = f32(f32(f32(y * f32(r * r)) + r) + 1.0)
    if k < -126:
        return f32(f32(y * 2.0 ** (k + 64)) * 2.0**-64)
    if k > 127:
        return f32(f32(y * 2.0 ** (k - 64)) * 2.0**64)
    return f32(y * 2.0**k)


def sigmoid(z: float) -> float:
    """1 / (1 + e^-z) without overflow."""
    if z >= 0:
        return divide(1.0, f32(1.0 + exponential(-z)))
    e = exponential(z)
    return divide(e, f32(1.0 + e))


def probabilities(scores: Row) -> list[float]:
    """The logistic function of one score, softmax of several."""
    if len(scores) == 1:
        return [sigmoid(scores[0])]
    most = max(scores)
    powers = [exponential(f32(z - most)) for z in scores]
    total = 0.0
    for power in powers:
        total = f32(total + power)
    return [divide(power, total) for power in powers]


def linear(words: Sequence[int], row: Row) -> list[float]:
    """Scores of rows of weights."""
    n, scores = words[:2]
    weights = floats(words[2:])
    out = []
    for k in range(scores):
        bias, *by = weights[k * (n + 1) : (k + 1) * (n + 1)]
        out.append(f32(lanes([f32(a * b) for a, b in zip(row, by, strict=True)]) + bias))
    return out


def tree(words: Sequence[int], row: Row) -> list[float]:
    """Sums of the leaves that the row reaches."""
    _, scores, _, trees, nodes, leaves, *rest = words
    out, rest = floats(rest[:scores]), rest[scores:]
    roots, node, leaf = rest[:trees], rest[trees : trees + 2 * nodes], rest[trees + 2 * nodes :]
    for root in roots:
        k, score = root % 2**24, root >> 24
        while node[2 * k] % 256:
            low = row[node[2 * k] % 256 - 1] <= f32_value(node[2 * k + 1])
            k = k + 1 if low else node[2 * k] >> 8
        word = node[2 * k + 1]
        if leaves:
            values = floats(leaf[word * scores : (word + 1) * scores])
            out = [f32(a + b) for a, b in zip(out, values, strict=True)]
        else:
            out[score] = f32(out[score] + f32_value(word))
    return out


def mlp(words: Sequence[int], row: Row) -> list[float]:
    """Dense layers in integers."""
    _, _, layers, scale, zero_word, out_scale, *rest = words
    zero = signed(zero_word)
    x = []
    for v in row:
        near = f32(v * f32_value(scale))
        whole = round(near) if abs(near) < 32768 else math.copysign(32768, near)
        x.append(int(max(-128, min(127, whole + zero))) - zero)
    for _ in range(layers):
        outputs, relu, zero_word = rest[:3]
        zero, wide = signed(zero_word), -(-len(x) // 4)
        scaled, rest = rest[3 : 3 + 3 * outputs], rest[3 + 3 * outputs :]
        packed, rest = rest[: wide * outputs], rest[wide * outputs :]
        y = []
        for k in range(outputs):
            data = b"".join(w.to_bytes(4, "little") for w in packed[wide * k : wide * (k + 1)])
            weights = [b - 256 if b > 127 else b for b in data]
            bias, multiplier, shift = scaled[3 * k : 3 * k + 3]
            total = signed(bias) + sum(a * b for a, b in zip(weights, x, strict=False))
            q = math.floor(Fraction(total * multiplier, 2**shift) + Fraction(1, 2))
            y.append(max(0 if relu else -128 - zero, min(127 - zero, q)))
        x = y
    return [f32(v * f32_value(out_scale)) for v in x]


def model(op: Op, row: Row) -> list[float]:
    """Scores, probabilities or the class of a row."""
    name, (give, *words) = op.kernel.name, op.words
    if any(v != v for v in row):
        return [NAN] * (1 if give else words[1])
    scores = {"tree": tree, "mlp": mlp}.get(name, linear)(words, row)
    if give and scores[0] != scores[0]:
        return [NAN]
    if give:
        return [float(scores[0] > 0) if len(scores) == 1 else float(scores.index(max(scores)))]
    linked = name == "logistic" or (name == "tree" and words[2] == 1)
    return probabilities(scores) if linked else scores


# Detectors: each gives a function that remembers.


def watching(op: Op) -> Callable[[float], float]:
    """threshold, ewma or cusum of one column."""
    name, given = op.kernel.name, floats(op.words)
    memory = {"seen": 0.0, "a": 0.0, "b": 0.0}

    def step(x: float) -> float:
        if x != x:
            return NAN
        if name == "threshold":
            memory["seen"] = 1.0 if x > given[0] else 0.0 if x < given[1] else memory["seen"]
            return memory["seen"]
        if abs(x) == INFINITY:
            return INFINITY
        return _ewma(memory, x, given[0]) if name == "ewma" else _cusum(memory, x, *given)

    return step


def share_next(memory: dict[str, float], rate: float) -> float:
    """1 / n of the n-th value while that is more than the rate."""
    share = divide(1.0, memory["seen"] + 1)
    if share <= rate:
        return rate
    memory["seen"] += 1
    return share


def _ewma(memory: dict[str, float], x: float, alpha: float) -> float:
    d = f32(x - memory["a"])
    score = divide(d, f32(math.sqrt(memory["b"]))) if memory["b"] > 0 else 0.0
    seen = memory["seen"]
    alpha = share_next(memory, alpha)
    spread = f32(f32(1 - alpha) * f32(memory["b"] + f32(f32(alpha * d) * d)))
    if not spread < INFINITY:
        memory["seen"] = seen
        return INFINITY
    memory["a"] = f32(memory["a"] + f32(alpha * d))
    memory["b"] = spread
    return score


def _cusum(memory: dict[str, float], x: float, target: float, drift: float) -> float:
    memory["a"] = max(0.0, f32(f32(memory["a"] + f32(x - target)) - drift))
    memory["b"] = max(0.0, f32(f32(memory["b"] + f32(target - x)) - drift))
    return max(memory["a"], memory["b"])


def distance(a: Row, b: Row) -> float:
    """Squared, summed in the order of the columns."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        d = f32(x - y)
        total = f32(total + f32(d * d))
    return total


def mahalanobis(words: Sequence[int], row: Row) -> float:
    """|W (row - mean)|."""
    n = words[0]
    mean, rest = floats(words[2 : 2 + n]), floats(words[2 + n :])
    d = [f32(x - m) for x, m in zip(row, mean, strict=True)]
    total = 0.0
    for i in range(n):
        z = 0.0
        for j in range(i + 1):
            z = f32(z + f32(rest[i * (i + 1) // 2 + j] * d[j]))
        total = f32(total + f32(z * z))
    return f32(math.sqrt(total)) if total < INFINITY else INFINITY


def novelty(op: Op) -> Callable[[Row], float]:
    """Distances to prototypes that move, over their running mean."""
    most, rate = op.words[0], f32_value(op.words[1])
    points: list[list[float]] = []
    usual = 0.0
    memory = {"seen": 0.0}

    def step(row: Row) -> float:
        nonlocal usual
        far = [distance(row, point) for point in points]
        least = min(far, default=INFINITY)
        if len(points) < most and least > 0:
            points.append(list(row))
            return 0.0
        if least == INFINITY:
            return INFINITY
        d = f32(math.sqrt(least))
        score = divide(d, usual) if usual > 0 else 0.0
        usual = f32(usual + f32(share_next(memory, rate) * f32(d - usual)))
        k = far.index(least)
        points[k] = [f32(p + f32(rate * f32(x - p))) for p, x in zip(points[k], row, strict=True)]
        return score

    return step


def stage(op: Op, rows: Sequence[Row]) -> list[list[float]]:
    """All rows of a stream, in order, through one row stage."""
    name = op.kernel.name
    if name in ("threshold", "ewma", "cusum"):
        width = len(rows[0]) if rows else 0
        steps = [watching(op) for _ in range(width)]
        return [[step(x) for step, x in zip(steps, row, strict=True)] for row in rows]
    if name not in ("novelty", "mahalanobis"):
        return [model(op, row) for row in rows]
    step = novelty(op)
    out = []
    for row in rows:
        if any(v - v != 0 for v in row):
            out.append([NAN if any(v != v for v in row) else INFINITY])
        else:
            out.append([step(row) if name == "novelty" else mahalanobis(op.words, row)])
    return out


# Reducers of rows.


def rounded(x: Fraction) -> float:
    """Once, to float64."""
    return x.numerator / x.denominator


def finite(rows: Sequence[Row]) -> list[Row]:
    """Without those that hold a NaN or an infinity."""
    return [row for row in rows if all(v - v == 0 for v in row)]


def gram(rows: Sequence[Row], names: Sequence[str], fit: int) -> dict[str, object]:
    """Moments about the exact means; least squares by Cramer's rule."""
    kept = [[Fraction(v) for v in row] for row in finite(rows)]
    n, width = len(kept), len(names)
    means = [
        sum((row[i] for row in kept), Fraction()) / n if n else Fraction() for i in range(width)
    ]
    spread = [
        [
            sum(((row[i] - means[i]) * (row[j] - means[j]) for row in kept), Fraction()) / (n or 1)
            for j in range(width)
        ]
        for i in range(width)
    ]
    out: dict[str, object] = {"count": n, "left_out": len(rows) - n, "columns": list(names)}
    out["mean"] = [rounded(m) if n else NAN for m in means]
    out["covariance"] = [[rounded(v) if n else NAN for v in row] for row in spread]
    out["correlation"] = [
        [correlation(spread[i][j], spread[i][i] * spread[j][j]) for j in range(width)]
        for i in range(width)
    ]
    return out | ({"fit": least_squares(means, spread, fit - 1, n)} if fit else {})


def correlation(covariance: Fraction, variances: Fraction) -> float:
    """covariance / sqrt(variances), rounded once from 600 bits."""
    if variances == 0:
        return NAN
    square = covariance * covariance / variances
    shift = max(0, 600 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2)
    root = math.isqrt((square.numerator << (2 * shift)) // square.denominator)
    return math.copysign(rounded(Fraction(root, 1 << shift)), covariance)


def determinant(a: list[list[Fraction]]) -> Fraction:
    """By expansion along the first row."""
    if not a:
        return Fraction(1)
    return sum(
        (
            (-1) ** k * v * determinant([row[:k] + row[k + 1 :] for row in a[1:]])
            for k, v in enumerate(a[0])
            if v
        ),
        Fraction(),
    )


def least_squares(
    means: list[Fraction], spread: list[list[Fraction]], target: int, n: int
) -> dict[str, object]:
    """The fit of a column by the others."""
    others = [k for k in range(len(means)) if k != target]
    square = [[spread[i][j] for j in others] for i in others]
    whole = determinant(square)
    names = ("coefficients", "intercept", "residual", "r2")
    if whole == 0 or n == 0:
        return {"target": target + 1, **dict.fromkeys(names)}
    found = []
    for k in range(len(others)):
        changed = [
            [spread[i][target] if j == k else v for j, v in enumerate(row)]
            for i, row in zip(others, square, strict=True)
        ]
        found.append(determinant(changed) / whole)
    explained = sum((b * spread[k][target] for b, k in zip(found, others, strict=True)), Fraction())
    intercept = means[target] - sum(b * means[k] for b, k in zip(found, others, strict=True))
    rest = spread[target][target]
    return {
        "target": target + 1,
        "coefficients": [rounded(b) for b in found],
        "intercept": rounded(intercept),
        "residual": rounded(rest - explained),
        "r2": rounded(explained / rest) if rest else NAN,
    }


def centroids(rows: Sequence[Row], words: Sequence[int]) -> dict[str, object]:
    """Rows by their nearest point (f32, ties to the first), their means, the inertia."""
    width, groups = words[:2]
    points = [floats(words[2 + k * width : 2 + (k + 1) * width]) for k in range(groups)]
    members: list[list[Row]] = [[] for _ in points]
    kept = finite(rows)
    for row in kept:
        far = [distance(row, point) for point in points]
        members[far.index(min(far))].append(row)
    moved = []
    for group, point in zip(members, points, strict=True):
        sums = [sum(map(Fraction, column), Fraction()) for column in zip(*group, strict=True)]
        moved.append([rounded(total / len(group)) for total in sums] if group else point)
    inertia = sum(
        (
            (Fraction(v) - Fraction(c)) ** 2
            for group, point in zip(members, points, strict=True)
            for row in group
            for v, c in zip(row, point, strict=True)
        ),
        Fraction(),
    )
    return {
        "count": len(kept),
        "left_out": len(rows) - len(kept),
        "members": [len(group) for group in members],
        "centroids": moved,
        "inertia": rounded(inertia),
    }


def merge(rows: Sequence[Row], bits: int, weighted: int, width: int) -> dict[str, object]:
    """The weighted mean of fixed-point numbers."""
    kept = finite(rows)
    if weighted:
        kept = [row for row in kept if 0 <= row[0] <= 2**24 and row[0] == int(row[0])]
    saturated = weight = 0
    sums = [Fraction() for _ in range(width - weighted)]
    for row in kept:
        by = int(row[0]) if weighted else 1
        weight += by
        for k, v in enumerate(row[weighted:]):
            scaled = Fraction(v) * 2**bits
            saturated += abs(scaled) >= 2**31
            whole = max(-(2**31) + 1, min(2**31 - 1, round(scaled)))
            sums[k] += by * whole
    return {
        "count": len(kept),
        "left_out": len(rows) - len(kept),
        "saturated": saturated,
        "weight": weight,
        "mean": [rounded(s / (weight * 2**bits)) if weight else NAN for s in sums],
    }


def reduce(op: Op, rows: Sequence[Row], names: Sequence[str]) -> dict[str, object]:
    """One reducer of rows over all of them."""
    if op.kernel.name == "gram":
        return gram(rows, names, op.words[0])
    if op.kernel.name == "centroids":
        return centroids(rows, op.words)
    return merge(rows, op.words[0], op.words[1], len(names))
