# Reducer `top`: the values that occur most often. NaN is counted apart; -0 counts as 0.
#
# Exact while the different values fit the table (`width` of them), then a hierarchy of Count-Min
# sketches (Cormode and Muthukrishnan, 2005, section 4.2) over the value's bits: its first byte is
# counted exactly, its first two, three and four bytes each in 3 rows of `width` counters (of i16
# the second level is the whole value). All counters are sums, so merging adds integers. finish
# walks from prefix to prefix down to the values: none that occurs more than `error` times is
# missed; a count is never too low, and too high by more than `error` with odds of 1 in 20.

cdef enum:
    HITTERS_ROWS = 3
    HITTERS_WIDTH_MIN = 8
    HITTERS_WIDTH_MAX = 4096
    HITTERS_MAX = 1000

cdef struct hitters:
    uint64_t count
    uint64_t nan
    uint32_t dtype
    uint32_t width
    uint32_t levels  # of rows, behind the exact first byte
    uint32_t dense  # 1: the counters are in use and the table no more
    uint32_t counters  # how many
    uint32_t counters_at  # bytes from the struct's start: uint64_t counter[counters]
    table exact


cdef inline uint32_t hitters_levels(uint32_t dtype) noexcept nogil:
    return 1 if dtype == DTYPE_I16 else 3


cdef inline size_t hitters_table(uint32_t width) noexcept nogil:
    return sizeof(hitters) - sizeof(table) + table_size(width, True)


cdef inline uint32_t hitters_counters(uint32_t dtype, uint32_t width) noexcept nogil:
    return 256 + hitters_levels(dtype) * HITTERS_ROWS * width


cdef size_t hitters_size(uint32_t dtype, uint32_t width) noexcept nogil:
    return hitters_table(width) + 8 * <size_t>hitters_counters(dtype, width)


cdef void hitters_init(hitters *s, uint32_t dtype, uint32_t width) noexcept nogil:
    memset(s, 0, hitters_size(dtype, width))
    s.dtype = dtype
    s.width = width
    s.levels = hitters_levels(dtype)
    s.counters = hitters_counters(dtype, width)
    s.counters_at = <uint32_t>hitters_table(width)
    table_init(&s.exact, width, True)


cdef inline uint64_t *hitters_counts(hitters *s) noexcept nogil:
    return <uint64_t *>(<uint8_t *>s + s.counters_at)


cdef void hitters_count(hitters *s, uint32_t word, uint64_t count) noexcept nogil:
    """Add to the counters of the word's prefixes."""
    cdef uint64_t *at = hitters_counts(s)
    cdef uint32_t level, row, slot, first, step, left = 8 * s.levels
    cdef uint64_t hash
    slot = (word >> left) & 0xFF
    at[slot] = at[slot] + count
    at = at + 256
    for level in range(1, <uint32_t>(s.levels + 1)):
        left = left - 8
        hash = atoll_mix((<uint64_t>level << 32) | (word >> left))
        first = <uint32_t>hash
        step = <uint32_t>(hash >> 32) | 1
        for row in range(<uint32_t>HITTERS_ROWS):
            slot = <uint32_t>((<uint64_t>(first + row * step) * s.width) >> 32)
            at[slot] = at[slot] + count
            at = at + s.width


cdef void hitters_open(hitters *s) noexcept nogil:
    """Go over from the table to the counters."""
    cdef uint32_t i
    if s.dense:
        return
    s.dense = 1
    for i in range(s.exact.used):
        hitters_count(s, table_keys(&s.exact)[i], table_counts(&s.exact)[i])


cdef inline void hitters_one(hitters *s, uint32_t word, uint64_t count) noexcept nogil:
    if not s.dense:
        if table_add(&s.exact, word, count):
            return
        hitters_open(s)
    hitters_count(s, word, count)


cdef void hitters_push(hitters *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef uint32_t word
    if ROOMY and s.dtype == DTYPE_I16 and COUNTS_LEAST <= n <= COUNTS_MOST:
        hitters_counts_i16(s, <const int16_t *>x, n)
        s.count = s.count + n
        return
    for i in range(n):
        word = value_word(s.dtype, x, i)
        if word_is_nan(s.dtype, word):
            s.nan = s.nan + 1
        else:
            if s.dtype == DTYPE_I16:
                word = word & 0xFFFF
            hitters_one(s, word, 1)
    s.count = s.count + n


cdef void hitters_write(hitters *s, writer *w) noexcept nogil:
    """count, NaN for floats, 0 and the table, or 1 and the counters."""
    write_count(w, s.count)
    if s.dtype == DTYPE_F32:
        write_count(w, s.nan)
    write_byte(w, s.dense)
    if s.dense:
        counts_write(w, hitters_counts(s), s.counters)
    else:
        table_write(&s.exact, w)


cdef void hitters_check(hitters *s, reader *r) noexcept nogil:
    """Every value counts once among the first bytes, and once in each row."""
    cdef const uint64_t *at = hitters_counts(s)
    cdef uint32_t k, width = 256
    cdef uint64_t total
    while at < hitters_counts(s) + s.counters:
        total = 0
        for k in range(width):
            total = total + at[k]
        if total != s.count - s.nan and r.status == STATUS_OK:
            r.status = STATUS_DAMAGED
        at = at + width
        width = s.width


cdef void hitters_read(hitters *s, reader *r) noexcept nogil:
    cdef uint64_t more = read_count(r), nan = 0, key = 0, step, count, total = 0
    cdef uint32_t used, dense, bits = 16 if s.dtype == DTYPE_I16 else 32
    if s.dtype == DTYPE_F32:
        nan = read_count(r)
    if nan > more:
        r.status = STATUS_DAMAGED
    count_add(&s.count, more, r)
    count_add(&s.nan, nan, r)
    dense = read_byte(r)
    if dense > 1 or r.status != STATUS_OK:
        r.status = STATUS_DAMAGED if r.status == STATUS_OK else r.status
        return
    if dense:
        hitters_open(s)
        counts_read(r, hitters_counts(s), s.counters)
        hitters_check(s, r)
        return
    used = read_bounded(r, s.exact.room)
    while used:
        used = used - 1
        step = read_count(r)
        key = key + step
        count = read_count(r)
        count_add(&total, count, r)
        if step >> 32 or key >> bits or count == 0 or r.status != STATUS_OK:
            r.status = STATUS_DAMAGED if r.status == STATUS_OK else r.status
            return
        hitters_one(s, <uint32_t>key, count)
        key = key + 1
    if total != more - nan:
        r.status = STATUS_DAMAGED
