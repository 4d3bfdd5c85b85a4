# The interpreter: samples through a program, partials out of and into its reducers.
#
# plan_push takes any number of samples at a time; where the samples stand is of no consequence
# to the result. Nothing is allocated. After an error status of plan_absorb the state holds part
# of the damaged partial and must be initialised again.

cdef enum:
    PARTIAL_VERSION = 1
    PARTIAL_STATES = 0
    PARTIAL_ROWS = 1


cdef void channel_load(const void *x, size_t wide, size_t step, size_t n, void *out) noexcept nogil:
    """n samples of `wide` bytes that stand `step` of them from each other."""
    cdef size_t i
    if wide == 2:
        for i in range(n):
            (<int16_t *>out)[i] = (<const int16_t *>x)[i * step]
    else:
        for i in range(n):
            (<uint32_t *>out)[i] = (<const uint32_t *>x)[i * step]



cdef struct chunk:
    int32_t *ints
    float *floats


cdef void chunk_load(const plan *p, const chunk *c, const void *x, size_t at,
                     size_t n) noexcept nogil:
    """n samples into the chunk of their type (i16 widened)."""
    cdef int32_t *ints = c.ints
    cdef size_t i
    if p.dtype == DTYPE_I16:
        for i in range(atoll_fast_widen(<const int16_t *>x + at, ints, n), n):
            ints[i] = (<const int16_t *>x)[at + i]
    elif p.dtype == DTYPE_I32:
        memcpy(ints, <const int32_t *>x + at, n * 4)
    else:
        memcpy(c.floats, <const float *>x + at, n * 4)


cdef size_t chunk_stage(plan *p, operation *op, const chunk *c, size_t n) noexcept nogil:
    """One sample stage over the chunk; how many samples it gave."""
    cdef int32_t *ints = c.ints
    cdef float *floats = c.floats
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef void *state = plan_at(p, op.state_at + p.channel * op.each)
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
        elif op.code == OP_USER_SAMPLES:
            atoll_user_samples(args, floats, n)
        elif op.code == OP_RESAMPLE:
            if ROOMY:
                n = resample_many(<line *>state, args, op.argc, floats, n)
            else:
                n = resample_f32(<line *>state, args, op.argc, floats, n)
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


cdef void plan_locate(plan *p, uint64_t at, const uint8_t *key, size_t n) noexcept nogil:
    """The next value's first sample is number `at` of the stream of this key (n bytes are kept)."""
    cdef place *here = plan_place(p)
    p.rest = 0
    memset(here, 0, sizeof(place))
    here.at = at
    here.length = <uint32_t>n if n < KEY_BYTES else <uint32_t>KEY_BYTES
    memcpy(here.key, key, here.length)


cdef const void *chunk_run(plan *p, const chunk *c, uint32_t done, size_t n,
                           size_t *given) noexcept nogil:
    """The chunk of n samples through the sample stages but the first `done`: where its outputs
    stand, and how many.
    """
    cdef uint32_t k
    for k in range(<uint32_t>(p.first_stage + done), <uint32_t>(p.first_stage + p.stages)):
        n = chunk_stage(p, plan_op(p, k), c, n)
    given[0] = n
    if p.stage_dtype == DTYPE_F32:
        return c.floats
    return c.ints


cdef const void *sparse_run(plan *p, const chunk *c, const uint8_t *x, size_t n, size_t most,
                            size_t *taken, size_t *given) noexcept nogil:
    """As loading and chunk_run where `decimate` comes first: only what it keeps is loaded."""
    cdef operation *op = plan_op(p, p.first_stage)
    cdef delay *s = <delay *>plan_at(p, op.state_at)
    cdef uint32_t by = (<const uint32_t *>plan_at(p, op.args_at))[0]
    cdef size_t i = by - s.filled if s.filled else 0, out = 0
    if n > most * by:
        n = most * by
    if p.dtype == DTYPE_I16:
        if i < n:
            out = atoll_every_i16(<const int16_t *>x + i, n - i, by, c.ints)
            i = i + out * by
        while i < n:
            c.ints[out] = (<const int16_t *>x)[i]
            out = out + 1
            i = i + by
    else:
        if i < n:
            out = atoll_every_u32(<const uint32_t *>x + i, n - i, by, <uint32_t *>(
                <void *>c.floats if p.dtype == DTYPE_F32 else <void *>c.ints))
            i = i + out * by
        while i < n:
            (<uint32_t *>(<void *>c.floats if p.dtype == DTYPE_F32 else <void *>c.ints))[out] = (
                (<const uint32_t *>x)[i])
            out = out + 1
            i = i + by
    s.filled = <uint32_t>((s.filled + n) % by)
    taken[0] = n
    return chunk_run(p, c, 1, out, given)


cdef inline chunk plan_chunk(plan *p) noexcept nogil:
    """The state's own chunks, of CHUNK samples."""
    cdef chunk c
    c.ints = <int32_t *>plan_at(p, p.ints_at)
    c.floats = <float *>plan_at(p, p.floats_at)
    return c


