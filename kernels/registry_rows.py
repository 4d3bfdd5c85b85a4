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
    ),
    Kernel(
        "ewma",
        193,
        "row",
        (Param("alpha", "number", 0.05, 1e-6, 1.0),),
        "How many running deviations each value lies from the running mean; both then move by "
        "`alpha` (the n-th value by 1/n while that is more); each column apart.",
        "deviations",
        "f32 in the order of the stream",
        WATCH_NAN,
        12,
    ),
    Kernel(
        "cusum",
        194,
        "row",
        (Param("target", "number"), Param("drift", "number", 0.0, 0.0)),
        "The larger of the sums of what exceeds target + drift and of what lacks to "
        "target - drift; each column apart.",
        "as the values",
        "f32 in the order of the stream",
        WATCH_NAN,
        8,
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
        "f32 in the order of the stream",
        WATCH_NAN,
        40,
    ),
)
