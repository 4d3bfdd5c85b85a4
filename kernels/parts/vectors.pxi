# Reducer `merge`: the average of whole vectors, as federated averaging needs it (McMahan et al.,
# 2017), in fixed point and so exact: each number is rounded once to a multiple of 2^-bits.
#
# A vector is a row. With weights, its first number is its weight, a whole number up to 2^24 (the
# samples that a device learned from). Sums of 96 bits hold 2^40 vectors of the extremes. A vector
# with a NaN, an infinity or no valid weight is left out whole, and counted; numbers beyond 31 bits
# saturate, and are counted.

cdef enum:
    VECTOR_MAX = 65536  # numbers: 1.5 MiB of sums, a partial of half a MiB
    VECTOR_BITS_MAX = 30
    VECTOR_CHUNKS = 3
    VECTORS_WIDE = 64  # columns of rows that are summed many at a time
    VECTORS_BLOCK = 1024  # numbers rounded at a time, at most

cdef struct vectors:
    uint64_t count
    uint64_t left_out
    uint64_t saturated
    uint32_t columns  # numbers summed, the weight not among them
    uint32_t bits
    uint32_t weighted
    uint32_t pending
    int64_t chunk[1]  # the weights' sum, then the columns', VECTOR_CHUNKS each


cdef size_t vectors_size(uint32_t columns) noexcept nogil:
    return sizeof(vectors) + 8 * VECTOR_CHUNKS * (<size_t>columns + 1)


cdef void vectors_init(vectors *s, uint32_t width, uint32_t bits, uint32_t weighted) noexcept nogil:
    memset(s, 0, vectors_size(width - weighted))
    s.columns = width - weighted
    s.bits = bits
    s.weighted = weighted


cdef int64_t whole_nearest(float x) noexcept nogil:
    """The integer nearest to x, ties to even; |x| < 2^62."""
    cdef int64_t whole = float_whole(x)
    cdef float rest = x - <float>whole
    if rest > <float>0.5 or (rest == <float>0.5 and whole & 1):
        return whole + 1
    if rest < <float>-0.5 or (rest == <float>-0.5 and whole & 1):
        return whole - 1
    return whole


cdef inline int64_t vectors_fixed(vectors *s, float x) noexcept nogil:
    """x in units of 2^-bits, within 31 bits and a sign."""
    x = x * float_power(<int32_t>s.bits)
    if f32_magnitude(x) >= float_power(31):
        s.saturated = s.saturated + 1
        return <int64_t>I32_MAX if x > <float>0.0 else -<int64_t>I32_MAX
    return whole_nearest(x)


cdef bint vectors_settle(vectors *s) noexcept nogil:
    cdef uint32_t k
    cdef bint ok = True
    for k in range(<uint32_t>(s.columns + 1)):
        ok = limbs_settle(&s.chunk[VECTOR_CHUNKS * k], VECTOR_CHUNKS) and ok
    s.pending = 0
    return ok


cdef void vectors_push(vectors *s, const float *row) noexcept nogil:
    cdef int64_t weight = 1, value
    cdef uint32_t k
    s.count = s.count + 1
    if not row_finite(row, s.columns + s.weighted):
        s.left_out = s.left_out + 1
        return
    if s.weighted:
        if not <float>0.0 <= row[0] <= float_power(24) or row[0] != <float><int32_t>row[0]:
            s.left_out = s.left_out + 1
            return
        weight = float_whole(row[0])
        row = row + 1
    if s.pending + 1 > LIMBS_PENDING:
        vectors_settle(s)
    s.pending = s.pending + 1
    limbs_add_i64(&s.chunk[0], weight)
    for k in range(s.columns):
        value = vectors_fixed(s, row[k])
        limbs_add_i64(&s.chunk[VECTOR_CHUNKS * (k + 1)], weight * value)


cdef bint vectors_plain(const vectors *s, const float *x, size_t n) noexcept nogil:
    """Whether n numbers are finite and none of them saturates."""
    cdef size_t i
    cdef uint32_t most = 0, u
    for i in range(n):
        u = atoll_bits(x[i]) & BITS_MAGNITUDE
        most = u if u > most else most
    return most < BITS_INF and (atoll_float(most) * float_power(<int32_t>s.bits)) < float_power(31)


cdef void vectors_round(const vectors *s, const float *x, size_t n, int32_t *out) noexcept nogil:
    """whole_nearest in units of 2^-bits of n plain numbers, without a branch."""
    cdef float by = float_power(<int32_t>s.bits), v, rest
    cdef int32_t whole, odd
    cdef size_t i
    for i in range(atoll_rounded(x, n, by, out), n):
        v = x[i] * by
        whole = <int32_t>v
        rest = v - <float>whole
        odd = whole & 1
        whole = whole + <int32_t>(rest > <float>0.5) + (<int32_t>(rest == <float>0.5) & odd)
        out[i] = whole - <int32_t>(rest < <float>-0.5) - (<int32_t>(rest == <float>-0.5) & odd)


cdef bint vectors_many(vectors *s, const float *x, size_t count) noexcept nogil:
    """`count` rows that stand one behind the other; False, and nothing done, where each has to be
    looked at: with weights, wide, or with a number that is not plain."""
    cdef int32_t whole[VECTORS_BLOCK]
    cdef int64_t total[VECTORS_BLOCK]
    cdef size_t columns = s.columns, span, at = 0, i, c, m
    if s.weighted or columns > VECTORS_WIDE or not vectors_plain(s, x, count * columns):
        return False
    span = columns * (VECTORS_WIDE // columns)  # of as many rows as fit: a sum for each number of them
    memset(total, 0, span * sizeof(int64_t))
    while at < count * columns:
        m = count * columns - at
        if m > VECTORS_BLOCK // span * span:
            m = VECTORS_BLOCK // span * span
        vectors_round(s, x + at, m, whole)
        i = 0
        while i < m:
            atoll_add_wide(total, whole + i, m - i if m - i < span else span)
            i = i + span
        at = at + m
    if s.pending + 2 > LIMBS_PENDING:
        vectors_settle(s)
    s.pending = s.pending + 2
    s.count = s.count + count
    limbs_add_i64(&s.chunk[0], <int64_t>count)
    for c in range(columns, span):
        total[c % columns] = total[c % columns] + total[c]
    for c in range(columns):
        limbs_add_i64(&s.chunk[VECTOR_CHUNKS * (c + 1)], total[c])
    return True


cdef void vectors_write(vectors *s, writer *w) noexcept nogil:
    """Vectors, vectors left out, numbers saturated, the weights' sum, the columns' sums."""
    cdef uint32_t k
    if not vectors_settle(s):
        w.status = STATUS_OVERFLOW
    write_count(w, s.count)
    write_count(w, s.left_out)
    write_count(w, s.saturated)
    for k in range(<uint32_t>(s.columns + 1)):
        limbs_write(w, &s.chunk[VECTOR_CHUNKS * k], VECTOR_CHUNKS)


cdef void vectors_read(vectors *s, reader *r) noexcept nogil:
    cdef uint64_t count = read_count(r), left_out = read_count(r)
    cdef uint32_t k
    if not vectors_settle(s):
        r.status = STATUS_OVERFLOW
    if left_out > count:
        r.status = STATUS_DAMAGED
    count_add(&s.count, count, r)
    count_add(&s.left_out, left_out, r)
    count_add(&s.saturated, read_count(r), r)
    for k in range(<uint32_t>(s.columns + 1)):
        limbs_read(r, &s.chunk[VECTOR_CHUNKS * k], VECTOR_CHUNKS)
