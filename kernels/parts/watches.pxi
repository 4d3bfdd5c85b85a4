# Detectors over many samples, and row models of integers or of a given shape over many rows, where
# there is room (many.pxi says why the bits stay).

cdef enum:
    NETWORK_SIDE = 16  # rows side by side
    NETWORK_WIDE = 64  # numbers between two layers, at most, for that


cdef void threshold_many(watch *s, const float *x, float *out, size_t n, float high,
                         float low) noexcept nogil:
    cdef uint32_t on = s.seen
    cdef size_t i
    for i in range(atoll_switch(x, n, high, low, &on, out), n):
        on = (on & <uint32_t>(not x[i] < low)) | <uint32_t>(x[i] > high)
        out[i] = <float>on if x[i] == x[i] else x[i]
    s.seen = on


cdef bint ewma_settled(watch *s, const float *x, float *out, size_t n, float alpha) noexcept nogil:
    """ewma_step of n <= MANY_ROWS values when the first 1 / alpha have come; False, and nothing done,
    where one is not finite or would take the variance out of range: that stays to the end."""
    cdef float spread[MANY_ROWS]
    cdef float a = s.a, b = s.b, keep = <float>1.0 - alpha, d
    cdef size_t i
    if not <float>1.0 / <float>(s.seen + 1) <= alpha:
        return False
    for i in range(n):
        d = x[i] - a
        out[i] = d
        spread[i] = b
        a = a + alpha * d
        b = keep * (b + (alpha * d) * d)
    if not b < atoll_float(BITS_INF):
        return False
    s.a = a
    s.b = b
    i = 0
    while i + WIDE <= n:
        atoll_store(out + i, atoll_load(out + i) / atoll_root(atoll_load(spread + i)))
        i = i + WIDE
    while i < n:
        out[i] = out[i] / float_root(spread[i])
        i = i + 1
    for i in range(n):
        out[i] = float_pick(spread[i] > <float>0.0, out[i], <float>0.0)
    return True


cdef bint cusum_plain(watch *s, const float *x, float *out, size_t n, float target,
                      float drift) noexcept nogil:
    """cusum_step of n <= MANY_ROWS values; False, and nothing done, where one is not finite."""
    cdef float above[MANY_ROWS]
    cdef float below[MANY_ROWS]
    cdef float a = s.a, b = s.b
    cdef uint32_t most = 0, u
    cdef size_t i
    for i in range(n):
        u = atoll_bits(x[i]) & BITS_MAGNITUDE
        most = u if u > most else most
        above[i] = x[i] - target
        below[i] = target - x[i]
    if most >= BITS_INF:
        return False
    for i in range(n):
        a = atoll_greater((a + above[i]) - drift, <float>0.0)
        b = atoll_greater((b + below[i]) - drift, <float>0.0)
        above[i] = a
        below[i] = b
    for i in range(n):
        out[i] = atoll_greater(above[i], below[i])
    s.a = a
    s.b = b
    return True


cdef void watch_many(uint32_t code, const uint32_t *args, watch *s, const float *x, float *out,
                     size_t n) noexcept nogil:
    """watch_row of n <= MANY_ROWS values of one column."""
    cdef watch w = s[0]
    cdef float first = atoll_float(args[0])
    cdef size_t i
    if code == OP_THRESHOLD:
        threshold_many(&w, x, out, n, first, atoll_float(args[1]))
    elif not ((code == OP_EWMA and ewma_settled(&w, x, out, n, first))
              or (code == OP_CUSUM and cusum_plain(&w, x, out, n, first, atoll_float(args[1])))):
        for i in range(n):
            watch_row(code, args, &w, x + i, out + i)
    s[0] = w


cdef size_t samples_many(plan *p, const uint8_t *x, size_t n, float *rows,
                         size_t room) noexcept nogil:
    """Up to MANY_ROWS samples of one channel through a detector alone; how many, or 0."""
    cdef float value[MANY_ROWS]
    cdef float table[MANY_ROWS]
    cdef operation *op
    if p.channels != 1 or p.up != 1 or p.joint or p.rowers != 1:
        return 0
    op = plan_op(p, p.first_rower)
    if not op_watches(op.code):
        return 0
    if p.reducers == 0 and n > room // p.width - p.rows:
        n = room // p.width - p.rows
    if n > MANY_ROWS:
        n = MANY_ROWS
    frame_load(p.stage_dtype, x, n, value)
    watch_many(op.code, <const uint32_t *>plan_at(p, op.args_at),
               <watch *>plan_at(p, op.state_at), value, table, n)
    many_end(p, table, n, rows)
    return n


cdef void columns_many(uint32_t dtype, const uint8_t *x, size_t apart, size_t count, size_t n,
                       float *out) noexcept nogil:
    """n numbers of WIDE rows: those of one column side by side; beyond the count the last row again."""
    cdef vector v[WIDE]
    cdef size_t j = 0, k
    while j + WIDE <= n:
        for k in range(<size_t>WIDE):
            v[k] = many_load(dtype, many_at(x, apart, count, k), j)
        atoll_turn(v)
        for k in range(<size_t>WIDE):
            atoll_store(out + WIDE * (j + k), v[k])
        j = j + WIDE
    if AVX2 and j + 4 <= n and dtype == DTYPE_I16:
        j = j + atoll_four_i16(x + 2 * j, apart, count, out + WIDE * j)
    elif AVX2 and j + 4 <= n and dtype == DTYPE_F32:
        j = j + atoll_four_f32(x + 4 * j, apart, count, out + WIDE * j)
    while j < n:
        for k in range(<size_t>WIDE):
            out[WIDE * j + k] = sample_float(dtype, many_at(x, apart, count, k), j)
        j = j + 1


