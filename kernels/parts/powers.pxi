# Reducers `sum` and `moments`: exact sums of x, x^2, x^3, x^4.
#
# Integers: 128 bits a sum for i16, 192 for i32, both enough for 2^63 samples of the extremes.
# Floats: x = m 2^(e-149) with a 24-bit m, so x^p is an integer multiple of 2^(-149 p) and goes
# into a superaccumulator of its own. NaN and the infinities are counted apart.

cdef enum:
    POWERS_BLOCK = 32768  # i16 samples a block: sums of x^3 stay below 2^62
    EXPONENTS_BLOCK = 16384  # pieces of x^4 are below 2^50
    SUMS_BLOCK = 1024
    SUMS_MANY = 64
    EXPONENTS_MANY = 512  # samples from which on sums apart by exponent pay

cdef struct powers:
    uint64_t count
    uint64_t nan
    uint64_t plus
    uint64_t minus
    uint32_t pending
    uint32_t dtype
    uint32_t order
    uint32_t chunks
    int64_t chunk[1]  # as many as powers_chunks says; the state's last member


cdef uint32_t powers_limbs(uint32_t dtype, uint32_t p) noexcept nogil:
    """Chunks of the sum of x^p: the largest power times 2^63 samples, and a sign."""
    if dtype == DTYPE_I16:
        return 4
    if dtype == DTYPE_I32:
        return 6
    if p == 1:
        return 11
    if p == 2:
        return 20
    if p == 3:
        return 28
    return 37


cdef uint32_t powers_chunks(uint32_t dtype, uint32_t order) noexcept nogil:
    cdef uint32_t p, n = 0
    for p in range(1, <uint32_t>(order + 1)):
        n = n + powers_limbs(dtype, p)
    return n


cdef size_t powers_size(uint32_t dtype, uint32_t order) noexcept nogil:
    return sizeof(powers) + (powers_chunks(dtype, order) - 1) * sizeof(int64_t)


cdef void powers_init(powers *s, uint32_t dtype, uint32_t order) noexcept nogil:
    memset(s, 0, powers_size(dtype, order))
    s.dtype = dtype
    s.order = order
    s.chunks = powers_chunks(dtype, order)


cdef bint powers_settle(powers *s) noexcept nogil:
    cdef uint32_t p, n
    cdef int64_t *chunk = &s.chunk[0]
    cdef bint ok = True
    for p in range(1, <uint32_t>(s.order + 1)):
        n = powers_limbs(s.dtype, p)
        ok = limbs_settle(chunk, n) and ok
        chunk = chunk + n
    s.pending = 0
    return ok


cdef inline void powers_reserve(powers *s, uint32_t adds) noexcept nogil:
    """Make room for `adds` more pieces in each chunk."""
    if s.pending + adds > LIMBS_PENDING:
        powers_settle(s)
    s.pending = s.pending + adds


