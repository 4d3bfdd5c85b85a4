# One window's statistics and the features made of them.
#
# Integer windows: sums, squares and extremes are exact integers; mean and rms are rounded once.
# Float windows: 16 lanes (sample i in lane i mod 16) and a fixed tree, so that SIMD and scalar
# code give the same bits; a power of two in front keeps squares from overflow and underflow.
# Central moments take the deviations from the mean, scaled by a power of two below 1, so that
# nothing cancels and no fourth power leaves the range.
# A NaN in a window makes every feature of it NaN.

cdef enum:
    LANES = 16
    # Magnitudes 2^-50..2^50 square and sum in range as they are; sums of squares below 2^100 come
    # of nothing larger, and those above 2^-100 owe nothing that counts to terms below 2^-126.
    PLAIN_EXPONENT = 50
    PLAIN_SQUARES = 100

cdef enum:
    NEED_SUM = 1
    NEED_SQUARES = 2
    NEED_EXTREMA = 4
    NEED_CENTRAL = 8

cdef struct stats:
    uint32_t n
    uint32_t dtype
    uint32_t bad  # 1 where the window holds a NaN
    float scale  # the power of two that brings the deviations in range
    int64_t sum_int
    uint64_t squares_low  # sum of squares = low + 2^32 high
    uint64_t squares_high
    int32_t low_int
    int32_t high_int
    float sum
    float squares
    float low
    float high
    float mean
    float root  # of the mean square
    float m2  # sums of the 2nd to 4th powers of the scaled deviations
    float m3
    float m4


cdef inline float lanes_sum(const float *lane) noexcept nogil:
    """The fixed tree: halves added to halves, 16 to 8 to 4 to 2 to 1."""
    cdef float a[8]
    cdef size_t j
    for j in range(8):
        a[j] = lane[j] + lane[j + 8]
    for j in range(4):
        a[j] = a[j] + a[j + 4]
    return (a[0] + a[2]) + (a[1] + a[3])


