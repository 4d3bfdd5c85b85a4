"""The catalogue: what kernels there are, what they take, give, cost and promise.

One table. The grammar checks plans against it, `atoll kernels` prints it, the documentation is
tested against it. Codes are part of the canonical form of plans and are never reused.

A kernel `takes` and `gives` one of: samples, frame (a window), values (numbers per window),
result. `words` of an operation are its arguments in the order of `params`.
"""

from atoll.kernels.kernel import Kernel, Param
from atoll.kernels.registry_rows import ROW_KERNELS

# Largest values that the portable part accepts too (parts/operations.pxi).
WINDOW_MAX = 1 << 20
BINS_MAX = 4096
BINS_MIN = 32
PART_UNIT = 10**9  # quantiles are exact multiples of 1e-9

EXACT = "exact"
# Of a window of n samples: n/16 additions a lane, and the tree.
LANES = "(n/16 + 8) 2^-24"
ROUNDED = f"integers: correctly rounded; f32: relative {LANES}"
SAMPLES_NAN = "NaN stays NaN, infinities follow IEEE 754; integers saturate"
FRAME_NAN = "a NaN makes the whole window NaN"
FEATURE_NAN = "a NaN in the window gives NaN; infinities follow IEEE 754"
REDUCER_NAN = "NaN is counted and left out"

