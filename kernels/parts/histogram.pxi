# Reducer `histogram`: exact counts in `bins` equal parts of [low, high], as numpy counts them.
#
# Edge k is low + (k (high - low)) / bins in float arithmetic, exact wherever the nominal edge is
# a short number; bin k holds edge[k] <= x < edge[k+1], the last one its upper edge too. Values
# below, above and NaN are counted apart. Integers are rounded to float first (i16: exact).

cdef enum:
    HISTOGRAM_MANY = 256  # bins that are counted four times side by side
    HISTOGRAM_UNDER = 256  # counters behind those of the bins
    HISTOGRAM_OVER = 257
    HISTOGRAM_ASK = 258
    HISTOGRAM_STRIDE = 264

cdef struct histogram:
    uint64_t under
    uint64_t over
    uint64_t nan
    float low
    float high
    float scale  # bins a unit: an estimate, corrected by the edges
    uint32_t dtype
    uint32_t bins
    uint32_t edges_at  # bytes from the struct's start: float edge[bins + 1]
    uint64_t counts[1]  # as many as bins, then the edges


cdef size_t histogram_size(uint32_t bins) noexcept nogil:
    return sizeof(histogram) + 8 * (<size_t>bins - 1) + 4 * ((<size_t>bins + 2) & ~<size_t>1)


cdef void histogram_init(histogram *s, uint32_t dtype, float low, float high,
                         uint32_t bins) noexcept nogil:
    cdef uint32_t k
    cdef float *edge
    memset(s, 0, histogram_size(bins))
    s.dtype = dtype
    s.low = low
    s.high = high
    s.bins = bins
    s.scale = <float>bins / (high - low)
    s.edges_at = <uint32_t>(sizeof(histogram) + 8 * (<size_t>bins - 1))
    edge = <float *>(<uint8_t *>s + s.edges_at)
    for k in range(bins):
        edge[k] = low + (<float>k * (high - low)) / <float>bins
    edge[bins] = high


cdef inline void histogram_one(histogram *s, const float *edge, float x) noexcept nogil:
    histogram_add(s, edge, x, 1)


cdef inline void histogram_add(histogram *s, const float *edge, float x,
                               uint32_t count) noexcept nogil:
    """A value that occurs `count` times."""
    cdef uint32_t k
    if x != x:
        s.nan = s.nan + count
    elif x < s.low:
        s.under = s.under + count
    elif x > s.high:
        s.over = s.over + count
    else:
        k = <uint32_t>((x - s.low) * s.scale)
        if k >= s.bins:
            k = s.bins - 1
        while x < edge[k]:
            k = k - 1
        while k + 1 < s.bins and x >= edge[k + 1]:
            k = k + 1
        s.counts[k] = s.counts[k] + count


cdef bint histogram_near(const histogram *s) noexcept nogil:
    """Whether few estimates are in doubt: few bins, of 16 ulp of the bounds or more."""
    cdef float far = atoll_greater(f32_magnitude(s.low), f32_magnitude(s.high))
    return s.bins <= HISTOGRAM_MANY and (s.high - s.low) / <float>s.bins > far * float_power(-19)


cdef float histogram_doubt(const histogram *s) noexcept nogil:
    """How near to a whole number an estimate may lie and yet be on its wrong side, in bins.

    Edge and estimate together are rounded some 8 times, by 2^-24 of the bins before them, and once by
    2^-24 of the edge itself; both are taken more than twice.
    """
    cdef float far = atoll_greater(f32_magnitude(s.low), f32_magnitude(s.high))
    return (<float>s.bins * <float>16.0 + far * s.scale * <float>4.0) * float_power(-24)


cdef void histogram_block(histogram *s, const float *edge, const float *value, size_t n,
                          uint32_t *count) noexcept nogil:
    """Estimates by vectors. Where one is in doubt the edges decide, value by value.

    Values in turn have counters of their own, so that equal bins do not wait for each other.
    """
    cdef int32_t bin[TALLY_BLOCK]
    cdef int32_t k
    cdef uint32_t asked = 0
    cdef size_t i
    cdef float v, kept, t, low = s.low, high = s.high, scale = s.scale
    cdef float least = histogram_doubt(s), most = <float>1.0 - least
    for i in range(n):
        v = value[i]
        kept = v if v >= low else low
        kept = kept if kept <= high else high
        t = (kept - low) * scale
        k = <int32_t>t
        t = t - <float>k
        k = k if t > least else <int32_t>HISTOGRAM_ASK
        k = k if t < most else <int32_t>HISTOGRAM_ASK
        k = k if v == kept else <int32_t>HISTOGRAM_ASK
        k = <int32_t>HISTOGRAM_UNDER if v < low else k
        k = <int32_t>HISTOGRAM_OVER if v > high else k
        bin[i] = k
        asked = asked + <uint32_t>(k == HISTOGRAM_ASK)
    for i in range(n):
        count[HISTOGRAM_STRIDE * (i & 3) + <size_t>bin[i]] += 1
    if asked:
        for i in range(n):
            if bin[i] == HISTOGRAM_ASK:
                histogram_one(s, edge, value[i])


cdef void histogram_many(histogram *s, const float *edge, const void *x, size_t n) noexcept nogil:
    """At most SKETCH_FLUSH values into at most HISTOGRAM_MANY bins."""
    cdef float value[TALLY_BLOCK]
    cdef uint32_t count[4 * HISTOGRAM_STRIDE]
    cdef size_t k, j, m, at = 0, wide = 2 if s.dtype == DTYPE_I16 else 4
    memset(count, 0, sizeof(count))
    while at < n:
        m = sketch_floats(s.dtype, <const uint8_t *>x + at * wide, n - at, value)
        histogram_block(s, edge, value, m, count)
        at = at + m
    for j in range(4):
        for k in range(<size_t>s.bins):
            s.counts[k] += count[HISTOGRAM_STRIDE * j + k]
        s.under += count[HISTOGRAM_STRIDE * j + HISTOGRAM_UNDER]
        s.over += count[HISTOGRAM_STRIDE * j + HISTOGRAM_OVER]


cdef void histogram_push(histogram *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef const float *edge = <const float *>(<const uint8_t *>s + s.edges_at)
    cdef size_t m
    if ROOMY and s.dtype == DTYPE_I16 and COUNTS_LEAST <= n <= COUNTS_MOST:
        histogram_counts_i16(s, edge, <const int16_t *>x, n)
        return
    while ROOMY and n >= SKETCH_MANY and histogram_near(s):
        m = n if n < SKETCH_FLUSH else <size_t>SKETCH_FLUSH
        histogram_many(s, edge, x, m)
        x = <const uint8_t *>x + m * dtype_size(s.dtype)
        n = n - m
    if s.dtype == DTYPE_I16:
        for i in range(n):
            histogram_one(s, edge, <float>(<const int16_t *>x)[i])
    elif s.dtype == DTYPE_I32:
        for i in range(n):
            histogram_one(s, edge, <float>(<const int32_t *>x)[i])
    else:
        for i in range(n):
            histogram_one(s, edge, (<const float *>x)[i])


cdef void histogram_write(histogram *s, writer *w) noexcept nogil:
    """under, over, NaN, then the counts."""
    write_count(w, s.under)
    write_count(w, s.over)
    write_count(w, s.nan)
    counts_write(w, &s.counts[0], s.bins)


cdef void histogram_read(histogram *s, reader *r) noexcept nogil:
    count_add(&s.under, read_count(r), r)
    count_add(&s.over, read_count(r), r)
    count_add(&s.nan, read_count(r), r)
    counts_read(r, &s.counts[0], s.bins)
