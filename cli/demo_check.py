"""The demonstration's second opinion: its three queries once more with numpy in float64, knowing
nothing of the kernels.

Each function computes a plan's result from the raw streams and returns how far the fleet's answer
is from it, as a share of the error that the kernel states: at most 1 is agreement. Errors stated:
`moments` are correctly rounded (numpy's own sums are what differs, by 1e-9 at most here); `rms` is
within 2^-20; `quantiles` says its error in the result; the counts of a histogram of integers' peaks
are exact.
"""

from collections.abc import Callable, Mapping
from typing import Any

MOMENTS_ERROR = 1e-9
RMS_ERROR = 2.0**-20


def disagreement(plan: str, streams: Mapping[str, Any], value: dict[str, Any]) -> float | None:
    """The fleet's distance from numpy over the stated error; None where numpy is not installed."""
    try:
        import numpy as np
    except ImportError:
        return None
    arrays = [np.asarray(streams[key]) for key in sorted(streams)]
    stages = [stage.split() for stage in plan.split("|")]
    check = _CHECKS[stages[-1][0]]
    return float(check(np, stages, arrays, value))


def _moments(np: Any, _stages: list[list[str]], arrays: list[Any], value: dict[str, Any]) -> float:
    found = value["moments"]
    data = np.concatenate(arrays).astype(np.float64)
    centred = data - data.mean()
    variance = np.mean(centred**2)
    pairs = [
        (found["mean"], data.mean()),
        (found["variance"], variance),
        (found["skewness"], np.mean(centred**3) / variance**1.5),
        (found["kurtosis"], np.mean(centred**4) / variance**2),
    ]
    if found["count"] != len(data):
        return float("inf")
    return max(_distance(ours, theirs) for ours, theirs in pairs) / MOMENTS_ERROR


def _quantiles(np: Any, stages: list[list[str]], arrays: list[Any], value: dict[str, Any]) -> float:
    rms = np.sqrt(np.mean(_windows(np, stages[0], arrays) ** 2, axis=1))
    found = value["rms"]["quantiles"]
    error = float(found.get("error", 0.0)) + RMS_ERROR
    wanted = [
        (found[name], np.quantile(rms, float(name), method="inverted_cdf"))
        for name in stages[-1][1:]
    ]
    return max(_distance(ours, theirs) for ours, theirs in wanted) / error


def _histogram(np: Any, stages: list[list[str]], arrays: list[Any], value: dict[str, Any]) -> float:
    peaks = np.max(np.abs(_windows(np, stages[0], arrays)), axis=1)
    low, high = (float(word) for word in stages[-1][1:3])
    bins = int(stages[-1][3].removeprefix("bins="))
    counts, _ = np.histogram(peaks, bins=bins, range=(low, high))
    found = value["peak"]["histogram"]["counts"]
    return 0.0 if counts.tolist() == list(found) else float("inf")


def _windows(np: Any, stage: list[str], arrays: list[Any]) -> Any:
    """Every whole window of every stream, a row each."""
    size = int(stage[1])
    hop = next((int(word[4:]) for word in stage if word.startswith("hop=")), size)
    rows = [
        np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
        for samples in arrays
        if len(samples) >= size
    ]
    return np.concatenate(rows).astype(np.float64)


def _distance(ours: float, theirs: float) -> float:
    """Relative to the larger magnitude; absolute where both are next to nothing."""
    if ours != ours and theirs != theirs:
        return 0.0
    return abs(ours - theirs) / max(abs(theirs), 1e-12)


_CHECKS: dict[str, Callable[..., float]] = {
    "moments": _moments,
    "quantiles": _quantiles,
    "histogram": _histogram,
}
