# A program: 32-bit words that say what to compute, and the layout of the state that runs it.
#
#   word 0      PROGRAM_VERSION
#   word 1      dtype of the stream
#   words 2, 3  first 8 bytes of the plan's id, little-endian
#   word 4      number of operations
#   then each   code, number of arguments, arguments (integers, or the bits of floats)
#
# Operations stand in the order of their groups: channels, samples, window, frames, spectrum, features, rows,
# reducers. Where no features stand, the row is the spectrum, the window, or the sample.
# The state is one block of memory, 8-aligned, relocatable (offsets, no pointers): the plan
# header, the operations, the reducers' offsets (feature-major), the place in the stream, the
# words, the stages' memories, the reducers, the window, the frame, two rows and the two chunks.

cdef enum:
    PROGRAM_VERSION = 1
    PROGRAM_HEADER = 5
    PROGRAM_WORDS_MAX = 8192  # room for a FIR of thousands of taps
    OPS_MAX = 32
    BRANCHES_MAX = 64

cdef struct plan:
    uint32_t size
    uint32_t id_low
    uint32_t id_high
    uint8_t dtype  # of the stream
    uint8_t value_dtype  # of what the reducers take
    uint8_t stage_dtype  # of what the sample stages give
    uint8_t ops
    uint8_t channels  # samples that stand side by side in the stream
    uint8_t channel  # the one that runs through the sample stages
    uint8_t stages
    uint8_t first_stage
    uint8_t frames  # frame stages, the spectrum among them
    uint8_t features
    uint8_t rowers
    uint8_t reducers
    uint8_t joint  # reducers that take whole rows: all or none
    uint8_t first_frame
    uint8_t first_feature
    uint8_t first_rower
    uint8_t first_reducer
    uint32_t words
    uint32_t spectral  # points of the transform whose bins the features see; 0: they see samples
    uint32_t decimation  # samples of the stream for each `up` that leave the sample stages
    uint32_t up
    uint32_t chunk  # samples at a time: CHUNK, fewer where resampled ones must fit in a chunk
    uint32_t window
    uint32_t hop
    uint32_t need
    uint32_t width  # numbers a row of the result
    uint32_t inner  # numbers a row before the row stages
    uint32_t fill
    uint32_t skip
    uint32_t rest  # by how many parts of `up` the next value stands behind its place
    uint32_t rows
    uint32_t ops_at
    uint32_t branches_at
    uint32_t place_at  # where the next value stands: the key and index of its first sample
    uint32_t words_at
    uint32_t window_at
    uint32_t frame_at
    uint32_t row_at
    uint32_t row_wide
    uint32_t ints_at
    uint32_t floats_at
    uint32_t planar_at  # a chunk of each channel, where there are several
    uint64_t units  # windows run; samples taken where there is no window


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
    """How many instances of each reducer there are: one a column, or one."""
    if p.joint:
        return 1
    return p.width if p.features or p.rowers else p.channels


cdef inline void *plan_instance(plan *p, uint32_t copy, uint32_t k) noexcept nogil:
    """The state of the k-th reducer's instance for one column."""
    return plan_at(p, plan_branches(p)[copy * p.reducers + k])


cdef inline uint32_t plan_row(const plan *p) noexcept nogil:
    """Numbers of the row so far."""
    if p.features or p.spectral or p.rowers:
        return p.width
    return p.channels * (p.window if p.window else <uint32_t>1)


