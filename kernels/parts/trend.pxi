# Features of a window in order: slope, autocorr. Deviations from the mean as in window.pxi.

cdef struct centre:
    int32_t middle
    float mean
    float rest


cdef void centre_take(const stats *s, const void *x, size_t n, centre *c) noexcept nogil:
    """What deviation_at takes off; the stats must hold the sum."""
    c.middle = 0
    c.mean = s.mean
    if s.dtype == DTYPE_F32:
        c.rest = f32_deviation(<const float *>x, n, <float>1.0, s.mean)
    else:
        c.middle = <int32_t>mean_nearest(s.sum_int, s.n)
        c.rest = float_ratio(s.sum_int - <int64_t>c.middle * s.n, s.n)


cdef inline float deviation_at(const stats *s, const void *x, size_t i,
                               const centre *c) noexcept nogil:
    if s.dtype == DTYPE_F32:
        return ((<const float *>x)[i] - c.mean) - c.rest
    if s.dtype == DTYPE_I16:
        return <float>((<const int16_t *>x)[i] - c.middle) - c.rest
    return wide_difference((<const int32_t *>x)[i], c.middle) - c.rest


cdef float feature_slope(const stats *s, const void *x, size_t n, float rate) noexcept nogil:
    """Least-squares slope a second: sum(t d) / sum(t^2), t about the middle."""
    cdef float lane[LANES]
    cdef centre c
    cdef size_t i, j
    cdef float half = <float>(n - 1) * <float>0.5
    cdef float base = float_ratio(<int64_t>(<uint64_t>n * (<uint64_t>n * n - 1)), 12)
    centre_take(s, x, n, &c)
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    for i in range(n):
        j = i & (LANES - 1)
        lane[j] = lane[j] + (<float>i - half) * deviation_at(s, x, i, &c)
    return (lanes_sum(lane) / base) * rate


cdef float feature_autocorr(const stats *s, const void *x, size_t n, size_t lag) noexcept nogil:
    """sum(d[i] d[i + lag]) over sum(d^2); NaN where the window is constant."""
    cdef float over[LANES]
    cdef float under[LANES]
    cdef centre c
    cdef size_t i, j
    cdef float z, shrink, most = <float>0.0
    centre_take(s, x, n, &c)
    for i in range(n):
        most = atoll_greater(f32_magnitude(deviation_at(s, x, i, &c)), most)
    shrink = spread_scale(most, most)
    for j in range(<size_t>LANES):
        over[j] = <float>0.0
        under[j] = <float>0.0
    for i in range(n):
        j = i & (LANES - 1)
        z = deviation_at(s, x, i, &c) * shrink
        under[j] = under[j] + z * z
        if i + lag < n:
            over[j] = over[j] + z * (deviation_at(s, x, i + lag, &c) * shrink)
    return lanes_sum(over) / lanes_sum(under)
