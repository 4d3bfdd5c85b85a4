# A program: 32-bit words that say what to compute, and the layout of the state that runs it.
#
#   word 0      PROGRAM_VERSION
#   word 1      dtype of the stream
#   words 2, 3  first 8 bytes of the plan's id, little-endian
#   word 4      number of operations
#   then each   code, number of arguments, arguments (integers, or the bits of floats)
#
# Operations stand in the order of their groups: samples, window, frames, spectrum, features,
# reducers; a plan may end in a spectrum, which then is the row.
# The state is one block of memory, 8-aligned, relocatable (offsets, no pointers): the plan
# header, the operations, the reducers' offsets (feature-major), the place in the stream, the
# words, the stages' memories, the reducers, the window, the frame and the two chunks.

cdef enum:
    PROGRAM_VERSION = 1
    PROGRAM_HEADER = 5
    PROGRAM_WORDS_MAX = 8192  # room for a FIR of thousands of taps
    OPS_MAX = 32
    BRANCHES_MAX = 64
    WINDOW_MAX = 1 << 20
    BINS_MAX = 4096
    BINS_MIN = 32

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
    OP_WINDOW = 32
    OP_DETREND = 33
    OP_TAPER = 34
    OP_SPECTRUM = 40
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
    OP_LINES = 64
    OP_BAND = 65
    OP_CENTROID = 66
    OP_COUNT = 96
    OP_SUM = 97
    OP_MOMENTS = 98
    OP_MINMAX = 99
    OP_HISTOGRAM = 100
    OP_QUANTILES = 101
    OP_DISTINCT = 102
    OP_TOP = 103

cdef enum:
    GROUP_SAMPLES = 1
    GROUP_WINDOW = 2
    GROUP_FRAMES = 3
    GROUP_SPECTRUM = 4
    GROUP_FEATURES = 5
    GROUP_REDUCERS = 6

cdef struct operation:
    uint32_t code
    uint32_t argc
    uint32_t args_at
    uint32_t state_at
    uint32_t dtype  # of what comes in
    uint32_t width  # floats a window, for features

cdef struct plan:
    uint32_t size
    uint32_t id_low
    uint32_t id_high
    uint32_t dtype  # of the stream
    uint32_t value_dtype  # of what the reducers take
    uint32_t stage_dtype  # of what the sample stages give
    uint32_t words
    uint32_t ops
    uint32_t stages
    uint32_t frames  # frame stages, the spectrum among them
    uint32_t spectral
    uint32_t decimation  # samples of the stream for each that leaves the sample stages
    uint32_t features
    uint32_t reducers
    uint32_t first_frame
    uint32_t first_feature
    uint32_t first_reducer
    uint32_t window
    uint32_t hop
    uint32_t need
    uint32_t width
    uint32_t fill
    uint32_t skip
    uint32_t rows
    uint32_t ops_at
    uint32_t branches_at
    uint32_t place_at  # where the next value stands: the key and index of its first sample
    uint32_t words_at
    uint32_t window_at
    uint32_t frame_at
    uint32_t ints_at
    uint32_t floats_at
    uint64_t units  # windows run; samples taken where there is no window


cdef inline bint gives_float(uint32_t code) noexcept nogil:
    """Whether a sample stage gives floats of whatever it takes."""
    return code == OP_SCALE or OP_BIQUAD <= code <= OP_FIR


cdef inline uint32_t op_width(uint32_t code, uint32_t argc) noexcept nogil:
    """Numbers that a feature gives a window."""
    return argc // LINE_WORDS if code == OP_LINES else <uint32_t>1


