# One window's statistics and the features made of them.
#
# Integer windows: sums, squares and extremes are exact integers; mean and rms are rounded once.
# Float windows: sums in lanes (lanes.pxi); a power of two in front keeps squares from overflow and
# underflow. Central moments are those of central.pxi.
# A NaN in a window makes every feature of it NaN.

cdef enum:
    SUM_BLOCK = 65536  # 2^16 i16 are at most 2^31 below and less above
    # Magnitudes 2^-50..2^50 square and sum in range as they are; sums of squares below 2^100 come
    # of nothing larger, and those above 2^-100 owe nothing that counts to terms below 2^-126.
    PLAIN_EXPONENT = 50
    PLAIN_SQUARES = 100

cdef enum:
    NEED_SUM = 1
    NEED_SQUARES = 2
    NEED_EXTREMA = 4
    NEED_CENTRAL = 8
    NEED_FLOATS = 16  # the window itself, as float
    NEED_CUBES = 32  # with NEED_CENTRAL: third powers; where there is no room all powers are taken
    NEED_FOURTHS = 64

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


cdef void f32_sums(const float *x, size_t n, stats *s) noexcept nogil:
    """f32_sum and f32_squares, unscaled, in one pass."""
    cdef vector sums[PARTS]
    cdef vector squares[PARTS]
    cdef vector v
    cdef float lane[LANES]
    cdef float second[LANES]
    cdef size_t i = 0, j
    if FAST_LANES:
        s.sum = f32_sum(x, n, <float>1.0)
        s.squares = f32_squares(x, n, <float>1.0)
        return
    for j in range(<size_t>PARTS):
        sums[j] = atoll_splat(<float>0.0)
        squares[j] = sums[j]
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            v = atoll_load(x + i + WIDE * j)
            sums[j] = sums[j] + v
            squares[j] = squares[j] + v * v
        i = i + LANES
    lanes_store(lane, sums)
    lanes_store(second, squares)
    for j in range(n - i):
        lane[j] = lane[j] + x[i + j]
        second[j] = second[j] + x[i + j] * x[i + j]
    s.sum = lanes_sum(lane)
    s.squares = lanes_sum(second)


cdef void f32_whole(const float *x, size_t n, stats *s) noexcept nogil:
    """f32_sums and the extremes in one pass; extremes count where the squares are plain."""
    cdef vector sums[PARTS]
    cdef vector squares[PARTS]
    cdef vector least[PARTS]
    cdef vector most[PARTS]
    cdef vector v
    cdef float lane[LANES]
    cdef float second[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>PARTS):
        sums[j] = atoll_splat(<float>0.0)
        squares[j] = sums[j]
        least[j] = atoll_splat(x[0])
        most[j] = least[j]
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            v = atoll_load(x + i + WIDE * j)
            sums[j] = sums[j] + v
            squares[j] = squares[j] + v * v
            least[j] = atoll_least(v, least[j])
            most[j] = atoll_most(v, most[j])
        i = i + LANES
    for j in range(1, <size_t>PARTS):
        least[0] = atoll_least(least[j], least[0])
        most[0] = atoll_most(most[j], most[0])
    atoll_store(lane, least[0])
    atoll_store(second, most[0])
    s.low = lane[0]
    s.high = second[0]
    for j in range(1, <size_t>WIDE):
        s.low = atoll_lesser(lane[j], s.low)
        s.high = atoll_greater(second[j], s.high)
    for j in range(i, n):
        s.low = atoll_lesser(x[j], s.low)
        s.high = atoll_greater(x[j], s.high)
    s.low = s.low + <float>0.0
    s.high = s.high + <float>0.0
    lanes_store(lane, sums)
    lanes_store(second, squares)
    for j in range(n - i):
        lane[j] = lane[j] + x[i + j]
        second[j] = second[j] + x[i + j] * x[i + j]
    s.sum = lanes_sum(lane)
    s.squares = lanes_sum(second)


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


