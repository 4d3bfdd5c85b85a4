# Reducer `histogram`: exact counts in `bins` equal parts of [low, high], as numpy counts them.
#
# Edge k is low + (k (high - low)) / bins in float arithmetic, exact wherever the nominal edge is
# a short number; bin k holds edge[k] <= x < edge[k+1], the last one its upper edge too. Values
# below, above and NaN are counted apart. Integers are rounded to float first (i16: exact).

cdef enum:
    HISTOGRAM_MANY = 256  # bins that are counted four times side by side: TALLY_SLOTS

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
    cdef uint32_t k
    if x != x:
        s.nan = s.nan + 1
    elif x < s.low:
        s.under = s.under + 1
    elif x > s.high:
        s.over = s.over + 1
    else:
        k = <uint32_t>((x - s.low) * s.scale)
        if k >= s.bins:
            k = s.bins - 1
        while x < edge[k]:
            k = k - 1
        while k + 1 < s.bins and x >= edge[k + 1]:
            k = k + 1
        s.counts[k] = s.counts[k] + 1


cdef bint histogram_near(const histogram *s) noexcept nogil:
    """Whether an estimate is at most one bin off: few bins, of 16 ulp of the bounds or more."""
    cdef float far = atoll_greater(f32_magnitude(s.low), f32_magnitude(s.high))
    return s.bins <= HISTOGRAM_MANY and (s.high - s.low) / <float>s.bins > far * float_power(-19)


cdef void histogram_block(histogram *s, const float *edge, const float *value, size_t n,
                          uint32_t *count) noexcept nogil:
    """Estimates by vectors, each corrected by at most one, without a branch.

    Values in turn have counters of their own, so that equal bins do not wait for each other.
    """
    cdef int32_t bin[TALLY_BLOCK]
    cdef int32_t k, last = <int32_t>s.bins - 1
    cdef size_t i
    cdef float v, low = s.low, high = s.high, scale = s.scale
    for i in range(n):
        v = value[i] if value[i] >= low else low
        v = v if v <= high else high
        bin[i] = <int32_t>((v - low) * scale)
    for i in range(n):
        v = value[i]
        if not (low <= v <= high):
            histogram_one(s, edge, v)
            continue
        k = bin[i] if bin[i] < last else last
        k = k - <int32_t>(v < edge[k]) + <int32_t>(v >= edge[k + 1])
        k = k if k < last else last
        count[HISTOGRAM_MANY * (i & 3) + <size_t>k] += 1


cdef void histogram_many(histogram *s, const float *edge, const void *x, size_t n) noexcept nogil:
    """At most SKETCH_FLUSH values into at most HISTOGRAM_MANY bins."""
    cdef float value[TALLY_BLOCK]
    cdef uint32_t count[TALLY_SLOTS]
    cdef size_t k, m, at = 0, wide = 2 if s.dtype == DTYPE_I16 else 4
    memset(count, 0, sizeof(count))
    while at < n:
        m = sketch_floats(s.dtype, <const uint8_t *>x + at * wide, n - at, value)
        histogram_block(s, edge, value, m, count)
        at = at + m
    for k in range(<size_t>TALLY_SLOTS):
        if count[k]:
            s.counts[k & (HISTOGRAM_MANY - 1)] += count[k]


cdef void histogram_push(histogram *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef const float *edge = <const float *>(<const uint8_t *>s + s.edges_at)
    cdef size_t m
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
