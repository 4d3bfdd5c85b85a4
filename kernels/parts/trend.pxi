# Features of a window in order: slope, autocorr. Deviations from the mean as in central.pxi.

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


cdef inline void deviations(const stats *s, const void *x, size_t i, const centre *c,
                            vector *z) noexcept nogil:
    """Of the LANES samples from i on."""
    cdef float near[LANES]
    cdef vector rest = atoll_splat(c.rest), mean = atoll_splat(c.mean)
    cdef size_t j
    if s.dtype == DTYPE_F32:
        for j in range(<size_t>PARTS):
            z[j] = (atoll_load(<const float *>x + i + WIDE * j) - mean) - rest
        return
    if WIDE > 1 and s.dtype == DTYPE_I16:
        for j in range(<size_t>PARTS):
            z[j] = atoll_load_i16(<const int16_t *>x + i + WIDE * j, c.middle) - rest
        return
    for j in range(<size_t>LANES):
        if s.dtype == DTYPE_I16:
            near[j] = <float>((<const int16_t *>x)[i + j] - c.middle)
        else:
            near[j] = wide_difference((<const int32_t *>x)[i + j], c.middle)
    for j in range(<size_t>PARTS):
        z[j] = atoll_load(near + WIDE * j) - rest


cdef float feature_slope(const stats *s, const void *x, size_t n, float rate) noexcept nogil:
    """Least-squares slope a second: sum(t d) / sum(t^2), t about the middle."""
    cdef vector part[PARTS]
    cdef vector t[PARTS]
    cdef vector z[PARTS]
    cdef float lane[LANES]
    cdef centre c
    cdef size_t i = 0, j
    cdef float half = <float>(n - 1) * <float>0.5
    cdef float base = float_ratio(<int64_t>(<uint64_t>n * (<uint64_t>n * n - 1)), 12)
    centre_take(s, x, n, &c)
    times_start(t, half)
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        deviations(s, x, i, &c, z)
        for j in range(<size_t>PARTS):
            part[j] = part[j] + t[j] * z[j]
            t[j] = t[j] + atoll_splat(<float>LANES)
        i = i + LANES
    lanes_store(lane, part)
    for j in range(n - i):
        lane[j] = lane[j] + (<float>(i + j) - half) * deviation_at(s, x, i + j, &c)
    return (lanes_sum(lane) / base) * rate


cdef float deviation_peak(const stats *s, const void *x, size_t n, const centre *c) noexcept nogil:
    """The largest magnitude."""
    cdef vector high[PARTS]
    cdef vector z[PARTS]
    cdef vector none = atoll_splat(<float>0.0)
    cdef float lane[LANES]
    cdef float most = <float>0.0
    cdef size_t i = 0, j
    for j in range(<size_t>PARTS):
        high[j] = none
    while i + LANES <= n:
        deviations(s, x, i, c, z)
        for j in range(<size_t>PARTS):
            high[j] = atoll_most(z[j], high[j])
            high[j] = atoll_most(none - z[j], high[j])
        i = i + LANES
    lanes_store(lane, high)
    for j in range(n - i):
        most = atoll_greater(f32_magnitude(deviation_at(s, x, i + j, c)), most)
    for j in range(<size_t>LANES):
        most = atoll_greater(lane[j], most)
    return most


cdef float feature_autocorr(const stats *s, const void *x, size_t n, size_t lag) noexcept nogil:
    """sum(d[i] d[i + lag]) over sum(d^2); NaN where the window is constant."""
    cdef vector overs[PARTS]
    cdef vector unders[PARTS]
    cdef vector y[PARTS]
    cdef vector z[PARTS]
    cdef vector down
    cdef float over[LANES]
    cdef float under[LANES]
    cdef centre c
    cdef size_t i, j, m = 0
    cdef float shrink, v
    centre_take(s, x, n, &c)
    v = deviation_peak(s, x, n, &c)
    shrink = spread_scale(v, v)
    down = atoll_splat(shrink)
    for j in range(<size_t>PARTS):
        overs[j] = atoll_splat(<float>0.0)
        unders[j] = overs[j]
    while m + lag + LANES <= n:
        deviations(s, x, m, &c, z)
        deviations(s, x, m + lag, &c, y)
        for j in range(<size_t>PARTS):
            z[j] = z[j] * down
            unders[j] = unders[j] + z[j] * z[j]
            overs[j] = overs[j] + z[j] * (y[j] * down)
        m = m + LANES
    lanes_store(over, overs)
    lanes_store(under, unders)
    for i in range(m, n):
        j = i & (LANES - 1)
        v = deviation_at(s, x, i, &c) * shrink
        under[j] = under[j] + v * v
        if i + lag < n:
            over[j] = over[j] + v * (deviation_at(s, x, i + lag, &c) * shrink)
    return lanes_sum(over) / lanes_sum(under)
