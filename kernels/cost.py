"""What a plan costs of flash before it runs: the code of its kernels on a microcontroller.

RAM comes from the portable part itself (state_size); operations.py counts operations.

The code of a build (portable.py --only) is that of its kernels, of what several of them share, and
of the interpreter's ways for each group. TABLE has a number for each of these. They are fitted to
builds of many sets of kernels (benchmarks/flash_table.py, which writes the table anew), and so hold
for sets as wholes: tests/kernels/test_cost.py builds some and asks for a tenth.
"""

from collections.abc import Iterable

from atoll.kernels.errors import PlanError
from atoll.kernels.kernel import Kernel

BOARDS = {"m0": 0, "m3": 1, "m4f": 2, "m7": 2, "m33": 2}

# What kernels share, beside the parts of their own names and of their groups.
_SHARED: dict[str, tuple[str, ...]] = {
    "rms": ("root",),
    "peak": ("extremes",),
    "p2p": ("extremes",),
    "crest": ("root", "extremes"),
    "kurtosis": ("central",),
    "skewness": ("central",),
    "slope": ("trend",),
    "autocorr": ("trend",),
    "abs": ("magnitude",),
    "envelope": ("magnitude", "sections"),
    "biquad": ("sections",),
    "detrend": ("centre",),
    "taper": ("turn",),
    "spectrum": ("turn", "transform"),
    "psd": ("turn", "transform", "centre"),
    "entropy": ("log",),
    "mel": ("log",),
    "sum": ("powers",),
    "moments": ("powers",),
    "distinct": ("table",),
    "top": ("table",),
    "gram": ("sums",),
    "centroids": ("sums", "points"),
    "novelty": ("watches", "points"),
    "linear": ("models",),
    "logistic": ("models", "link"),
    "tree": ("models", "link"),
    "mlp": ("models",),
    "threshold": ("watches",),
    "ewma": ("watches",),
    "cusum": ("watches",),
}
# Filters with running memory; detectors are in `watches`.
_ORDERED = frozenset({"biquad", "ema", "envelope"})

# Bytes on M0, M3 (soft float) and M4F: GCC 12.2, -Os.
TABLE: dict[str, tuple[int, int, int]] = {
    "abs": (85, 93, 82),
    "autocorr": (727, 710, 674),
    "band": (71, 70, 53),
    "base": (1092, 1056, 1094),
    "biquad": (48, 41, 51),
    "central": (1510, 1417, 1200),
    "centre": (1065, 948, 974),
    "centroid": (130, 129, 93),
    "centroids": (141, 145, 188),
    "channels": (356, 327, 289),
    "clip": (266, 269, 287),
    "count": (18, 34, 17),
    "crest": (460, 441, 415),
    "cusum": (168, 140, 36),
    "decimate": (59, 64, 73),
    "detrend": (393, 336, 294),
    "diff": (377, 370, 382),
    "distinct": (503, 621, 630),
    "ema": (68, 79, 92),
    "entropy": (120, 124, 86),
    "envelope": (0, 0, 0),
    "ewma": (95, 96, 101),
    "extremes": (41, 18, 35),
    "feature": (1145, 1099, 1075),
    "fir": (577, 613, 491),
    "frame": (412, 378, 336),
    "goertzel": (0, 0, 0),
    "gram": (613, 574, 578),
    "histogram": (637, 633, 635),
    "joint": (656, 637, 638),
    "kurtosis": (301, 273, 394),
    "linear": (0, 0, 0),
    "lines": (71, 61, 58),
    "link": (284, 290, 239),
    "log": (345, 345, 311),
    "logistic": (0, 0, 0),
    "magnitude": (63, 45, 62),
    "mahalanobis": (264, 277, 174),
    "mean": (369, 335, 382),
    "median": (318, 320, 355),
    "mel": (186, 196, 218),
    "merge": (65, 102, 90),
    "minmax": (1510, 1385, 1403),
    "mlp": (635, 603, 589),
    "models": (289, 297, 294),
    "moments": (727, 662, 661),
    "novelty": (185, 189, 101),
    "ordered": (239, 279, 205),
    "p2p": (0, 18, 17),
    "peak": (110, 102, 130),
    "peaks": (204, 190, 204),
    "points": (365, 359, 296),
    "powers": (1425, 1285, 1278),
    "psd": (661, 622, 650),
    "quantiles": (1236, 1212, 1223),
    "reducer": (761, 727, 716),
    "resample": (798, 787, 741),
    "rms": (401, 416, 351),
    "root": (660, 582, 541),
    "row": (748, 718, 737),
    "rows": (562, 536, 563),
    "sample": (814, 759, 726),
    "scale": (287, 295, 225),
    "sections": (0, 0, 0),
    "skewness": (480, 434, 288),
    "slope": (324, 325, 266),
    "spectrum": (997, 1019, 856),
    "stream": (356, 327, 289),
    "sum": (659, 598, 610),
    "sums": (936, 890, 914),
    "table": (884, 846, 819),
    "taper": (0, 0, 0),
    "threshold": (0, 0, 14),
    "top": (1046, 976, 1002),
    "transform": (997, 1019, 856),
    "tree": (546, 530, 534),
    "trend": (852, 758, 795),
    "turn": (400, 479, 447),
    "watches": (129, 83, 91),
    "window": (995, 897, 883),
    "zero_crossings": (0, 0, 0),
}


def parts(kernels: Iterable[Kernel]) -> set[str]:
    """Entries of the table that a build of these kernels has; a user's kernel is not counted."""
    found = {"base"}
    for kernel in kernels:
        found |= {kernel.name, kernel.group, *_SHARED.get(kernel.name, ())}
        if kernel.group == "spectrum":
            found.add("frame")
        if kernel.joint or kernel.group == "row":
            found.add("rows")
        if kernel.joint:
            found.add("joint")
        if kernel.name in _ORDERED or "watches" in found:
            found.add("ordered")
    return found


def flash_bytes(kernels: Iterable[Kernel], board: str | None) -> int:
    """Bytes of code of these kernels with the interpreter; without a board that of the M0."""
    if board is not None and board not in BOARDS:
        raise PlanError(f"board {board!r} is none of {', '.join(BOARDS)}")
    column = BOARDS[board or "m0"]
    return sum(TABLE[part][column] for part in parts(kernels) if part in TABLE)
