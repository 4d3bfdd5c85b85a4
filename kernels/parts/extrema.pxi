# Reducers `count` and `minmax`. NaN is counted and otherwise ignored; -0 counts as 0; infinities
# are values. Integers keep their type, window features are floats.

cdef struct extrema:
    uint64_t count
    uint64_t nan
    uint32_t dtype
    int32_t low  # of integers; of floats the ordered key (sketch.pxi)
    int32_t high


cdef void extrema_init(extrema *s, uint32_t dtype) noexcept nogil:
    memset(s, 0, sizeof(extrema))
    s.dtype = dtype
    s.low = I32_MAX
    s.high = I32_MIN


cdef inline void extrema_fold(extrema *s, int32_t low, int32_t high) noexcept nogil:
    if low < s.low:
        s.low = low
    if high > s.high:
        s.high = high


cdef void extrema_push(extrema *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i, nan = 0
    cdef int32_t low = s.low, high = s.high, key
    cdef int16_t low16 = 32767, high16 = -32768, v
    cdef float f
    if n == 0:
        return
    if s.dtype == DTYPE_I16:
        for i in range(n):
            v = (<const int16_t *>x)[i]
            low16 = v if v < low16 else low16
            high16 = v if v > high16 else high16
        low = low16
        high = high16
    elif s.dtype == DTYPE_I32:
        for i in range(n):
            key = (<const int32_t *>x)[i]
            low = key if key < low else low
            high = key if key > high else high
    else:
        for i in range(n):
            f = (<const float *>x)[i]
            if f != f:
                nan = nan + 1
            else:
                key = float_key(f)
                low = key if key < low else low
                high = key if key > high else high
    s.count = s.count + n
    s.nan = s.nan + nan
    extrema_fold(s, low, high)


cdef void extrema_write(extrema *s, writer *w) noexcept nogil:
    """count (NaN included), NaN for floats, then both extremes where there is a value."""
    write_count(w, s.count)
    if s.dtype == DTYPE_F32:
        write_count(w, s.nan)
    if s.count > s.nan:
        write_u32(w, <uint32_t>s.low)
        write_u32(w, <uint32_t>s.high)


cdef void extrema_read(extrema *s, reader *r) noexcept nogil:
    cdef uint64_t count = read_count(r), nan = 0
    cdef int32_t low, high
    if s.dtype == DTYPE_F32:
        nan = read_count(r)
    if nan > count:
        r.status = STATUS_DAMAGED
        return
    count_add(&s.count, count, r)
    count_add(&s.nan, nan, r)
    if count > nan:
        low = <int32_t>read_u32(r)
        high = <int32_t>read_u32(r)
        if low > high or (s.dtype == DTYPE_F32 and (low < FLOAT_KEY_LOW or high > FLOAT_KEY_HIGH)):
            r.status = STATUS_DAMAGED
            return
        extrema_fold(s, low, high)


cdef struct tally:
    uint64_t count
    uint64_t nan
    uint32_t dtype


cdef void tally_init(tally *s, uint32_t dtype) noexcept nogil:
    memset(s, 0, sizeof(tally))
    s.dtype = dtype


cdef void tally_push(tally *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i, nan = 0
    cdef float f
    if s.dtype == DTYPE_F32:
        for i in range(n):
            f = (<const float *>x)[i]
            nan = nan + (f != f)
    s.count = s.count + n
    s.nan = s.nan + nan


cdef void tally_write(tally *s, writer *w) noexcept nogil:
    write_count(w, s.count)
    if s.dtype == DTYPE_F32:
        write_count(w, s.nan)


cdef void tally_read(tally *s, reader *r) noexcept nogil:
    cdef uint64_t count = read_count(r), nan = 0
    if s.dtype == DTYPE_F32:
        nan = read_count(r)
    if nan > count:
        r.status = STATUS_DAMAGED
        return
    count_add(&s.count, count, r)
    count_add(&s.nan, nan, r)
