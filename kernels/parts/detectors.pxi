# Row stages that watch a stream: `threshold`, `ewma`, `cusum` and `novelty` remember and so run in
# order; `mahalanobis` measures against a given model.
#
# A NaN gives NaN and teaches nothing; an infinity gives an infinite score and teaches nothing.
# threshold, ewma and cusum treat each column apart; mahalanobis and novelty take the row as one.

cdef enum:
    PROTOTYPES_MAX = 64

cdef struct watch:  # of one column
    uint32_t seen  # ewma: values that came, while fewer than 1 / alpha; threshold: whether it is on
    float a  # ewma: mean; cusum: the sum above
    float b  # ewma: variance; cusum: the sum below

cdef struct novelty:
    uint32_t used
    uint32_t seen  # distances that came, while fewer than 1 / rate
    float usual  # running mean of the distances
    float point[1]  # prototypes, a row each


cdef inline float share_next(uint32_t *seen, float rate) noexcept nogil:
    """What the next value weighs: 1 / n while that is more than `rate`, so that a mean starts well."""
    cdef float share = <float>1.0 / <float>(seen[0] + 1)
    if share <= rate:
        return rate
    seen[0] = seen[0] + 1
    return share


cdef float threshold_step(watch *s, float x, float high, float low) noexcept nogil:
    """1 from the first value above `high` until one falls below `low`, else 0."""
    if x > high:
        s.seen = 1
    elif x < low:
        s.seen = 0
    return <float>s.seen


cdef inline float ewma_step(watch *s, float x, float alpha) noexcept nogil:
    """How many running deviations x lies from the running mean; then both move by `alpha` or more.

    Roberts (1959) for the mean; the variance as T. Finch, "Incremental calculation of weighted
    mean and variance", 2009, section 9. Where the variance would leave the range, x counts as
    infinite: it would blind the detector for ever.
    """
    cdef float d = x - s.a, score = <float>0.0, spread
    cdef uint32_t seen = s.seen
    if s.b > <float>0.0:
        score = d / float_root(s.b)
    alpha = share_next(&s.seen, alpha)
    spread = (<float>1.0 - alpha) * (s.b + (alpha * d) * d)
    if not spread < atoll_float(BITS_INF):
        s.seen = seen
        return atoll_float(BITS_INF)
    s.a = s.a + alpha * d
    s.b = spread
    return score


cdef inline float cusum_step(watch *s, float x, float target, float drift) noexcept nogil:
    """The larger of the sums of what exceeds target + drift and of what lacks to target - drift.

    E. S. Page, "Continuous inspection schemes", 1954, two-sided.
    """
    s.a = atoll_greater((s.a + (x - target)) - drift, <float>0.0)
    s.b = atoll_greater((s.b + (target - x)) - drift, <float>0.0)
    return atoll_greater(s.a, s.b)


cdef void watch_row(uint32_t code, const uint32_t *args, watch *s, const float *row,
                    float *out) noexcept nogil:
    """One value of one column: row[0] to out[0]."""
    cdef float x = row[0], first = atoll_float(args[0])
    if (atoll_bits(x) & BITS_MAGNITUDE) >= BITS_INF and code != OP_THRESHOLD:
        out[0] = f32_magnitude(x) if x == x else x
    elif x != x:
        out[0] = x
    elif code == OP_THRESHOLD:
        out[0] = threshold_step(s, x, first, atoll_float(args[1]))
    elif code == OP_EWMA:
        out[0] = ewma_step(s, x, first)
    else:
        out[0] = cusum_step(s, x, first, atoll_float(args[1]))


cdef float mahalanobis_f32(const uint32_t *args, const float *row) noexcept nogil:
    """|W (row - mean)|; args: columns, 1, the mean, the rows of W, a lower triangle."""
    cdef const uint32_t *mean = args + 2
    cdef const uint32_t *at = mean + args[0]
    cdef uint32_t i, j
    cdef float total = <float>0.0, z
    for i in range(args[0]):
        z = <float>0.0
        for j in range(<uint32_t>(i + 1)):
            z = z + atoll_float(at[j]) * (row[j] - atoll_float(mean[j]))
        total = total + z * z
        at = at + i + 1
    return float_root(total)


cdef bint mahalanobis_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    cdef uint32_t k
    if argc < 2 or not 1 <= args[0] <= GRAM_COLUMNS_MAX or args[1] != 1:
        return False
    if argc != 2 + args[0] + args[0] * (args[0] + 1) // 2:
        return False
    for k in range(2, argc):
        if (args[k] & BITS_MAGNITUDE) >= BITS_INF:
            return False
    return True


cdef size_t novelty_size(uint32_t prototypes, size_t columns) noexcept nogil:
    return sizeof(novelty) + sizeof(float) * prototypes * columns


cdef void distances(const float *row, const float *point, size_t points, size_t n,
                    float *out) noexcept nogil:
    """squared_distance of a row from each of many points, WIDE of them side by side."""
    cdef vector v[WIDE]
    cdef vector total, d
    cdef const float *at[WIDE]
    cdef float far[WIDE]
    cdef size_t k = 0, j, i, m
    while k < points:
        m = points - k if points - k < WIDE else <size_t>WIDE
        for i in range(<size_t>WIDE):
            at[i] = point + (k + (i if i < m else m - 1)) * n
        total = atoll_splat(<float>0.0)
        j = 0
        while j + WIDE <= n:
            for i in range(<size_t>WIDE):
                v[i] = atoll_load(at[i] + j)
            atoll_turn(v)
            for i in range(<size_t>WIDE):
                d = atoll_splat(row[j + i]) - v[i]
                total = total + d * d
            j = j + WIDE
        atoll_store(far, total)
        for i in range(m):
            out[k + i] = distance_on(far[i], row + j, at[i] + j, n - j)
        k = k + m


cdef float novelty_step(novelty *s, const uint32_t *args, const float *row,
                        size_t n) noexcept nogil:
    """The distance to the nearest prototype over its running mean; the prototype then moves.

    The first different rows become the prototypes (online k-means, J. MacQueen, 1967).
    """
    cdef uint32_t k, best = 0
    cdef float least = atoll_float(BITS_INF), d, rate = atoll_float(args[1]), score
    cdef float *point = &s.point[0]
    cdef float apart[PROTOTYPES]
    cdef size_t j
    if ROOMY:
        distances(row, point, s.used, n, apart)
    for k in range(s.used):
        d = apart[k % PROTOTYPES] if ROOMY else squared_distance(row, point + k * n, n)
        if d < least:
            least = d
            best = k
    if s.used < args[0] and least > <float>0.0:
        memcpy(point + s.used * n, row, n * sizeof(float))
        s.used = s.used + 1
        return <float>0.0
    d = float_root(least)
    if d == atoll_float(BITS_INF):
        return d
    score = d / s.usual if s.usual > <float>0.0 else <float>0.0
    s.usual = s.usual + share_next(&s.seen, rate) * (d - s.usual)
    for j in range(n):
        point[best * n + j] = point[best * n + j] + rate * (row[j] - point[best * n + j])
    return score