cdef uint32_t staged_push(plan *p, const uint8_t *x, size_t n, float *rows,
                          size_t room) noexcept nogil:
    """One channel through the sample stages, by RUN samples on the stack where that is roomy."""
    cdef int32_t ints[RUN]
    cdef float floats[RUN]
    cdef chunk c = plan_chunk(p)
    cdef bint alone = ROOMY and AVX2 and extremes_alone(p)
    cdef operation *first = plan_op(p, p.first_stage)
    cdef size_t at = 0, m, given, most = p.chunk
    cdef uint32_t status = STATUS_OK
    cdef const void *made
    if ROOMY:
        c.ints = ints
        c.floats = floats
        most = most * (RUN // CHUNK)
    while at < n and status == STATUS_OK:
        m = n - at if n - at < most else most
        if ROOMY and first.code == OP_DECIMATE:
            made = sparse_run(p, &c, x + at * dtype_size(p.dtype), n - at, most, &m, &given)
        elif alone and extremes_stand(p, x + at * dtype_size(p.dtype), m):
            at = at + m
            continue
        elif ROOMY and first_stage(p, &c, x + at * dtype_size(p.dtype), m, &given):
            made = chunk_run(p, &c, 1, given, &given)
        else:
            chunk_load(p, &c, x, at, m)
            made = chunk_run(p, &c, 0, m, &given)
        status = plan_feed(p, <const uint8_t *>made, 0, given, rows, room)
        at = at + m
    return status


cdef size_t planar_chunk(plan *p, const uint8_t *x, size_t n) noexcept nogil:
    """Up to CHUNK frames of several channels, each channel through its stages, side by side."""
    cdef size_t wide = dtype_size(p.dtype), given = n
    cdef uint8_t *planar = <uint8_t *>plan_at(p, p.planar_at)
    cdef chunk own = plan_chunk(p)
    cdef const void *made
    cdef uint32_t c
    for c in range(p.channels):
        p.channel = <uint8_t>c
        channel_load(x + c * wide, wide, p.channels, n, planar)
        if p.stages:
            chunk_load(p, &own, planar, 0, n)
            made = chunk_run(p, &own, 0, n, &given)
            memcpy(planar, made, given * dtype_size(p.stage_dtype))
        planar = planar + planar_apart(p)
    p.channel = 0
    return given


cdef uint32_t planar_push(plan *p, const uint8_t *x, size_t n, float *rows,
                          size_t room) noexcept nogil:
    """Frames of several channels without sample stages, side by side on the stack: more than a chunk,
    so that windows stand there whole."""
    cdef uint32_t planar[PLANAR]
    cdef size_t wide = dtype_size(p.dtype), most = <size_t>PLANAR // p.channels, at = 0, m
    cdef uint32_t status = STATUS_OK
    while at < n and status == STATUS_OK:
        m = n - at if n - at < most else most
        channels_deal(x + at * wide * p.channels, wide, p.channels, m, planar, most)
        status = plan_feed(p, <const uint8_t *>planar, most * wide, m, rows, room)
        at = at + m
    return status


cdef void channels_deal(const uint8_t *x, size_t wide, size_t channels, size_t n, void *out,
                        size_t apart) noexcept nogil:
    """n frames, each channel on its own, `apart` samples from the one before."""
    cdef size_t c
    if wide == 2 and (channels == 2 or channels == 4):
        atoll_deal_u16(<const uint16_t *>x, channels, n, <uint16_t *>out, apart)
    elif wide == 4 and (channels == 2 or channels == 4):
        atoll_deal_u32(<const uint32_t *>x, channels, n, <uint32_t *>out, apart)
    else:
        for c in range(channels):
            channel_load(x + c * wide, wide, channels, n, <uint8_t *>out + c * apart * wide)


cdef uint32_t plan_push(plan *p, const void *x, size_t n, float *rows,
                        size_t room) noexcept nogil:
    """Run n samples (of several channels: frames) of the program's dtype.

    rows: room for floats, for plans without a reducer.
    """
    cdef uint32_t mode = atoll_mode_enter()
    cdef uint32_t status = STATUS_OK
    cdef size_t at = 0, taken, given, frame = dtype_size(p.dtype) * p.channels
    if p.channels == 1:
        if p.stages:
            status = staged_push(p, <const uint8_t *>x, n, rows, room)
        else:
            status = plan_feed(p, <const uint8_t *>x, 0, n, rows, room)
        at = n
    elif ROOMY and p.stages == 0 and p.dtype == p.stage_dtype:
        status = planar_push(p, <const uint8_t *>x, n, rows, room)
        at = n
    while at < n and status == STATUS_OK:
        taken = n - at if n - at < p.chunk else <size_t>p.chunk
        given = planar_chunk(p, <const uint8_t *>x + at * frame, taken)
        status = plan_feed(p, <const uint8_t *>plan_at(p, p.planar_at), planar_apart(p),
                           given, rows, room)
        at = at + taken
    atoll_mode_leave(mode)
    return status


cdef uint32_t plan_partial(plan *p, uint8_t *out, size_t room, size_t *used) noexcept nogil:
    """Write the reducers' states; `used` tells how many bytes. The state may go on."""
    cdef writer w
    cdef uint32_t k, copy
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
        for copy in range(plan_copies(p)):
            for k in range(p.reducers):
                reducer_write(plan_op(p, p.first_reducer + k), plan_instance(p, copy, k), &w)
    used[0] = w.used
    return w.status


cdef uint32_t plan_absorb(plan *p, const uint8_t *data, size_t size) noexcept nogil:
    """Add a partial of the same plan and dtype to the state."""
    cdef reader r
    cdef uint32_t k, copy, dtype
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
        for copy in range(plan_copies(p)):
            for k in range(p.reducers):
                reducer_read(plan_op(p, p.first_reducer + k), plan_instance(p, copy, k), &r)
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
