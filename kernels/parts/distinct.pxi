# Reducer `distinct`: how many different values. NaN is counted apart; -0 counts as 0.
#
# Exact while the values fit the table (2^p / 16 of them), then HyperLogLog (Flajolet et al.,
# 2007) with 2^p registers over a 64-bit hash of the value's bits: the first p bits choose a
# register, which keeps the largest rank (leading zeros and one) of the rest. Both are functions
# of the set of values, so any order of pushing and merging gives the same bytes. The estimate is
# made in finish (Ertl, 2017), with a standard error of 1.04 / 2^(p/2).

cdef enum:
    DISTINCT_P_MIN = 7
    DISTINCT_P_MAX = 16

cdef struct distinct:
    uint64_t count
    uint64_t nan
    uint32_t dtype
    uint32_t p
    uint32_t dense  # 1: the registers are in use and the table no more
    uint32_t registers_at  # bytes from the struct's start: uint8_t register[2^p]
    table exact


cdef inline size_t distinct_table(uint32_t p) noexcept nogil:
    return sizeof(distinct) - sizeof(table) + table_size(<uint32_t>1 << (p - 4), False)


cdef size_t distinct_size(uint32_t p) noexcept nogil:
    return distinct_table(p) + (<size_t>1 << p)


cdef void distinct_init(distinct *s, uint32_t dtype, uint32_t p) noexcept nogil:
    memset(s, 0, distinct_size(p))
    s.dtype = dtype
    s.p = p
    s.registers_at = <uint32_t>distinct_table(p)
    table_init(&s.exact, <uint32_t>1 << (p - 4), False)


cdef inline uint8_t *distinct_registers(distinct *s) noexcept nogil:
    return <uint8_t *>s + s.registers_at


cdef inline void distinct_rank(distinct *s, uint32_t word) noexcept nogil:
    cdef uint64_t hash = atoll_mix(<uint64_t>word + HASH_FACTOR)
    cdef uint8_t *kept = distinct_registers(s) + (hash >> (64 - s.p))
    # A bit behind the last of the rest bounds the rank by 65 - p.
    cdef uint64_t rest = (hash << s.p) | (<uint64_t>1 << (s.p - 1))
    cdef uint32_t rank = 1
    if (rest >> 1) >> (63 - kept[0]):
        return  # a one among the first kept[0] bits: the rank is no larger
    while rest >> 63 == 0:
        rest = rest << 1
        rank = rank + 1
    kept[0] = <uint8_t>rank


cdef void distinct_open(distinct *s) noexcept nogil:
    """Go over from the table to the registers."""
    cdef uint32_t i
    if s.dense:
        return
    s.dense = 1
    for i in range(s.exact.used):
        distinct_rank(s, table_keys(&s.exact)[i])


cdef inline void distinct_one(distinct *s, uint32_t word) noexcept nogil:
    if not s.dense:
        if table_add(&s.exact, word, 1):
            return
        distinct_open(s)
    distinct_rank(s, word)


cdef void distinct_push(distinct *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef uint32_t word
    if ROOMY and s.dtype == DTYPE_I16 and n >= COUNTS_LEAST:
        s.count = s.count + n
        distinct_values_i16(s, <const int16_t *>x, n)
        return
    for i in range(n):
        word = value_word(s.dtype, x, i)
        if word_is_nan(s.dtype, word):
            s.nan = s.nan + 1
        else:
            distinct_one(s, word)
    s.count = s.count + n


cdef void distinct_write(distinct *s, writer *w) noexcept nogil:
    """count, NaN for floats, 0 and the table, or 1 and the registers in 6 bits each."""
    cdef size_t i, n = <size_t>1 << s.p
    cdef const uint8_t *kept = distinct_registers(s)
    write_count(w, s.count)
    if s.dtype == DTYPE_F32:
        write_count(w, s.nan)
    write_byte(w, s.dense)
    if not s.dense:
        table_write(&s.exact, w)
        return
    for i in range(0, n, 4):
        write_byte(w, kept[i] | (<uint32_t>kept[i + 1] << 6 & 0xC0))
        write_byte(w, <uint32_t>kept[i + 1] >> 2 | (<uint32_t>kept[i + 2] << 4 & 0xF0))
        write_byte(w, <uint32_t>kept[i + 2] >> 4 | <uint32_t>kept[i + 3] << 2)


cdef void distinct_registers_read(distinct *s, reader *r) noexcept nogil:
    cdef size_t i, j
    cdef uint32_t word, rank
    cdef uint8_t *kept = distinct_registers(s)
    distinct_open(s)
    for i in range(0, <size_t>1 << s.p, 4):
        word = read_byte(r)
        word = word | read_byte(r) << 8
        word = word | read_byte(r) << 16
        for j in range(4):
            rank = (word >> (6 * j)) & 63
            if rank > 65 - s.p:
                r.status = STATUS_DAMAGED
            elif rank > kept[i + j]:
                kept[i + j] = <uint8_t>rank


cdef void distinct_read(distinct *s, reader *r) noexcept nogil:
    cdef uint64_t count = read_count(r), nan = 0, key = 0, step
    cdef uint32_t used, dense
    if s.dtype == DTYPE_F32:
        nan = read_count(r)
    if nan > count:
        r.status = STATUS_DAMAGED
    count_add(&s.count, count, r)
    count_add(&s.nan, nan, r)
    dense = read_byte(r)
    if dense > 1 or r.status != STATUS_OK:
        r.status = STATUS_DAMAGED if r.status == STATUS_OK else r.status
        return
    if dense:
        distinct_registers_read(s, r)
        return
    used = read_bounded(r, s.exact.room)
    if used > count - nan or (used == 0 and count > nan):
        r.status = STATUS_DAMAGED
    while used:
        used = used - 1
        step = read_count(r)
        key = key + step
        if step >> 32 or key >> 32 or r.status != STATUS_OK:
            r.status = STATUS_DAMAGED
            return
        distinct_one(s, <uint32_t>key)
        key = key + 1
