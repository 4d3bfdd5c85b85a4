# Reducers `count` and `minmax`. NaN is counted and otherwise ignored; -0 counts as 0; infinities
# are values. Integers keep their type, window features are floats.
#
# An extreme comes with its place: the stream's key and the sample's index in it (of a window its
# first sample). Of equal extremes the one of the smallest (key, sample) is kept, so that merging
# knows no order. Keys are compared as bytes and kept up to their first KEY_BYTES.

cdef enum:
    EXTREMA_BLOCK = 2048  # samples searched again for the place where a block holds a new extreme
    TALLY_MOST = 1 << 30
    KEY_BYTES = 64  # of a stream's key beside an extreme: two of them a state

cdef struct place:
    uint64_t at
    uint32_t length
    uint8_t key[KEY_BYTES]

cdef struct extrema:
    uint64_t count
    uint64_t nan
    uint32_t dtype
    int32_t low  # of integers; of floats the ordered key (sketch.pxi)
    int32_t high
    place low_place
    place high_place


cdef void extrema_init(extrema *s, uint32_t dtype) noexcept nogil:
    memset(s, 0, sizeof(extrema))
    s.dtype = dtype
    s.low = I32_MAX
    s.high = I32_MIN


cdef int32_t key_order(const place *a, const place *b) noexcept nogil:
    """Negative, 0 or positive as a's key stands before b's, equals it or stands after it."""
    cdef uint32_t k = 0
    while k < a.length and k < b.length and a.key[k] == b.key[k]:
        k = k + 1
    if k < a.length and k < b.length:
        return <int32_t>a.key[k] - <int32_t>b.key[k]
    return <int32_t>a.length - <int32_t>b.length


cdef bint place_before(const place *a, const place *b) noexcept nogil:
    cdef int32_t order = key_order(a, b)
    return order < 0 or (order == 0 and a.at < b.at)


cdef void extrema_take(extrema *s, const extrema *more) noexcept nogil:
    """Fold `more` into s: extremes, places and counts. The counts' sums must fit."""
    cdef bint empty = s.count == s.nan
    if more.count > more.nan:
        if empty or more.low < s.low or (more.low == s.low
                                         and place_before(&more.low_place, &s.low_place)):
            s.low = more.low
            s.low_place = more.low_place
        if empty or more.high > s.high or (more.high == s.high
                                           and place_before(&more.high_place, &s.high_place)):
            s.high = more.high
            s.high_place = more.high_place
    s.count = s.count + more.count
    s.nan = s.nan + more.nan


cdef void extrema_scan(extrema *s, const void *x, size_t n) noexcept nogil:
    """Extremes and counts of n values, into s, which says their dtype, without their places."""
    cdef size_t i, nan = 0
    cdef int32_t low = I32_MAX, high = I32_MIN, key
    cdef int16_t low16 = 32767, high16 = -32768, v
    cdef float f
    if s.dtype == DTYPE_I16:
        for i in range(atoll_fast_bounds_i16(<const int16_t *>x, n, &low16, &high16), n):
            v = (<const int16_t *>x)[i]
            low16 = v if v < low16 else low16
            high16 = v if v > high16 else high16
        low = low16
        high = high16
    elif s.dtype == DTYPE_I32:
        for i in range(atoll_fast_bounds_i32(<const int32_t *>x, n, &low, &high), n):
            key = (<const int32_t *>x)[i]
            low = key if key < low else low
            high = key if key > high else high
    elif f32_bounds(<const float *>x, n, &low, &high):
        low = I32_MAX
        high = I32_MIN
        for i in range(n):
            f = (<const float *>x)[i]
            if f != f:
                nan = nan + 1
            else:
                key = float_key(f)
                low = key if key < low else low
                high = key if key > high else high
    else:
        low = low + (low == -1)  # -0 counts as 0
        high = high + (high == -1)
    s.low = low
    s.high = high
    s.count = n
    s.nan = nan


cdef size_t extrema_find(uint32_t dtype, const void *x, size_t n, int32_t key) noexcept nogil:
    """Index of the first value with this ordered integer; it is there."""
    cdef size_t i = 0
    cdef int32_t bits
    if dtype == DTYPE_I16:
        while i < n and (<const int16_t *>x)[i] != key:
            i = i + 1
        return i
    if dtype == DTYPE_F32 and key == 0:  # either zero
        while i < n and (<const int32_t *>x)[i] & I32_MAX:
            i = i + 1
        return i
    bits = key
    if dtype == DTYPE_F32 and key < 0:
        bits = <int32_t>(<uint32_t>(-1 - key) | (<uint32_t>1 << 31))
    while i < n and (<const int32_t *>x)[i] != bits:
        i = i + 1
    return i


cdef void extrema_block(extrema *s, const void *x, size_t n, const place *first,
                        uint64_t step) noexcept nogil:
    """Values that stand at first, first + step, ...; a place is searched only where it counts."""
    cdef extrema found
    cdef bint empty = s.count == s.nan, low = True, high = True
    found.dtype = s.dtype
    extrema_scan(&found, x, n)
    if not empty and found.low > s.low and found.high < s.high:
        s.count = s.count + found.count
        s.nan = s.nan + found.nan
        return
    if ROOMY and not empty:
        # Of equal extremes that of the smallest place is kept, and none here stands before the first.
        found.low_place = first[0]
        found.high_place = first[0]
        low = found.low < s.low or place_before(first, &s.low_place)
        high = found.high > s.high or place_before(first, &s.high_place)
    if low and found.count > found.nan and (empty or found.low <= s.low):
        found.low_place = first[0]
        found.low_place.at = first.at + step * extrema_find(s.dtype, x, n, found.low)
    if high and found.count > found.nan and (empty or found.high >= s.high):
        found.high_place = first[0]
        found.high_place.at = first.at + step * extrema_find(s.dtype, x, n, found.high)
    extrema_take(s, &found)


