"""Models whose weights travel with a plan: `Plan("window 64 | rms, peak | logistic @bearing",
models={"bearing": model})`.

A model is its kind and its words: integers and the bits of floats, checked by the portable part
when a program is made of them. The canonical form of a plan holds the words; its text names
a model by the first 8 hex digits of the words' SHA-256 (`plan.models` has it under that name).
Short linear models can be written out instead: `logistic 0.5 -2 bias=0.1`.

This module makes models of plain numbers; importers.py reads other tools' estimators and files.
"""

from collections.abc import Mapping, Sequence
from struct import pack, unpack
from typing import NamedTuple

from atoll.kernels.digest import sha256
from atoll.kernels.errors import KernelError
from atoll.kernels.numbers import f32_bits, f32_value

INPUTS_MAX = 1024  # columns (parts/models.pxi)
OUTPUTS_MAX = 32  # scores
CENTROIDS_MAX = 64  # (parts/gram.pxi)
COLUMNS_MAX = 16  # of exact products (parts/gram.pxi), and of mahalanobis
INLINE_MAX = 16  # weights that are written out in a plan's text
FILE_BYTES_MAX = 1 << 20

_MAGIC = b"atoll model 1 "

Numbers = Sequence[float]


class Model(NamedTuple):
    """Words of one model: columns, scores, then its own, as the part of its kind says."""

    kind: str
    words: tuple[int, ...]

    @property
    def name(self) -> str:
        """How plans' texts call it: 8 hex digits of its hash."""
        return sha256(self.to_bytes()).hex()[:8]

    @property
    def columns(self) -> int:
        """How many columns it takes."""
        return self.words[0]

    def to_bytes(self) -> bytes:
        """The form for files: a line that names the kind, then the words, little-endian."""
        return _MAGIC + self.kind.encode() + b"\n" + pack(f"<{len(self.words)}I", *self.words)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Model":
        """Read that form; KernelError where it is none."""
        head, line, words = data.partition(b"\n")
        if not head.startswith(_MAGIC) or not line or len(words) % 4 or len(words) < 8:
            raise KernelError("not a model of this version: a line 'atoll model 1 KIND' is missing")
        if len(data) > FILE_BYTES_MAX:
            raise KernelError(f"the model has {len(data)} bytes, at most {FILE_BYTES_MAX} fit")
        kind = head[len(_MAGIC) :].decode(errors="replace")
        return cls(kind, unpack(f"<{len(words) // 4}I", words))


def bits(value: float, what: str) -> int:
    """Bits of a finite number as f32."""
    try:
        found = f32_bits(float(value))
    except OverflowError:
        raise KernelError(f"{what}: {value} is beyond the range of f32") from None
    if found & 0x7F800000 == 0x7F800000:
        raise KernelError(f"{what}: {value} is no finite number")
    return found


def _table(rows: Sequence[Numbers], what: str) -> tuple[int, list[int]]:
    """Columns of a table of equal rows, and the bits of its numbers."""
    width = len(rows[0]) if rows else 0
    if width == 0 or any(len(row) != width for row in rows):
        raise KernelError(f"{what}: rows of one length are needed, at least one number each")
    if width > INPUTS_MAX:
        raise KernelError(f"{what}: {width} columns, at most {INPUTS_MAX} fit")
    return width, [bits(v, what) for row in rows for v in row]


def _dense(kind: str, weights: Sequence[Numbers], bias: Numbers) -> Model:
    columns, flat = _table(weights, kind)
    if len(bias) != len(weights) or len(weights) > OUTPUTS_MAX:
        raise KernelError(
            f"{kind}: a bias for each score is needed, of at most {OUTPUTS_MAX} scores; there are "
            f"{len(bias)} for {len(weights)}"
        )
    words = [columns, len(weights)]
    for k, value in enumerate(bias):
        words += [bits(value, kind), *flat[k * columns : (k + 1) * columns]]
    return Model(kind, tuple(words))


def linear(weights: Sequence[Numbers], bias: Numbers) -> Model:
    """Scores = weights x columns + bias; a row of weights for each score."""
    return _dense("linear", weights, bias)


def logistic(weights: Sequence[Numbers], bias: Numbers) -> Model:
    """Probabilities of linear scores: the logistic function of one, softmax of several."""
    return _dense("logistic", weights, bias)


def centroids(points: Sequence[Numbers]) -> Model:
    """Points in the space of the columns, for a step of k-means."""
    columns, flat = _table(points, "centroids")
    if columns > COLUMNS_MAX or len(points) > CENTROIDS_MAX:
        raise KernelError(
            f"centroids: {len(points)} of {columns} columns; at most {CENTROIDS_MAX} of "
            f"{COLUMNS_MAX} fit"
        )
    return Model("centroids", (columns, len(points), *flat))


def mahalanobis(mean: Numbers, covariance: Sequence[Numbers]) -> Model:
    """The distance from a mean in units of a covariance, as `gram` gives both.

    Words: the mean, then the rows of the inverse of the covariance's Cholesky factor.
    """
    n = len(mean)
    if not 1 <= n <= COLUMNS_MAX or len(covariance) != n or any(len(r) != n for r in covariance):
        raise KernelError(
            f"mahalanobis: a mean of up to {COLUMNS_MAX} columns and a square covariance are needed"
        )
    inverse = _lower_inverse(_cholesky(covariance))
    words = [bits(v, "mahalanobis") for v in mean]
    words += [bits(inverse[i][j], "mahalanobis") for i in range(n) for j in range(i + 1)]
    return Model("mahalanobis", (n, 1, *words))


def _cholesky(a: Sequence[Numbers]) -> list[list[float]]:
    """L with L L^T = a; KernelError where a is not positive definite."""
    n = len(a)
    low = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = float(a[i][j]) - sum(low[i][k] * low[j][k] for k in range(j))
            if i > j:
                low[i][j] = rest / low[j][j]
            elif rest > 0:
                low[i][i] = rest**0.5
            else:
                raise KernelError(
                    f"mahalanobis: the covariance is singular at column {i}: that column "
                    "is constant, or follows from the others"
                )
    return low


def _lower_inverse(low: list[list[float]]) -> list[list[float]]:
    n = len(low)
    out = [[0.0] * n for _ in range(n)]
    for i in range(n):
        out[i][i] = 1 / low[i][i]
        for j in range(i):
            out[i][j] = -sum(low[i][k] * out[k][j] for k in range(j, i)) / low[i][i]
    return out


def short(kind: str, weights: Numbers, bias: float) -> Model:
    """One score, as a plan's text writes it out."""
    return _dense(kind, [weights], [bias])


def written(model: Model) -> list[str] | None:
    """The arguments that `short` reads back, where the model is short enough."""
    from atoll.kernels.numbers import f32_text

    if model.kind not in ("linear", "logistic") or model.words[1:2] != (1,):
        return None
    if model.columns > INLINE_MAX or len(model.words) != model.columns + 3:
        return None
    shown = [f32_text(word) for word in model.words[3:]]
    return [*shown, f"bias={f32_text(model.words[2])}"] if f32_value(model.words[2]) else shown


def named(models: Mapping[str, Model], name: str) -> Model | None:
    """The model of this name, or whose hash begins so."""
    return models.get(name) or next((m for m in models.values() if m.name == name), None)
