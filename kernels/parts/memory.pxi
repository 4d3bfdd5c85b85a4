# Sample stages with finite memory beyond one sample: fir, decimate, median.
#
# Each gives its first output when its memory is full.

cdef enum:
    TAPS_MAX = 512
    FIR_LANES = 32  # outputs at a time: their sums stay in registers
    MEDIAN_MAX = 63
    DECIMATE_MAX = 4096

cdef struct line:
    uint32_t filled
    uint32_t next
    sample_bits value[1]  # fir: taps - 1 + CHUNK floats; median: keys as they came, then sorted


cdef size_t fir_size(uint32_t taps) noexcept nogil:
    return sizeof(line) + sizeof(float) * <size_t>(taps - 2 + CHUNK)


cdef size_t fir_f32(line *s, const uint32_t *tap, uint32_t taps, float *x, size_t n) noexcept nogil:
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


cdef size_t decimate_any(delay *s, uint32_t by, uint32_t *x, size_t n) noexcept nogil:
    """Every by-th sample, from the first; the samples are only moved."""
    cdef size_t i, out = 0
    for i in range(n):
        if s.filled == 0:
            x[out] = x[i]
            out = out + 1
        s.filled = s.filled + 1
        if s.filled == by:
            s.filled = 0
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


cdef inline float key_float(int32_t key) noexcept nogil:
    """The float of an ordered key (sketch.pxi)."""
    if key < 0:
        return atoll_float(<uint32_t>(-1 - key) | (<uint32_t>1 << 31))
    return atoll_float(<uint32_t>key)


cdef size_t median_i32(line *s, uint32_t width, int32_t *x, size_t n) noexcept nogil:
    cdef size_t i, out = 0
    cdef int32_t middle
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
    for i in range(n):
        middle = median_next(s, width, float_key(float_plain(x[i])))
        if s.filled == width:
            x[out] = key_float(middle)
            out = out + 1
    return out
