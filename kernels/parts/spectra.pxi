# Spectra of several windows at a time: each number of the transform is a vector, with one window in
# each of its elements, through the steps of spectrum.pxi in their order.

cdef enum:
    SPECTRA_POWERS = 16896  # bins of a group, on the stack: WIDE (POINTS / 2 + 8) at most


cdef struct wide_turns:
    vector c1
    vector s1
    vector c2
    vector s2


cdef inline void wide_cross(vector *re, vector *im, const wide_turns *w) noexcept nogil:
    """fft_cross."""
    cdef vector br, bi, cr, ci, dr, di, ar, ai, pr, pi
    br = re[1] * w.c1 + im[1] * w.s1
    bi = im[1] * w.c1 - re[1] * w.s1
    dr = re[3] * w.c1 + im[3] * w.s1
    di = im[3] * w.c1 - re[3] * w.s1
    ar = re[0] + br
    ai = im[0] + bi
    br = re[0] - br
    bi = im[0] - bi
    pr = re[2] + dr
    pi = im[2] + di
    dr = re[2] - dr
    di = im[2] - di
    cr = pr * w.c2 + pi * w.s2
    ci = pi * w.c2 - pr * w.s2
    pr = di * w.c2 - dr * w.s2
    pi = -(dr * w.c2 + di * w.s2)
    re[0] = ar + cr
    im[0] = ai + ci
    re[2] = ar - cr
    im[2] = ai - ci
    re[1] = br + pr
    im[1] = bi + pi
    re[3] = br - pr
    im[3] = bi - pi