cdef uint32_t plan_head(const uint32_t *words, size_t n, plan *p) noexcept nogil:
    """Check a program and fill in the header's counts and fixed offsets; sizes come later."""
    cdef size_t at = PROGRAM_HEADER
    cdef uint32_t k, group, last = GROUP_STREAM, code
    memset(p, 0, sizeof(plan))
    if n < PROGRAM_HEADER or n > PROGRAM_WORDS_MAX or words[0] != PROGRAM_VERSION:
        return STATUS_BAD_PROGRAM
    if words[1] < DTYPE_I16 or words[1] > DTYPE_F32 or words[4] < 1 or words[4] > OPS_MAX:
        return STATUS_BAD_PROGRAM
    p.dtype = <uint8_t>words[1]
    p.stage_dtype = <uint8_t>words[1]
    p.id_low = words[2]
    p.id_high = words[3]
    p.words = <uint32_t>n
    p.decimation = 1
    p.up = 1
    p.chunk = CHUNK
    p.channels = 1
    p.ops = <uint8_t>words[4]
    for k in range(p.ops):
        if at + 2 > n or words[at + 1] > n - at - 2:
            return STATUS_BAD_PROGRAM
        code = words[at]
        group = op_group(code)
        if group < last or not op_valid(code, words[at + 1], words + at + 2):
            return STATUS_BAD_PROGRAM
        if (group == GROUP_WINDOW and p.window) or (group == GROUP_STREAM and k):
            return STATUS_BAD_PROGRAM
        if not rate_fits(p, code, words + at + 2):
            return STATUS_BAD_PROGRAM
        if group == GROUP_SPECTRUM and not transform_valid(p, code, words + at + 2):
            return STATUS_BAD_PROGRAM
        if group == GROUP_FEATURES and not feature_valid(p, code, words[at + 1], words + at + 2):
            return STATUS_BAD_PROGRAM
        if group == GROUP_ROWS and row_gives(code, words + at + 2, plan_row(p)) == 0:
            return STATUS_BAD_PROGRAM
        if op_joint(code) and not row_fits(code, words + at + 2, plan_row(p)):
            return STATUS_BAD_PROGRAM
        plan_enter(p, k, words + at)
        last = group
        at = at + 2 + words[at + 1]
    if at != n or not plan_whole(p):
        return STATUS_BAD_PROGRAM
    p.value_dtype = p.stage_dtype
    if p.window or p.rowers or p.joint:
        p.value_dtype = DTYPE_F32
    if p.rowers == 0:
        p.inner = plan_row(p)
    return STATUS_OK


cdef uint32_t plan_missing(const uint32_t *words, size_t n) noexcept nogil:
    """The code of the first operation whose kernel this build leaves out; 0: there is none."""
    cdef size_t at = PROGRAM_HEADER
    while at + 2 <= n:
        if not op_present(words[at]):
            return words[at]
        if words[at + 1] > n - at - 2:
            return 0
        at = at + 2 + words[at + 1]
    return 0


cdef bint rate_fits(const plan *p, uint32_t code, const uint32_t *args) noexcept nogil:
    """Whether all changes of rate together are within bounds; of resampling there is one."""
    if code == OP_DECIMATE:
        return p.decimation * args[0] <= DECIMATE_MAX
    if code == OP_RESAMPLE:
        return p.up == 1 and p.decimation * args[1] <= DECIMATE_MAX
    return True


cdef bint transform_valid(const plan *p, uint32_t code, const uint32_t *args) noexcept nogil:
    """Whether the window holds what is transformed, a power of two; a plan has one spectrum."""
    if p.spectral:
        return False
    if code == OP_PSD:
        return args[0] <= p.window
    return spectrum_valid(p.window)


cdef bint feature_valid(const plan *p, uint32_t code, uint32_t argc,
                        const uint32_t *args) noexcept nogil:
    """Spectral features follow a spectrum, the others a window."""
    if code >= OP_LINES:
        return p.spectral != 0 and bins_valid(code, argc, args, p.spectral)
    if code == OP_AUTOCORR and args[0] >= p.window:
        return False
    return p.window != 0 and p.spectral == 0


cdef bint plan_whole(const plan *p) noexcept nogil:
    """Whether all operations together make a plan."""
    cdef uint32_t k = plan_copies(p)
    if p.reducers and (k > BRANCHES_MAX or k * p.reducers > BRANCHES_MAX):
        return False
    if p.joint and p.joint != p.reducers:
        return False
    if p.window == 0:
        return p.frames == 0 and p.features == 0 and p.reducers + p.rowers > 0
    if p.rowers or p.joint:
        return True
    return p.features != 0 or (p.spectral != 0 and p.reducers == 0)


