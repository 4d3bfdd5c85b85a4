# The interpreter: samples through a program, partials out of and into its reducers.
#
# plan_push takes any number of samples at a time; where the samples stand is of no consequence
# to the result. Nothing is allocated. After an error status of plan_absorb the state holds part
# of the damaged partial and must be initialised again.

cdef enum:
    PARTIAL_VERSION = 1
    PARTIAL_STATES = 0
    PARTIAL_ROWS = 1


cdef inline size_t frame_length(const plan *p) noexcept nogil:
    """Numbers that features see: the window's samples, or its spectrum's bins."""
    return <size_t>(p.window // 2 + 1) if p.spectral else <size_t>p.window


cdef float feature_value(plan *p, const operation *op, const stats *s,
                         const void *x) noexcept nogil:
    """A feature of one number."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    if s.bad:
        return atoll_float(BITS_NAN)
    if op.code == OP_MEAN:
        return feature_mean(s)
    if op.code == OP_RMS:
        return feature_rms(s)
    if op.code == OP_PEAK:
        return feature_peak(s)
    if op.code == OP_P2P:
        return feature_p2p(s)
    if op.code == OP_CREST:
        return feature_peak(s) / feature_rms(s)
    if op.code == OP_KURTOSIS:
        return feature_kurtosis(s)
    if op.code == OP_SKEWNESS:
        return feature_skewness(s)
    if op.code == OP_CROSSINGS:
        return <float>crossings_of(s.dtype, x, p.window)
    if op.code == OP_GOERTZEL:
        return feature_goertzel(s.dtype, x, p.window, atoll_float(args[0]), atoll_float(args[1]))
    if op.code == OP_SLOPE:
        return feature_slope(s, x, p.window, atoll_float(args[0]))
    if op.code == OP_AUTOCORR:
        return feature_autocorr(s, x, p.window, args[0])
    if op.code == OP_BAND:
        return feature_band(<const float *>x, args)
    return feature_centroid(<const float *>x, frame_length(p), atoll_float(args[0]))


cdef void feature_values(plan *p, const operation *op, const stats *s, const void *x,
                         float *out) noexcept nogil:
    """All numbers of a feature, op.width of them."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef uint32_t k
    if op.code != OP_LINES:
        out[0] = float_plain(feature_value(p, op, s, x))
        return
    for k in range(op.width):
        out[k] = atoll_float(BITS_NAN)
        if not s.bad:
            out[k] = float_plain(feature_line(<const float *>x, args + LINE_WORDS * k))


cdef const void *window_frames(plan *p, const void *x) noexcept nogil:
    """Run the frame stages; the window, or its spectrum, as float in the frame buffer."""
    cdef float *frame = <float *>plan_at(p, p.frame_at)
    cdef const float *table
    cdef operation *op
    cdef uint32_t k
    for k in range(p.frames):
        op = plan_op(p, p.first_frame + k)
        table = <const float *>plan_at(p, op.state_at)
        if op.code == OP_DETREND:
            frame_mean(DTYPE_F32 if k else p.stage_dtype, x, p.window, frame)
            if (<const uint32_t *>plan_at(p, op.args_at))[0] == 1:
                frame_line(frame, p.window)
        elif k == 0:
            frame_load(p.stage_dtype, x, p.window, frame)
        if op.code == OP_TAPER:
            taper_run(table, frame, p.window)
        elif op.code == OP_SPECTRUM:
            spectrum_run(frame, p.window, table)
        x = frame
    return x


cdef void frame_load(uint32_t dtype, const void *x, size_t n, float *frame) noexcept nogil:
    """Any window as float."""
    cdef size_t i
    if dtype == DTYPE_F32:
        memcpy(frame, x, n * sizeof(float))
    elif dtype == DTYPE_I32:
        floats_of(<const int32_t *>x, frame, n)
    else:
        for i in range(n):
            frame[i] = <float>(<const int16_t *>x)[i]


cdef uint32_t window_run(plan *p, const void *x, float *rows, size_t room) noexcept nogil:
    """One whole window: frames, features, row stages, into the rows or the reducers."""
    cdef stats s
    cdef float *row = <float *>plan_at(p, p.row_at)
    cdef float *out
    cdef uint32_t k, dtype = p.stage_dtype
    cdef operation *op
    if p.reducers == 0 and (<size_t>p.rows + 1) * p.width > room:
        return STATUS_ROWS_FULL
    if p.reducers == 0:
        rows = rows + <size_t>p.rows * p.width
    if p.frames:
        x = window_frames(p, x)
        dtype = DTYPE_F32
    if p.features:
        stats_take(dtype, x, frame_length(p), p.need, &s)
        if p.reducers == 0 and p.rowers == 0:
            row = rows
        out = row
        for k in range(p.features):
            op = plan_op(p, p.first_feature + k)
            feature_values(p, op, &s, x, out)
            out = out + op.width
        x = row
    elif dtype != DTYPE_F32:
        frame_load(dtype, x, p.window, <float *>plan_at(p, p.frame_at))
        x = plan_at(p, p.frame_at)
    if x != rows:
        row_run(p, <const float *>x, rows)
    p.rows = p.rows + 1
    p.units = p.units + 1
    plan_place(p).at = plan_place(p).at + plan_stride(p)
    return STATUS_OK


cdef uint32_t window_feed(plan *p, const uint8_t *x, size_t n, float *rows,
                          size_t room) noexcept nogil:
    """Samples into windows: straight from `x` where it holds one whole, else by the buffer."""
    cdef size_t wide = dtype_size(p.stage_dtype), m
    cdef uint8_t *buffer = <uint8_t *>plan_at(p, p.window_at)
    cdef uint32_t status = STATUS_OK
    while n and status == STATUS_OK:
        if p.skip:
            m = p.skip if p.skip < n else n
            p.skip = p.skip - <uint32_t>m
        elif p.fill == 0 and n >= p.window:
            status = window_run(p, x, rows, room)
            m = p.hop if p.hop < n else n
            p.skip = p.hop - <uint32_t>m
        else:
            m = p.window - p.fill
            if m > n:
                m = n
            memcpy(buffer + p.fill * wide, x, m * wide)
            p.fill = p.fill + <uint32_t>m
            if p.fill == p.window:
                status = window_run(p, buffer, rows, room)
                p.fill = 0
                if p.hop < p.window:
                    p.fill = p.window - p.hop
                    memmove(buffer, buffer + p.hop * wide, p.fill * wide)
                else:
                    p.skip = p.hop - p.window
        x = x + m * wide
        n = n - m
    return status


cdef size_t chunk_load(plan *p, const void *x, size_t at, size_t n) noexcept nogil:
    """Up to CHUNK samples into the chunk of their type (i16 widened)."""
    cdef int32_t *ints = <int32_t *>plan_at(p, p.ints_at)
    cdef size_t i
    if n > CHUNK:
        n = CHUNK
    if p.dtype == DTYPE_I16:
        for i in range(n):
            ints[i] = (<const int16_t *>x)[at + i]
    elif p.dtype == DTYPE_I32:
        memcpy(ints, <const int32_t *>x + at, n * 4)
    else:
        memcpy(plan_at(p, p.floats_at), <const float *>x + at, n * 4)
    return n


cdef size_t chunk_stage(plan *p, operation *op, size_t n) noexcept nogil:
    """One sample stage over the chunk; how many samples it gave."""
    cdef int32_t *ints = <int32_t *>plan_at(p, p.ints_at)
    cdef float *floats = <float *>plan_at(p, p.floats_at)
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef void *state = plan_at(p, op.state_at)
    if op.code == OP_DECIMATE:
        n = decimate_any(<delay *>state, args[0],
                         <uint32_t *>(<void *>floats if op.dtype == DTYPE_F32 else <void *>ints), n)
    elif op.code == OP_MEDIAN:
        if op.dtype == DTYPE_F32:
            n = median_f32(<line *>state, args[0], floats, n)
        else:
            n = median_i32(<line *>state, args[0], ints, n)
    elif gives_float(op.code) and op.code != OP_SCALE:
        if op.dtype != DTYPE_F32:
            floats_of(ints, floats, n)
        if op.code == OP_ENVELOPE:
            abs_f32(floats, n)
        if op.code == OP_EMA:
            ema_f32(<delay *>state, atoll_float(args[0]), floats, n)
        elif op.code == OP_FIR:
            n = fir_f32(<line *>state, args, op.argc, floats, n)
        else:
            sections_f32(<section *>state, args, op.argc, floats, n)
    elif op.dtype == DTYPE_F32:
        if op.code == OP_ABS:
            abs_f32(floats, n)
        elif op.code == OP_CLIP:
            clip_f32(floats, n, atoll_float(args[0]), atoll_float(args[1]))
        elif op.code == OP_SCALE:
            scale_f32(floats, n, atoll_float(args[0]), atoll_float(args[1]))
        elif op.code == OP_DIFF:
            n = diff_f32(<delay *>state, floats, n)
    elif op.code == OP_ABS:
        abs_i32(ints, n)
    elif op.code == OP_CLIP:
        clip_i32(ints, n, atoll_float(args[0]), atoll_float(args[1]))
    elif op.code == OP_SCALE:
        scale_i32(ints, floats, n, atoll_float(args[0]), atoll_float(args[1]))
    elif op.code == OP_DIFF:
        n = diff_i32(<delay *>state, ints, n)
    return n


cdef uint32_t sample_rows(plan *p, const void *x, size_t n, float *rows,
                          size_t room) noexcept nogil:
    """Samples one by one, each a row of its own."""
    cdef size_t i
    cdef float value
    if p.reducers == 0:
        rows = rows + <size_t>p.rows * p.width
    for i in range(n):
        if p.reducers == 0 and (<size_t>p.rows + 1) * p.width > room:
            return STATUS_ROWS_FULL
        if p.stage_dtype == DTYPE_I16:
            value = <float>(<const int16_t *>x)[i]
        elif p.stage_dtype == DTYPE_I32:
            value = <float>(<const int32_t *>x)[i]
        else:
            value = (<const float *>x)[i]
        row_run(p, &value, rows)
        if p.reducers == 0:
            rows = rows + p.width
        p.rows = p.rows + 1
        p.units = p.units + 1
        plan_place(p).at = plan_place(p).at + plan_stride(p)
    return STATUS_OK


cdef uint32_t plan_feed(plan *p, const void *x, size_t n, float *rows,
                        size_t room) noexcept nogil:
    """Samples after the sample stages: into windows, or straight into the reducers."""
    if p.window:
        return window_feed(p, <const uint8_t *>x, n, rows, room)
    if p.rowers or p.joint:
        return sample_rows(p, x, n, rows, room)
    plan_reduce(p, 0, x, n)
    p.units = p.units + n
    plan_place(p).at = plan_place(p).at + n * plan_stride(p)
    return STATUS_OK


cdef void plan_locate(plan *p, uint64_t at, const uint8_t *key, size_t n) noexcept nogil:
    """The next value's first sample is number `at` of the stream of this key (n bytes are kept)."""
    cdef place *here = plan_place(p)
    memset(here, 0, sizeof(place))
    here.at = at
    here.length = <uint32_t>n if n < KEY_BYTES else <uint32_t>KEY_BYTES
    memcpy(here.key, key, here.length)


cdef uint32_t plan_push(plan *p, const void *x, size_t n, float *rows,
                        size_t room) noexcept nogil:
    """Run n samples of the program's dtype. rows: room for floats, for plans without a reducer."""
    cdef uint32_t mode = atoll_mode_enter()
    cdef uint32_t status = STATUS_OK, k
    cdef size_t at = 0, taken, given
    cdef const void *chunk
    if p.stages == 0:
        status = plan_feed(p, x, n, rows, room)
        at = n
    while at < n and status == STATUS_OK:
        taken = chunk_load(p, x, at, n - at)
        given = taken
        for k in range(p.stages):
            given = chunk_stage(p, plan_op(p, k), given)
        chunk = plan_at(p, p.floats_at if p.stage_dtype == DTYPE_F32 else p.ints_at)
        status = plan_feed(p, chunk, given, rows, room)
        at = at + taken
    atoll_mode_leave(mode)
    return status


cdef uint32_t plan_partial(plan *p, uint8_t *out, size_t room, size_t *used) noexcept nogil:
    """Write the reducers' states; `used` tells how many bytes. The state may go on."""
    cdef writer w
    cdef uint32_t k, n = p.reducers * plan_copies(p)
    w.data = out
    w.room = room
    w.used = 0
    w.status = STATUS_OK
    write_byte(&w, 65)
    write_byte(&w, 80)
    write_byte(&w, PARTIAL_VERSION)
    write_byte(&w, PARTIAL_STATES)
    write_u32(&w, p.id_low)
    write_u32(&w, p.id_high)
    write_byte(&w, p.dtype if p.units else <uint32_t>DTYPE_NONE)
    if p.units:
        write_count(&w, p.units)
        for k in range(n):
            reducer_write(plan_op(p, p.first_reducer + k % p.reducers),
                          plan_at(p, plan_branches(p)[k]), &w)
    used[0] = w.used
    return w.status


cdef uint32_t plan_absorb(plan *p, const uint8_t *data, size_t size) noexcept nogil:
    """Add a partial of the same plan and dtype to the state."""
    cdef reader r
    cdef uint32_t k, dtype, n = p.reducers * plan_copies(p)
    cdef uint64_t units
    r.data = data
    r.size = size
    r.at = 0
    r.status = STATUS_OK
    if read_byte(&r) != 65 or read_byte(&r) != 80 or read_byte(&r) != PARTIAL_VERSION:
        return STATUS_DAMAGED
    if read_byte(&r) != PARTIAL_STATES:
        return STATUS_DAMAGED
    if read_u32(&r) != p.id_low or read_u32(&r) != p.id_high:
        return STATUS_OTHER_PLAN if r.status == STATUS_OK else r.status
    dtype = read_byte(&r)
    if dtype != DTYPE_NONE:
        if dtype != p.dtype:
            return STATUS_OTHER_DTYPE
        units = read_count(&r)
        if units == 0:
            return STATUS_DAMAGED
        count_add(&p.units, units, &r)
        for k in range(n):
            reducer_read(plan_op(p, p.first_reducer + k % p.reducers),
                         plan_at(p, plan_branches(p)[k]), &r)
            if r.status != STATUS_OK:
                return r.status
    if r.status == STATUS_OK and r.at != size:
        return STATUS_DAMAGED
    return r.status


cdef uint64_t plan_units(const plan *p) noexcept nogil:
    """Windows run so far; samples taken where the plan has no window."""
    return p.units


cdef uint32_t plan_take_rows(plan *p, uint32_t *width) noexcept nogil:
    """How many rows lie in the caller's buffer, and floats in each; the next push starts anew."""
    cdef uint32_t rows = p.rows
    width[0] = p.width
    p.rows = 0
    return rows


cdef bint memory_valid(plan *p, const operation *op) noexcept nogil:
    """Whether a memory taken from a checkpoint keeps within its bounds."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef const line *held = <const line *>plan_at(p, op.state_at)
    if op.code == OP_FIR:
        return held.filled < op.argc
    if op.code == OP_MEDIAN:
        return held.filled <= args[0] and held.next < args[0]
    if op.code == OP_DECIMATE:
        return (<const delay *>plan_at(p, op.state_at)).filled < args[0]
    if op.code == OP_NOVELTY:
        return (<const novelty *>plan_at(p, op.state_at)).used <= args[0]
    return True


cdef size_t checkpoint_memory(plan *p, uint32_t k, bint rows) noexcept nogil:
    """Bytes of operation k in that part of a checkpoint: sample stages, or row stages."""
    cdef uint32_t group = op_group(plan_op(p, k).code)
    if group == GROUP_ROWS and rows and op_remembers(plan_op(p, k).code):
        return stage_memory(p, k)
    return stage_memory(p, k) if group == GROUP_SAMPLES and not rows else <size_t>0


cdef size_t plan_checkpoint(plan *p, bint rows, uint8_t *out, size_t room) noexcept nogil:
    """Copy the memories of the sample stages, or of the row stages; their bytes (0: no room).

    A piece's windows may need samples that the next piece starts with: the sample stages are
    saved before those, the row stages when the windows have run.
    """
    cdef size_t used = 0, size
    cdef uint32_t k
    for k in range(p.ops):
        size = checkpoint_memory(p, k, rows)
        if used + size > room:
            return 0
        memcpy(out + used, plan_at(p, plan_op(p, k).state_at), size)
        used = used + size
    return used


cdef uint32_t plan_resume(plan *p, const uint8_t *data, size_t size, uint32_t skip) noexcept nogil:
    """Take a checkpoint (sample stages, then row stages) into a fresh state.

    The first `skip` outputs of the sample stages are dropped: what the stages kept back when the
    stream began. Those outputs belong to windows that the checkpoint's owner has run.
    """
    cdef size_t used = 0, n
    cdef uint32_t k
    for k in range(<uint32_t>(2 * p.ops)):
        n = checkpoint_memory(p, k % p.ops, k >= p.ops)
        if n > size - used:
            return STATUS_DAMAGED
        memcpy(plan_at(p, plan_op(p, k % p.ops).state_at), data + used, n)
        used = used + n
        if n and not memory_valid(p, plan_op(p, k % p.ops)):
            return STATUS_DAMAGED
    if used != size:
        return STATUS_DAMAGED
    if p.window:
        p.skip = skip
    return STATUS_OK
