# Sample stages with finite memory beyond one sample: fir, decimate, median.
#
# Each gives its first output when its memory is full.

cdef enum:
    TAPS_MAX = 512
    FIR_LANES = 32  # outputs at a time: their sums stay in registers
    FIR_VECTORS = 8
    MEDIAN_MAX = 63
    MEDIAN_LANES = 16  # medians at a time, where there is room for it
    MEDIAN_KEPT = 33  # MEDIAN_MAX // 2 + 2
    DECIMATE_MAX = 4096

cdef struct line:
    uint32_t filled
    uint32_t next
    sample_bits value[1]  # fir: taps - 1 + CHUNK floats; median: keys as they came, then sorted


cdef size_t fir_size(uint32_t taps) noexcept nogil:
    return sizeof(line) + sizeof(float) * <size_t>(taps - 2 + CHUNK)


cdef size_t fir_f32(line *s, const uint32_t *tap, uint32_t taps, float *x, size_t n) noexcept nogil:
    """As many samples at a time as the memory holds; the outputs stand in front in x."""
    cdef size_t at = 0, m, given = 0, outputs
    while at < n:
        m = n - at if n - at < CHUNK else <size_t>CHUNK
        outputs = fir_chunk(s, tap, taps, x + at, m)
        if given != at:
            memmove(x + given, x + at, outputs * sizeof(float))
        given = given + outputs
        at = at + m
    return given


cdef size_t fir_chunk(line *s, const uint32_t *tap, uint32_t taps, float *x,
                      size_t n) noexcept nogil:
    """Sum of tap[k] x[i - k], k rising, for each i whose taps all lie on samples."""
    cdef float *held = &s.value[0].f
    cdef size_t i, j, k, outputs, keep = taps - 1
    cdef float h
    cdef float y[FIR_LANES]
    memcpy(held + s.filled, x, n * sizeof(float))
    n = n + s.filled
    if n < taps:
        s.filled = <uint32_t>n
        return 0
    outputs = n - keep
    i = atoll_fast_fir(held, tap, taps, x, outputs)
    if WIDE > 1:
        i = fir_wide(held, tap, taps, x, outputs)
    while i + FIR_LANES <= outputs:
        h = atoll_float(tap[0])
        for j in range(<size_t>FIR_LANES):
            y[j] = h * held[i + j + keep]
        for k in range(1, taps):
            h = atoll_float(tap[k])
            for j in range(<size_t>FIR_LANES):
                y[j] = y[j] + h * held[i + j + keep - k]
        for j in range(<size_t>FIR_LANES):
            x[i + j] = y[j]
        i = i + FIR_LANES
    while i < outputs:
        y[0] = atoll_float(tap[0]) * held[i + keep]
        for k in range(1, taps):
            y[0] = y[0] + atoll_float(tap[k]) * held[i + keep - k]
        x[i] = y[0]
        i = i + 1
    memmove(held, held + outputs, keep * sizeof(float))
    s.filled = <uint32_t>keep
    return outputs


cdef size_t fir_wide(const float *held, const uint32_t *tap, uint32_t taps, float *x,
                     size_t outputs) noexcept nogil:
    """FIR_VECTORS vectors of outputs at a time, whose sums stay in registers; how many outputs."""
    cdef vector y[FIR_VECTORS]
    cdef vector h
    cdef const float *at
    cdef size_t i = 0, j, k
    while i + FIR_VECTORS * WIDE <= outputs:
        at = held + i + (taps - 1)
        h = atoll_splat(atoll_float(tap[0]))
        for j in range(<size_t>FIR_VECTORS):
            y[j] = h * atoll_load(at + WIDE * j)
        for k in range(1, taps):
            h = atoll_splat(atoll_float(tap[k]))
            at = at - 1
            for j in range(<size_t>FIR_VECTORS):
                y[j] = y[j] + h * atoll_load(at + WIDE * j)
        for j in range(<size_t>FIR_VECTORS):
            atoll_store(x + i + WIDE * j, y[j])
        i = i + FIR_VECTORS * WIDE
    return i


