"""Models of other tools: fitted scikit-learn estimators, and .npz files of int8 networks.

Estimators are read by their fitted attributes; scikit-learn itself is never imported, nor is
numpy (a file's arrays are read here). This is for the machine where a model is made; a device
sees its words only.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from math import inf, log
from typing import IO, Any, NamedTuple

from atoll.kernels import models
from atoll.kernels.errors import KernelError
from atoll.kernels.models import Model, bits
from atoll.kernels.numbers import f32_bits, f32_value

NODES_MAX = 8192  # of all trees together (parts/trees.pxi)
TREE_COLUMNS_MAX = 255
LAYERS_MAX = 8  # (parts/network.pxi)
ARRAY_BYTES_MAX = 1 << 22
BIAS_MAX = 1 << 30

Estimator = Any  # an object of another library; its fitted attributes are checked as they are read


def from_sklearn(estimator: Estimator) -> Model:
    """The model of a fitted linear or logistic model, tree, forest, boosting or k-means.

    Classifiers give probabilities (`give=class` the number of the class); regressors the value.
    """
    name = type(estimator).__name__
    if hasattr(estimator, "cluster_centers_"):
        return models.centroids(_rows(estimator.cluster_centers_))
    if hasattr(estimator, "tree_"):
        return _forest(estimator, [estimator])
    if hasattr(estimator, "estimators_"):
        return _boosting(estimator) if "Boosting" in name else _forest(estimator, None)
    if hasattr(estimator, "coef_") and hasattr(estimator, "intercept_"):
        kind = models.logistic if hasattr(estimator, "predict_proba") else models.linear
        weights = _rows(estimator.coef_)
        bias = _flat(estimator.intercept_)
        return kind(weights, bias if len(bias) == len(weights) else bias * len(weights))
    raise KernelError(
        f"{name} is not fitted, or of no known kind: linear and logistic models, decision trees, "
        "forests, gradient boosting and k-means are read"
    )


def _flat(values: Any) -> list[float]:
    listed = values.tolist() if hasattr(values, "tolist") else values
    return [float(v) for v in listed] if isinstance(listed, Iterable) else [float(listed)]


def _rows(values: Any) -> list[list[float]]:
    listed = values.tolist()
    return listed if listed and isinstance(listed[0], list) else [listed]


class _Trees:
    """Words of an ensemble, tree by tree."""

    def __init__(self, columns: int, scores: int) -> None:
        if columns > TREE_COLUMNS_MAX or scores > models.OUTPUTS_MAX:
            raise KernelError(
                f"tree: {columns} columns and {scores} scores; at most {TREE_COLUMNS_MAX} and "
                f"{models.OUTPUTS_MAX} fit"
            )
        self.columns, self.scores = columns, scores
        self.roots: list[int] = []
        self.nodes: list[int] = []
        self.leaves: list[int] = []

    def add(self, tree: Any, leaf: Callable[[int], Sequence[float]], score: int | None) -> None:
        """One tree; of its leaves a number for `score`, or for None a number for each score."""
        self.roots.append(len(self.nodes) // 2 | (score or 0) << 24)
        left, right = tree.children_left.tolist(), tree.children_right.tolist()
        column, threshold = tree.feature.tolist(), tree.threshold.tolist()
        # Preorder: the left child stands behind its parent, the right one is patched in.
        waiting: list[tuple[int, int | None]] = [(0, None)]
        while waiting:
            k, parent = waiting.pop()
            at = len(self.nodes)
            if parent is not None:
                self.nodes[parent] |= at // 2 << 8
            if left[k] < 0:
                self.nodes += [0, self._leaf(leaf(k), score)]
            else:
                self.nodes += [column[k] + 1, f32_bits(at_most_f32(threshold[k]))]
                waiting += [(right[k], at), (left[k], None)]
            if len(self.nodes) > 2 * NODES_MAX:
                raise KernelError(f"tree: more than {NODES_MAX} nodes; fit fewer or smaller trees")

    def _leaf(self, values: Sequence[float], score: int | None) -> int:
        if score is not None:
            return bits(values[0], "tree")
        self.leaves += [bits(v, "tree") for v in values]
        return len(self.leaves) // self.scores - 1

    def model(self, link: int, base: Sequence[float]) -> Model:
        """The words, as parts/trees.pxi lays them out."""
        head = [self.columns, self.scores, link, len(self.roots), len(self.nodes) // 2]
        head += [len(self.leaves) // self.scores, *(bits(v, "tree") for v in base)]
        return Model("tree", (*head, *self.roots, *self.nodes, *self.leaves))


def at_most_f32(value: float) -> float:
    """The largest f32 not above value: x <= value is the same for every f32 x."""
    try:
        near = f32_bits(value)
    except OverflowError:
        return f32_value(0x7F7FFFFF) if value > 0 else -inf
    if f32_value(near) <= value:
        return f32_value(near)
    if near == 0:  # value is between the largest negative subnormal and 0
        return f32_value(0x80000001)
    return f32_value(near + 1 if near >> 31 else near - 1)


def _forest(estimator: Estimator, trees: list[Estimator] | None) -> Model:
    """Trees whose leaves are averaged: the shares of the classes, or the value."""
    members = list(estimator.estimators_) if trees is None else trees
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise KernelError("tree: estimators of several outputs are not read; fit one for each")
    classes = len(estimator.classes_) if hasattr(estimator, "classes_") else 0
    words = _Trees(int(estimator.n_features_in_), max(1, classes))
    for member in members:
        value = member.tree_.value.tolist()
        words.add(
            member.tree_,
            lambda k, value=value: _shares(value[k][0], classes, len(members)),  # type: ignore[misc]
            None if classes else 0,
        )
    return words.model(0, [0.0] * max(1, classes))


def _shares(values: list[float], classes: int, members: int) -> list[float]:
    """A leaf's part of the average; counts of classes are made shares."""
    total = sum(values) if classes else 1.0
    return [v / total / members for v in values]


