"""What the catalogue says of `teager`, and its twin: the NumPy function without NumPy."""

from collections.abc import Sequence

DOC = "Mean Teager-Kaiser energy of the window: follows amplitude and frequency of an oscillation."
UNITS = "squared units of the samples"
SPECIAL = "a NaN in the window gives NaN; so do fewer than three samples"
ERROR = 1e-5  # relative to the twin in float64
OPS = 4  # operations a sample


def reference(x: Sequence[float], numbers: Sequence[float]) -> float:
    """np.mean(x[1:-1] ** 2 - x[:-2] * x[2:]), in float64."""
    if len(x) < 3:
        return float("nan")
    return sum(x[i] ** 2 - x[i - 1] * x[i + 1] for i in range(1, len(x) - 1)) / (len(x) - 2)


VECTORS = (
    (0.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0),
    (1.0, 2.0, 4.0, 8.0, 16.0),
    (3.0, 3.0, 3.0),
    (1.0, 2.0),
)
