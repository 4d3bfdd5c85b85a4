"""Receipts: what this machine's kernels make of the golden vectors, as one hash a kernel.

A gateway lets boards work on one job only where the receipts of the job's kernels are equal. The
hash is FNV-1a, 64 bit, over the bytes of all outputs (rows of features, partials of reducers),
because a microcontroller computes it in ten lines; it guards against arithmetic that differs,
not against an adversary.
"""

from array import array

from atoll.kernels.golden import CASES, vector
from atoll.kernels.golden_models import golden_models
from atoll.kernels.plan import Plan
from atoll.kernels.registry import catalogue
from atoll.kernels.samples import SIZES

_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3

RATE_HZ = 1000.0

ROW = "crest, kurtosis, skewness"
# One plan or more for each kernel, such that the kernel's own arithmetic decides the bytes.
PLANS: dict[str, tuple[str, ...]] = {
    "abs": ("abs | sum",),
    "channels": (
        "channels 2 | diff | window 16 | mean, rms",
        "channels 2 | sum",
        "channels 4 | gram",
    ),
    "clip": ("clip -200.5 1000 | sum",),
    "scale": ("scale 0.1 3 | sum",),
    "diff": ("diff | sum",),
    "biquad": (
        "biquad bandpass 100 200 | sum",
        "biquad lowpass 200 order=3 | sum",
        "biquad notch 50 | sum",
    ),
    "envelope": ("envelope | sum", "envelope 100 | sum"),
    "fir": ("fir lowpass 100 taps=31 | sum", "fir taps 0.25 0.5 -0.25 | sum"),
    "decimate": ("decimate 3 | sum",),
    "median": ("median 5 | sum",),
    "slope": ("window 50 | slope",),
    "autocorr": ("window 50 | autocorr 7",),
    "ema": ("ema 0.1 | sum",),
    "taper": ("window 50 | taper hann | rms", "window 33 | taper flattop | rms, mean"),
    "spectrum": ("window 32 | spectrum", "window 64 | spectrum"),
    "goertzel": ("window 50 | goertzel 170.5",),
    "lines": ("window 64 | spectrum | lines 100 200 tol=20 around=90",),
    "band": ("window 128 | spectrum | band 100 300",),
    "centroid": ("window 128 | spectrum | centroid",),
    "window": ("window 48 hop=20 | mean", "window 20 hop=48 | mean"),
    "detrend": ("window 64 | detrend | rms", "window 64 | detrend line | rms"),
    "count": ("count",),
    "sum": ("sum",),
    "moments": ("moments",),
    "minmax": ("minmax",),
    "histogram": ("histogram -1000 3000 bins=33",),
    "quantiles": ("quantiles 0.5 bins=32",),
    "distinct": ("distinct p=7", "distinct"),
    "top": ("top width=16", "top"),
    "gram": (f"window 16 | {ROW} | gram", "window 5 | gram"),
    "centroids": (f"window 16 | {ROW} | centroids @centroids",),
    "merge": ("window 16 | merge", f"window 16 | {ROW} | merge bits=8 weight=first"),
    "linear": (f"window 16 | {ROW} | linear @linear",),
    "logistic": (f"window 16 | {ROW} | logistic @logistic", f"window 16 | {ROW} | logistic @one"),
    "tree": (f"window 16 | {ROW} | tree @tree", f"window 16 | {ROW} | tree @leaves give=class"),
    "mlp": (f"window 16 | {ROW} | mlp @mlp",),
    "threshold": ("threshold 100 -100 | sum",),
    "ewma": (f"window 16 | {ROW} | ewma 0.1",),
    "cusum": ("window 16 | crest, kurtosis | cusum 2 0.25",),
    "mahalanobis": (f"window 16 | {ROW} | mahalanobis @mahalanobis",),
    "novelty": (f"window 16 | {ROW} | novelty 5 rate=0.1",),
}
FEATURE_PLANS = ("window 64 | {}", "window 50 hop=33 | {}")


def fnv1a(data: bytes, state: int = _OFFSET) -> int:
    """FNV-1a, 64 bit, continued from `state`."""
    for byte in data:
        state = ((state ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return state


def outputs(plan: Plan, dtype: str, data: bytes) -> bytes:
    """What the portable part gives for one vector: rows, or the states without the plan's id."""
    machine = plan.machine(dtype, RATE_HZ)
    samples = array({"i16": "h", "i32": "i", "f32": "f"}[dtype], data)
    count = len(data) // SIZES[dtype] // plan.channels
    rows = machine.push(samples, 0, count, count)
    return rows if plan.rows else machine.partial()[12:]


def receipts() -> dict[str, bytes]:
    """Kernel name to the 8 bytes of its hash, computed here and now."""
    result = {}
    models = golden_models()
    for kernel in catalogue():
        plans = PLANS.get(kernel.name) or tuple(p.format(kernel.name) for p in FEATURE_PLANS)
        state = _OFFSET
        for text in plans:
            plan = Plan(text, models)
            for dtype in SIZES:
                for case in CASES:
                    state = fnv1a(outputs(plan, dtype, vector(dtype, case)), state)
        result[kernel.name] = state.to_bytes(8, "big")
    return result
