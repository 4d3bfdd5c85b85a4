"""Models for receipts and tests: small, made of the golden generator's integers alone.

They take three columns near (2, 3, 0), such as crest, kurtosis and skewness of a window.
"""

from collections.abc import Iterator

from atoll.kernels.golden import words
from atoll.kernels.models import Model
from atoll.kernels.numbers import f32_bits

_SEED = 0x1F123BB5
COLUMNS = 3


def _near(source: int, unit: float) -> int:
    """Bits of a multiple of unit / 128 within 4 units: exact in f32 for powers of two."""
    return f32_bits(((source >> 20) % 1024 - 512) * unit / 128)


def golden_models() -> dict[str, Model]:
    """A model of each kind by name; `leaves` is a tree whose leaves are vectors."""
    source = words(_SEED)

    def numbers(n: int, unit: float = 1.0) -> list[int]:
        return [_near(next(source), unit) for _ in range(n)]

    found = {
        "linear": Model("linear", (COLUMNS, 2, *numbers(8))),
        "logistic": Model("logistic", (COLUMNS, 3, *numbers(12))),
        "one": Model("logistic", (COLUMNS, 1, *numbers(4))),
        "centroids": Model("centroids", (COLUMNS, 4, *numbers(12))),
        "mahalanobis": Model("mahalanobis", (COLUMNS, 1, *numbers(9))),
    }
    # A root that splits on column k + 1, a leaf to its left and to its right a second split.
    splits = [(k + 1, number) for k, number in enumerate(numbers(3))]
    nodes: list[int] = []
    for column, threshold in splits:
        at = len(nodes) // 2
        leaves = numbers(3, 0.125)
        nodes += [column | (at + 2) << 8, threshold, 0, leaves[0]]
        nodes += [column % 3 + 1 | (at + 4) << 8, numbers(1)[0], 0, leaves[1], 0, leaves[2]]
    roots = [0, 5 | 1 << 24, 10]
    found["tree"] = Model("tree", (COLUMNS, 2, 1, 3, 15, 0, *numbers(2), *roots, *nodes))
    vectors = [k % 5 if k % 2 and nodes[k - 1] == 0 else word for k, word in enumerate(nodes)]
    table = numbers(10, 0.125)
    found["leaves"] = Model("tree", (COLUMNS, 2, 0, 3, 15, 5, 0, 0, 0, 5, 10, *vectors, *table))
    found["mlp"] = Model("mlp", (COLUMNS, 2, 2, *_network(source)))
    return found


def _network(source: Iterator[int]) -> list[int]:
    """Two layers, 3 to 5 to 2: a column is a byte of 1/16, the sums are scaled by about 2^-8."""
    out = [f32_bits(16.0), 3, f32_bits(0.125)]
    for inputs, outputs, relu, zero in ((COLUMNS, 5, 1, 0xFFFFFFF0), (5, 2, 0, 7)):
        out += [outputs, relu, zero]
        for _ in range(outputs):
            word = next(source)
            out += [(word >> 22) - 512 & 0xFFFFFFFF, (1 << 30) + (word & 0xFFFFF), 38]
        for _ in range(outputs):
            packed = [next(source) for _ in range(-(-inputs // 4))]
            if inputs % 4:
                packed[-1] &= (1 << 8 * (inputs % 4)) - 1
            out += packed
    return out
