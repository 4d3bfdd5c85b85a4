"""The catalogue's sample stages: samples in, samples out, before there are windows."""

from atoll.kernels.kernel import ABSENT, Kernel, Param

EXACT = "exact"
SAMPLES_NAN = "NaN stays NaN, infinities follow IEEE 754; integers saturate"

SAMPLE_KERNELS = (
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
        (Param("by", "number", ABSENT), Param("add", "number", 0.0)),
        "x by + add, as f32; without arguments x times the stream's own scale, in its unit.",
        "by's unit, or the stream's",
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
                "kind",
                "choice",
                choices=("lowpass", "highpass", "bandpass", "bandstop", "notch", "sections"),
            ),
            Param("order", "count", 2, 1, 8, keyword=True),
            Param("q", "number", 0.0, 0.0, 10000, keyword=True),
            Param("hz", "number", many=True, repeats=True),
        ),
        "Butterworth filter of this order (as scipy's butter); with q one section at one frequency "
        "(a notch's q is 30 unless given), as the audio cookbook has it; `sections` takes b0 b1 b2 "
        "a1 a2 of each (a0 is 1). Gives f32; runs in order from a checkpoint.",
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
            Param("window", "choice", 0, keyword=True, choices=("hamming", "hann", "blackman")),
            Param("values", "number", many=True, repeats=True),
        ),
        "Windowed-sinc filter (as scipy's firwin) of `taps` taps at frequencies in Hz, or the taps "
        "themselves; gives f32, taps - 1 samples fewer.",
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
        "resample",
        11,
        "sample",
        (
            Param("up", "count", low=1, high=256),
            Param("down", "count", low=1, high=256),
            Param("half", "count", 10, 1, 32, keyword=True),
        ),
        "`up` samples for every `down`, as f32: a polyphase low-pass of 2 half max(up, down) + 1 "
        "taps (Kaiser 5.0, as scipy's resample_poly); starts when its memory is full.",
        "as the samples",
        "taps (n/16 + 8) 2^-24 of the sum of their magnitudes times the peak, n taps a phase",
        SAMPLES_NAN,
        42,
    ),
)
