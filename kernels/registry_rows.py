"""The catalogue's kernels of rows: channels, reducers of whole rows, models, detectors.

A row is what stands side by side: the features of one window, or its samples, or its spectrum, or
one sample where there is no window.
"""

from atoll.kernels.kernel import Kernel, Param

EXACT = "exact"

GIVE = Param("give", "choice", 0, keyword=True, choices=("scores", "class"))
MODEL = Param("model", "model")
WEIGHTS = Param("weights", "model", many=True)
BIAS = Param("bias", "number", 0.0, keyword=True)

ROW_LEFT_OUT = "a row with a NaN or an infinity is left out, and counted"
MODEL_NAN = "a NaN in the row gives NaN"
WATCH_NAN = "NaN gives NaN, an infinity an infinite score; neither teaches anything"

ROW_KERNELS = (
    Kernel(
        "channels",
        31,
        "stream",
        (Param("n", "count", low=2, high=16),),
        "The stream has n samples side by side: stages, windows and features run on each channel "
        "apart, and a row holds the features of all, by feature, then by channel.",
        "samples",
        EXACT,
        "as the stages that follow have it, for each channel apart",
        0,
        source="definition",
        extreme="as any sample",
    ),
    Kernel(
        "gram",
        104,
        "reducer",
        (Param("fit", "count", 0, 0, 16, keyword=True),),
        "Count, mean, covariance (population) and correlation of the columns, at most 16; with "
        "fit=K the least-squares fit of column K (from 1) by the others.",
        "as the columns and their products",
        "exact sums and products; each number correctly rounded to float64",
        ROW_LEFT_OUT,
        20,
        joint=True,
        source="R. M. Neal 2015, superaccumulators; normal equations in fractions",
        extreme="any finite rows, up to 2^63 of them",
        empty="count 0, the others NaN",
    ),
    Kernel(
        "centroids",
        105,
        "reducer",
        (MODEL,),
        "One step of k-means from given points: rows nearest to each, their means, the inertia.",
        "as the columns",
        "exact sums, correctly rounded; the nearest point is found in f32, ties to the first",
        ROW_LEFT_OUT,
        20,
        joint=True,
        source="S. P. Lloyd 1982; J. MacQueen 1967",
        extreme="where all distances are beyond f32 the first point is the nearest",
        empty="no members, the points as given",
    ),
    Kernel(
        "merge",
        106,
        "reducer",
        (
            Param("bits", "count", 16, 0, 30, keyword=True),
            Param("weight", "choice", 0, keyword=True, choices=("none", "first")),
        ),
        "The average of whole rows in fixed point (federated averages); weight=first takes each "
        "row's first number as its weight, a whole number up to 2^24.",
        "as the columns",
        "each number rounded once to a multiple of 2^-bits; the average exact, correctly rounded",
        f"{ROW_LEFT_OUT}; numbers beyond 2^(31 - bits) saturate, and are counted",
        4,
        joint=True,
        source="B. McMahan et al. 2017 (federated averaging), in fixed point",
        extreme="numbers beyond 2^(31 - bits) saturate, and are counted",
        empty="count 0, means NaN",
    ),
    Kernel(
        "linear",
        160,
        "row",
        (GIVE, BIAS, WEIGHTS),
        "Weights times the columns plus a bias, for each score; give=class the number of the "
        "largest score (of one score, whether it is above 0).",
        "as the weights say",
        "(n/16 + 8) 2^-24 of the sum of the magnitudes, n columns",
        MODEL_NAN,
        2,
        source="definition; sum in 16 lanes",
        extreme="scores beyond f32 are infinite",
    ),
    Kernel(
        "logistic",
        161,
        "row",
        (GIVE, BIAS, WEIGHTS),
        "Probabilities of linear scores: the logistic function of one, softmax of several.",
        "1",
        "that of linear, and relative 2^-21",
        MODEL_NAN,
        40,
        source="D. R. Cox 1958; exponential of S. L. Moshier 1987",
        extreme="infinite scores: 0 or 1 of one, NaN of several",
    ),
    Kernel(
        "tree",
        162,
        "row",
        (GIVE, MODEL),
        "An ensemble of decision trees: shares of the classes, values, or boosted probabilities.",
        "as the leaves",
        "every branch as in the fitted estimator; sums of t trees within t 2^-24",
        MODEL_NAN,
        40,
        source="L. Breiman et al. 1984; forests: Breiman 2001; boosting: J. H. Friedman 2001",
        extreme="infinities compare as IEEE 754 has them",
    ),
    Kernel(
        "mlp",
        163,
        "row",
        (GIVE, MODEL),
        "A network of int8 layers with int32 sums and integer rescaling.",
        "as the last layer",
        f"{EXACT} integers between the first rounding to int8 and the last scaling",
        f"{MODEL_NAN}; what does not fit in int8 saturates",
        40,
        source="B. Jacob et al. 2018, integer inference",
        extreme="what does not fit in int8 saturates",
    ),
    Kernel(
        "threshold",
        192,
        "row",
        (Param("high", "number"), Param("low", "number", "=high")),
        "1 from the first value above `high` until one falls below `low`, else 0; each column "
        "apart.",
        "1",
        EXACT,
        "NaN gives NaN and changes nothing",
        2,
        source="O. H. Schmitt 1938",
        extreme="infinities compare as IEEE 754 has them",
    ),
    Kernel(
        "ewma",
        193,
        "row",
        (Param("alpha", "number", 0.05, 1e-6, 1.0),),
        "How many running deviations each value lies from the running mean; both then move by "
        "`alpha` (the n-th value by 1/n while that is more); each column apart.",
        "deviations",
        "(1 + |score|) (1 + peak / deviation) 2^-22 / alpha",
        WATCH_NAN,
        12,
        source="S. W. Roberts 1959; variance as T. Finch 2009, section 9",
        extreme="where the variance would be beyond f32: an infinite score, which teaches nothing",
    ),
    Kernel(
        "cusum",
        194,
        "row",
        (Param("target", "number"), Param("drift", "number", 0.0, 0.0)),
        "The larger of the sums of what exceeds target + drift and of what lacks to "
        "target - drift; each column apart.",
        "as the values",
        "a step adds at most 2^-23 of what stands in it: sums, value, target, drift",
        WATCH_NAN,
        8,
        source="E. S. Page 1954, two-sided",
        extreme="a sum beyond f32 stays infinite until a gap begins a new run",
    ),
    Kernel(
        "mahalanobis",
        195,
        "row",
        (MODEL,),
        "The row's distance from a mean in units of a covariance, both given (`gram` finds them).",
        "deviations",
        "n^2 2^-23 of the sum of the magnitudes, n columns",
        "a NaN gives NaN, an infinity an infinite distance",
        40,
        source="P. C. Mahalanobis 1936, by a Cholesky factor",
        extreme="beyond f32: infinity",
    ),
    Kernel(
        "novelty",
        196,
        "row",
        (
            Param("prototypes", "count", 8, 1, 64),
            Param("rate", "number", 0.05, 1e-6, 1.0, keyword=True),
        ),
        "The distance to the nearest prototype over its running mean (1 is usual); prototypes "
        "start as the first different rows and move by `rate` towards their rows.",
        "1",
        "(1 + score) 2^-21 / rate of the row's peak, root of n columns, over the usual distance",
        WATCH_NAN,
        40,
        source="J. MacQueen 1967, online k-means",
        extreme="a distance beyond f32 scores as infinite, and teaches nothing",
    ),
)
