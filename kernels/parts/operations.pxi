# Operations: their codes and groups, which arguments each takes, what memory each keeps.
#
# Codes are part of the canonical form of plans (registry.py) and are never reused.

cdef enum:
    WINDOW_MAX = 1 << 20
    BINS_MAX = 4096
    BINS_MIN = 32
    CHANNELS_MAX = 16

cdef enum:
    OP_ABS = 1
    OP_CLIP = 2
    OP_SCALE = 3
    OP_DIFF = 4
    OP_BIQUAD = 5
    OP_ENVELOPE = 6
    OP_EMA = 7
    OP_FIR = 8
    OP_DECIMATE = 9
    OP_MEDIAN = 10
    OP_RESAMPLE = 11
    OP_USER_SAMPLES = 30
    OP_CHANNELS = 31
    OP_WINDOW = 32
    OP_DETREND = 33
    OP_TAPER = 34
    OP_SPECTRUM = 40
    OP_PSD = 41
    OP_MEAN = 48
    OP_RMS = 49
    OP_PEAK = 50
    OP_P2P = 51
    OP_CREST = 52
    OP_KURTOSIS = 53
    OP_SKEWNESS = 54
    OP_CROSSINGS = 55
    OP_GOERTZEL = 56
    OP_SLOPE = 57
    OP_AUTOCORR = 58
    OP_USER_WINDOW = 62
    OP_LINES = 64
    OP_BAND = 65
    OP_CENTROID = 66
    OP_ENTROPY = 67
    OP_PEAKS = 68
    OP_MEL = 69
    OP_COUNT = 96
    OP_SUM = 97
    OP_MOMENTS = 98
    OP_MINMAX = 99
    OP_HISTOGRAM = 100
    OP_QUANTILES = 101
    OP_DISTINCT = 102
    OP_TOP = 103
    OP_GRAM = 104
    OP_CENTROIDS = 105
    OP_MERGE = 106
    OP_LINEAR = 160
    OP_LOGISTIC = 161
    OP_TREE = 162
    OP_MLP = 163
    OP_THRESHOLD = 192
    OP_EWMA = 193
    OP_CUSUM = 194
    OP_MAHALANOBIS = 195
    OP_NOVELTY = 196

cdef enum:
    GROUP_STREAM = 1
    GROUP_SAMPLES = 2
    GROUP_WINDOW = 3
    GROUP_FRAMES = 4
    GROUP_SPECTRUM = 5
    GROUP_FEATURES = 6
    GROUP_ROWS = 7
    GROUP_REDUCERS = 8

cdef struct operation:
    uint16_t code
    uint16_t argc
    uint8_t dtype  # of what comes in
    uint32_t args_at
    uint32_t state_at
    uint32_t each  # bytes of one memory: a sample stage has one for each channel
    uint32_t width  # floats a window that features give; numbers of the row that others take

cdef inline bint gives_float(uint32_t code) noexcept nogil:
    """Whether a sample stage gives floats of whatever it takes."""
    return (code == OP_SCALE or OP_BIQUAD <= code <= OP_FIR or code == OP_RESAMPLE
            or code == OP_USER_SAMPLES)


cdef inline uint32_t op_width(uint32_t code, uint32_t argc, const uint32_t *args) noexcept nogil:
    """Numbers that a feature gives a window."""
    if code == OP_LINES:
        return argc // LINE_WORDS
    if code == OP_PEAKS:
        return 2 * args[0]
    return <uint32_t>(argc - MEL_HEAD - 2) if code == OP_MEL else <uint32_t>1


cdef inline bint op_present(uint32_t code) noexcept nogil:
    """Whether this build has the kernel of this code, if there is one."""
    return True  # portable.py --only: the kernels of this build


cdef uint32_t op_group(uint32_t code) noexcept nogil:
    if not op_present(code):
        return 0
    if OP_ABS <= code <= OP_RESAMPLE:
        return GROUP_SAMPLES
    if code == OP_USER_SAMPLES:
        return GROUP_SAMPLES
    if code == OP_USER_WINDOW:
        return GROUP_FEATURES
    if code == OP_CHANNELS:
        return GROUP_STREAM
    if code == OP_WINDOW:
        return GROUP_WINDOW
    if code == OP_DETREND or code == OP_TAPER:
        return GROUP_FRAMES
    if code == OP_SPECTRUM or code == OP_PSD:
        return GROUP_SPECTRUM
    if OP_MEAN <= code <= OP_AUTOCORR or OP_LINES <= code <= OP_MEL:
        return GROUP_FEATURES
    if OP_LINEAR <= code <= OP_MLP or OP_THRESHOLD <= code <= OP_NOVELTY:
        return GROUP_ROWS
    if OP_COUNT <= code <= OP_MERGE:
        return GROUP_REDUCERS
    return 0


