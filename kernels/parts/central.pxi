# Central moments of a window: powers of the deviations from the mean, scaled by a power of two below 1, so
# that nothing cancels and no fourth power leaves the range. Integers: from the exact mean.

cdef struct powers_of:
    vector two[PARTS]
    vector three[PARTS]
    vector four[PARTS]


cdef inline void central_clear(powers_of *c) noexcept nogil:
    cdef size_t j
    for j in range(<size_t>PARTS):
        c.two[j] = atoll_splat(<float>0.0)
        c.three[j] = c.two[j]
        c.four[j] = c.two[j]


cdef inline void central_add(powers_of *c, size_t j, vector z, bint cubes,
                             bint fourths) noexcept nogil:
    """Squares, cubes and fourth powers of one vector of deviations."""
    cdef vector q = z * z
    c.two[j] = c.two[j] + q
    if cubes:
        c.three[j] = c.three[j] + q * z
    if fourths:
        c.four[j] = c.four[j] + q * q


cdef void central_end(const powers_of *c, const float *rest, size_t n, stats *s) noexcept nogil:
    """Add the last n < LANES deviations and join the lanes."""
    cdef float two[LANES]
    cdef float three[LANES]
    cdef float four[LANES]
    cdef float z, q
    cdef size_t j
    lanes_store(two, c.two)
    lanes_store(three, c.three)
    lanes_store(four, c.four)
    for j in range(n):
        z = rest[j]
        q = z * z
        two[j] = two[j] + q
        three[j] = three[j] + q * z
        four[j] = four[j] + q * q
    s.m2 = lanes_sum(two)
    s.m3 = lanes_sum(three)
    s.m4 = lanes_sum(four)


cdef struct deviation:
    # z = ((x scale - mean) - first) shrink: `first` is what the rounded mean still lacks, shrink the
    # power of two that brings the deviations below 1.
    float scale
    float mean
    float first
    float shrink


cdef inline void central_pass(const float *x, size_t n, const deviation *d, bint scaled, bint cubes,
                              bint fourths, stats *s) noexcept nogil:
    """The powers; what is known where this is called is left out of its loop."""
    cdef powers_of c
    cdef float rest[LANES]
    cdef vector by = atoll_splat(d.scale), middle = atoll_splat(d.mean), v
    cdef vector lack = atoll_splat(d.first), down = atoll_splat(d.shrink)
    cdef size_t i = 0, j
    central_clear(&c)
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            v = atoll_load(x + i + WIDE * j)
            if scaled:
                v = v * by
            central_add(&c, j, ((v - middle) - lack) * down, cubes, fourths)
        atoll_expect(x + i, n * sizeof(float))  # the next window, while this one is computed
        i = i + LANES
    for j in range(n - i):
        rest[j] = ((x[i + j] * d.scale - d.mean) - d.first) * d.shrink
    central_end(&c, rest, n - i, s)


