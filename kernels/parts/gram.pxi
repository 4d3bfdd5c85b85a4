# Reducers of rows: `gram` (sums and products of the columns) and `centroids` (one k-means step).
#
# Columns are floats. A column is m 2^(e - 149) with a 24-bit m, so sums and products are integers
# in units of 2^-149 and 2^-298 and go into exact accumulators (limbs.pxi), as in powers.pxi. A row
# with a NaN or an infinity is left out whole, and counted.

cdef enum:
    SUM_CHUNKS = 11  # of x: 254 bits of exponent, 24 of mantissa, 63 of count, sign
    PRODUCT_CHUNKS = 20  # of x y: 507 bits of exponent, 48 of mantissa, 63 of count, sign
    GRAM_COLUMNS_MAX = 16
    CENTROIDS_MAX = 64
    GRAM_ROWS = 256  # rows at a time whose products are summed in binary64
    GRAM_SPAN = 21  # exponents that a column may span for that

cdef struct column:
    uint64_t m
    uint32_t e
    int64_t sign

cdef struct gram:
    uint64_t count
    uint64_t left_out
    uint32_t columns
    uint32_t groups  # centroids; 0 for gram
    uint32_t pending
    uint32_t chunks_at  # bytes from the struct's start: int64_t, see gram_layout
    uint64_t members[1]  # rows of each centroid


cdef inline column column_of(float x) noexcept nogil:
    cdef column c
    cdef uint32_t u = atoll_bits(x)
    c.e = (u >> 23) & 0xFF
    c.m = u & 0x7FFFFF
    c.sign = 1 - 2 * <int64_t>(u >> 31)
    if c.e:
        c.m = c.m | 0x800000
        c.e = c.e - 1
    return c