cdef float f32_sum(const float *x, size_t n, float scale) noexcept nogil:
    cdef float lane[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            lane[j] = lane[j] + x[i + j] * scale
        i = i + LANES
    for j in range(n - i):
        lane[j] = lane[j] + x[i + j] * scale
    return lanes_sum(lane)


cdef float f32_squares(const float *x, size_t n, float scale) noexcept nogil:
    cdef float lane[LANES]
    cdef float v
    cdef size_t i = 0, j
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            v = x[i + j] * scale
            lane[j] = lane[j] + v * v
        i = i + LANES
    for j in range(n - i):
        v = x[i + j] * scale
        lane[j] = lane[j] + v * v
    return lanes_sum(lane)


cdef void f32_extrema(const float *x, size_t n, stats *s) noexcept nogil:
    """Smallest, largest, and whether one is NaN, by their bits: cheap without an FPU as well."""
    cdef int32_t low, high
    s.bad = <uint32_t>f32_bounds(x, n, &low, &high)
    s.low = atoll_float(<uint32_t>(low ^ ((low >> 31) & I32_MAX)))
    s.high = atoll_float(<uint32_t>(high ^ ((high >> 31) & I32_MAX)))


cdef inline float f32_magnitude(float x) noexcept nogil:
    return atoll_float(atoll_bits(x) & BITS_MAGNITUDE)


cdef inline float stats_peak(const stats *s) noexcept nogil:
    return atoll_greater(f32_magnitude(s.low), f32_magnitude(s.high))


cdef float scale_for(float peak) noexcept nogil:
    """1 where squares are safe, else the power of two that brings `peak` near 1."""
    cdef int32_t e = float_exponent(peak)
    if e == 128 or peak == <float>0.0 or -PLAIN_EXPONENT <= e <= PLAIN_EXPONENT:
        return <float>1.0
    if e < -126:
        e = -126
    if e > 126:
        e = 126
    return float_power(-e)


cdef void central_f32(const float *x, size_t n, float first, stats *s) noexcept nogil:
    """Powers of (x scale - mean - first) times a power of two that brings them below 1.

    `first` is what the mean still lacks: the mean of the deviations from it.
    """
    cdef float p2[LANES]
    cdef float p3[LANES]
    cdef float p4[LANES]
    cdef float scale = s.scale, mean = s.mean * s.scale, z, q, shrink
    cdef size_t i = 0, j
    shrink = spread_scale(s.high * scale - mean, mean - s.low * scale)
    for j in range(<size_t>LANES):
        p2[j] = <float>0.0
        p3[j] = <float>0.0
        p4[j] = <float>0.0
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            z = ((x[i + j] * scale - mean) - first) * shrink
            q = z * z
            p2[j] = p2[j] + q
            p3[j] = p3[j] + q * z
            p4[j] = p4[j] + q * q
        i = i + LANES
    for j in range(n - i):
        z = ((x[i + j] * scale - mean) - first) * shrink
        q = z * z
        p2[j] = p2[j] + q
        p3[j] = p3[j] + q * z
        p4[j] = p4[j] + q * q
    s.m2 = lanes_sum(p2)
    s.m3 = lanes_sum(p3)
    s.m4 = lanes_sum(p4)


cdef float spread_scale(float above, float below) noexcept nogil:
    """The power of two that brings the larger deviation into [0.5, 1)."""
    cdef float far = atoll_greater(f32_magnitude(above), f32_magnitude(below))
    cdef int32_t e = float_exponent(far)
    if e == 128 or far == <float>0.0:
        return <float>1.0
    if e < -126:
        e = -126
    if e > 125:
        e = 125
    return float_power(-(e + 1))


cdef float f32_deviation(const float *x, size_t n, float scale, float mean) noexcept nogil:
    """Mean of x scale - mean, in lanes: what the rounded mean lacks."""
    cdef float lane[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            lane[j] = lane[j] + (x[i + j] * scale - mean)
        i = i + LANES
    for j in range(n - i):
        lane[j] = lane[j] + (x[i + j] * scale - mean)
    return lanes_sum(lane) / <float>n


cdef void stats_f32(const float *x, size_t n, uint32_t need, stats *s) noexcept nogil:
    """Sum and squares as they are where that is in range; else, and for the rest, scaled.

    A NaN or an infinity puts both out of range, so that it is looked for only then.
    """
    cdef bint plain = need != 0 and (need & ~<uint32_t>(NEED_SUM | NEED_SQUARES)) == 0
    s.n = <uint32_t>n
    s.dtype = DTYPE_F32
    s.sum = f32_sum(x, n, <float>1.0) if need & (NEED_SUM | NEED_CENTRAL) else <float>0.0
    s.squares = f32_squares(x, n, <float>1.0) if need & NEED_SQUARES else <float>1.0
    s.mean = s.sum / <float>n
    s.root = sqrtf(s.squares / <float>n)
    if plain and sum_plain(s.sum) and squares_plain(s.squares):
        return
    f32_extrema(x, n, s)
    s.scale = scale_for(stats_peak(s))
    if not sum_plain(s.sum):
        s.mean = (f32_sum(x, n, s.scale) / <float>n) / s.scale
    if not squares_plain(s.squares):
        s.root = sqrtf(f32_squares(x, n, s.scale) / <float>n) / s.scale
    if need & NEED_CENTRAL:
        central_f32(x, n, f32_deviation(x, n, s.scale, s.mean * s.scale), s)


cdef inline bint sum_plain(float total) noexcept nogil:
    """Whether a sum stayed in range."""
    return (atoll_bits(total) & BITS_MAGNITUDE) < BITS_INF


cdef inline bint squares_plain(float total) noexcept nogil:
    """Whether a sum of squares is far from overflow and from subnormal terms."""
    return float_power(-PLAIN_SQUARES) <= total <= float_power(PLAIN_SQUARES)


cdef void central_i16(const int16_t *x, size_t n, stats *s) noexcept nogil:
    cdef float p2[LANES]
    cdef float p3[LANES]
    cdef float p4[LANES]
    cdef int32_t middle = <int32_t>mean_nearest(s.sum_int, s.n)
    cdef float rest = float_ratio(s.sum_int - <int64_t>middle * s.n, s.n)
    cdef float z, q, shrink
    cdef size_t i = 0, j
    shrink = spread_scale(<float>(s.high_int - middle) - rest, <float>(s.low_int - middle) - rest)
    for j in range(<size_t>LANES):
        p2[j] = <float>0.0
        p3[j] = <float>0.0
        p4[j] = <float>0.0
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            z = (<float>(x[i + j] - middle) - rest) * shrink
            q = z * z
            p2[j] = p2[j] + q
            p3[j] = p3[j] + q * z
            p4[j] = p4[j] + q * q
        i = i + LANES
    for j in range(n - i):
        z = (<float>(x[i + j] - middle) - rest) * shrink
        q = z * z
        p2[j] = p2[j] + q
        p3[j] = p3[j] + q * z
        p4[j] = p4[j] + q * q
    s.m2 = lanes_sum(p2)
    s.m3 = lanes_sum(p3)
    s.m4 = lanes_sum(p4)


cdef inline float wide_difference(int32_t a, int32_t b) noexcept nogil:
    """The float nearest to a - b, which may need 33 bits."""
    cdef int64_t d = <int64_t>a - b
    if I32_MIN <= d <= I32_MAX:
        return <float><int32_t>d
    return float_from_i64(d)


cdef void central_i32(const int32_t *x, size_t n, stats *s) noexcept nogil:
    cdef float p2[LANES]
    cdef float p3[LANES]
    cdef float p4[LANES]
    cdef int32_t middle = <int32_t>mean_nearest(s.sum_int, s.n)
    cdef float rest = float_ratio(s.sum_int - <int64_t>middle * s.n, s.n)
    cdef float z, q, shrink
    cdef size_t i, j
    shrink = spread_scale(wide_difference(s.high_int, middle) - rest,
                          wide_difference(s.low_int, middle) - rest)
    for j in range(<size_t>LANES):
        p2[j] = <float>0.0
        p3[j] = <float>0.0
        p4[j] = <float>0.0
    for i in range(n):
        j = i & (LANES - 1)
        z = (wide_difference(x[i], middle) - rest) * shrink
        q = z * z
        p2[j] = p2[j] + q
        p3[j] = p3[j] + q * z
        p4[j] = p4[j] + q * q
    s.m2 = lanes_sum(p2)
    s.m3 = lanes_sum(p3)
    s.m4 = lanes_sum(p4)


cdef int64_t mean_nearest(int64_t total, uint32_t n) noexcept nogil:
    """total / n rounded down after half is added: an integer within 1/2 of the mean."""
    cdef int64_t twice = 2 * total + n
    cdef int64_t q = twice // (2 * <int64_t>n)
    if q * 2 * <int64_t>n > twice:
        q = q - 1
    return q


cdef void stats_i16(const int16_t *x, size_t n, uint32_t need, stats *s) noexcept nogil:
    cdef size_t i
    cdef int64_t total = 0
    cdef uint64_t squares = 0
    cdef int16_t low = 32767, high = -32768
    cdef int32_t v
    s.n = <uint32_t>n
    s.dtype = DTYPE_I16
    s.bad = 0
    s.scale = <float>1.0
    if need & (NEED_SUM | NEED_CENTRAL):
        for i in range(n):
            total = total + x[i]
        s.sum_int = total
    if need & NEED_SQUARES:
        for i in range(n):
            v = x[i]
            squares = squares + <uint32_t>(v * v)
        s.squares_low = squares
        s.squares_high = 0
    if need & (NEED_EXTREMA | NEED_CENTRAL):
        for i in range(n):
            low = x[i] if x[i] < low else low
            high = x[i] if x[i] > high else high
        s.low_int = low
        s.high_int = high
    if need & NEED_CENTRAL:
        central_i16(x, n, s)


cdef void stats_i32(const int32_t *x, size_t n, uint32_t need, stats *s) noexcept nogil:
    cdef size_t i
    cdef int64_t total = 0, v
    cdef uint64_t a, b, q
    cdef int32_t low = I32_MAX, high = I32_MIN
    s.n = <uint32_t>n
    s.dtype = DTYPE_I32
    s.bad = 0
    s.scale = <float>1.0
    if need & (NEED_SUM | NEED_CENTRAL):
        for i in range(n):
            total = total + x[i]
        s.sum_int = total
    if need & NEED_SQUARES:
        a = 0
        b = 0
        for i in range(n):
            v = x[i]
            q = <uint64_t>(v * v)
            a = a + (q & LOW32)
            b = b + (q >> 32)
        s.squares_low = a
        s.squares_high = b
    if need & (NEED_EXTREMA | NEED_CENTRAL):
        for i in range(n):
            low = x[i] if x[i] < low else low
            high = x[i] if x[i] > high else high
        s.low_int = low
        s.high_int = high
    if need & NEED_CENTRAL:
        central_i32(x, n, s)


cdef void stats_take(uint32_t dtype, const void *x, size_t n, uint32_t need,
                     stats *s) noexcept nogil:
    memset(s, 0, sizeof(stats))
    if dtype == DTYPE_I16:
        stats_i16(<const int16_t *>x, n, need, s)
    elif dtype == DTYPE_I32:
        stats_i32(<const int32_t *>x, n, need, s)
    else:
        stats_f32(<const float *>x, n, need, s)


cdef float feature_mean(const stats *s) noexcept nogil:
    if s.dtype == DTYPE_F32:
        return s.mean
    return float_ratio(s.sum_int, s.n)


cdef float feature_rms(const stats *s) noexcept nogil:
    if s.dtype == DTYPE_F32:
        return s.root
    return float_root_ratio(s.squares_low, s.squares_high, s.n)


cdef float feature_peak(const stats *s) noexcept nogil:
    cdef int64_t low = s.low_int, high = s.high_int
    if s.dtype == DTYPE_F32:
        return stats_peak(s)
    if -low > high:
        high = -low
    return float_from_i64(high)


cdef float feature_p2p(const stats *s) noexcept nogil:
    if s.dtype == DTYPE_F32:
        return s.high - s.low
    return float_from_i64(<int64_t>s.high_int - s.low_int)


cdef float feature_skewness(const stats *s) noexcept nogil:
    cdef float variance = s.m2 / <float>s.n
    return (s.m3 / <float>s.n) / (variance * sqrtf(variance))


cdef float feature_kurtosis(const stats *s) noexcept nogil:
    cdef float variance = s.m2 / <float>s.n
    return (s.m4 / <float>s.n) / (variance * variance)


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


cdef void frame_line(float *x, size_t n) noexcept nogil:
    """detrend line, on a window without mean: less its least-squares slope about the middle.

    With t = i - (n - 1) / 2 the slope is sum(t x) / sum(t^2), and sum(t^2) = n (n^2 - 1) / 12.
    """
    cdef float lane[LANES]
    cdef size_t i, j
    cdef float t, slope, half = <float>(n - 1) * <float>0.5
    cdef float base = float_ratio(<int64_t>(<uint64_t>n * (<uint64_t>n * n - 1)), 12)
    if n < 2:
        return
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    for i in range(n):
        j = i & (LANES - 1)
        lane[j] = lane[j] + (<float>i - half) * x[i]
    slope = lanes_sum(lane) / base
    for i in range(n):
        x[i] = x[i] - (<float>i - half) * slope
