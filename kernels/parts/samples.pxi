# Sample stages: samples in, samples out, in place on a chunk of at most CHUNK of them.
#
# Integer streams are computed in int32 and saturate; float streams follow IEEE 754. A stage that
# remembers (diff) gives its first output when its memory is full, so that a stage's output does
# not depend on what stood before the stream.

cdef enum:
    CHUNK = 128

cdef union sample_bits:
    int32_t i
    float f

cdef struct delay:
    uint32_t filled
    sample_bits last


cdef inline int32_t saturate(int64_t x) noexcept nogil:
    if x > I32_MAX:
        return I32_MAX
    if x < I32_MIN:
        return I32_MIN
    return <int32_t>x


cdef int32_t bound_i32(float x, bint lower) noexcept nogil:
    """The first integer at or above x (lower) or the last at or below it (upper), saturated."""
    cdef int64_t whole
    if x >= float_power(31):
        return I32_MAX
    if x < -float_power(31):
        return I32_MIN
    whole = float_whole(x)
    if lower and <float>whole < x:
        whole = whole + 1
    if not lower and <float>whole > x:
        whole = whole - 1
    return saturate(whole)


cdef void abs_i32(int32_t *x, size_t n) noexcept nogil:
    """Without a branch: y is |x|, and the smallest int32, whose y is itself, loses its sign."""
    cdef size_t i
    cdef uint32_t sign, y
    for i in range(atoll_fast_abs_i32(x, n), n):
        sign = <uint32_t>(x[i] >> 31)
        y = (<uint32_t>x[i] ^ sign) - sign
        x[i] = <int32_t>(y - (y >> 31))


cdef void abs_f32(float *x, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(atoll_fast_abs_f32(x, n), n):
        x[i] = f32_magnitude(x[i])


cdef void clip_i32(int32_t *x, size_t n, float low, float high) noexcept nogil:
    cdef size_t i
    cdef int32_t least = bound_i32(low, True), most = bound_i32(high, False)
    cdef int32_t v
    for i in range(atoll_fast_clip_i32(x, n, least, most), n):
        v = x[i]
        v = least if v < least else v
        x[i] = most if v > most else v


cdef void clip_f32(float *x, size_t n, float low, float high) noexcept nogil:
    """NaN stays NaN."""
    cdef size_t i
    cdef float v
    for i in range(n):
        v = atoll_greater(low, x[i])
        x[i] = atoll_lesser(high, v)


cdef void scale_i32(const int32_t *x, float *out, size_t n, float by, float add) noexcept nogil:
    cdef size_t i
    for i in range(atoll_fast_scale_i32(x, out, n, by, add), n):
        out[i] = <float>x[i] * by + add


cdef void scale_f32(float *x, size_t n, float by, float add) noexcept nogil:
    cdef size_t i
    for i in range(n):
        x[i] = x[i] * by + add


cdef inline int32_t less_saturated(int32_t b, int32_t a) noexcept nogil:
    """b - a without a branch: where signs differ and the sign of b is lost, the bound of b."""
    cdef int32_t d = <int32_t>(<uint32_t>b - <uint32_t>a)
    cdef int32_t lost = ((a ^ b) & (b ^ d)) >> 31
    return (d & ~lost) | (lost & (I32_MAX ^ (b >> 31)))


cdef size_t diff_back_i32(delay *s, int32_t *x, size_t n) noexcept nogil:
    """From the last to the first, so that nothing is moved afterwards: in vectors the faster way."""
    cdef size_t i
    cdef int32_t last = x[n - 1]
    for i in range(n - 1, 0, -1):
        x[i] = less_saturated(x[i], x[i - 1])
    x[0] = less_saturated(x[0], s.last.i)
    s.last.i = last
    return diff_given(s, <uint32_t *>x, n)


cdef size_t diff_back_f32(delay *s, float *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef float last = x[n - 1]
    for i in range(n - 1, 0, -1):
        x[i] = x[i] - x[i - 1]
    x[0] = x[0] - s.last.f
    s.last.f = last
    return diff_given(s, <uint32_t *>x, n)


cdef inline size_t diff_given(delay *s, uint32_t *x, size_t n) noexcept nogil:
    """A stream's first sample has none before it, and gives nothing."""
    if s.filled:
        return n
    s.filled = 1
    memmove(x, x + 1, (n - 1) * sizeof(uint32_t))
    return n - 1


cdef size_t diff_i32(delay *s, int32_t *x, size_t n) noexcept nogil:
    """Saturated without a branch: where signs differ and the sign of b is lost, the bound of b."""
    cdef size_t i
    cdef int32_t last, a, b, d, lost
    if n == 0:
        return 0
    if ROOMY:
        return diff_back_i32(s, x, n)
    last = x[n - 1]
    a = x[0]
    for i in range(atoll_fast_diff_i32(x, n - 1), n - 1):
        b = x[i + 1]
        d = <int32_t>(<uint32_t>b - <uint32_t>x[i])
        lost = ((x[i] ^ b) & (b ^ d)) >> 31
        x[i] = (d & ~lost) | (lost & (I32_MAX ^ (b >> 31)))
    if s.filled:
        memmove(x + 1, x, (n - 1) * sizeof(int32_t))
        x[0] = saturate(<int64_t>a - s.last.i)
        n = n + 1
    s.last.i = last
    s.filled = 1
    return n - 1


cdef size_t diff_f32(delay *s, float *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef float first, last
    if n == 0:
        return 0
    if ROOMY:
        return diff_back_f32(s, x, n)
    first = x[0]
    last = x[n - 1]
    for i in range(atoll_fast_diff_f32(x, n - 1), n - 1):
        x[i] = x[i + 1] - x[i]
    if s.filled:
        memmove(x + 1, x, (n - 1) * sizeof(float))
        x[0] = first - s.last.f
        n = n + 1
    s.last.f = last
    s.filled = 1
    return n - 1
