# The logarithm, our own as all functions beyond sqrtf (docs/numerics.md), and spectral entropy.


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


cdef float feature_entropy(const float *p, size_t n) noexcept nogil:
    """Entropy of the shares of n powers, over log2 n; NaN where there is no power."""
    cdef float lane[LANES]
    cdef size_t k, j
    cdef float by = <float>1.0, total = f32_sum(p, n, <float>1.0), q
    if total > float_power(100):
        by = float_power(-64)
    elif total < float_power(-100):
        by = float_power(100)
    if by != <float>1.0:
        total = f32_sum(p, n, by)
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    for k in range(n):
        j = k & (LANES - 1)
        q = (p[k] * by) / total
        if q != <float>0.0:
            lane[j] = lane[j] + q * log2_f32(q)
    return (<float>0.0 - lanes_sum(lane)) / log2_f32(<float>n)
