# Many rows into `gram` and `centroids`, column by column in binary64, where AVX2 is at hand and sums and
# products are exact in it (lanes.h). The accumulators take the same integers as row by row.


cdef void rows_turn(const float *rows, size_t columns, size_t count, float *side) noexcept nogil:
    """Rows that stand one behind the other, column by column, GRAM_ROWS apart; zeros up to a multiple
    of WIDE rows."""
    cdef float block[GRAM_COLUMNS_MAX * WIDE]
    cdef size_t at = 0, j, k, m
    while at < count:
        m = count - at if count - at < WIDE else <size_t>WIDE
        columns_many(DTYPE_F32, <const uint8_t *>(rows + columns * at), columns * sizeof(float), m,
                     columns, block)
        for j in range(columns):
            for k in range(m, <size_t>WIDE):
                block[WIDE * j + k] = <float>0.0
            atoll_store(side + GRAM_ROWS * j + at, atoll_load(block + WIDE * j))
        at = at + m


cdef bint rows_span(const float *side, size_t columns, size_t n, uint32_t *high,
                    uint32_t *low) noexcept nogil:
    """The exponents of each column; False where a number is not finite or a span is too wide."""
    cdef size_t j
    for j in range(columns):
        if not atoll_span(side + GRAM_ROWS * j, n, high + j, low + j):
            return False
        if high[j] - low[j] > GRAM_SPAN:
            return False
    return True


cdef void rows_product(int64_t *chunk, const float *x, const float *y, size_t n, uint32_t high,
                       uint32_t low, bint narrow) noexcept nogil:
    """The sum of products of two columns; high, low: sums of their exponents; narrow: of i16, whose
    products have 30 bits, so that no sum of them is rounded."""
    cdef int64_t over, under
    if narrow:
        powers_add_i64(chunk, 298, atoll_short_dot(x, y, n))
        return
    atoll_span_dot(x, y, n, high, low, &over, &under)
    powers_add_i64(chunk, high + 2, over)
    powers_add_i64(chunk, low - 2, under)


cdef bint gram_many(gram *s, const float *rows, size_t count, bint narrow) noexcept nogil:
    """count <= GRAM_ROWS rows, of i16 where `narrow` says so, column by column; False, and nothing done,
    where each has to be looked at: one is not finite, or a column's exponents lie too far apart."""
    cdef float side[GRAM_COLUMNS_MAX * GRAM_ROWS]
    cdef uint32_t high[GRAM_COLUMNS_MAX]
    cdef uint32_t low[GRAM_COLUMNS_MAX]
    cdef int64_t *chunk = gram_chunks(s)
    cdef size_t k = s.columns, n = (count + 7) & ~<size_t>7, i, j
    rows_turn(rows, k, count, side)
    if not rows_span(side, k, n, high, low):
        return False
    if s.pending + 2 > LIMBS_PENDING:
        gram_settle(s)
    s.pending = s.pending + 2
    s.count = s.count + count
    for i in range(k):
        powers_add_i64(chunk, low[i] - 1, atoll_span_sum(side + GRAM_ROWS * i, n, low[i]))
        chunk = chunk + SUM_CHUNKS
    for i in range(k):
        for j in range(i, k):
            rows_product(chunk, side + GRAM_ROWS * i, side + GRAM_ROWS * j, n, high[i] + high[j],
                         low[i] + low[j], narrow)
            chunk = chunk + PRODUCT_CHUNKS
    return True


cdef bint centroids_many(gram *s, const float *rows, size_t count, const float *centroid,
                         bint narrow) noexcept nogil:
    """centroids_push of count <= GRAM_ROWS rows; as gram_many."""
    cdef float side[GRAM_COLUMNS_MAX * GRAM_ROWS]
    cdef int64_t total[GRAM_COLUMNS_MAX * CENTROIDS_MAX]
    cdef int32_t group[GRAM_ROWS]
    cdef uint32_t high[GRAM_COLUMNS_MAX]
    cdef uint32_t low[GRAM_COLUMNS_MAX]
    cdef int64_t *chunk = gram_chunks(s)
    cdef size_t k = s.columns, n = (count + 7) & ~<size_t>7, i, j
    rows_turn(rows, k, count, side)
    if not rows_span(side, k, n, high, low):
        return False
    if s.pending + 2 * k > LIMBS_PENDING:
        gram_settle(s)
    s.pending = s.pending + <uint32_t>(2 * k)
    s.count = s.count + count
    atoll_near_groups(side, GRAM_ROWS, n, centroid, k, s.groups, group)
    for i in range(count):
        s.members[group[i]] += 1
    atoll_group_sums(rows, count, group, k, s.groups, low, total)
    for i in range(s.groups):
        for j in range(k):
            powers_add_i64(chunk, low[j] - 1, total[k * i + j])
            chunk = chunk + SUM_CHUNKS
    for j in range(k):
        rows_product(chunk, side + GRAM_ROWS * j, side + GRAM_ROWS * j, n, 2 * high[j], 2 * low[j],
                     narrow)
    return True
