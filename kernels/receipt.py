"""Receipts: what this machine's kernels make of the golden vectors, as one hash a kernel.

A gateway lets boards work on one job only where the receipts of the job's kernels are equal. The
hash is FNV-1a, 64 bit, over the bytes of all outputs (rows of features; partials of reducers, also
merged with themselves), because a microcontroller computes it in ten lines; it guards against
arithmetic that differs, not against an adversary.

Two suites: SHORT for every board, in 4 KB of working memory, and LONG for what needs more or shows
in longer vectors only. `receipt_c.py` writes either as C.
"""

from array import array
from typing import NamedTuple

from atoll.kernels.golden import CASES, SAMPLES, vector
from atoll.kernels.golden_models import golden_models
from atoll.kernels.plan import Plan
from atoll.kernels.registry import catalogue
from atoll.kernels.samples import SIZES

FNV_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3

RATE_HZ = 1000.0
HEAD = 12  # bytes of a partial before its states: what names the plan

ROW = "crest, kurtosis, skewness"
# One plan or more for each kernel, such that the kernel's own arithmetic decides the bytes.
PLANS: dict[str, tuple[str, ...]] = {
    "abs": ("abs | sum",),
    "channels": (
        "channels 2 | diff | window 16 | mean, rms",
        "channels 2 | sum",
        "channels 2 | gram",
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
    "resample": ("resample 3 2 half=2 | sum", "resample 2 5 half=1 | sum"),
    "slope": ("window 50 | slope",),
    "autocorr": ("window 50 | autocorr 7",),
    "ema": ("ema 0.1 | sum",),
    "taper": ("window 50 | taper hann | rms", "window 33 | taper flattop | rms, mean"),
    "spectrum": ("window 32 | spectrum", "window 64 | spectrum"),
    "goertzel": ("window 50 | goertzel 170.5",),
    "lines": ("window 64 | spectrum | lines 100 200 tol=20 around=90",),
    "band": ("window 128 | spectrum | band 100 300",),
    "psd": ("window 64 | psd 32", "window 50 hop=30 | psd 16 hop=5 taper=flattop | band 100 300"),
    "entropy": ("window 64 | spectrum | entropy",),
    "peaks": ("window 64 | spectrum | peaks 3",),
    "mel": ("window 64 | spectrum | mel 5", "window 64 | spectrum | mel 4 low=50 high=400 give=db"),
    "centroid": ("window 128 | spectrum | centroid",),
    "window": ("window 48 hop=20 | mean", "window 20 hop=48 | mean"),
    "detrend": ("window 64 | detrend | rms", "window 64 | detrend line | rms"),
    "count": ("count",),
    "sum": ("sum",),
    "moments": ("moments",),
    "minmax": ("minmax",),
    "histogram": ("histogram -1000 3000 bins=33",),
    "quantiles": ("quantiles 0.5 bins=32",),
    "distinct": ("distinct p=7", "distinct p=9"),
    "top": ("top width=8", "window 8 | peak | top width=8"),
    "gram": (f"window 16 | {ROW} | gram", "window 3 | gram"),
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
# What the short vectors leave out: long windows, full sketches, sums that carry.
LONG_PLANS: dict[str, tuple[str, ...]] = {
    "channels": ("channels 4 | gram",),
    "median": ("median 63 | sum",),
    "resample": ("resample 8 5 | sum",),
    "psd": ("window 4096 | psd 1024",),
    "mel": ("window 1024 | taper | spectrum | mel 24 give=db",),
    "fir": ("fir bandpass 100 200 taps=255 | sum",),
    "spectrum": ("window 4096 | taper | spectrum", "window 1024 hop=300 | spectrum"),
    "kurtosis": ("window 3000 hop=1000 | kurtosis",),
    "moments": ("moments",),
    "quantiles": ("quantiles 0.5", "window 8 | rms | quantiles 0.5"),
    "distinct": ("distinct", "distinct p=14"),
    "top": ("top", "window 8 | peak | top width=1000"),
    "gram": ("window 16 | gram",),
}
FEATURE_PLANS = ("window 64 | {}", "window 50 hop=33 | {}")


def fnv1a(data: bytes, state: int = FNV_OFFSET) -> int:
    """FNV-1a, 64 bit, continued from `state`."""
    for byte in data:
        state = ((state ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return state


class Suite(NamedTuple):
    """Plans and the length of their vectors. memory: bytes that the C of it works in."""

    samples: int
    memory: int
    long: bool

    def plans(self) -> dict[str, tuple[str, ...]]:
        """Kernel to its plans, in the order of the catalogue."""
        names = [kernel.name for kernel in catalogue()]
        if self.long:
            return {name: LONG_PLANS[name] for name in names if name in LONG_PLANS}
        features = {name: tuple(text.format(name) for text in FEATURE_PLANS) for name in names}
        return {name: PLANS.get(name, features[name]) for name in names}


SHORT = Suite(SAMPLES, 4096, long=False)
LONG = Suite(16 * SAMPLES, 1 << 20, long=True)


def outputs(plan: Plan, dtype: str, data: bytes) -> bytes:
    """What the portable part gives for one vector: rows, or states (once, and merged with
    themselves) without the plan's id.
    """
    machine = plan.machine(dtype, RATE_HZ)
    samples = array({"i16": "h", "i32": "i", "f32": "f"}[dtype], data)
    count = len(samples) // plan.channels
    rows = machine.push(samples, 0, count, count)
    if plan.rows:
        return rows
    partial = machine.partial()
    machine.absorb(partial)
    return partial[HEAD:] + machine.partial()[HEAD:]


def receipts(suite: Suite = SHORT) -> dict[str, bytes]:
    """Kernel name to the 8 bytes of its hash, computed here and now."""
    models = golden_models()
    vectors = {(d, c): vector(d, c, suite.samples) for d in SIZES for c in CASES}
    result = {}
    for name, texts in suite.plans().items():
        state = FNV_OFFSET
        for plan in (Plan(text, models) for text in texts):
            for (dtype, _), data in vectors.items():
                state = fnv1a(outputs(plan, dtype, data), state)
        result[name] = state.to_bytes(8, "big")
    return result