cdef void powers_block_i16(powers *s, const int16_t *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef int64_t v, s1 = 0, s3 = 0
    cdef uint64_t q, s2 = 0, low = 0, high = 0
    if AVX2:
        s1 = i16_sum(x, n)
    else:
        for i in range(n):
            v = x[i]
            s1 = s1 + v
    powers_reserve(s, 4)
    limbs_add_i64(&s.chunk[0], s1)
    if s.order == 1:
        return
    for i in range(n):
        v = x[i]
        q = <uint64_t>(v * v)
        s2 = s2 + q
        s3 = s3 + <int64_t>q * v
        q = q * q
        low = low + (q & LOW32)
        high = high + (q >> 32)
    limbs_add_u64(&s.chunk[4], s2)
    limbs_add_i64(&s.chunk[8], s3)
    limbs_add_u64(&s.chunk[12], low)
    limbs_add_u64(&s.chunk[13], high)


cdef void powers_block_i32(powers *s, const int32_t *x, size_t n) noexcept nogil:
    """Products of up to 124 bits in pieces of 32, each piece summed in 64 (n < 2^31).

    With x^2 = b 2^32 + a: x^3 = a x + 2^32 b x, x^4 = a^2 + 2^33 a b + 2^64 b^2.
    """
    cdef size_t i
    cdef int64_t v, t, s1 = 0, s3b = 0, s3c = 0
    cdef uint64_t q, a, b, s2a = 0, s2b = 0, s3a = 0, s3m = 0, s4a = 0, s4b = 0, s4c = 0, s4d = 0
    if SMALL:
        powers_reserve(s, <uint32_t>n)
        for i in range(n):
            powers_whole(s, x[i])
        return
    for i in range(n):
        s1 = s1 + x[i]
    powers_reserve(s, 8)
    limbs_add_i64(&s.chunk[0], s1)
    if s.order == 1:
        return
    for i in range(n):
        v = x[i]
        q = <uint64_t>(v * v)
        a = q & LOW32
        b = q >> 32
        s2a = s2a + a
        s2b = s2b + b
        t = <int64_t>a * v
        s3a = s3a + (<uint64_t>t & LOW32)
        s3b = s3b + (t >> 32)
        t = <int64_t>b * v
        s3m = s3m + (<uint64_t>t & LOW32)
        s3c = s3c + (t >> 32)
        q = a * a
        s4a = s4a + (q & LOW32)
        s4b = s4b + (q >> 32)
        q = a * b
        s4b = s4b + ((q << 1) & LOW32)
        s4c = s4c + (q >> 31)
        q = b * b
        s4c = s4c + (q & LOW32)
        s4d = s4d + (q >> 32)
    limbs_add_u64(&s.chunk[6], s2a)
    limbs_add_u64(&s.chunk[7], s2b)
    limbs_add_u64(&s.chunk[12], s3a)
    limbs_add_i64(&s.chunk[13], s3b)
    limbs_add_u64(&s.chunk[13], s3m)
    limbs_add_i64(&s.chunk[14], s3c)
    limbs_add_u64(&s.chunk[18], s4a)
    limbs_add_u64(&s.chunk[19], s4b)
    limbs_add_u64(&s.chunk[20], s4c)
    limbs_add_u64(&s.chunk[21], s4d)


cdef inline void powers_add(int64_t *chunk, uint32_t at, uint64_t low, uint64_t high,
                            int64_t sign) noexcept nogil:
    """chunk += sign (low + 2^64 high) 2^at; high < 2^32 (2^63 where `at` is a multiple of 32),
    chunks up to (at + 95) / 32 exist.

    A mantissa's top pieces are zero where the chunks end, and are then not touched.
    """
    cdef uint32_t r = at & 31
    cdef uint64_t t
    chunk = chunk + (at >> 5)
    t = (low & LOW32) << r
    chunk[0] = chunk[0] + sign * <int64_t>(t & LOW32)
    t = (t >> 32) + ((low >> 32) << r)
    chunk[1] = chunk[1] + sign * <int64_t>(t & LOW32)
    t = (t >> 32) + (high << r)
    if t:
        chunk[2] = chunk[2] + sign * <int64_t>(t & LOW32)
        if t >> 32:
            chunk[3] = chunk[3] + sign * <int64_t>(t >> 32)


cdef inline void powers_value(powers *s, uint64_t m, uint32_t e, int64_t sign, size_t two,
                              size_t three, size_t four) noexcept nogil:
    """The powers of sign m 2^e, m < 2^32, into the chunks from 0, two, three and four on."""
    cdef uint64_t square = m * m, low, high
    powers_add(&s.chunk[0], e, m, 0, sign)
    if s.order == 1:
        return
    powers_add(&s.chunk[two], 2 * e, square, 0, 1)
    low = (square & LOW32) * m
    high = (square >> 32) * m + (low >> 32)
    powers_add(&s.chunk[three], 3 * e, (high << 32) | (low & LOW32), high >> 32, sign)
    low = (square & LOW32) * (square & LOW32)
    high = square >> 32
    square = 2 * (square & LOW32) * high + (low >> 32)
    high = high * high + (square >> 32)
    powers_add(&s.chunk[four], 4 * e, (square << 32) | (low & LOW32), high, 1)


cdef void powers_whole(powers *s, int32_t x) noexcept nogil:
    """The powers of an integer, as those of a float are taken."""
    cdef uint32_t sign = <uint32_t>(x >> 31)
    powers_value(s, (<uint32_t>x ^ sign) - sign, 0, -<int64_t>1 if sign else <int64_t>1, 6, 12, 18)


cdef void powers_one_f32(powers *s, float x) noexcept nogil:
    cdef uint32_t u = atoll_bits(x)
    cdef uint32_t e = (u >> 23) & 0xFF
    cdef uint64_t m = u & 0x7FFFFF
    cdef int64_t sign = 1 - 2 * <int64_t>(u >> 31)
    if e == 255:
        if m:
            s.nan = s.nan + 1
        elif sign > 0:
            s.plus = s.plus + 1
        else:
            s.minus = s.minus + 1
        return
    if e:
        m = m | 0x800000
        e = e - 1
    powers_value(s, m, e, sign, 11, 31, 59)


cdef struct exponents:
    int64_t one[EXPONENTS]  # sums of the mantissas of each exponent, and of their powers
    uint64_t two[EXPONENTS]
    int64_t three[2 * EXPONENTS]  # the second half counts 2^32
    uint64_t four[3 * EXPONENTS]


cdef inline void exponents_flush(powers *s, exponents *t) noexcept nogil:
    """Each exponent's sums into the chunks: x^p is m^p 2^(p e)."""
    cdef uint32_t k, e
    powers_reserve(s, 8 * EXPONENTS)
    for k in range(<uint32_t>EXPONENTS):
        e = 0
        if k:
            e = k - 1
        powers_add_i64(&s.chunk[0], e, t.one[k])
        if s.order > 1 and t.two[k]:
            powers_add(&s.chunk[11], 2 * e, t.two[k], 0, 1)
            powers_add_i64(&s.chunk[31], 3 * e, t.three[k])
            powers_add_i64(&s.chunk[31], 3 * e + 32, t.three[EXPONENTS + k])
            powers_add(&s.chunk[59], 4 * e, t.four[k], 0, 1)
            powers_add(&s.chunk[59], 4 * e + 32, t.four[EXPONENTS + k], 0, 1)
            powers_add(&s.chunk[59], 4 * e + 64, t.four[2 * EXPONENTS + k], 0, 1)


cdef inline void powers_add_i64(int64_t *chunk, uint32_t at, int64_t value) noexcept nogil:
    """chunk += value 2^at."""
    if value < 0:
        powers_add(chunk, at, <uint64_t>0 - <uint64_t>value, 0, -1)
    elif value:
        powers_add(chunk, at, <uint64_t>value, 0, 1)


cdef void exponents_sum(powers *s, exponents *t, const float *x, size_t n) noexcept nogil:
    cdef size_t i
    cdef uint32_t u, e
    cdef int32_t m, sign
    for i in range(n):
        u = atoll_bits(x[i])
        e = (u >> 23) & 0xFF
        if e == 255:
            powers_one_f32(s, x[i])
            continue
        m = <int32_t>((u & 0x7FFFFF) | (<uint32_t>(e != 0) << 23))
        sign = -<int32_t>(u >> 31)
        t.one[e] = t.one[e] + ((m ^ sign) - sign)


cdef void exponents_powers(powers *s, exponents *t, const float *x, size_t n) noexcept nogil:
    """All four powers, in pieces whose sums of n <= EXPONENTS_BLOCK fit in 64 bits."""
    cdef size_t i
    cdef uint32_t u, e
    cdef int64_t m, sign, piece
    cdef uint64_t q, low, high
    for i in range(n):
        u = atoll_bits(x[i])
        e = (u >> 23) & 0xFF
        if e == 255:
            powers_one_f32(s, x[i])
            continue
        m = <int64_t>((u & 0x7FFFFF) | (<uint32_t>(e != 0) << 23))
        q = <uint64_t>m * <uint64_t>m
        sign = -<int64_t>(u >> 31)
        m = (m ^ sign) - sign
        low = q & LOW32
        high = q >> 32
        t.one[e] = t.one[e] + m
        t.two[e] = t.two[e] + q
        piece = <int64_t>low * m
        t.three[e] = t.three[e] + (piece & <int64_t>LOW32)
        t.three[EXPONENTS + e] = t.three[EXPONENTS + e] + (piece >> 32) + <int64_t>high * m
        q = low * low
        t.four[e] = t.four[e] + (q & LOW32)
        t.four[EXPONENTS + e] = t.four[EXPONENTS + e] + (q >> 32) + 2 * low * high
        t.four[2 * EXPONENTS + e] = t.four[2 * EXPONENTS + e] + high * high


cdef void sums_f32(powers *s, const float *x, size_t n) noexcept nogil:
    """Block by block in binary64, where that is exact; the others apart by exponent."""
    cdef exponents t
    cdef int64_t total
    cdef uint32_t e
    cdef size_t at = 0, m, i
    while at < n:
        m = n - at if n - at < SUMS_BLOCK else <size_t>SUMS_BLOCK
        if m >= LANES:
            m = m & ~<size_t>(LANES - 1)
        if m >= LANES and atoll_exact_sum(x + at, m, &total, &e):
            powers_reserve(s, 1)
            powers_add_i64(&s.chunk[0], e, total)
        elif m < EXPONENTS_MANY:
            powers_reserve(s, <uint32_t>m)
            for i in range(m):
                powers_one_f32(s, x[at + i])
        else:
            memset(t.one, 0, sizeof(t.one))
            powers_reserve(s, <uint32_t>m)
            exponents_sum(s, &t, x + at, m)
            exponents_flush(s, &t)
        at = at + m


cdef void powers_many_f32(powers *s, const float *x, size_t n) noexcept nogil:
    """Sums apart by exponent, one addition a sample and power; into the chunks at the end."""
    cdef exponents t
    cdef size_t at = 0, m
    while at < n:
        m = n - at if n - at < EXPONENTS_BLOCK else <size_t>EXPONENTS_BLOCK
        powers_reserve(s, <uint32_t>m)
        if s.order == 1:
            memset(t.one, 0, sizeof(t.one))
            exponents_sum(s, &t, x + at, m)
        else:
            memset(&t, 0, sizeof(t))
            exponents_powers(s, &t, x + at, m)
        exponents_flush(s, &t)
        at = at + m


cdef void powers_push(powers *s, const void *x, size_t n) noexcept nogil:
    cdef size_t at = 0, m, i
    s.count = s.count + n
    if AVX2 and s.dtype == DTYPE_F32 and s.order == 1 and n >= SUMS_MANY:
        sums_f32(s, <const float *>x, n)
        return
    if ROOMY and s.dtype == DTYPE_F32 and n >= EXPONENTS_MANY:
        powers_many_f32(s, <const float *>x, n)
        return
    while at < n:
        m = n - at
        if m > POWERS_BLOCK:
            m = POWERS_BLOCK
        if s.dtype == DTYPE_I16:
            powers_block_i16(s, <const int16_t *>x + at, m)
        elif s.dtype == DTYPE_I32:
            powers_block_i32(s, <const int32_t *>x + at, m)
        else:
            powers_reserve(s, <uint32_t>m)
            for i in range(m):
                powers_one_f32(s, (<const float *>x)[at + i])
        at = at + m


cdef void powers_write(powers *s, writer *w) noexcept nogil:
    """count, then for floats nan, +inf, -inf, then the sums. `count` includes all of these."""
    cdef uint32_t p, n
    cdef int64_t *chunk = &s.chunk[0]
    if not powers_settle(s):
        w.status = STATUS_OVERFLOW
    write_count(w, s.count)
    if s.dtype == DTYPE_F32:
        write_count(w, s.nan)
        write_count(w, s.plus)
        write_count(w, s.minus)
    for p in range(1, <uint32_t>(s.order + 1)):
        n = powers_limbs(s.dtype, p)
        limbs_write(w, chunk, n)
        chunk = chunk + n


cdef void powers_read(powers *s, reader *r) noexcept nogil:
    cdef uint32_t p, n
    cdef int64_t *chunk = &s.chunk[0]
    if not powers_settle(s):
        r.status = STATUS_OVERFLOW
    count_add(&s.count, read_count(r), r)
    if s.dtype == DTYPE_F32:
        count_add(&s.nan, read_count(r), r)
        count_add(&s.plus, read_count(r), r)
        count_add(&s.minus, read_count(r), r)
    for p in range(1, <uint32_t>(s.order + 1)):
        n = powers_limbs(s.dtype, p)
        limbs_read(r, chunk, n)
        chunk = chunk + n