cdef void central_f32(const float *x, size_t n, uint32_t need, float first, stats *s) noexcept nogil:
    """Powers of the deviations from the mean, scaled."""
    cdef deviation d
    d.scale = s.scale
    d.mean = s.mean * s.scale
    d.first = first
    d.shrink = spread_scale(s.high * d.scale - d.mean, d.mean - s.low * d.scale)
    if not ROOMY or d.scale != <float>1.0:
        central_pass(x, n, &d, True, True, True, s)
    elif not need & NEED_CUBES:
        central_pass(x, n, &d, False, False, True, s)
    elif not need & NEED_FOURTHS:
        central_pass(x, n, &d, False, True, False, s)
    else:
        central_pass(x, n, &d, False, True, True, s)


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
    cdef vector part[PARTS]
    cdef vector by = atoll_splat(scale), middle = atoll_splat(mean)
    cdef float lane[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while ROOMY and scale == <float>1.0 and i + LANES <= n:
        for j in range(<size_t>PARTS):
            part[j] = part[j] + (atoll_load(x + i + WIDE * j) - middle)
        i = i + LANES
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            part[j] = part[j] + (atoll_load(x + i + WIDE * j) * by - middle)
        i = i + LANES
    lanes_store(lane, part)
    for j in range(n - i):
        lane[j] = lane[j] + (x[i + j] * scale - mean)
    return lanes_sum(lane) / <float>n


cdef inline void whole_pass(const int16_t *x, size_t n, int32_t middle, const deviation *d, bint cubes,
                            bint fourths, stats *s) noexcept nogil:
    """central_pass of integers, from an integer near their mean."""
    cdef powers_of c
    cdef float near[LANES]
    cdef vector lack = atoll_splat(d.first), down = atoll_splat(d.shrink)
    cdef size_t i = 0, j
    central_clear(&c)
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            central_add(&c, j, (atoll_load_i16(x + i + WIDE * j, middle) - lack) * down, cubes,
                        fourths)
        atoll_expect(x + i, n * sizeof(int16_t))
        i = i + LANES
    for j in range(n - i):
        near[j] = (<float>(x[i + j] - middle) - d.first) * d.shrink
    central_end(&c, near, n - i, s)


cdef void central_i16(const int16_t *x, size_t n, uint32_t need, stats *s) noexcept nogil:
    """As central_f32, of deviations from the exact mean: an integer near it and the rest."""
    cdef deviation d
    cdef int32_t middle = <int32_t>mean_nearest(s.sum_int, s.n)
    d.first = float_ratio(s.sum_int - <int64_t>middle * s.n, s.n)
    d.shrink = spread_scale(<float>(s.high_int - middle) - d.first,
                            <float>(s.low_int - middle) - d.first)
    if ROOMY and not need & NEED_CUBES:
        whole_pass(x, n, middle, &d, False, True, s)
    elif ROOMY and not need & NEED_FOURTHS:
        whole_pass(x, n, middle, &d, True, False, s)
    else:
        whole_pass(x, n, middle, &d, True, True, s)


cdef inline float wide_difference(int32_t a, int32_t b) noexcept nogil:
    """The float nearest to a - b, which may need 33 bits."""
    cdef int64_t d = <int64_t>a - b
    if I32_MIN <= d <= I32_MAX:
        return <float><int32_t>d
    return float_from_i64(d)


cdef void central_i32(const int32_t *x, size_t n, stats *s) noexcept nogil:
    cdef powers_of c
    cdef float near[LANES]
    cdef int32_t middle = <int32_t>mean_nearest(s.sum_int, s.n)
    cdef float rest = float_ratio(s.sum_int - <int64_t>middle * s.n, s.n)
    cdef float shrink = spread_scale(wide_difference(s.high_int, middle) - rest,
                                     wide_difference(s.low_int, middle) - rest)
    cdef bint narrow = <int64_t>s.high_int - s.low_int <= I32_MAX  # then no difference is wider
    cdef vector lack = atoll_splat(rest), down = atoll_splat(shrink)
    cdef size_t i = 0, j
    central_clear(&c)
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            near[j] = <float>(x[i + j] - middle) if narrow else wide_difference(x[i + j], middle)
        for j in range(<size_t>PARTS):
            central_add(&c, j, (atoll_load(near + WIDE * j) - lack) * down, True, True)
        i = i + LANES
    for j in range(n - i):
        near[j] = (wide_difference(x[i + j], middle) - rest) * shrink
    central_end(&c, near, n - i, s)


cdef int64_t mean_nearest(int64_t total, uint32_t n) noexcept nogil:
    """total / n rounded down after half is added: an integer within 1/2 of the mean."""
    cdef int64_t twice = 2 * total + n
    cdef uint64_t whole = 2 * <uint64_t>n, rest
    if twice >= 0:
        return <int64_t>divide(<uint64_t>twice, whole, &rest)
    return -<int64_t>divide(<uint64_t>0 - <uint64_t>twice + (whole - 1), whole, &rest)
