# The logarithm, our own as all functions beyond sqrtf (docs/numerics.md), and spectral entropy.

cdef enum:
    ENTROPY_MANY = 4097  # bins at a time: the spectrum of 8,192 samples


cdef float log2_f32(float x) noexcept nogil:
    """log2 x for x > 0, within 2^-22 of the larger of 1 and its magnitude; inf and NaN stay.

    The mantissa is brought within sqrt(1/2) .. sqrt(2); of s = (m - 1) / (m + 1) the series of
    2 atanh(s) / ln 2 ends at s^9: what is left out is below 2^-28 of the result.
    """
    cdef int32_t e = -127
    cdef uint32_t u
    cdef float m, s, q, y
    if x < float_power(-126):
        x = x * float_power(24)
        e = e - 24
    u = atoll_bits(x)
    if u >= BITS_INF:
        return x
    e = e + <int32_t>(u >> 23)
    m = atoll_float((u & 0x7FFFFF) | 0x3F800000)
    if m > <float>1.41421356:
        m = m * <float>0.5
        e = e + 1
    s = (m - <float>1.0) / (m + <float>1.0)
    q = s * s
    y = <float>0.32059890 * q + <float>0.41219859
    y = y * q + <float>0.57707802
    y = y * q + <float>0.96179669
    y = y * q + <float>2.88539008
    return <float>e + y * s


cdef float entropy_many(const float *p, size_t n, float by, float total) noexcept nogil:
    """The sum of q log2 q of n shares, by vectors: log2_f32 without a branch. Shares of 0 add 0, which
    no lane can tell from nothing: none is ever -0."""
    cdef float term[ENTROPY_MANY]
    cdef int32_t e
    cdef uint32_t u
    cdef float x, m, s, q, y
    cdef size_t k
    for k in range(n):
        x = (p[k] * by) / total
        e = -127 - 24 * <int32_t>(x < float_power(-126))
        u = atoll_bits(float_pick(x < float_power(-126), x * float_power(24), x))
        e = e + <int32_t>(u >> 23)
        m = atoll_float((u & 0x7FFFFF) | 0x3F800000)
        e = e + <int32_t>(m > <float>1.41421356)
        m = float_pick(m > <float>1.41421356, m * <float>0.5, m)
        s = (m - <float>1.0) / (m + <float>1.0)
        q = s * s
        y = <float>0.32059890 * q + <float>0.41219859
        y = y * q + <float>0.57707802
        y = y * q + <float>0.96179669
        y = y * q + <float>2.88539008
        y = x * float_pick(u >= BITS_INF, x, <float>e + y * s)
        term[k] = float_pick(x != <float>0.0, y, <float>0.0)
    return f32_sum(term, n, <float>1.0)


cdef inline float entropy_scale(float total) noexcept nogil:
    """What powers of this sum are multiplied by, so that their shares are in range."""
    if total > float_power(100):
        return float_power(-64)
    return float_power(100) if total < float_power(-100) else <float>1.0


cdef float feature_entropy(const float *p, size_t n) noexcept nogil:
    """Entropy of the shares of n powers, over log2 n; NaN where there is no power."""
    cdef float lane[LANES]
    cdef size_t k, j
    cdef float total = f32_sum(p, n, <float>1.0), by = entropy_scale(total), q
    if by != <float>1.0:
        total = f32_sum(p, n, by)
    if ROOMY and n <= ENTROPY_MANY:
        return (<float>0.0 - entropy_many(p, n, by, total)) / log2_f32(<float>n)
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    for k in range(n):
        j = k & (LANES - 1)
        q = (p[k] * by) / total
        if q != <float>0.0:
            lane[j] = lane[j] + q * log2_f32(q)
    return (<float>0.0 - lanes_sum(lane)) / log2_f32(<float>n)