cdef size_t decimate_any(delay *s, uint32_t by, uint32_t *x, size_t n) noexcept nogil:
    """Every by-th sample, from the first; the samples are only moved."""
    cdef size_t i = by - s.filled if s.filled else 0, out = 0
    s.filled = <uint32_t>((s.filled + n) % by)
    while i < n:
        x[out] = x[i]
        out = out + 1
        i = i + by
    return out


cdef size_t median_size(uint32_t width) noexcept nogil:
    return sizeof(line) + sizeof(int32_t) * <size_t>(2 * width - 1)


cdef int32_t median_next(line *s, uint32_t width, int32_t key) noexcept nogil:
    """Take a key in place of the oldest; the middle one, once `width` have come."""
    cdef sample_bits *recent = &s.value[0]
    cdef sample_bits *ordered = &s.value[width]
    cdef uint32_t k
    if s.filled == width:
        k = 0
        while k < width - 1 and ordered[k].i != recent[s.next].i:
            k = k + 1
        while k < width - 1:
            ordered[k].i = ordered[k + 1].i
            k = k + 1
        s.filled = width - 1
    k = s.filled
    while k > 0 and ordered[k - 1].i > key:
        ordered[k].i = ordered[k - 1].i
        k = k - 1
    ordered[k].i = key
    s.filled = s.filled + 1
    recent[s.next].i = key
    s.next = s.next + 1
    if s.next == width:
        s.next = 0
    return ordered[width // 2].i


cdef inline void median_exchange(int32_t *a, int32_t *b) noexcept nogil:
    """By lane the smaller into a, the larger into b."""
    cdef size_t j
    cdef int32_t low, high
    for j in range(<size_t>MEDIAN_LANES):
        low = a[j] if a[j] < b[j] else b[j]
        high = a[j] if a[j] > b[j] else b[j]
        a[j] = low
        b[j] = high


cdef void median_lanes(const int32_t *key, uint32_t width, int32_t *out) noexcept nogil:
    """MEDIAN_LANES medians, the first of key[0 .. width - 1]: forgetful selection, by lane.

    Of half the values and two the least and the largest cannot be the median: they are dropped, one
    value more is taken in, until one is left (A. W. Paeth, "Median finding on a 3x3 grid", 1990).
    """
    cdef int32_t kept[MEDIAN_KEPT * MEDIAN_LANES]
    cdef uint32_t held = width // 2 + 2, next = held, i
    cdef size_t row = MEDIAN_LANES * sizeof(int32_t)
    cdef int32_t *last
    for i in range(held):
        memcpy(kept + MEDIAN_LANES * i, key + i, row)
    while held > 2:
        last = kept + MEDIAN_LANES * (held - 1)
        for i in range(<uint32_t>(held // 2)):
            median_exchange(kept + MEDIAN_LANES * i, last - MEDIAN_LANES * i)
        for i in range(1, <uint32_t>((held + 1) // 2)):
            median_exchange(kept, kept + MEDIAN_LANES * i)
        for i in range(<uint32_t>(held // 2), <uint32_t>(held - 1)):
            median_exchange(kept + MEDIAN_LANES * i, last)
        held = held - 1
        if next < width:
            memcpy(kept, key + next, row)
            next = next + 1
    memcpy(out, kept + MEDIAN_LANES, row)


cdef inline int32_t i32_lesser(int32_t a, int32_t b) noexcept nogil:
    return a if a < b else b


cdef inline int32_t i32_greater(int32_t a, int32_t b) noexcept nogil:
    return a if a > b else b


cdef inline int32_t middle_of(int32_t a, int32_t b, int32_t c) noexcept nogil:
    """The median of three."""
    return i32_greater(i32_lesser(a, b), i32_lesser(i32_greater(a, b), c))


cdef void median_short(const int32_t *key, uint32_t width, int32_t *out, size_t n) noexcept nogil:
    """n medians of three or five. Of five, neither the least nor the largest of four is the median:
    the larger of both pairs' lesser ones, the lesser of their larger ones and the fifth decide."""
    cdef size_t i
    if width == 3:
        for i in range(n):
            out[i] = middle_of(key[i], key[i + 1], key[i + 2])
        return
    for i in range(n):
        out[i] = middle_of(
            i32_greater(i32_lesser(key[i], key[i + 1]), i32_lesser(key[i + 2], key[i + 3])),
            i32_lesser(i32_greater(key[i], key[i + 1]), i32_greater(key[i + 2], key[i + 3])), key[i + 4])


cdef void median_keep(line *s, uint32_t width, const int32_t *key, size_t n) noexcept nogil:
    """The memory after n >= width keys, as median_next leaves it."""
    cdef sample_bits *recent = &s.value[0]
    cdef sample_bits *ordered = &s.value[width]
    cdef uint32_t k, filled
    cdef int32_t v
    s.next = <uint32_t>((s.next + (n - width)) % width)
    for filled in range(width):
        v = key[n - width + filled]
        recent[s.next].i = v
        s.next = s.next + 1
        if s.next == width:
            s.next = 0
        k = filled
        while k > 0 and ordered[k - 1].i > v:
            ordered[k].i = ordered[k - 1].i
            k = k - 1
        ordered[k].i = v
    s.filled = width


cdef size_t median_many(line *s, uint32_t width, int32_t *x, size_t n) noexcept nogil:
    """width <= n <= RUN keys, in place."""
    cdef int32_t key[MEDIAN_MAX + RUN + MEDIAN_LANES]
    cdef size_t have = s.filled if s.filled < width else <size_t>(width - 1), i, outputs
    cdef uint32_t at = 0
    if s.filled == width:
        at = s.next + 1
    for i in range(have):
        if at >= width:
            at = 0
        key[i] = s.value[at].i
        at = at + 1
    memcpy(key + have, x, n * sizeof(int32_t))
    memset(key + have + n, 0, MEDIAN_LANES * sizeof(int32_t))
    median_keep(s, width, key + have, n)
    outputs = have + n - (width - 1)
    if width <= 5:
        median_short(key, width, x, outputs)
        return outputs
    i = 0
    while i + MEDIAN_LANES <= outputs:
        median_lanes(key + i, width, x + i)
        i = i + MEDIAN_LANES
    if i < outputs:
        median_rest(key + i, width, x + i, outputs - i)
    return outputs


cdef void median_rest(const int32_t *key, uint32_t width, int32_t *out, size_t n) noexcept nogil:
    """The first n < MEDIAN_LANES of median_lanes."""
    cdef int32_t lane[MEDIAN_LANES]
    median_lanes(key, width, lane)
    memcpy(out, lane, n * sizeof(int32_t))


cdef inline float key_float(int32_t key) noexcept nogil:
    """The float of an ordered key (sketch.pxi)."""
    if key < 0:
        return atoll_float(<uint32_t>(-1 - key) | (<uint32_t>1 << 31))
    return atoll_float(<uint32_t>key)


cdef size_t median_i32(line *s, uint32_t width, int32_t *x, size_t n) noexcept nogil:
    cdef size_t i, out = 0
    cdef int32_t middle
    if ROOMY and width <= n <= RUN:
        return median_many(s, width, x, n)
    for i in range(n):
        middle = median_next(s, width, x[i])
        if s.filled == width:
            x[out] = middle
            out = out + 1
    return out


cdef size_t median_f32(line *s, uint32_t width, float *x, size_t n) noexcept nogil:
    """NaN stands above infinity, whatever its sign: machines differ in the sign of inf - inf."""
    cdef size_t i, out = 0
    cdef int32_t middle
    cdef int32_t key[RUN]
    if ROOMY and width <= n <= RUN:
        for i in range(n):
            middle = f32_order(float_plain(x[i]))
            key[i] = middle + <int32_t>(middle == -1)  # -0
        out = median_many(s, width, key, n)
        for i in range(out):
            x[i] = atoll_float(<uint32_t>(key[i] ^ ((key[i] >> 31) & I32_MAX)))
        return out
    for i in range(n):
        middle = median_next(s, width, float_key(float_plain(x[i])))
        if s.filled == width:
            x[out] = key_float(middle)
            out = out + 1
    return out