cdef uint32_t op_group(uint32_t code) noexcept nogil:
    if OP_ABS <= code <= OP_MEDIAN:
        return GROUP_SAMPLES
    if code == OP_WINDOW:
        return GROUP_WINDOW
    if code == OP_DETREND or code == OP_TAPER:
        return GROUP_FRAMES
    if code == OP_SPECTRUM:
        return GROUP_SPECTRUM
    if OP_MEAN <= code <= OP_AUTOCORR or OP_LINES <= code <= OP_CENTROID:
        return GROUP_FEATURES
    if OP_COUNT <= code <= OP_TOP:
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
    if code == OP_DETREND:
        return argc == 1 and args[0] <= 1
    if code == OP_TAPER:
        return argc == 1 and args[0] <= 2
    if code == OP_GOERTZEL or code == OP_BAND:
        return argc == 2
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
    if code == OP_KURTOSIS or code == OP_SKEWNESS:
        return NEED_CENTRAL
    if code == OP_SLOPE or code == OP_AUTOCORR:
        return NEED_SUM
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
        return sizeof(float) * (3 * (window // 4) + 1)
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
    return 0


cdef inline uint32_t dtype_size(uint32_t dtype) noexcept nogil:
    return 2 if dtype == DTYPE_I16 else 4


cdef inline uint32_t aligned(size_t at) noexcept nogil:
    return <uint32_t>((at + 7) & ~<size_t>7)


cdef inline operation *plan_op(plan *p, uint32_t k) noexcept nogil:
    return <operation *>(<uint8_t *>p + p.ops_at) + k


cdef inline uint32_t *plan_branches(plan *p) noexcept nogil:
    return <uint32_t *>(<uint8_t *>p + p.branches_at)


cdef inline place *plan_place(plan *p) noexcept nogil:
    return <place *>(<uint8_t *>p + p.place_at)


cdef inline void *plan_at(plan *p, uint32_t at) noexcept nogil:
    return <uint8_t *>p + at


cdef inline uint32_t plan_copies(const plan *p) noexcept nogil:
    """How many instances of each reducer there are: one a feature, or one."""
    return p.features if p.features else <uint32_t>1


cdef uint32_t plan_head(const uint32_t *words, size_t n, plan *p) noexcept nogil:
    """Check a program and fill in the header's counts and fixed offsets; sizes come later."""
    cdef size_t at = PROGRAM_HEADER
    cdef uint32_t k, group, last = GROUP_SAMPLES, code
    memset(p, 0, sizeof(plan))
    if n < PROGRAM_HEADER or n > PROGRAM_WORDS_MAX or words[0] != PROGRAM_VERSION:
        return STATUS_BAD_PROGRAM
    if words[1] < DTYPE_I16 or words[1] > DTYPE_F32 or words[4] < 1 or words[4] > OPS_MAX:
        return STATUS_BAD_PROGRAM
    p.dtype = words[1]
    p.stage_dtype = words[1]
    p.id_low = words[2]
    p.id_high = words[3]
    p.words = <uint32_t>n
    p.decimation = 1
    p.ops = words[4]
    for k in range(p.ops):
        if at + 2 > n or words[at + 1] > n - at - 2:
            return STATUS_BAD_PROGRAM
        code = words[at]
        group = op_group(code)
        if group < last or not op_valid(code, words[at + 1], words + at + 2):
            return STATUS_BAD_PROGRAM
        if group == GROUP_WINDOW and p.window:
            return STATUS_BAD_PROGRAM
        if code == OP_DECIMATE and p.decimation * words[at + 2] > DECIMATE_MAX:
            return STATUS_BAD_PROGRAM
        if group == GROUP_SPECTRUM and (p.spectral or not spectrum_valid(p.window)):
            return STATUS_BAD_PROGRAM
        if group == GROUP_FEATURES and not feature_valid(p, code, words[at + 1], words + at + 2):
            return STATUS_BAD_PROGRAM
        plan_enter(p, k, words + at)
        last = group
        at = at + 2 + words[at + 1]
    if at != n or not plan_whole(p):
        return STATUS_BAD_PROGRAM
    p.value_dtype = DTYPE_F32 if p.window else p.stage_dtype
    return STATUS_OK


cdef bint feature_valid(const plan *p, uint32_t code, uint32_t argc,
                        const uint32_t *args) noexcept nogil:
    """Spectral features follow a spectrum, the others a window."""
    if code >= OP_LINES:
        return p.spectral != 0 and bins_valid(code, argc, args, p.window)
    if code == OP_AUTOCORR and args[0] >= p.window:
        return False
    return p.window != 0 and p.spectral == 0


cdef bint plan_whole(const plan *p) noexcept nogil:
    """Whether all operations together make a plan."""
    if p.features * p.reducers > BRANCHES_MAX:
        return False
    if p.window == 0:
        return p.frames == 0 and p.features == 0 and p.reducers > 0
    if p.features == 0:
        return p.spectral != 0 and p.reducers == 0
    return p.reducers == 0 or p.width == p.features


cdef void plan_enter(plan *p, uint32_t k, const uint32_t *op) noexcept nogil:
    """Count operation k into the header."""
    cdef uint32_t group = op_group(op[0])
    if group == GROUP_SAMPLES:
        p.stages = p.stages + 1
        if p.stage_dtype == DTYPE_I16:
            p.stage_dtype = DTYPE_I32
        if gives_float(op[0]):
            p.stage_dtype = DTYPE_F32
        if op[0] == OP_DECIMATE:
            p.decimation = p.decimation * op[2]
    elif group == GROUP_WINDOW:
        p.window = op[2]
        p.hop = op[3]
    elif group == GROUP_FRAMES:
        p.frames = p.frames + 1
        p.first_frame = k + 1 - p.frames
    elif group == GROUP_SPECTRUM:
        p.frames = p.frames + 1
        p.first_frame = k + 1 - p.frames
        p.spectral = 1
        p.width = p.window // 2 + 1
    elif group == GROUP_FEATURES:
        if p.features == 0:
            p.width = 0
        p.features = p.features + 1
        p.first_feature = k + 1 - p.features
        p.need = p.need | op_need(op[0])
        p.width = p.width + op_width(op[0], op[1])
    else:
        p.reducers = p.reducers + 1
        p.first_reducer = k + 1 - p.reducers


cdef uint32_t plan_measure(const uint32_t *words, size_t n, plan *p) noexcept nogil:
    """Fill in the header of the state that `words` needs, its size among it."""
    cdef uint32_t status = plan_head(words, n, p)
    cdef uint32_t branches
    if status != STATUS_OK:
        return status
    branches = p.reducers * plan_copies(p)
    p.ops_at = aligned(sizeof(plan))
    p.branches_at = aligned(p.ops_at + p.ops * sizeof(operation))
    p.place_at = aligned(p.branches_at + branches * sizeof(uint32_t))
    p.words_at = aligned(p.place_at + sizeof(place))
    p.size = aligned(p.words_at + n * sizeof(uint32_t))
    p.size = aligned(p.size + plan_states(p, words, NULL, NULL))
    p.window_at = p.size
    p.size = aligned(p.size + <size_t>p.window * dtype_size(p.stage_dtype))
    p.frame_at = p.size
    if p.frames:
        p.size = aligned(p.size + <size_t>p.window * sizeof(float))
    p.ints_at = p.size
    if p.stages:
        p.floats_at = p.ints_at + CHUNK * sizeof(int32_t)
        p.size = p.floats_at + CHUNK * sizeof(float)
    return STATUS_OK


cdef size_t plan_states(const plan *p, const uint32_t *words, operation *ops,
                        uint32_t *branches) noexcept nogil:
    """Bytes of all operations' memories; with `ops` given, fill in the operations as well."""
    cdef uint32_t base = aligned(p.words_at + p.words * sizeof(uint32_t))
    cdef uint32_t used = base, k, f, group, dtype = p.dtype
    cdef uint32_t copies = plan_copies(p)
    cdef const uint32_t *at = words + PROGRAM_HEADER
    cdef operation op
    for k in range(p.ops):
        group = op_group(at[0])
        if dtype == DTYPE_I16 and group == GROUP_SAMPLES:
            dtype = DTYPE_I32
        op.code = at[0]
        op.argc = at[1]
        op.args_at = p.words_at + 4 * <uint32_t>(at + 2 - words)
        op.state_at = used
        op.dtype = p.value_dtype if group == GROUP_REDUCERS else dtype
        op.width = op_width(op.code, op.argc)
        if group == GROUP_REDUCERS:
            for f in range(copies):
                if branches != NULL:
                    branches[f * p.reducers + k - p.first_reducer] = used
                used = aligned(used + op_state(&op, at + 2, p.window))
        else:
            used = aligned(used + op_state(&op, at + 2, p.window))
        if ops != NULL:
            ops[k] = op
        if gives_float(op.code):
            dtype = DTYPE_F32
        at = at + 2 + at[1]
    return used - base


cdef size_t plan_size(const uint32_t *words, size_t n) noexcept nogil:
    """Bytes of the state that a program needs; 0 where it is not a valid program."""
    cdef plan head
    if plan_measure(words, n, &head) != STATUS_OK:
        return 0
    return head.size


cdef size_t stage_memory(plan *p, uint32_t k) noexcept nogil:
    """Bytes of the memory of operation k."""
    cdef operation *op = plan_op(p, k)
    return op_state(op, <const uint32_t *>plan_at(p, op.args_at), p.window)


cdef void frame_init(plan *p, const operation *op) noexcept nogil:
    """Fill the table of a frame stage."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef float *table = <float *>plan_at(p, op.state_at)
    if op.code == OP_TAPER:
        taper_init(table, args[0], p.window)
    elif op.code == OP_SPECTRUM:
        spectrum_init(table, p.window)


cdef uint32_t plan_init(void *state, size_t room, const uint32_t *words, size_t n) noexcept nogil:
    """Make `state` (8-aligned, `room` bytes) ready for the first sample."""
    cdef plan head
    cdef plan *p = <plan *>state
    cdef uint32_t status = plan_measure(words, n, &head)
    cdef uint32_t k
    if status != STATUS_OK:
        return status
    if room < head.size:
        return STATUS_NO_SPACE
    memset(state, 0, head.words_at)
    memcpy(p, &head, sizeof(plan))
    memcpy(plan_at(p, p.words_at), words, n * sizeof(uint32_t))
    plan_states(p, words, plan_op(p, 0), plan_branches(p))
    for k in range(p.stages):
        memset(plan_at(p, plan_op(p, k).state_at), 0, stage_memory(p, k))
    for k in range(p.frames):
        frame_init(p, plan_op(p, p.first_frame + k))
    for k in range(p.reducers * plan_copies(p)):
        reducer_init(plan_op(p, p.first_reducer + k % p.reducers),
                     plan_at(p, plan_branches(p)[k]), p)
    return STATUS_OK