cdef void wide_early(vector *x, size_t m, size_t h, const float *sine) noexcept nogil:
    """fft_early."""
    cdef size_t run = m // (4 * h), j, k, i, back, bit, step = (2 * m) // (4 * h), quarter = m // 2
    cdef wide_turns w
    cdef vector re[4]
    cdef vector im[4]
    cdef vector *at
    for j in range(h):
        back = 0
        bit = 1
        while bit < h:
            back = 2 * back + <size_t>((j & bit) != 0)
            bit = 2 * bit
        at = x + 2 * back * (m // h)
        w.c1 = atoll_splat(early_cosine(sine, 2 * step * j, quarter))
        w.s1 = atoll_splat(sine[2 * step * j])
        w.c2 = atoll_splat(early_cosine(sine, step * j, quarter))
        w.s2 = atoll_splat(sine[step * j])
        for i in range(run):
            for k in range(4):
                re[k] = at[2 * (((k & 1) * 2 + (k >> 1)) * run + i)]
                im[k] = at[2 * (((k & 1) * 2 + (k >> 1)) * run + i) + 1]
            wide_cross(re, im, &w)
            for k in range(4):
                at[2 * (((k & 1) * 2 + (k >> 1)) * run + i)] = re[k]
                at[2 * (((k & 1) * 2 + (k >> 1)) * run + i) + 1] = im[k]


cdef void wide_reverse(vector *x, size_t n) noexcept nogil:
    """fft_reverse."""
    cdef uint8_t back[256]
    cdef uint32_t half = (bits_length(n) - 1) // 2, side = <uint32_t>1 << half
    cdef size_t stride = n >> half, middle = 0, t, p
    cdef vector v
    back[0] = 0
    for p in range(1, side):
        back[p] = <uint8_t>((back[p >> 1] >> 1) | ((p & 1) << (half - 1)))
    while middle < stride:
        for p in range(side):
            for t in range(p + 1, side):
                v = x[p * stride + middle + back[t]]
                x[p * stride + middle + back[t]] = x[t * stride + middle + back[p]]
                x[t * stride + middle + back[p]] = v
        middle = middle + side


cdef void wide_step(vector *re, vector *im, size_t h, const float *table) noexcept nogil:
    """fft_step."""
    cdef size_t j, k
    cdef wide_turns w
    cdef vector a[4]
    cdef vector b[4]
    for j in range(h):
        w.c2 = atoll_splat(table[j])
        w.s2 = atoll_splat(table[h + j])
        w.c1 = atoll_splat(table[2 * h + j])
        w.s1 = atoll_splat(table[3 * h + j])
        for k in range(4):
            a[k] = re[k * h + j]
            b[k] = im[k * h + j]
        wide_cross(a, b, &w)
        for k in range(4):
            re[k * h + j] = a[k]
            im[k * h + j] = b[k]


cdef void wide_complex(vector *x, size_t m, const float *table) noexcept nogil:
    """fft_complex."""
    cdef size_t h = fft_first(m), i
    cdef const float *sine = table
    cdef vector v
    if h == 2:
        for i in range(m):
            v = x[m + i]
            x[m + i] = x[i] - v
            x[i] = x[i] + v
    while h < m and not fft_late(m, h):
        wide_early(x, m, h, sine)
        h = 4 * h
    wide_reverse(x, 2 * m)
    table = table + m + 1
    while h < m:
        i = 0
        while i < m:
            wide_step(x + i, x + m + i, h, table)
            i = i + 4 * h
        table = table + 4 * h
        h = 4 * h


cdef void wide_split(vector *x, size_t m, const float *sine) noexcept nogil:
    """spectrum_split."""
    cdef size_t k, quarter = m // 2
    cdef vector er = x[0], ei = x[m], dr, di, pr, pi, c, s
    cdef vector half = atoll_splat(<float>0.5)
    cdef const vector *y = x + m
    x[0] = (er + ei) * (er + ei)
    x[m] = (er - ei) * (er - ei)
    for k in range(1, m // 2 + 1):
        er = x[k] + x[m - k]
        ei = y[k] - y[m - k]
        dr = y[k] + y[m - k]
        di = x[m - k] - x[k]
        c = atoll_splat(sine[k + quarter])
        s = atoll_splat(sine[k])
        pr = dr * c + di * s
        pi = di * c - dr * s
        x[m - k] = half * ((er - pr) * (er - pr) + (ei - pi) * (ei - pi))
        x[k] = half * ((er + pr) * (er + pr) + (ei + pi) * (ei + pi))


cdef void wide_powers(const vector *x, size_t n, float *out, size_t apart) noexcept nogil:
    """Numbers 0 .. n - 1 of each window on their own, one window `apart` floats from the other.

    Behind the last of each there is room for WIDE more, and behind those of x as well.
    """
    cdef vector v[WIDE]
    cdef size_t i = 0, k
    while i < n:
        for k in range(<size_t>WIDE):
            v[k] = x[i + k]
        atoll_turn(v)
        for k in range(<size_t>WIDE):
            atoll_store(out + apart * k + i, v[k])
        i = i + WIDE


cdef struct frames_of:
    # What stands before the transform of a group: `detrend mean`, then a taper, each or none.
    bint centred
    const float *weight
    const float *table
    centre middle[WIDE]


cdef void wide_window(uint32_t dtype, const uint8_t *x, const frames_of *f, size_t w, size_t i,
                      vector *v) noexcept nogil:
    """WIDE samples from i on of window w behind its frame stages."""
    if f.centred and dtype == DTYPE_I16:
        v[0] = atoll_load_i16(<const int16_t *>x + i, f.middle[w].middle) - atoll_splat(
            f.middle[w].rest)
    elif f.centred:
        v[0] = (atoll_load(<const float *>x + i) - atoll_splat(f.middle[w].mean)) - atoll_splat(
            f.middle[w].rest)
    else:
        v[0] = many_load(dtype, x, i)
    if f.weight != NULL:
        v[0] = v[0] * atoll_load(f.weight + i)


cdef void wide_spectra(uint32_t dtype, const uint8_t *x, size_t apart, size_t count, size_t n,
                       frames_of *f, float *power, size_t across) noexcept nogil:
    """Powers of count <= WIDE windows of n samples, each `across` floats from the one before."""
    cdef vector tile[POINTS]
    cdef vector odd[WIDE]
    cdef vector v[WIDE]
    cdef float bad[WIDE]
    cdef vector by = atoll_splat(<float>1.0 / <float>n)
    cdef size_t i = 0, k, w
    for k in range(<size_t>WIDE):
        odd[k] = atoll_splat(<float>0.0)
    while i < n:
        for k in range(<size_t>WIDE):
            wide_window(dtype, many_at(x, apart, count, k), f, k if k < count else count - 1, i,
                        v + k)
            odd[k] = odd[k] + (v[k] - v[k])
            v[k] = v[k] * by
        atoll_turn(v)
        for k in range(<size_t>WIDE):
            tile[i + k] = v[k]
        i = i + WIDE
    wide_complex(tile, n // 2, f.table)
    wide_split(tile, n // 2, f.table)
    wide_powers(tile, n // 2 + 1, power, across)
    for w in range(count):
        atoll_store(bad, odd[w])
        for k in range(1, <size_t>WIDE):
            bad[0] = bad[0] + bad[k]
        if bad[0] != <float>0.0:
            for i in range(n // 2 + 1):
                power[across * w + i] = atoll_float(BITS_NAN)


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


cdef void spectra_row(plan *p, const float *power, float *rows) noexcept nogil:
    """One window's spectrum through features and row stages: what window_run does with it."""
    cdef float *row = <float *>plan_at(p, p.row_at)
    if p.reducers == 0:
        rows = rows + <size_t>p.rows * p.width
    if p.features:
        if p.reducers == 0 and p.rowers == 0:
            row = rows
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
    cdef frames_of f
    cdef stats s
    cdef size_t at = 0, w, m, across = p.window // 2 + 8
    if not frames_take(p, &f, weight):
        return 0
    while at < count:
        m = count - at if count - at < WIDE else <size_t>WIDE
        for w in range(m if f.centred else <size_t>0):
            stats_take(p.stage_dtype, x + (at + w) * apart, p.window, NEED_SUM, &s)
            centre_take(&s, x + (at + w) * apart, p.window, &f.middle[w])
        wide_spectra(p.stage_dtype, x + at * apart, apart, m, p.window, &f, power, across)
        for w in range(m):
            spectra_row(p, power + across * w, rows)
        at = at + m
    return count