def _boosting(estimator: Estimator) -> Model:
    """Gradient boosting: scaled leaves on a constant start."""
    if not hasattr(estimator.estimators_, "tolist"):
        raise KernelError("tree: histogram gradient boosting is not read; use GradientBoosting")
    stages = estimator.estimators_.tolist()
    scores = len(stages[0])
    words = _Trees(int(estimator.n_features_in_), scores)
    rate = float(estimator.learning_rate)
    for stage in stages:
        for score, member in enumerate(stage):
            value = member.tree_.value.tolist()
            words.add(
                member.tree_,
                lambda k, value=value: [rate * value[k][0][0]],  # type: ignore[misc]
                score,
            )
    return words.model(int(hasattr(estimator, "classes_")), _start(estimator, scores))


def _start(estimator: Estimator, scores: int) -> list[float]:
    """What boosting starts from: the mean, or the log-odds of the classes."""
    start = estimator.init_
    if start == "zero":
        return [0.0] * scores
    if hasattr(start, "class_prior_"):
        prior = _flat(start.class_prior_)
        if scores == 1:
            return [log(prior[1] / prior[0])]
        centre = sum(map(log, prior)) / len(prior)
        return [log(p) - centre for p in prior]
    if hasattr(start, "constant_"):
        return _flat(start.constant_[0])
    raise KernelError("tree: boosting that starts from another estimator is not read")


# Networks.


class Array(NamedTuple):
    """One array of an .npz file: its shape and numbers, in C order."""

    shape: tuple[int, ...]
    values: Sequence[float]


_TYPES = {"|i1": "b", "|u1": "B", "<i2": "h", "<i4": "i", "<i8": "q", "<f4": "f", "<f8": "d"}


def read_npz(source: str | IO[bytes]) -> dict[str, Array]:
    """Arrays of an .npz file (a zip of .npy; numpy's format 1.0 to 3.0), bounded."""
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(source) as archive:
            found = {}
            for entry in archive.infolist():
                if entry.file_size > ARRAY_BYTES_MAX:
                    raise KernelError(f"{entry.filename}: more than {ARRAY_BYTES_MAX} bytes")
                found[entry.filename.removesuffix(".npy")] = _npy(
                    archive.read(entry), entry.filename
                )
            return found
    except (BadZipFile, OSError) as error:
        raise KernelError(f"the .npz file cannot be read: {error}") from None


def _npy(data: bytes, name: str) -> Array:
    from ast import literal_eval

    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise KernelError(f"{name} is no .npy array")
    wide = 2 if data[6] == 1 else 4
    start = 8 + wide
    end = start + int.from_bytes(data[8:start], "little")
    try:
        head = literal_eval(data[start:end].decode("latin-1"))
        code, shape = _TYPES[head["descr"]], tuple(int(n) for n in head["shape"])
        if head["fortran_order"] and len(shape) > 1:
            raise KernelError(f"{name} is in Fortran order; save numpy.ascontiguousarray of it")
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise KernelError(f"{name}: integers and floats are read, not {error}") from None
    values = array(code)
    try:
        values.frombytes(data[end:])
    except ValueError:
        raise KernelError(f"{name} is cut off") from None
    count = 1
    for n in shape:
        count *= n
    if len(values) != count:
        raise KernelError(f"{name} has {len(values)} numbers for shape {shape}")
    return Array(shape, values.tolist())


