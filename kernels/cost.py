"""What a plan costs before it runs.

RAM comes from the portable part itself (state_size), so it is what the interpreter uses. Flash is
the table below; operations.py counts operations.
"""

from atoll.kernels.errors import PlanError
from atoll.kernels.registry import catalogue

BOARDS = {"m0": 0, "m3": 1, "m4f": 2, "m7": 2, "m33": 2}

# Bytes of text of the amalgamation by what kernels share, for M0, M3 (soft float) and M4F: GCC
# 12.2, measured with -Os -fno-inline and scaled to the inlined whole. "base" is interpreter, layout
# and codec. tests/kernels/test_cost.py measures the whole again where the compiler is installed.
FLASH: dict[str, tuple[int, int, int]] = {
    "base": (6549, 6300, 6358),
    "distinct": (839, 817, 808),
    "fir": (359, 351, 274),
    "hitters": (1195, 1121, 1107),
    "median": (275, 241, 247),
    "sketch": (1606, 1500, 1470),
    "table": (644, 617, 610),
    "powers": (2544, 2242, 2223),
    "stats": (1583, 1423, 1391),
    "histogram": (657, 625, 625),
    "tally": (205, 200, 192),
    "abs": (47, 52, 53),
    "band": (23, 19, 18),
    "spectrum": (1968, 1992, 1645),
    "extrema": (1436, 1345, 1323),
    "scale": (73, 82, 59),
    "turn": (294, 280, 244),
    "clip": (199, 195, 227),
    "decimate": (43, 41, 40),
    "sections": (199, 189, 141),
    "central": (1400, 1360, 1190),
    "trend": (506, 495, 484),
    "diff": (147, 117, 108),
    "taper": (295, 313, 288),
    "ema": (64, 65, 49),
    "root": (376, 384, 389),
    "lines": (179, 159, 154),
    "centroid": (96, 100, 101),
    "crossings": (98, 106, 88),
    "goertzel": (137, 139, 86),
    "detrend": (363, 348, 348),
    "psd": (320, 330, 332),
    "peaks": (232, 210, 196),
    "mel": (404, 444, 432),
    "log": (244, 240, 200),
    "entropy": (224, 216, 224),
    "resample": (472, 472, 458),
    "gram": (1012, 981, 986),
    "centroids": (345, 345, 310),
    "vectors": (718, 681, 692),
    "rows": (1248, 1164, 1185),
    "models": (515, 506, 495),
    "link": (454, 451, 363),
    "tree": (556, 532, 521),
    "network": (835, 776, 782),
    "watches": (432, 420, 393),
    "mahalanobis": (188, 194, 154),
    "novelty": (277, 282, 263),
}

# What reads the statistics of a window.
_FEATURES = frozenset(k.name for k in catalogue() if k.group == "feature" or k.name == "detrend")

# What a kernel takes beside the base and the part of its own name.
_SHARED: dict[str, tuple[str, ...]] = {
    "rms": ("root",),
    "crest": ("root",),
    "kurtosis": ("central",),
    "skewness": ("central",),
    "zero_crossings": ("crossings",),
    "slope": ("trend",),
    "autocorr": ("trend", "central"),
    "taper": ("turn",),
    "spectrum": ("turn",),
    "psd": ("turn", "spectrum", "detrend"),
    "entropy": ("log",),
    "mel": ("log",),
    "biquad": ("sections",),
    "envelope": ("sections", "abs"),
    "count": ("tally",),
    "sum": ("powers",),
    "moments": ("powers",),
    "minmax": ("extrema",),
    "quantiles": ("sketch",),
    "distinct": ("table",),
    "top": ("table", "hitters"),
    "centroids": ("rows", "gram"),
    "gram": ("rows",),
    "merge": ("rows", "vectors"),
    "linear": ("rows", "models"),
    "logistic": ("rows", "models", "link"),
    "tree": ("rows", "models", "link"),
    "mlp": ("rows", "models", "network"),
    "threshold": ("rows", "watches"),
    "ewma": ("rows", "watches"),
    "cusum": ("rows", "watches"),
    "mahalanobis": ("rows",),
    "novelty": ("rows", "watches", "centroids"),
}


def flash_bytes(kernels: tuple[str, ...], board: str | None) -> int:
    """Bytes of code of these kernels with the interpreter; of the largest board by default."""
    if board is not None and board not in BOARDS:
        raise PlanError(f"board {board!r} is none of {', '.join(BOARDS)}")
    parts = {"base"}
    for name in kernels:
        parts |= {name} & FLASH.keys()
        parts |= {*_SHARED.get(name, ()), *(("stats",) if name in _FEATURES else ())}
    return sum(FLASH[part][BOARDS[board or "m0"]] for part in parts)
