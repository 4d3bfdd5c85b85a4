# Spectra of several windows at a time, by the transforms of transforms.pxi.

cdef enum:
    SPECTRA_POWERS = 16896  # bins of a group, on the stack: WIDE (POINTS / 2 + 8) at most


cdef struct frames_of:
    # What stands before the transform of a group: `detrend mean`, then a taper, each or none.
    bint centred
    const float *weight
    const float *table
    centre middle[WIDE]
    bint apart  # whether powers are read window by window
    plan *reader  # whose features are read side by side, into `side`; or none
    float *side


cdef inline vector wide_window(uint32_t dtype, bint centred, bint weighed, const uint8_t *x,
                               const frames_of *f, size_t w, size_t i) noexcept nogil:
    """WIDE samples from i on of window w behind its frame stages."""
    cdef vector v
    if not centred:
        v = many_load(dtype, x, i)
    elif dtype == DTYPE_I16:
        v = atoll_load_i16(<const int16_t *>x + i, f.middle[w].middle) - atoll_splat(f.middle[w].rest)
    else:
        v = (atoll_load(<const float *>x + i) - atoll_splat(f.middle[w].mean)) - atoll_splat(
            f.middle[w].rest)
    return v * atoll_load(f.weight + i) if weighed else v


cdef inline void wide_fill(uint32_t dtype, bint centred, bint weighed, const uint8_t *x, size_t apart,
                           size_t count, size_t n, const frames_of *f, vector *tile) noexcept nogil:
    """Samples of count <= WIDE windows over n, behind their frame stages, where the transform begins."""
    cdef vector v[WIDE]
    cdef vector by = atoll_splat(<float>1.0 / <float>n)
    cdef size_t i = 0, k, back = 0
    while i < n:
        for k in range(<size_t>WIDE):
            v[k] = by * wide_window(dtype, centred, weighed, many_at(x, apart, count, k), f,
                                    k if k < count else count - 1, i)
        atoll_turn(v)
        wide_place(v, back, n // 2, tile)
        back = wide_next(back, n // 2)
        i = i + WIDE


cdef bint wide_odd(uint32_t dtype, const uint8_t *x, const frames_of *f, size_t w,
                   size_t n) noexcept nogil:
    """Whether window w has a sample that is not finite."""
    cdef vector odd = atoll_splat(<float>0.0), v
    cdef float bad[WIDE]
    cdef size_t i = 0, k
    while i < n:
        v = wide_window(dtype, f.centred, f.weight != NULL, x, f, w, i)
        odd = odd + (v - v)
        i = i + WIDE
    atoll_store(bad, odd)
    for k in range(1, <size_t>WIDE):
        bad[0] = bad[0] + bad[k]
    return bad[0] != <float>0.0


cdef bint wide_spectra(uint32_t dtype, const uint8_t *x, size_t apart, size_t count, size_t n,
                       frames_of *f, float *power, size_t across) noexcept nogil:
    """Powers of count <= WIDE windows of n samples, each `across` floats from the one before; whether all are
    known to be finite."""
    cdef vector tile[POINTS + 1]
    cdef float total[WIDE]
    cdef uint32_t odd = 0
    cdef size_t i, w
    if f.centred or f.weight != NULL:
        wide_fill(dtype, f.centred, f.weight != NULL, x, apart, count, n, f, tile)
    elif dtype == DTYPE_F32:
        wide_fill(DTYPE_F32, False, False, x, apart, count, n, f, tile)
    else:
        wide_fill(dtype, False, False, x, apart, count, n, f, tile)
    wide_begin(tile, n // 2, f.table)
    atoll_store(total, wide_end(tile, n // 2, f.table))
    for w in range(<size_t>WIDE):
        odd = odd | <uint32_t>((atoll_bits(total[w]) & BITS_MAGNITUDE) >= BITS_INF)
    if f.reader != NULL and not odd:
        sides_take(f.reader, tile, f.side)
    if f.apart or odd:
        wide_powers(tile, n // 2, power, across)
    if not odd:
        return True
    for w in range(count):
        if wide_odd(dtype, x + apart * w, f, w, n):
            for i in range(across * w, across * w + n // 2 + 1):
                power[i] = atoll_float(BITS_NAN)
    return False


cdef size_t psd_many(uint32_t dtype, const void *x, size_t window, const uint32_t *args,
                     float *state) noexcept nogil:
    """The powers of a window's first segments, WIDE at a time, added up in their order; how many."""
    cdef float power[SPECTRA_POWERS]
    cdef float weight[MANY_NUMBERS]
    cdef frames_of f
    cdef stats s
    cdef size_t n = args[0], hop = args[1], bins = args[0] // 2 + 1, done = 0, k, w
    cdef size_t count = (window - n) // hop + 1, apart = hop * dtype_size(dtype), m
    cdef const float *half = state + bins + n
    cdef const uint8_t *at = <const uint8_t *>x
    if dtype == DTYPE_I32 or n > MANY_NUMBERS or n > POINTS or count < MANY_LEAST:
        return 0
    for k in range(n):
        weight[k] = half[k if k <= n // 2 else n - k]
    f.centred = True
    f.apart = True
    f.reader = NULL
    f.weight = weight
    f.table = half + bins
    while done + MANY_LEAST <= count:
        m = count - done if count - done < WIDE else <size_t>WIDE
        for w in range(m):
            stats_take(dtype, at + w * apart, n, NEED_SUM, &s)
            centre_take(&s, at + w * apart, n, &f.middle[w])
        wide_spectra(dtype, at, apart, m, n, &f, power, n // 2 + 8)
        for w in range(m):
            for k in range(bins):
                state[k] = state[k] + power[(n // 2 + 8) * w + k]
        at = at + m * apart
        done = done + m
    return done


cdef bint frames_take(plan *p, frames_of *f, float *weight) noexcept nogil:
    """What the frame stages of a plan are; False where they are others, or the window is too long."""
    cdef operation *op
    cdef uint32_t k, at
    cdef const float *table
    f.centred = False
    f.weight = NULL
    f.table = NULL
    if p.frames == 0 or p.window > POINTS:
        return False
    for k in range(p.frames):
        op = plan_op(p, p.first_frame + k)
        table = <const float *>plan_at(p, op.state_at)
        if op.code == OP_DETREND:
            if k or p.stage_dtype == DTYPE_I32 or (<const uint32_t *>plan_at(p, op.args_at))[0]:
                return False
            f.centred = True
        elif op.code == OP_TAPER:
            if f.weight != NULL or p.window > MANY_NUMBERS:
                return False
            f.weight = weight
            for at in range(p.window):
                weight[at] = table[at if at <= p.window // 2 else p.window - at]
        elif op.code == OP_SPECTRUM and k + 1 == p.frames:
            f.table = table
        else:
            return False
    return f.table != NULL


cdef void readers_take(plan *p, frames_of *f, float *side) noexcept nogil:
    """How the plan's features read the powers: side by side where that can be, others window by window."""
    cdef uint32_t k
    f.side = side
    f.reader = p if p.features and sides_fit(p) else NULL
    f.apart = f.reader == NULL
    for k in range(p.features):
        if not side_reads(plan_op(p, p.first_feature + k)):
            f.apart = True


cdef void spectra_row(plan *p, const float *power, const float *side, float *rows) noexcept nogil:
    """One window's spectrum through features and row stages: what window_run does with it. side: what was
    read side by side, or none."""
    cdef float *row = <float *>plan_at(p, p.row_at)
    if p.reducers == 0:
        rows = rows + <size_t>p.rows * p.width
    if p.features:
        if p.reducers == 0 and p.rowers == 0:
            row = rows
        if side != NULL:
            sides_row(p, power, side, row)
        else:
            window_numbers(p, DTYPE_F32, power, 0, row)
        power = row
    if p.reducers or power != rows:
        row_run(p, power, rows)
    p.rows = p.rows + 1
    p.units = p.units + 1
    place_advance(p, 1)


cdef size_t spectra_many(plan *p, const uint8_t *x, size_t apart, size_t count,
                         float *rows) noexcept nogil:
    """Up to MANY_ROWS windows of a plan with a spectrum; how many, 0 where they go one by one."""
    cdef float weight[MANY_NUMBERS]
    cdef float power[SPECTRA_POWERS]
    cdef float side[SIDE_NUMBERS * WIDE]
    cdef frames_of f
    cdef stats s
    cdef size_t at = 0, w, m, across = p.window // 2 + 8
    cdef bint finite
    if not frames_take(p, &f, weight):
        return 0
    readers_take(p, &f, side)
    while at < count:
        m = count - at if count - at < WIDE else <size_t>WIDE
        for w in range(m if f.centred else <size_t>0):
            stats_take(p.stage_dtype, x + (at + w) * apart, p.window, NEED_SUM, &s)
            centre_take(&s, x + (at + w) * apart, p.window, &f.middle[w])
        finite = wide_spectra(p.stage_dtype, x + at * apart, apart, m, p.window, &f, power, across)
        for w in range(m):
            spectra_row(p, power + across * w, side + w if finite and f.reader != NULL else NULL, rows)
        at = at + m
    return count