def mlp_from_npz(source: str | IO[bytes]) -> Model:
    """A network of int8 layers from a plain .npz file.

    input_scale, input_zero, output_scale: single numbers: a column x enters as the byte
    round(x / input_scale) + input_zero. For each layer k from 0: `wk` (outputs x inputs, int8),
    `bk` (outputs, int32), `mk` and `sk` (multiplier and shift, one or one an output: the sum times
    m / 2^s is the output), `zk` (the output's zero point, 0 where it is missing), `relu_k` (0 or 1;
    where missing, 1 for all layers but the last).
    """
    arrays = read_npz(source)
    count = next(k for k in range(LAYERS_MAX + 2) if f"w{k}" not in arrays)
    if not 1 <= count <= LAYERS_MAX:
        raise KernelError(f"mlp: layers w0, w1, ... are needed, at most {LAYERS_MAX}")
    body: list[int] = []
    inputs = _array(arrays, "w0").shape[-1]
    columns, outputs = inputs, 0
    for k in range(count):
        words, outputs = _layer(arrays, k, inputs, k == count - 1)
        body += words
        inputs = outputs
    zero = _whole(_one(arrays, "input_zero"), "input_zero", -128, 127)
    head = [columns, outputs, count]
    head += [bits(1 / _positive(arrays, "input_scale"), "input_scale"), zero]
    head.append(bits(_positive(arrays, "output_scale"), "output_scale"))
    return Model("mlp", (*head, *body))


def _array(arrays: dict[str, Array], name: str) -> Array:
    if name not in arrays:
        raise KernelError(f"mlp: the file has no array {name!r}")
    return arrays[name]


def _one(arrays: dict[str, Array], name: str) -> float:
    values = _array(arrays, name).values
    if len(values) != 1:
        raise KernelError(f"mlp: {name} must be one number, not {len(values)}")
    return values[0]


def _positive(arrays: dict[str, Array], name: str) -> float:
    value = float(_one(arrays, name))
    if not 1e-30 < value < 1e30:
        raise KernelError(f"mlp: {name} must be a positive number, not {value}")
    return value


def _whole(value: float, name: str, low: int, high: int) -> int:
    """A whole number in a range, as a 32-bit word."""
    if value != int(value) or not low <= value <= high:
        raise KernelError(f"mlp: {name} holds {value}, not a whole number in {low} .. {high}")
    return int(value) & 0xFFFFFFFF


def _layer(arrays: dict[str, Array], k: int, inputs: int, last: bool) -> tuple[list[int], int]:
    """Words of layer k, and how many outputs it has."""
    weights = _array(arrays, f"w{k}")
    if len(weights.shape) != 2 or weights.shape[1] != inputs:
        raise KernelError(f"mlp: w{k} has shape {weights.shape}, not (outputs, {inputs})")
    outputs = weights.shape[0]
    if not (1 <= outputs <= models.INPUTS_MAX and 1 <= inputs <= models.INPUTS_MAX):
        raise KernelError(f"mlp: layer {k} has {outputs} outputs; 1 to {models.INPUTS_MAX} fit")
    zero = _one(arrays, f"z{k}") if f"z{k}" in arrays else 0
    relu = _one(arrays, f"relu_{k}") if f"relu_{k}" in arrays else not last
    words = [outputs, int(bool(relu)), _whole(zero, f"z{k}", -128, 127)]
    scaled = [
        _each(arrays, f"b{k}", outputs, (-BIAS_MAX, BIAS_MAX)),
        _each(arrays, f"m{k}", outputs, (0, 2**31 - 1)),
        _each(arrays, f"s{k}", outputs, (1, 62)),
    ]
    for bias, multiplier, shift in zip(*scaled, strict=True):
        words += [bias, multiplier, shift]
    for row in range(outputs):
        values = weights.values[row * inputs : (row + 1) * inputs]
        packed = bytes(_whole(v, f"w{k}", -128, 127) & 0xFF for v in values)
        packed += bytes(-inputs % 4)
        words += [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
    return words, outputs


def _each(arrays: dict[str, Array], name: str, n: int, bounds: tuple[int, int]) -> list[int]:
    values = _array(arrays, name).values
    if len(values) == 1:
        values = list(values) * n
    if len(values) != n:
        raise KernelError(f"mlp: {name} has {len(values)} numbers, not one or {n}")
    return [_whole(v, name, *bounds) for v in values]