cdef void mahalanobis_many(const uint32_t *args, uint32_t dtype, const uint8_t *x, size_t apart,
                           size_t count, float *out) noexcept nogil:
    """mahalanobis_f32 of count <= WIDE rows; infinite or NaN where a row is not finite."""
    cdef float side[GRAM_COLUMNS_MAX * WIDE]
    cdef float far[WIDE]
    cdef vector apart_from[GRAM_COLUMNS_MAX]
    cdef vector total = atoll_splat(<float>0.0), z, odd = total, v
    cdef const float *mean = <const float *>(args + 2)
    cdef const float *at = mean + args[0]
    cdef size_t i, j, n = args[0]
    columns_many(dtype, x, apart, count, n, side)
    for j in range(n):
        v = atoll_load(side + WIDE * j)
        odd = odd + (v - v)
        apart_from[j] = v - atoll_splat(mean[j])
    for i in range(n):
        z = atoll_splat(<float>0.0)
        for j in range(i + 1):
            z = z + atoll_splat(at[j]) * apart_from[j]
        total = total + z * z
        at = at + i + 1
    atoll_store(far, atoll_root(total))
    memcpy(out, far, count * sizeof(float))
    atoll_store(far, odd)
    for i in range(count):
        if far[i] != <float>0.0:
            out[i] = atoll_float(BITS_INF)
            for j in range(n):
                if side[WIDE * j + i] != side[WIDE * j + i]:
                    out[i] = atoll_float(BITS_NAN)


cdef void layer_many(const uint32_t *at, uint32_t inputs, const int16_t *x,
                     int16_t *y) noexcept nogil:
    """A layer of NETWORK_SIDE rows, in pairs (lanes_layer.h), zeros behind the last number."""
    cdef uint32_t k, j, wide = (inputs + 3) >> 2
    cdef int32_t zero = <int32_t>at[2]
    cdef int32_t low = 0 if at[1] else <int32_t>(-128 - zero)
    cdef const uint32_t *one = at + 3
    cdef const uint32_t *weight = one + 3 * at[0]
    cdef output pair[2]
    memset(pair, 0, sizeof(pair))
    for k in range(<uint32_t>((at[0] + 1) >> 1)):
        for j in range(2):
            if 2 * k + j < at[0]:
                pair[j].weight = weight
                pair[j].base = <int32_t>one[0]
                pair[j].by = <int32_t>one[1]
                pair[j].shift = one[2]
                weight = weight + wide
                one = one + 3
        atoll_layer_pair(pair, at[0] - 2 * k, wide, x, low, 127 - zero, y)
        y = y + 2 * NETWORK_SIDE
    memset(y, 0, 2 * NETWORK_SIDE * sizeof(int16_t))


cdef uint32_t some_nan(const float *x, size_t n) noexcept nogil:
    """row_nan of many: all are looked at, by vectors."""
    cdef uint32_t some = 0
    cdef size_t i
    for i in range(n):
        some = some | <uint32_t>(x[i] != x[i])
    return some


cdef void network_rows(uint32_t dtype, const uint8_t *x, size_t apart, size_t count, uint32_t inputs,
                       uint32_t each, float *rows) noexcept nogil:
    """Rows as float, `each` apart, zeros behind the numbers of each."""
    cdef size_t w
    if each != inputs:
        memset(rows, 0, NETWORK_SIDE * NETWORK_WIDE * sizeof(float))
    for w in range(<size_t>NETWORK_SIDE):
        frame_load(dtype, many_at(x, apart, count, w), inputs, rows + each * w)


cdef void network_many(const uint32_t *args, uint32_t dtype, const uint8_t *x, size_t apart,
                       size_t count, float *scores) noexcept nogil:
    """network_scores of count <= NETWORK_SIDE rows; NaN where a row holds one."""
    cdef int16_t first[NETWORK_SIDE * (NETWORK_WIDE + 4)]
    cdef int16_t second[NETWORK_SIDE * (NETWORK_WIDE + 4)]
    cdef float rows[NETWORK_SIDE * NETWORK_WIDE]
    cdef const float *row = rows
    cdef const uint32_t *at = args + NETWORK_HEAD
    cdef int16_t *a = first
    cdef int16_t *b = second
    cdef int16_t *swap
    cdef uint32_t left = args[3], inputs = args[1], each = (args[1] + 15) & ~<uint32_t>15, w, k
    if dtype == DTYPE_F32 and each == inputs and apart == each * sizeof(float) and count == NETWORK_SIDE:
        row = <const float *>x
    else:
        network_rows(dtype, x, apart, count, inputs, each, rows)
    atoll_layer_bytes(row, <size_t>each * NETWORK_SIDE, atoll_float(args[4]), <int32_t>args[5], second)
    atoll_layer_rows(second, each, first)
    while left:
        left = left - 1
        layer_many(at, inputs, a, b)
        k = at[0]
        at = at + layer_words(inputs, k)
        inputs = k
        swap = a
        a = b
        b = swap
    atoll_layer_scores(a, args[2], count, atoll_float(args[6]), scores)
    if not some_nan(row, <size_t>each * count):
        return
    for w in range(<uint32_t>count):
        if row_nan(row + each * w, args[1]):
            for k in range(args[2]):
                scores[w * args[2] + k] = atoll_float(BITS_NAN)
