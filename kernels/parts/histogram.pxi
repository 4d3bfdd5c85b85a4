# Reducer `histogram`: exact counts in `bins` equal parts of [low, high], as numpy counts them.
#
# Edge k is low + (k (high - low)) / bins in float arithmetic, exact wherever the nominal edge is
# a short number; bin k holds edge[k] <= x < edge[k+1], the last one its upper edge too. Values
# below, above and NaN are counted apart. Integers are rounded to float first (i16: exact).

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


cdef void histogram_push(histogram *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef const float *edge = <const float *>(<const uint8_t *>s + s.edges_at)
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