cdef bint op_valid(uint32_t code, uint32_t argc, const uint32_t *args) noexcept nogil:
    """Whether the arguments are as many as the code takes and in their ranges."""
    if code == OP_CLIP:
        return argc == 2 and atoll_float(args[0]) <= atoll_float(args[1])
    if code == OP_SCALE:
        return argc == 2
    if code == OP_WINDOW:
        return argc == 2 and 1 <= args[0] <= WINDOW_MAX and 1 <= args[1] <= WINDOW_MAX
    if code == OP_BIQUAD:
        return argc % SECTION_WORDS == 0 and 1 <= argc // SECTION_WORDS <= SECTIONS_MAX
    if code == OP_ENVELOPE:
        return argc == 0 or argc == SECTION_WORDS
    if code == OP_EMA or code == OP_CENTROID or code == OP_SLOPE:
        return argc == 1
    if code == OP_FIR:
        return 2 <= argc <= TAPS_MAX
    if code == OP_DECIMATE:
        return argc == 1 and 1 <= args[0] <= DECIMATE_MAX
    if code == OP_MEDIAN:
        return argc == 1 and 3 <= args[0] <= MEDIAN_MAX and args[0] % 2 == 1
    if code == OP_AUTOCORR:
        return argc == 1 and args[0] >= 1
    if code == OP_CHANNELS:
        return argc == 1 and 1 <= args[0] <= CHANNELS_MAX
    if code == OP_DETREND:
        return argc == 1 and args[0] <= 1
    if code == OP_TAPER:
        return argc == 1 and args[0] <= 2
    if code == OP_BAND:
        return argc == 2 or argc == 3
    if code == OP_GOERTZEL:
        return argc == 2
    if code == OP_RESAMPLE:
        return resample_valid(argc, args)
    if code == OP_PSD:
        return argc == 4 and psd_valid(args)
    if code == OP_PEAKS:
        return argc == 2 and 1 <= args[0] <= PEAKS_MAX
    if code == OP_MEL:
        return mel_valid(argc, args)
    if code == OP_LINES:
        return argc % LINE_WORDS == 0 and 1 <= argc // LINE_WORDS <= LINES_MAX
    if code == OP_HISTOGRAM:
        return argc == 3 and histogram_valid(args)
    if code == OP_QUANTILES:
        return argc >= 1 and BINS_MIN <= args[0] <= BINS_MAX
    if code == OP_DISTINCT:
        return argc == 1 and DISTINCT_P_MIN <= args[0] <= DISTINCT_P_MAX
    if code == OP_TOP:
        return (argc == 2 and 1 <= args[0] <= HITTERS_MAX
                and HITTERS_WIDTH_MIN <= args[1] <= HITTERS_WIDTH_MAX)
    if code == OP_USER_SAMPLES:
        return argc >= 1 and atoll_user_fits(args[0], USER_SAMPLES, argc - 1)
    if code == OP_USER_WINDOW:
        return argc >= 1 and atoll_user_fits(args[0], USER_WINDOW, argc - 1)
    if op_group(code) == GROUP_ROWS or op_joint(code):
        return row_valid(code, argc, args)
    return argc == 0


cdef bint histogram_valid(const uint32_t *args) noexcept nogil:
    cdef float low = atoll_float(args[0]), high = atoll_float(args[1])
    cdef float span = high - low
    return (low < high and span <= atoll_float(0x7F7FFFFF) and 1 <= args[2] <= BINS_MAX
            and <float>args[2] / span <= atoll_float(0x7F7FFFFF)
            and <float>args[2] * span <= atoll_float(0x7F7FFFFF))


cdef bint bins_valid(uint32_t code, uint32_t argc, const uint32_t *args, uint32_t n) noexcept nogil:
    """Whether the bins that a spectral feature names lie in order within n / 2."""
    cdef uint32_t k
    if code == OP_BAND:
        return args[0] <= args[1] <= n // 2
    if code == OP_MEL:
        return atoll_float(args[argc - 1]) <= <float>(n // 2)
    if code == OP_LINES:
        for k in range(<uint32_t>(argc // 2)):
            if args[2 * k] > args[2 * k + 1] or args[2 * k + 1] > n // 2:
                return False
    return True


cdef bint spectrum_valid(uint32_t n) noexcept nogil:
    return FFT_MIN <= n <= FFT_MAX and (n & (n - 1)) == 0


cdef uint32_t op_need(uint32_t code) noexcept nogil:
    if code == OP_MEAN:
        return NEED_SUM
    if code == OP_RMS:
        return NEED_SQUARES
    if code == OP_PEAK or code == OP_P2P:
        return NEED_EXTREMA
    if code == OP_CREST:
        return NEED_EXTREMA | NEED_SQUARES
    if code == OP_KURTOSIS:
        return NEED_CENTRAL | NEED_FOURTHS
    if code == OP_SKEWNESS:
        return NEED_CENTRAL | NEED_CUBES
    if code == OP_SLOPE or code == OP_AUTOCORR:
        return NEED_SUM
    if code == OP_USER_WINDOW:
        return NEED_FLOATS
    return 0


cdef size_t op_state(const operation *op, const uint32_t *args, size_t window) noexcept nogil:
    """Bytes of memory an operation keeps, one instance."""
    if op.code == OP_DIFF or op.code == OP_EMA or op.code == OP_DECIMATE:
        return sizeof(delay)
    if op.code == OP_FIR:
        return fir_size(op.argc)
    if op.code == OP_MEDIAN:
        return median_size(args[0])
    if op.code == OP_BIQUAD or op.code == OP_ENVELOPE:
        return sizeof(section) * (op.argc // SECTION_WORDS)
    if op.code == OP_TAPER:
        return sizeof(float) * (window // 2 + 1)
    if op.code == OP_SPECTRUM:
        return sizeof(float) * spectrum_words(window)
    if op.code == OP_PSD:
        return sizeof(float) * psd_words(args[0])
    if op.code == OP_RESAMPLE:
        return resample_size(op.argc, args)
    if op.code == OP_COUNT:
        return sizeof(tally)
    if op.code == OP_SUM:
        return powers_size(op.dtype, 1)
    if op.code == OP_MOMENTS:
        return powers_size(op.dtype, 4)
    if op.code == OP_MINMAX:
        return sizeof(extrema)
    if op.code == OP_HISTOGRAM:
        return histogram_size(args[2])
    if op.code == OP_QUANTILES:
        return sketch_size(args[0])
    if op.code == OP_DISTINCT:
        return distinct_size(args[0])
    if op.code == OP_TOP:
        return hitters_size(op.dtype, args[1])
    return row_state(op, args)
