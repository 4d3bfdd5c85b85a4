"""Operations a sample, before a plan runs: additions, multiplications, comparisons, each one.

Where a kernel's work depends on its arguments the count does, too; the catalogue's `ops` is that of
its defaults. Samples that stages leave out or make are counted as often as they are there.
"""

from fractions import Fraction

from atoll.kernels.columns import channels_of, columns, feature_width, width
from atoll.kernels.design import KINDS
from atoll.kernels.geometry import fir_taps, resample_taps
from atoll.kernels.grammar import Op

SECTION_OPS = 9
LANES_TREE = 15  # additions that join the lanes of a sum
MEAN_OPS = 6  # of a window less its mean, a sample; less its line twice that
# A bin of a spectrum beside the transform: splitting even from odd, its power, the scaling before.
_BIN_OPS = 13.0


def ops_per_sample(ops: tuple[Op, ...]) -> float:
    """Operations a sample of the stream, windows that overlap counted as often as they run."""
    channels = channels_of(ops)
    there = Fraction(1)  # samples behind a stage for each of the stream
    window, hop, seen = 1, 1, 1  # seen: numbers that the features read
    windowed = False
    total = 0.0
    for at, op in enumerate(ops):
        group, name = op.kernel.group, op.kernel.name
        if group == "window":
            window, hop = op.words
            seen, windowed = window, True
        elif group == "sample":
            if name == "resample":
                there *= Fraction(op.words[0], op.words[1])
            total += stage_ops(op) * float(there) * channels
            if name == "decimate":
                there /= op.words[0]
        elif group in ("frame", "spectrum", "feature"):
            total += window_ops(op, window, seen) * float(there) / hop * channels
            if group == "spectrum":
                seen = (op.words[0] if name == "psd" else window) // 2 + 1
        elif group == "row":
            total += row_ops(op) * float(there) / (hop if windowed else 1)
        elif group == "reducer":
            values = 1 if op.kernel.joint else width(columns(ops[:at]))
            total += op.kernel.ops * values * float(there) / (hop if windowed else 1)
    return total


def stage_ops(op: Op) -> float:
    """Of a sample stage, for each sample that enters it (of resample: that leaves it)."""
    name = op.kernel.name
    if name == "biquad":
        return SECTION_OPS * sections(op)
    if name == "envelope":
        return 1 + (SECTION_OPS if op.words[0] else 0)
    if name == "fir":
        return 2 * fir_taps(op) - 1
    if name == "resample":
        return 2 * resample_taps(*op.words) + LANES_TREE
    return op.words[0] if name == "median" else op.kernel.ops


def sections(op: Op) -> int:
    """Second-order sections of a biquad."""
    kind = KINDS[op.words[0]]
    if kind == "sections":
        return (len(op.words) - 3) // 5
    if kind == "notch" or op.words[2]:
        return 1
    return op.words[1] if kind in ("bandpass", "bandstop") else (op.words[1] + 1) // 2


def window_ops(op: Op, window: int, seen: int) -> float:
    """Of a frame stage, a spectrum or a feature, for one window."""
    name = op.kernel.name
    if name == "spectrum":
        return transform_ops(window)
    if name == "psd":
        segment, hop = op.words[0], op.words[1] or op.words[0] // 2
        runs = (window - segment) // hop + 1
        return runs * (transform_ops(segment) + (MEAN_OPS + 2) * segment)
    if name == "detrend":
        return MEAN_OPS * (1 + op.words[0]) * window
    if name == "mel":
        return op.kernel.ops * seen + 40 * feature_width(op) * op.words[3]
    return op.kernel.ops * (seen if op.kernel.code >= 64 else window)


def transform_ops(n: int) -> float:
    """Of a spectrum of n samples: radix-2 steps on n / 2 complex numbers, then the bins."""
    half = n // 2
    return 5.0 * half * (half.bit_length() - 1) + _BIN_OPS * half


def row_ops(op: Op) -> float:
    """Of a row stage, for each row: of models two for each weight (a tree to its mean depth)."""
    name = op.kernel.name
    if name in ("linear", "logistic", "mahalanobis"):
        return 2.0 * len(op.words)
    if name == "mlp":
        return 8.0 * len(op.words)
    if name == "tree":
        trees, nodes = op.words[4:6]
        return 3.0 * trees * max(1, nodes // max(1, trees)).bit_length()
    return op.kernel.ops
