# Frame stage `detrend`: a window less its mean, or less its least-squares line.


cdef void frame_mean(uint32_t dtype, const void *x, size_t n, float *out) noexcept nogil:
    """detrend mean: x less the window's mean, as float. Integers: less the exact mean."""
    cdef stats s
    cdef size_t i
    cdef int32_t middle
    cdef float rest
    stats_take(dtype, x, n, NEED_SUM, &s)
    if dtype == DTYPE_F32:
        rest = f32_deviation(<const float *>x, n, <float>1.0, s.mean)
        for i in range(n):
            out[i] = ((<const float *>x)[i] - s.mean) - rest
        return
    middle = <int32_t>mean_nearest(s.sum_int, s.n)
    rest = float_ratio(s.sum_int - <int64_t>middle * s.n, s.n)
    if dtype == DTYPE_I16:
        for i in range(n):
            out[i] = <float>((<const int16_t *>x)[i] - middle) - rest
    else:
        for i in range(n):
            out[i] = wide_difference((<const int32_t *>x)[i], middle) - rest


cdef inline void times_start(vector *t, float half) noexcept nogil:
    """0 to 15 less half: times about the middle. They stay exact when 16 is added to them."""
    cdef float lane[LANES]
    cdef size_t j
    for j in range(<size_t>LANES):
        lane[j] = <float>j - half
    for j in range(<size_t>PARTS):
        t[j] = atoll_load(lane + WIDE * j)


cdef void frame_line(float *x, size_t n) noexcept nogil:
    """detrend line, on a window without mean: less its least-squares slope about the middle.

    With t = i - (n - 1) / 2 the slope is sum(t x) / sum(t^2), and sum(t^2) = n (n^2 - 1) / 12.
    """
    cdef vector part[PARTS]
    cdef vector t[PARTS]
    cdef float lane[LANES]
    cdef size_t i = 0, j
    cdef float slope, half = <float>(n - 1) * <float>0.5
    cdef float base = float_ratio(<int64_t>(<uint64_t>n * (<uint64_t>n * n - 1)), 12)
    if n < 2:
        return
    times_start(t, half)
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            part[j] = part[j] + t[j] * atoll_load(x + i + WIDE * j)
            t[j] = t[j] + atoll_splat(<float>LANES)
        i = i + LANES
    lanes_store(lane, part)
    for j in range(n - i):
        lane[j] = lane[j] + (<float>(i + j) - half) * x[i + j]
    slope = lanes_sum(lane) / base
    for i in range(n):
        x[i] = x[i] - (<float><int32_t>i - half) * slope