cdef void plan_enter(plan *p, uint32_t k, const uint32_t *op) noexcept nogil:
    """Count operation k into the header."""
    cdef uint32_t group = op_group(op[0])
    if group == GROUP_STREAM:
        p.channels = <uint8_t>op[2]
    elif group == GROUP_SAMPLES:
        p.stages = <uint8_t>(p.stages + 1)
        p.first_stage = <uint8_t>(k + 1 - p.stages)
        if p.stage_dtype == DTYPE_I16:
            p.stage_dtype = DTYPE_I32
        if gives_float(op[0]):
            p.stage_dtype = DTYPE_F32
        if op[0] == OP_DECIMATE:
            p.decimation = p.decimation * op[2]
        elif op[0] == OP_RESAMPLE:
            p.up = op[2]
            p.decimation = p.decimation * op[3]
            p.chunk = CHUNK - 1
            if op[2] > op[3]:
                p.chunk = (CHUNK - 1) * op[3] // op[2]
    elif group == GROUP_WINDOW:
        p.window = op[2]
        p.hop = op[3]
    elif group == GROUP_FRAMES:
        p.frames = <uint8_t>(p.frames + 1)
        p.first_frame = <uint8_t>(k + 1 - p.frames)
    elif group == GROUP_SPECTRUM:
        p.frames = <uint8_t>(p.frames + 1)
        p.first_frame = <uint8_t>(k + 1 - p.frames)
        p.spectral = op[2] if op[0] == OP_PSD else p.window
        p.width = (p.spectral // 2 + 1) * p.channels
    elif group == GROUP_FEATURES:
        if p.features == 0:
            p.width = 0
        p.features = <uint8_t>(p.features + 1)
        p.first_feature = <uint8_t>(k + 1 - p.features)
        p.need = p.need | op_need(op[0])
        p.width = p.width + op_width(op[0], op[1], op + 2) * p.channels
    elif group == GROUP_ROWS:
        if p.rowers == 0:
            p.inner = plan_row(p)
            p.row_wide = p.inner
        p.width = row_gives(op[0], op + 2, plan_row(p))
        p.rowers = <uint8_t>(p.rowers + 1)
        p.first_rower = <uint8_t>(k + 1 - p.rowers)
        if p.width > p.row_wide:
            p.row_wide = p.width
    else:
        if op_joint(op[0]):
            p.joint = <uint8_t>(p.joint + 1)
        p.reducers = <uint8_t>(p.reducers + 1)
        p.first_reducer = <uint8_t>(k + 1 - p.reducers)


cdef inline size_t planar_apart(const plan *p) noexcept nogil:
    """From one channel's chunk to the next one's; stages only widen samples."""
    return <size_t>CHUNK * dtype_size(p.stage_dtype)


cdef size_t plan_row_floats(plan *p) noexcept nogil:
    """Room for rows: two where stages turn one into another, none where they are read in place."""
    if p.window and p.row_wide < p.inner and not (p.features and p.reducers == 0):
        p.row_wide = p.inner
    if p.rowers:
        return 2 * <size_t>p.row_wide
    if p.features == 0 and p.channels == 1 and (p.frames or p.stage_dtype == DTYPE_F32):
        return 0
    return p.row_wide


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
    p.size = aligned(p.size + <size_t>p.window * dtype_size(p.stage_dtype) * p.channels)
    p.frame_at = p.size
    if p.frames == 1 and p.spectral < p.window and p.spectral:
        # A density of segments alone: it reads the window where it is.
        p.size = aligned(p.size + (p.spectral // 2 + 1) * sizeof(float))
    elif p.frames or p.need & NEED_FLOATS:
        p.size = aligned(p.size + <size_t>p.window * sizeof(float))
    p.row_at = p.size
    p.size = aligned(p.size + plan_row_floats(p) * sizeof(float))
    p.ints_at = p.size
    if p.stages:
        p.floats_at = p.ints_at
        if p.dtype != DTYPE_F32:
            p.floats_at = p.ints_at + CHUNK * sizeof(int32_t)
        p.size = p.floats_at
        if p.stage_dtype == DTYPE_F32:
            p.size = p.floats_at + CHUNK * sizeof(float)
    p.planar_at = p.size
    if p.channels > 1:
        p.size = aligned(p.size + planar_apart(p) * p.channels)
    return STATUS_OK


cdef size_t plan_states(const plan *p, const uint32_t *words, operation *ops,
                        uint32_t *branches) noexcept nogil:
    """Bytes of all operations' memories; with `ops` given, fill in the operations as well."""
    cdef uint32_t base = aligned(p.words_at + p.words * sizeof(uint32_t))
    cdef uint32_t used = base, k, f, group, dtype = p.dtype
    cdef uint32_t copies = plan_copies(p), width = p.inner
    cdef const uint32_t *at = words + PROGRAM_HEADER
    cdef operation op
    for k in range(p.ops):
        group = op_group(at[0])
        if dtype == DTYPE_I16 and group == GROUP_SAMPLES:
            dtype = DTYPE_I32
        op.code = <uint16_t>at[0]
        op.argc = <uint16_t>at[1]
        op.args_at = p.words_at + 4 * <uint32_t>(at + 2 - words)
        op.state_at = used
        op.dtype = p.value_dtype if group == GROUP_REDUCERS else <uint8_t>dtype
        op.width = width if group >= GROUP_ROWS else op_width(op.code, op.argc, at + 2)
        if group == GROUP_ROWS:
            width = row_gives(op.code, at + 2, width)
        op.each = aligned(op_state(&op, at + 2, p.window))
        if group == GROUP_REDUCERS:
            for f in range(copies):
                if branches != NULL:
                    branches[f * p.reducers + k - p.first_reducer] = used
                used = used + op.each
        else:
            used = used + op.each * (p.channels if group == GROUP_SAMPLES else <uint32_t>1)
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


cdef uint32_t op_copies(const plan *p, uint32_t code) noexcept nogil:
    """How many memories an operation has: one a channel, one a column, or one."""
    cdef uint32_t group = op_group(code)
    if group == GROUP_SAMPLES:
        return p.channels
    return plan_copies(p) if group == GROUP_REDUCERS else <uint32_t>1


cdef size_t stage_memory(plan *p, uint32_t k) noexcept nogil:
    """Bytes of the memories of operation k, of all channels."""
    cdef operation *op = plan_op(p, k)
    return <size_t>op.each * op_copies(p, op.code)


cdef void frame_init(plan *p, const operation *op) noexcept nogil:
    """Fill the table of a frame stage."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef float *table = <float *>plan_at(p, op.state_at)
    if op.code == OP_TAPER:
        taper_init(table, args[0], p.window)
    elif op.code == OP_SPECTRUM:
        spectrum_init(table, p.window)
    elif op.code == OP_PSD:
        psd_init(table, args)


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
    for k in range(p.frames):
        frame_init(p, plan_op(p, p.first_frame + k))
    plan_reset(p)
    return STATUS_OK


cdef void plan_reset(plan *p) noexcept nogil:
    """Begin a stream anew: nothing is remembered of the samples so far."""
    cdef uint32_t k
    for k in range(p.first_stage, <uint32_t>(p.first_stage + p.stages)):
        memset(plan_at(p, plan_op(p, k).state_at), 0, stage_memory(p, k))
    for k in range(p.first_rower, <uint32_t>(p.first_rower + p.rowers)):
        memset(plan_at(p, plan_op(p, k).state_at), 0, stage_memory(p, k))
    p.fill = 0
    p.skip = 0
    plan_renew(p)


cdef bint plan_is_rows(const plan *p) noexcept nogil:
    """Whether the plan has no reducer, so that its rows are its result."""
    return p.reducers == 0


cdef void plan_renew(plan *p) noexcept nogil:
    """Begin a new partial: the reducers are as at the start, windows and filters go on."""
    cdef uint32_t k, copy
    for copy in range(plan_copies(p)):
        for k in range(p.reducers):
            reducer_init(plan_op(p, p.first_reducer + k), plan_instance(p, copy, k), p)
    p.units = 0
    p.rows = 0
