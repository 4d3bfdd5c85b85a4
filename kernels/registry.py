"""The catalogue: what kernels there are, what they take, give, cost and promise.

One table. The grammar checks plans against it, `atoll kernels` prints it, the documentation is
tested against it. Codes are part of the canonical form of plans and are never reused.

A kernel `takes` and `gives` one of: samples, frame (a window), values (numbers per window),
result. `words` of an operation are its arguments in the order of `params`.
"""

from atoll.kernels.kernel import Kernel, Param
from atoll.kernels.registry_rows import ROW_KERNELS
from atoll.kernels.registry_samples import SAMPLE_KERNELS
from atoll.kernels.registry_spectral import SPECTRAL_KERNELS

# Largest values that the portable part accepts too (parts/operations.pxi).
WINDOW_MAX = 1 << 20
BINS_MAX = 4096
BINS_MIN = 32
PART_UNIT = 10**9  # quantiles are exact multiples of 1e-9

EXACT = "exact"
# Of a window of n samples: n/16 additions a lane, and the tree.
LANES = "(n/16 + 8) 2^-24"
ROUNDED = f"integers: correctly rounded; f32: relative {LANES}"
FRAME_NAN = "a NaN makes the whole window NaN"
FEATURE_NAN = "a NaN in the window gives NaN; infinities follow IEEE 754"
REDUCER_NAN = "NaN is counted and left out"

_KERNELS = (
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
        source="definition",
        extreme="as any sample",
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
        6,
        source="least squares (C. F. Gauss 1809) about the window's middle",
        extreme="where a deviation is beyond f32: NaN or infinity",
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
        source="F. J. Harris 1978; flat-top of ISO 18431-2",
        extreme="flat-top beyond f32: infinity",
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
        source="definition; sum in 16 lanes",
        extreme="any finite samples: sums beyond f32 are taken scaled",
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
        source="definition; sum in 16 lanes",
        extreme="any finite samples: squares beyond f32 are taken scaled",
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
        source="definition",
        extreme="any finite samples",
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
        source="definition",
        extreme="beyond f32: infinity",
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
        source="definition",
        extreme="any finite samples, as rms",
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
        13,
        source="K. Pearson 1905; two passes",
        extreme="any finite samples: deviations are taken scaled",
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
        13,
        source="K. Pearson 1895; two passes",
        extreme="any finite samples: deviations are taken scaled",
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
        source="definition",
        extreme="any samples",
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
        source="G. Goertzel 1958",
        extreme="samples beyond 1e18 may give infinity or NaN; powers below 2^-149 are 0",
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
        source="least squares (C. F. Gauss 1809) about the window's middle",
        extreme="samples beyond 2^100 may give infinity or NaN",
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
        source="G. E. P. Box, G. M. Jenkins 1970",
        extreme="where a deviation is beyond f32: NaN",
    ),
    Kernel(
        "count",
        96,
        "reducer",
        (),
        "How many values.",
        "1",
        EXACT,
        REDUCER_NAN,
        1,
        source="definition",
        extreme="room for 2^63 samples",
        empty="0",
    ),
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
        source="integers of 128 and 192 bits; R. M. Neal 2015, superaccumulator",
        extreme="any samples, up to 2^63 of them",
        empty="0",
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
        source="integers of 128 and 192 bits; R. M. Neal 2015, superaccumulators of the powers",
        extreme="any samples, up to 2^63 of them",
        empty="count 0, the others NaN",
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
        source="definition",
        extreme="infinities are values; -0 counts as 0",
        empty="count 0, the others None",
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
        source="definition",
        extreme="infinities are under and over; room for 2^63 samples",
        empty="counts of 0",
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
        source="I. Epicoco et al. 2020 (uniform collapse) on C. Masson et al. 2019 (DDSketch)",
        extreme="infinities are values; below 2^-126 values are known to that absolute amount",
        empty="count 0, values NaN",
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
        source="P. Flajolet et al. 2007 (HyperLogLog); O. Ertl 2017 (estimator)",
        extreme="infinities are values; -0 counts as 0",
        empty="0",
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
        source="G. Cormode, S. Muthukrishnan 2005 (Count-Min, over prefixes)",
        extreme="infinities are values; -0 counts as 0",
        empty="no values",
    ),
)

_ALL = tuple(
    sorted(
        (*SAMPLE_KERNELS, *_KERNELS, *SPECTRAL_KERNELS, *ROW_KERNELS),
        key=lambda kernel: kernel.code,
    )
)
BY_NAME = {kernel.name: kernel for kernel in _ALL}
BY_CODE = {kernel.code: kernel for kernel in _ALL}


def catalogue() -> tuple[Kernel, ...]:
    """All kernels, in the order of their codes."""
    return _ALL
