"""What stands side by side in a plan's rows, step by step.

Features, a spectrum, a window's samples or a single sample begin a row, each of them for every
channel; a model or detector of rows makes another of it; watching detectors keep the columns and
add their own name.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from atoll.kernels.grammar import Op

WATCHING = ("threshold", "ewma", "cusum")  # each column apart


class Column(NamedTuple):
    """One result of a window: the steps that name it, and its floats.

    width: floats of one channel; listed: whether those are shown as a list.
    """

    path: tuple[str, ...]
    width: int
    listed: bool
    channels: int = 1

    @property
    def floats(self) -> int:
        """Of all channels together."""
        return self.width * self.channels

    @property
    def names(self) -> list[str]:
        """A name for each of its floats: `rms`, `lines.0`, of several channels `rms[2]`."""
        name = ".".join(self.path)
        of_channel = [f"[{c}]" for c in range(self.channels)] if self.channels > 1 else [""]
        dot = "." if name else ""
        of_width = [f"{dot}{k}" for k in range(self.width)] if self.listed else [""]
        return [f"{name}{c}{k}" or "0" for c in of_channel for k in of_width]


def channels_of(ops: "Sequence[Op]") -> int:
    """Samples that stand side by side in the stream: 1, or as the plan says first."""
    return ops[0].words[0] if ops and ops[0].kernel.name == "channels" else 1


def columns(ops: "Sequence[Op]") -> tuple[Column, ...]:
    """The row behind the last of these operations (reducers do not change it)."""
    channels = channels_of(ops)
    row: tuple[Column, ...] = (Column((), 1, False, channels),)
    features: tuple[Column, ...] = ()
    for op in ops:
        name, group = op.kernel.name, op.kernel.group
        if group == "window":
            row = (Column((), op.words[0], True, channels),)
        elif group == "spectrum":
            points = op.words[0] if name == "psd" else row[0].width
            row = (Column((name,), points // 2 + 1, True, channels),)
        elif group == "feature":
            column = Column((name,), feature_width(op), op.kernel.vector, channels)
            row = features = (*features, column)
        elif name in WATCHING:
            row = tuple(c._replace(path=(*c.path, name)) for c in row)
        elif group == "row":
            row = (gives(op),)
    return row


def feature_width(op: "Op") -> int:
    """How many numbers a feature gives a window."""
    name = op.kernel.name
    if name == "lines":
        return len(op.words) - 2
    if name == "peaks":
        return 2 * op.words[0]
    return op.words[0] if name == "mel" else 1


def gives(op: "Op") -> Column:
    """What a model or a detector of whole rows makes of them."""
    scores = op.words[2] if op.kernel.name in ("linear", "logistic", "tree", "mlp") else 1
    listed = scores > 1 and op.words[0] == 0
    return Column((op.kernel.name,), scores if listed else 1, listed)


def takes(op: "Op") -> int | None:
    """How many columns a row stage or joint reducer takes; None where it takes any."""
    name, words = op.kernel.name, op.words
    if name in ("linear", "logistic", "tree", "mlp"):
        return words[1]
    return words[0] if name in ("mahalanobis", "centroids") else None


def width(row: Sequence[Column]) -> int:
    """Numbers of a row."""
    return sum(column.floats for column in row)