cdef void extrema_push(extrema *s, const void *x, size_t n, const place *first,
                       uint64_t step) noexcept nogil:
    cdef place here = first[0]
    cdef size_t at = 0, m
    while at < n:
        m = n - at
        if m > EXTREMA_BLOCK:
            m = EXTREMA_BLOCK
        extrema_block(s, <const uint8_t *>x + at * dtype_size(s.dtype), m, &here, step)
        here.at = here.at + step * m
        at = at + m


cdef void extrema_uneven(extrema *s, const void *x, size_t n, const place *first, uint64_t step,
                         uint32_t up, uint32_t rest) noexcept nogil:
    """As extrema_push, where value i stands at first + (rest + step i) / up, rounded down."""
    cdef extrema found
    cdef place here = first[0]
    cdef size_t i, k
    if n == 0:
        return
    found.dtype = s.dtype
    extrema_scan(&found, x, n)
    if found.count > found.nan and (s.count == s.nan or found.low <= s.low
                                    or found.high >= s.high):
        for k in range(2):
            i = extrema_find(s.dtype, x, n, found.high if k else found.low)
            here.at = first.at + (rest + step * i) // up
            extrema_block(s, <const uint8_t *>x + i * dtype_size(s.dtype), 1, &here, step)
            found.count = found.count - 1
    s.count = s.count + found.count
    s.nan = s.nan + found.nan


cdef void place_write(const place *s, const place *other, writer *w) noexcept nogil:
    """The index, then 0 where the key is that of `other`, else its length + 1 and its bytes."""
    cdef uint32_t k
    write_count(w, s.at)
    if other != NULL and key_order(s, other) == 0:
        write_count(w, 0)
        return
    write_count(w, s.length + 1)
    for k in range(s.length):
        write_byte(w, s.key[k])


cdef void place_read(place *s, const place *other, reader *r) noexcept nogil:
    cdef uint32_t k, length
    cdef uint64_t at = read_count(r)
    length = read_bounded(r, KEY_BYTES + 1)
    if length == 0 and other != NULL:
        s[0] = other[0]
    elif length == 0:
        r.status = STATUS_DAMAGED
    else:
        s.length = length - 1
        for k in range(s.length):
            s.key[k] = <uint8_t>read_byte(r)
        if other != NULL and key_order(s, other) == 0:
            r.status = STATUS_DAMAGED
    s.at = at


cdef void extrema_write(extrema *s, writer *w) noexcept nogil:
    """count (NaN included), NaN for floats, then both extremes and their places, if any."""
    write_count(w, s.count)
    if s.dtype == DTYPE_F32:
        write_count(w, s.nan)
    if s.count > s.nan:
        write_u32(w, <uint32_t>s.low)
        write_u32(w, <uint32_t>s.high)
        place_write(&s.low_place, NULL, w)
        place_write(&s.high_place, &s.low_place, w)


cdef bint extrema_valid(uint32_t dtype, int32_t low, int32_t high) noexcept nogil:
    """Whether values of this dtype can have these ordered integers."""
    if dtype == DTYPE_I16:
        return low >= -32768 and high <= 32767
    if dtype == DTYPE_F32:
        return low >= FLOAT_KEY_LOW and high <= FLOAT_KEY_HIGH
    return True


cdef void extrema_read(extrema *s, reader *r) noexcept nogil:
    cdef extrema more
    cdef uint64_t count = s.count, nan = s.nan
    extrema_init(&more, s.dtype)
    more.count = read_count(r)
    if s.dtype == DTYPE_F32:
        more.nan = read_count(r)
    if more.count > more.nan:
        more.low = <int32_t>read_u32(r)
        more.high = <int32_t>read_u32(r)
        place_read(&more.low_place, NULL, r)
        place_read(&more.high_place, &more.low_place, r)
        if more.low > more.high or not extrema_valid(s.dtype, more.low, more.high):
            r.status = STATUS_DAMAGED
    if more.nan > more.count:
        r.status = STATUS_DAMAGED
    count_add(&count, more.count, r)
    count_add(&nan, more.nan, r)
    if r.status == STATUS_OK:
        extrema_take(s, &more)


cdef struct tally:
    uint64_t count
    uint64_t nan
    uint32_t dtype


cdef void tally_init(tally *s, uint32_t dtype) noexcept nogil:
    memset(s, 0, sizeof(tally))
    s.dtype = dtype


cdef size_t nan_count(const float *x, size_t n) noexcept nogil:
    """In 32 bits as long as they hold: wide vectors hold twice as many."""
    cdef size_t at = 0, m, i, nan = 0
    cdef uint32_t some
    while at < n:
        m = n - at if n - at < TALLY_MOST else <size_t>TALLY_MOST
        some = 0
        for i in range(m):
            some = some + <uint32_t>(x[at + i] != x[at + i])
        nan = nan + some
        at = at + m
    return nan


cdef void tally_push(tally *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i, nan = 0
    cdef float f
    if ROOMY and s.dtype == DTYPE_F32:
        nan = nan_count(<const float *>x, n)
    elif s.dtype == DTYPE_F32:
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