_KERNELS = (
    Kernel(
        "abs", 1, "sample", (), "Magnitude of each sample.", "as the samples", EXACT, SAMPLES_NAN, 1
    ),
    Kernel(
        "clip",
        2,
        "sample",
        (Param("low", "number"), Param("high", "number")),
        "Samples held within [low, high]; on integers the bounds go to the integers inside.",
        "as the samples",
        EXACT,
        SAMPLES_NAN,
        2,
    ),
    Kernel(
        "scale",
        3,
        "sample",
        (Param("by", "number"), Param("add", "number", 0.0)),
        "x by + add, as f32.",
        "by's unit",
        "2 roundings to f32",
        SAMPLES_NAN,
        2,
    ),
    Kernel(
        "diff",
        4,
        "sample",
        (),
        "Each sample less the one before; one sample fewer.",
        "as the samples",
        "integers exact (i32 saturates); f32 correctly rounded",
        SAMPLES_NAN,
        1,
    ),
    Kernel(
        "biquad",
        5,
        "sample",
        (
            Param(
                "kind", "choice", choices=("lowpass", "highpass", "bandpass", "bandstop", "notch")
            ),
            Param("order", "count", 2, 1, 8, keyword=True),
            Param("q", "number", 30.0, 0.01, 10000, keyword=True),
            Param("hz", "number", many=True),
        ),
        "Butterworth filter of this order (as scipy's butter), or a notch of this q; gives f32, "
        "in second-order sections; runs in order from a checkpoint.",
        "as the samples",
        "design 2^-24 a coefficient; arithmetic 2^-24 an operation, amplified by the poles",
        SAMPLES_NAN,
        9,
    ),
    Kernel(
        "envelope",
        6,
        "sample",
        (Param("cutoff", "number", 0.0, 0.0),),
        "The rectified signal, as f32; with a cut-off in Hz through a low-pass of order 2, in "
        "order from a checkpoint.",
        "as the samples",
        "exact without a cut-off (i32: correctly rounded)",
        SAMPLES_NAN,
        1,
    ),
    Kernel(
        "ema",
        7,
        "sample",
        (Param("alpha", "number", low=2.0**-24, high=1),),
        "y + alpha (x - y), from the first sample, as f32; runs in order from a checkpoint.",
        "as the samples",
        "2^-23 / alpha of the peak",
        SAMPLES_NAN,
        3,
    ),
    Kernel(
        "fir",
        8,
        "sample",
        (
            Param("kind", "choice", choices=("lowpass", "highpass", "bandpass", "taps")),
            Param("taps", "count", 63, 2, 511, keyword=True),
            Param("values", "number", many=True),
        ),
        "Windowed-sinc filter (Hamming, as scipy's firwin) of `taps` taps at frequencies in Hz, or "
        "the taps themselves; gives f32, taps - 1 samples fewer.",
        "as the samples",
        "taps 2^-24 of the sum of the taps' magnitudes times the peak",
        SAMPLES_NAN,
        126,
    ),
    Kernel(
        "decimate",
        9,
        "sample",
        (Param("by", "count", low=2, high=4096),),
        "Every by-th sample, from the first; a filter before it keeps aliases out.",
        "as the samples",
        EXACT,
        SAMPLES_NAN,
        1,
    ),
    Kernel(
        "median",
        10,
        "sample",
        (Param("width", "count", low=3, high=63),),
        "Median of the last `width` samples (odd), width - 1 fewer.",
        "as the samples",
        EXACT,
        "NaN stands above infinity; -0 becomes 0",
        20,
    ),
    Kernel(
        "window",
        32,
        "window",
        (
            Param("samples", "count", low=1, high=WINDOW_MAX),
            Param("hop", "count", "=samples", 1, WINDOW_MAX, keyword=True),
        ),
        "Cut the stream into windows of so many samples, one every `hop`.",
        "samples",
        EXACT,
        "an incomplete last window is dropped",
        0,
    ),
    Kernel(
        "detrend",
        33,
        "frame",
        (Param("order", "choice", 0, choices=("mean", "line")),),
        "The window less its mean, or less its least-squares line.",
        "as the samples",
        f"{LANES} of the peak; line: 4 times that",
        FRAME_NAN,
        3,
    ),
    Kernel(
        "taper",
        34,
        "frame",
        (Param("kind", "choice", 0, choices=("hann", "hamming", "flattop")),),
        "The window times a periodic taper of mean 1, so that a line keeps its height.",
        "as the samples",
        "2^-21 of the sample",
        FRAME_NAN,
        1,
    ),
    Kernel(
        "spectrum",
        40,
        "spectrum",
        (),
        "One-sided power of each frequency: sums to the mean square; a line of amplitude A on a "
        "bin gives A^2 / 2. Windows of 16 to 65,536, a power of two.",
        "squared units of the samples",
        "of each amplitude 2^-23 log2(n) of the root of the mean square",
        "a NaN or an infinity makes the whole spectrum NaN",
        40,
        vector=True,
    ),
    Kernel(
        "mean",
        48,
        "feature",
        (),
        "Mean of the window.",
        "as the samples",
        f"integers: correctly rounded; f32: {LANES} of the mean magnitude",
        FEATURE_NAN,
        1,
    ),
    Kernel(
        "rms",
        49,
        "feature",
        (),
        "Root of the mean square.",
        "as the samples",
        ROUNDED,
        FEATURE_NAN,
        2,
    ),
    Kernel(
        "peak",
        50,
        "feature",
        (),
        "Largest magnitude.",
        "as the samples",
        "exact (i32: correctly rounded)",
        FEATURE_NAN,
        2,
    ),
    Kernel(
        "p2p",
        51,
        "feature",
        (),
        "Largest less smallest.",
        "as the samples",
        "correctly rounded",
        FEATURE_NAN,
        2,
    ),
    Kernel(
        "crest",
        52,
        "feature",
        (),
        "Peak over rms; NaN where rms is 0.",
        "1",
        f"relative {LANES}",
        FEATURE_NAN,
        4,
    ),
    Kernel(
        "kurtosis",
        53,
        "feature",
        (),
        "Fourth central moment over the squared variance (3 for a normal distribution); NaN "
        "where the variance is 0.",
        "1",
        f"relative 8 {LANES}",
        FEATURE_NAN,
        10,
    ),
    Kernel(
        "skewness",
        54,
        "feature",
        (),
        "Third central moment over the variance to the power 3/2; NaN where it is 0.",
        "1",
        f"8 {LANES} of the mean magnitude of the cubes",
        FEATURE_NAN,
        10,
    ),
    Kernel(
        "zero_crossings",
        55,
        "feature",
        (),
        "How often the sign changes from sample to sample; 0 counts as positive.",
        "1",
        EXACT,
        FEATURE_NAN,
        1,
    ),
    Kernel(
        "goertzel",
        56,
        "feature",
        (Param("hz", "number", low=0),),
        "Power at one frequency below half the rate (Goertzel 1958).",
        "squared units of the samples",
        "amplitude n 2^-24 of the rms for frequencies above rate / 16; worse below",
        FEATURE_NAN,
        3,
    ),
    Kernel(
        "slope",
        57,
        "feature",
        (),
        "Least-squares slope of the window, a second.",
        "as the samples, a second",
        f"{LANES} of the rms deviation over the window's length",
        FEATURE_NAN,
        4,
    ),
    Kernel(
        "autocorr",
        58,
        "feature",
        (Param("lag", "count", low=1, high=WINDOW_MAX),),
        "Sum of products of deviations `lag` samples apart over the sum of their squares; NaN "
        "where the window is constant.",
        "1",
        LANES,
        FEATURE_NAN,
        8,
    ),
    Kernel(
        "lines",
        64,
        "feature",
        (
            Param("tol", "number", 1.0, 0.0, keyword=True),
            Param("around", "number", 20.0, 0.0, keyword=True),
            Param("hz", "number", low=0, many=True),
        ),
        "For each frequency the largest power within tol Hz over the median power within around "
        "Hz, of a spectrum.",
        "1",
        "that of the spectrum",
        FEATURE_NAN + "; infinite or NaN over a median of 0",
        1,
        vector=True,
    ),
    Kernel(
        "band",
        65,
        "feature",
        (Param("low", "number", low=0), Param("high", "number", low=0)),
        "Power between two frequencies, of a spectrum.",
        "squared units of the samples",
        "that of the spectrum",
        FEATURE_NAN,
        0.5,
    ),
    Kernel(
        "centroid",
        66,
        "feature",
        (),
        "Mean frequency weighted by power, of a spectrum; NaN where there is no power.",
        "Hz",
        f"{LANES} beside that of the spectrum",
        FEATURE_NAN,
        1.5,
    ),
    Kernel("count", 96, "reducer", (), "How many values.", "1", EXACT, REDUCER_NAN, 1),
    Kernel(
        "sum",
        97,
        "reducer",
        (),
        "Sum of the values.",
        "as the values",
        "exact; finished to a float correctly rounded, of integers an integer",
        REDUCER_NAN,
        2,
    ),
    Kernel(
        "moments",
        98,
        "reducer",
        (),
        "Count, mean, variance, std, skewness and kurtosis (population; kurtosis 3 for a "
        "normal distribution).",
        "as the values and their powers",
        "exact power sums; each number correctly rounded to float64",
        REDUCER_NAN,
        8,
    ),
    Kernel(
        "minmax",
        99,
        "reducer",
        (),
        "Smallest and largest value, each with the stream's key and the sample's index where it "
        "is first met (of windows, their first sample).",
        "as the values",
        EXACT,
        REDUCER_NAN,
        2,
    ),
    Kernel(
        "histogram",
        100,
        "reducer",
        (
            Param("low", "number"),
            Param("high", "number"),
            Param("bins", "count", 64, 1, BINS_MAX, keyword=True),
        ),
        "Counts in equal bins of [low, high], and how many lie under and over.",
        "1",
        "exact counts; an edge is within 2 ulp (f32) of its nominal place",
        REDUCER_NAN,
        4,
    ),
    Kernel(
        "quantiles",
        101,
        "reducer",
        (
            Param("bins", "count", 256, BINS_MIN, BINS_MAX, keyword=True),
            Param("q", "part", low=0, high=1, many=True),
        ),
        "Values below which the given parts of all values lie (inverse of the distribution "
        "function); exact up to `bins` distinct values, then within the `error` reported.",
        "as the values",
        "relative, reported in the result; 2^(level - 24)",
        REDUCER_NAN,
        4,
    ),
    Kernel(
        "distinct",
        102,
        "reducer",
        (Param("p", "count", 12, 7, 16, keyword=True),),
        "How many different values: exact up to 2^p / 16 of them, then estimated by 2^p registers "
        "(HyperLogLog).",
        "1",
        "standard error 1.04 / 2^(p/2), 0 while exact; the result says which",
        REDUCER_NAN,
        6,
    ),
    Kernel(
        "top",
        103,
        "reducer",
        (
            Param("k", "count", 10, 1, 1000),
            Param("width", "count", 256, 8, 4096, keyword=True),
        ),
        "The k most frequent values with their counts: exact up to `width` different values, then "
        "from Count-Min counters. None that occurs more than `error` times is missed.",
        "as the values",
        "counts are never low, and high by more than `error` (e / width of all) with odds 1 in 20",
        REDUCER_NAN,
        30,
    ),
)

_ALL = tuple(sorted((*_KERNELS, *ROW_KERNELS), key=lambda kernel: kernel.code))
BY_NAME = {kernel.name: kernel for kernel in _ALL}
BY_CODE = {kernel.code: kernel for kernel in _ALL}


def catalogue() -> tuple[Kernel, ...]:
    """All kernels, in the order of their codes."""
    return _ALL
