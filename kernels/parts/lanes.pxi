# Float sums in 16 lanes (sample i in lane i mod 16) and a fixed tree, so that SIMD and scalar code give
# the same bits.

cdef enum:
    LANES = 16


cdef inline float lanes_sum(const float *lane) noexcept nogil:
    """The fixed tree: halves added to halves, 16 to 8 to 4 to 2 to 1."""
    cdef float a[8]
    cdef size_t j
    for j in range(8):
        a[j] = lane[j] + lane[j + 8]
    for j in range(4):
        a[j] = a[j] + a[j + 4]
    return (a[0] + a[2]) + (a[1] + a[3])


cdef inline void lanes_store(float *lane, const vector *part) noexcept nogil:
    cdef size_t j
    for j in range(<size_t>PARTS):
        atoll_store(lane + WIDE * j, part[j])


cdef inline void lanes_clear(float *lane) noexcept nogil:
    cdef size_t j
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0


cdef inline vector lanes_fold(vector *part) noexcept nogil:
    """The first steps of lanes_sum, down to one vector."""
    cdef size_t held = PARTS, j
    while held > 1:
        held = held >> 1
        for j in range(held):
            part[j] = part[j] + part[j + held]
    return part[0]


cdef inline vector turned_sum(vector *sum) noexcept nogil:
    """The last steps of lanes_sum, of WIDE vectors that lanes_fold gave: a sum in each element."""
    cdef size_t j
    if WIDE == 1:
        return sum[0]
    atoll_turn(sum)
    if WIDE == 8:
        for j in range(4):
            sum[j] = sum[j] + sum[j + 4]
    return (sum[0] + sum[2]) + (sum[1] + sum[3])


cdef float f32_sum(const float *x, size_t n, float scale) noexcept nogil:
    cdef vector part[PARTS]
    cdef vector by = atoll_splat(scale)
    cdef float lane[LANES]
    cdef size_t i = 0, j
    if FAST_LANES and scale == <float>1.0:
        lanes_clear(lane)
        i = atoll_fast_sum(lane, x, n)
        for j in range(n - i):
            lane[j] = lane[j] + x[i + j]
        return lanes_sum(lane)
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            part[j] = part[j] + atoll_load(x + i + WIDE * j) * by
        i = i + LANES
    lanes_store(lane, part)
    for j in range(n - i):
        lane[j] = lane[j] + x[i + j] * scale
    return lanes_sum(lane)


cdef float f32_squares(const float *x, size_t n, float scale) noexcept nogil:
    cdef vector part[PARTS]
    cdef vector by = atoll_splat(scale), v
    cdef float lane[LANES]
    cdef size_t i = 0, j
    if FAST_LANES and scale == <float>1.0:
        lanes_clear(lane)
        i = atoll_fast_squares(lane, x, n)
        for j in range(n - i):
            lane[j] = lane[j] + x[i + j] * x[i + j]
        return lanes_sum(lane)
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            v = atoll_load(x + i + WIDE * j) * by
            part[j] = part[j] + v * v
        i = i + LANES
    lanes_store(lane, part)
    for j in range(n - i):
        lane[j] = lane[j] + (x[i + j] * scale) * (x[i + j] * scale)
    return lanes_sum(lane)
