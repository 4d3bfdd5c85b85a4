"""The catalogue's spectra and what is read off them."""

from atoll.kernels.kernel import Kernel, Param

LANES = "(n/16 + 8) 2^-24"
FEATURE_NAN = "a NaN in the window gives NaN; infinities follow IEEE 754"

SPECTRAL_KERNELS = (
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
        source="J. W. Cooley, J. W. Tukey 1965; real input as Cooley, Lewis, Welch 1970",
        extreme="powers beyond f32 (amplitudes beyond 1e19) are infinite, below 2^-149 they are 0",
    ),
    Kernel(
        "psd",
        41,
        "spectrum",
        (
            Param("segment", "count", low=16, high=65536),
            Param("hop", "count", 0, 0, 65536, keyword=True),
            Param("taper", "choice", 0, keyword=True, choices=("hann", "hamming", "flattop")),
        ),
        "Power spectral density by Welch's method, as scipy's welch: the mean over segments of the "
        "window, each less its mean and tapered, one every `hop` (half a segment unless given). "
        "Segments of 16 to 65,536, a power of two.",
        "squared units of the samples, a Hz",
        "of each amplitude 2^-22 log2(n) of the root of the mean square density, n the segment",
        "a NaN or an infinity in a segment makes the whole window NaN",
        90,
        vector=True,
        source="P. D. Welch 1967",
        extreme="powers beyond f32 (amplitudes beyond 1e19) are infinite, below 2^-149 they are 0",
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
        source="definition",
        extreme="infinite powers: NaN",
    ),
    Kernel(
        "band",
        65,
        "feature",
        (Param("low", "number", low=0), Param("high", "number", low=0)),
        "Power between two frequencies, of a spectrum; of a psd its bins times their width.",
        "squared units of the samples",
        "that of the spectrum",
        FEATURE_NAN,
        0.5,
        source="definition",
        extreme="infinite powers: infinity",
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
        source="definition",
        extreme="infinite powers: NaN",
    ),
    Kernel(
        "entropy",
        67,
        "feature",
        (),
        "Entropy of the shares of power, of a spectrum, over that of equal shares: 0 of a single "
        "line, 1 of white noise; NaN where there is no power (Shannon 1948).",
        "1",
        f"{LANES} beside that of the spectrum",
        FEATURE_NAN,
        20,
        source="C. E. Shannon 1948; spectral entropy as G. E. Powell, I. C. Percival 1979",
        extreme="infinite powers: NaN",
    ),
    Kernel(
        "peaks",
        68,
        "feature",
        (Param("k", "count", 3, 1, 16),),
        "The k largest local maxima of a spectrum, as frequency and power in turn, the largest "
        "first; of a plateau its middle; NaN where there are fewer.",
        "Hz, and as the spectrum",
        "exact bins; that of the spectrum",
        FEATURE_NAN,
        3,
        vector=True,
        source="definition, as scipy's find_peaks",
        extreme="of infinite powers side by side the middle, as of a plateau",
    ),
    Kernel(
        "mel",
        69,
        "feature",
        (
            Param("bands", "count", low=1, high=128),
            Param("low", "number", 0.0, 0.0, keyword=True),
            Param("high", "number", 0.0, 0.0, keyword=True),
            Param("give", "choice", 0, keyword=True, choices=("power", "db")),
        ),
        "Power of a spectrum in triangular bands that are evenly spaced in mel (2595 log10(1 + "
        "f/700), as HTK) from low to high Hz (half the rate unless given); give=db 10 log10 of "
        "that, of at least 1e-10.",
        "squared units of the samples, or dB of them",
        f"{LANES} of the band's power beside edges within 2^-22 of their bin; db: 2^-16",
        FEATURE_NAN,
        8,
        vector=True,
        source="S. S. Stevens, J. Volkmann 1940; triangles of S. B. Davis, P. Mermelstein 1980",
        extreme="infinite powers: infinity; db of 0 is -100",
    ),
)