cdef void stats_f32(const float *x, size_t n, uint32_t need, bint known, stats *s) noexcept nogil:
    """Sum and squares as they are where that is in range; else, and for the rest, scaled.

    A NaN or an infinity puts both out of range, so that it is looked for only then. known: what is
    needed of both is in s (many.pxi).
    """
    cdef uint32_t sums = need & (NEED_SUM | NEED_CENTRAL)
    cdef bint plain = need != 0 and (need & ~<uint32_t>(NEED_SUM | NEED_SQUARES)) == 0
    cdef bint once = ROOMY and (need & NEED_CENTRAL or (need & NEED_EXTREMA and need & NEED_SQUARES))
    s.n = <uint32_t>n
    s.dtype = DTYPE_F32
    if not known:
        s.squares = <float>1.0
    if ROOMY and known:
        pass
    elif once:
        f32_whole(x, n, s)
    elif need & NEED_SQUARES and sums:
        f32_sums(x, n, s)
    elif need & NEED_SQUARES:
        s.squares = f32_squares(x, n, <float>1.0)
    elif sums:
        s.sum = f32_sum(x, n, <float>1.0)
    if need & (NEED_SUM | NEED_CENTRAL):
        s.mean = s.sum / <float>n
    if need & NEED_SQUARES:
        s.root = float_root(s.squares / <float>n)
    if (plain or once) and sum_plain(s.sum) and squares_plain(s.squares):
        if plain:
            return
    else:
        f32_extrema(x, n, s)
    s.scale = scale_for(stats_peak(s))
    if not sum_plain(s.sum):
        s.mean = (f32_sum(x, n, s.scale) / <float>n) / s.scale
    if not squares_plain(s.squares):
        s.root = float_root(f32_squares(x, n, s.scale) / <float>n) / s.scale
    if need & NEED_CENTRAL:
        central_f32(x, n, need, f32_deviation(x, n, s.scale, s.mean * s.scale), s)


cdef inline bint sum_plain(float total) noexcept nogil:
    """Whether a sum stayed in range."""
    return (atoll_bits(total) & BITS_MAGNITUDE) < BITS_INF


cdef inline bint squares_plain(float total) noexcept nogil:
    """Whether a sum of squares is far from overflow and from subnormal terms."""
    return float_power(-PLAIN_SQUARES) <= total <= float_power(PLAIN_SQUARES)


cdef int64_t i16_sum(const int16_t *x, size_t n) noexcept nogil:
    """In 32 bits as long as they hold: wide vectors hold twice as many."""
    cdef int64_t total = 0
    cdef int32_t part
    cdef size_t i, m
    while n:
        m = n if n < SUM_BLOCK else <size_t>SUM_BLOCK
        part = 0
        for i in range(atoll_fast_sum_i16(x, m, &part), m):
            part = part + x[i]
        total = total + part
        x = x + m
        n = n - m
    return total


cdef void stats_i16(const int16_t *x, size_t n, uint32_t need, stats *s) noexcept nogil:
    cdef size_t i
    cdef uint64_t squares = 0
    cdef int16_t low = 32767, high = -32768
    cdef int32_t v
    s.n = <uint32_t>n
    s.dtype = DTYPE_I16
    s.bad = 0
    s.scale = <float>1.0
    if need & (NEED_SUM | NEED_CENTRAL):
        s.sum_int = i16_sum(x, n)
    if need & NEED_SQUARES:
        for i in range(atoll_fast_squares_i16(x, n, &squares), n):
            v = x[i]
            squares = squares + <uint32_t>(v * v)
        s.squares_low = squares
        s.squares_high = 0
    if need & (NEED_EXTREMA | NEED_CENTRAL):
        for i in range(atoll_fast_bounds_i16(x, n, &low, &high), n):
            low = x[i] if x[i] < low else low
            high = x[i] if x[i] > high else high
        s.low_int = low
        s.high_int = high
    if need & NEED_CENTRAL:
        central_i16(x, n, need, s)


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
        for i in range(atoll_fast_sum_i32(x, n, &total), n):
            total = total + x[i]
        s.sum_int = total
    if need & NEED_SQUARES:
        a = 0
        b = 0
        for i in range(atoll_fast_squares_i32(x, n, &a, &b), n):
            v = x[i]
            q = <uint64_t>(v * v)
            a = a + (q & LOW32)
            b = b + (q >> 32)
        s.squares_low = a
        s.squares_high = b
    if need & (NEED_EXTREMA | NEED_CENTRAL):
        for i in range(atoll_fast_bounds_i32(x, n, &low, &high), n):
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
        stats_f32(<const float *>x, n, need, False, s)


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
    return (s.m3 / <float>s.n) / (variance * float_root(variance))


cdef float feature_kurtosis(const stats *s) noexcept nogil:
    cdef float variance = s.m2 / <float>s.n
    return (s.m4 / <float>s.n) / (variance * variance)
