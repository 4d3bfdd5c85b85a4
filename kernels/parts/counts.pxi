# How often each of the 65,536 values of i16 occurs in a long push, where there is room for as many
# counters: a reducer that knows no order then takes each value once, with its count.

cdef enum:
    COUNTS_LEAST = 1 << 16  # samples from which on it pays
    COUNTS_MOST = 1 << 30  # samples at a time: the counters have 32 bits
    COUNTS_RUN = 16


cdef void counts_take(const int16_t *x, size_t n, uint32_t *count) noexcept nogil:
    """Counts of x + 32768; four samples are read at a time."""
    cdef size_t i = 0
    cdef uint64_t four
    memset(count, 0, COUNTERS * sizeof(uint32_t))
    while i + 4 <= n:
        memcpy(&four, x + i, sizeof(uint64_t))
        four = four ^ COUNTS_SIGNS
        count[<size_t>(four & 0xFFFF)] += 1
        count[<size_t>((four >> 16) & 0xFFFF)] += 1
        count[<size_t>((four >> 32) & 0xFFFF)] += 1
        count[<size_t>(four >> 48)] += 1
        i = i + 4
    while i < n:
        count[<size_t>(<int32_t>x[i] + 32768)] += 1
        i = i + 1


cdef inline size_t counts_next(const uint32_t *count, size_t at) noexcept nogil:
    """The next counter from `at` on that is not 0; 65,536 where there is none."""
    cdef size_t k
    cdef uint32_t some
    while at < COUNTERS:
        if at % COUNTS_RUN == 0:
            some = 0
            for k in range(<size_t>COUNTS_RUN):
                some = some | count[at + k]
            if some == 0:
                at = at + COUNTS_RUN
                continue
        if count[at]:
            return at
        at = at + 1
    return at


cdef void sketch_counts_i16(sketch *s, const int16_t *x, size_t n) noexcept nogil:
    cdef uint32_t count[COUNTERS]
    cdef size_t at
    counts_take(x, n, count)
    at = counts_next(count, 0)
    while at < COUNTERS:
        sketch_insert(s, float_key(<float>(<int32_t>at - 32768)), count[at])
        at = counts_next(count, at + 1)


cdef void histogram_counts_i16(histogram *s, const float *edge, const int16_t *x,
                               size_t n) noexcept nogil:
    cdef uint32_t count[COUNTERS]
    cdef size_t at
    counts_take(x, n, count)
    at = counts_next(count, 0)
    while at < COUNTERS:
        histogram_add(s, edge, <float>(<int32_t>at - 32768), count[at])
        at = counts_next(count, at + 1)


cdef void hitters_counts_i16(hitters *s, const int16_t *x, size_t n) noexcept nogil:
    cdef uint32_t count[COUNTERS]
    cdef size_t at
    counts_take(x, n, count)
    at = counts_next(count, 0)
    while at < COUNTERS:
        hitters_one(s, <uint32_t>(at ^ 0x8000), count[at])
        at = counts_next(count, at + 1)


cdef void distinct_values_i16(distinct *s, const int16_t *x, size_t n) noexcept nogil:
    """A mark for each value that occurs: a quarter of the counters' memory."""
    cdef uint8_t seen[COUNTERS]
    cdef size_t at, i
    cdef uint64_t four
    memset(seen, 0, sizeof(seen))
    i = 0
    while i + 4 <= n:
        memcpy(&four, x + i, sizeof(uint64_t))
        four = four ^ COUNTS_SIGNS
        seen[<size_t>(four & 0xFFFF)] = 1
        seen[<size_t>((four >> 16) & 0xFFFF)] = 1
        seen[<size_t>((four >> 32) & 0xFFFF)] = 1
        seen[<size_t>(four >> 48)] = 1
        i = i + 4
    while i < n:
        seen[<size_t>(<int32_t>x[i] + 32768)] = 1
        i = i + 1
    for at in range(<size_t>COUNTERS):
        if seen[at]:
            distinct_one(s, <uint32_t>(<int32_t>at - 32768))