cdef bint row_finite(const float *row, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if (atoll_bits(row[i]) & BITS_MAGNITUDE) >= BITS_INF:
            return False
    return True


cdef inline uint32_t gram_sums(const gram *s) noexcept nogil:
    """How many sums: one a column, for centroids one a column and centroid."""
    return s.columns * s.groups if s.groups else s.columns


cdef inline uint32_t gram_products(const gram *s) noexcept nogil:
    """How many products: pairs of columns; for centroids one, the sum of all squares."""
    if s.groups:
        return 1
    return (s.columns * (s.columns + 1)) >> 1


cdef inline int64_t *gram_chunks(gram *s) noexcept nogil:
    return <int64_t *>(<uint8_t *>s + s.chunks_at)


cdef void gram_layout(gram *s, uint32_t columns, uint32_t groups) noexcept nogil:
    """The header: members, then SUM_CHUNKS a sum, then PRODUCT_CHUNKS a product."""
    memset(s, 0, sizeof(gram))
    s.columns = columns
    s.groups = groups
    s.chunks_at = <uint32_t>(sizeof(gram) + 8 * <size_t>groups)


cdef size_t gram_size(uint32_t columns, uint32_t groups) noexcept nogil:
    cdef gram s
    gram_layout(&s, columns, groups)
    return s.chunks_at + 8 * (SUM_CHUNKS * <size_t>gram_sums(&s)
                              + PRODUCT_CHUNKS * <size_t>gram_products(&s))


cdef void gram_init(gram *s, uint32_t columns, uint32_t groups) noexcept nogil:
    memset(s, 0, gram_size(columns, groups))
    gram_layout(s, columns, groups)


cdef bint gram_settle(gram *s) noexcept nogil:
    cdef int64_t *chunk = gram_chunks(s)
    cdef uint32_t left = gram_sums(s)
    cdef bint ok = True
    while left:
        left = left - 1
        ok = limbs_settle(chunk, SUM_CHUNKS) and ok
        chunk = chunk + SUM_CHUNKS
    left = gram_products(s)
    while left:
        left = left - 1
        ok = limbs_settle(chunk, PRODUCT_CHUNKS) and ok
        chunk = chunk + PRODUCT_CHUNKS
    s.pending = 0
    return ok


cdef bint gram_enter(gram *s, const float *row, uint32_t adds) noexcept nogil:
    """Count a row; False where it is left out. Makes room for `adds` pieces in each chunk."""
    s.count = s.count + 1
    if not row_finite(row, s.columns):
        s.left_out = s.left_out + 1
        return False
    if s.pending + adds > LIMBS_PENDING:
        gram_settle(s)
    s.pending = s.pending + adds
    return True


cdef void gram_push(gram *s, const float *row) noexcept nogil:
    cdef column c[GRAM_COLUMNS_MAX]
    cdef int64_t *chunk = gram_chunks(s)
    cdef uint32_t i, j
    if not gram_enter(s, row, 1):
        return
    for i in range(s.columns):
        c[i] = column_of(row[i])
        powers_add(chunk, c[i].e, c[i].m, 0, c[i].sign)
        chunk = chunk + SUM_CHUNKS
    for i in range(s.columns):
        for j in range(i, s.columns):
            powers_add(chunk, c[i].e + c[j].e, c[i].m * c[j].m, 0, c[i].sign * c[j].sign)
            chunk = chunk + PRODUCT_CHUNKS


cdef inline float distance_on(float total, const float *a, const float *b, size_t n) noexcept nogil:
    """What n more columns add to a squared distance, in their order."""
    cdef float d
    cdef size_t j
    for j in range(n):
        d = a[j] - b[j]
        total = total + d * d
    return total


cdef float squared_distance(const float *a, const float *b, size_t n) noexcept nogil:
    """Summed in the order of the columns."""
    return distance_on(<float>0.0, a, b, n)


cdef uint32_t nearest(const float *row, const float *centroid, uint32_t columns,
                      uint32_t groups) noexcept nogil:
    """The first centroid of the least squared distance."""
    cdef uint32_t k, best = 0
    cdef float least = atoll_float(BITS_INF), distance
    for k in range(groups):
        distance = squared_distance(row, centroid, columns)
        if distance < least:
            least = distance
            best = k
        centroid = centroid + columns
    return best


cdef void centroids_push(gram *s, const float *row, const float *centroid) noexcept nogil:
    cdef int64_t *chunk = gram_chunks(s)
    cdef int64_t *squares = chunk + SUM_CHUNKS * gram_sums(s)
    cdef column c
    cdef uint32_t j, k
    if not gram_enter(s, row, s.columns):
        return
    k = nearest(row, centroid, s.columns, s.groups)
    s.members[k] = s.members[k] + 1
    chunk = chunk + SUM_CHUNKS * k * s.columns
    for j in range(s.columns):
        c = column_of(row[j])
        powers_add(chunk, c.e, c.m, 0, c.sign)
        powers_add(squares, 2 * c.e, c.m * c.m, 0, 1)
        chunk = chunk + SUM_CHUNKS


cdef void gram_write(gram *s, writer *w) noexcept nogil:
    """Rows, rows left out, members of each centroid, sums, products (by rows of the triangle)."""
    cdef int64_t *chunk = gram_chunks(s)
    cdef uint32_t k
    if not gram_settle(s):
        w.status = STATUS_OVERFLOW
    write_count(w, s.count)
    write_count(w, s.left_out)
    for k in range(s.groups):
        write_count(w, s.members[k])
    for k in range(gram_sums(s)):
        limbs_write(w, chunk, SUM_CHUNKS)
        chunk = chunk + SUM_CHUNKS
    for k in range(gram_products(s)):
        limbs_write(w, chunk, PRODUCT_CHUNKS)
        chunk = chunk + PRODUCT_CHUNKS


cdef void gram_read(gram *s, reader *r) noexcept nogil:
    cdef int64_t *chunk = gram_chunks(s)
    cdef uint64_t count = read_count(r), left_out = read_count(r), members, total = 0
    cdef uint32_t k
    if not gram_settle(s):
        r.status = STATUS_OVERFLOW
    if left_out > count:
        r.status = STATUS_DAMAGED
    count_add(&s.count, count, r)
    count_add(&s.left_out, left_out, r)
    for k in range(s.groups):
        members = read_count(r)
        count_add(&s.members[k], members, r)
        count_add(&total, members, r)
    if s.groups and total != count - left_out and r.status == STATUS_OK:
        r.status = STATUS_DAMAGED
    for k in range(gram_sums(s)):
        limbs_read(r, chunk, SUM_CHUNKS)
        chunk = chunk + SUM_CHUNKS
    for k in range(gram_products(s)):
        limbs_read(r, chunk, PRODUCT_CHUNKS)
        chunk = chunk + PRODUCT_CHUNKS
