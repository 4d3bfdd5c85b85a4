# Several windows at a time, where there is room (platform.h: ATOLL_ROOMY).
#
# A window's own order of operations is the contract, so one window alone mostly waits for its last
# sum. Windows that stand ahead in what was pushed do not wait for each other: they run side by side,
# one in each element of a vector or in sums of their own, and every one gets the bits that it gets
# alone (tests/kernels/test_many.py). Microcontrollers compile none of it.

cdef enum:
    MANY_LEAST = 4  # windows from which on it pays
    MANY_ROWS = 1024
    MANY_NUMBERS = 4096  # of their rows together
    MANY_SIDE = 32  # windows of a recurrence side by side
    MANY_TILE = 32  # samples of each that are brought side by side at a time


cdef inline const uint8_t *many_at(const uint8_t *x, size_t apart, size_t count,
                                   size_t w) noexcept nogil:
    """Window w; beyond the count the last one, whose results are then made twice."""
    return x + apart * (w if w < count else count - 1)


cdef inline vector many_load(uint32_t dtype, const uint8_t *x, size_t i) noexcept nogil:
    """WIDE samples from i on, as float."""
    if dtype == DTYPE_I16:
        return atoll_load_i16(<const int16_t *>x + i, 0)
    if dtype == DTYPE_I32:
        return atoll_load_i32(<const int32_t *>x + i)
    return atoll_load(<const float *>x + i)


cdef void many_tile(uint32_t dtype, const uint8_t *x, size_t apart, size_t count, size_t i,
                    size_t m, float *out) noexcept nogil:
    """Samples i .. i + m - 1 of MANY_SIDE windows: those of one index side by side."""
    cdef vector v[WIDE]
    cdef size_t w = 0, j, k
    while w < MANY_SIDE:
        j = 0
        while j + WIDE <= m:
            for k in range(<size_t>WIDE):
                v[k] = many_load(dtype, many_at(x, apart, count, w + k), i + j)
            atoll_turn(v)
            for k in range(<size_t>WIDE):
                atoll_store(out + MANY_SIDE * (j + k) + w, v[k])
            j = j + WIDE
        while j < m:
            for k in range(<size_t>WIDE):
                out[MANY_SIDE * j + w + k] = sample_float(
                    dtype, many_at(x, apart, count, w + k), i + j)
            j = j + 1
        w = w + WIDE


cdef void goertzel_many(uint32_t dtype, const uint8_t *x, size_t apart, size_t count, size_t n,
                        float cosine, float scale, float *out) noexcept nogil:
    """feature_goertzel of count <= MANY_SIDE windows of n samples; room for MANY_SIDE powers."""
    cdef float tile[MANY_SIDE * MANY_TILE]
    cdef vector s1[2 * PARTS]
    cdef vector s2[2 * PARTS]
    cdef vector s0, turn = atoll_splat(cosine), by = atoll_splat(scale)
    cdef size_t i = 0, j, k, m
    for k in range(<size_t>(2 * PARTS)):
        s1[k] = atoll_splat(<float>0.0)
        s2[k] = s1[k]
    while i < n:
        m = n - i if n - i < MANY_TILE else <size_t>MANY_TILE
        many_tile(dtype, x, apart, count, i, m, tile)
        for j in range(m):
            for k in range(<size_t>(2 * PARTS)):
                s0 = (atoll_load(tile + MANY_SIDE * j + WIDE * k) - s2[k]) + turn * s1[k]
                s2[k] = s1[k]
                s1[k] = s0
        i = i + m
    for k in range(<size_t>(2 * PARTS)):
        s0 = (s1[k] * s1[k] + s2[k] * s2[k]) - (turn * s1[k]) * s2[k]
        atoll_store(out + WIDE * k, s0 * by)


cdef void f32_quad(const uint8_t *x, size_t apart, size_t n, bint square,
                   float *out) noexcept nogil:
    """f32_sum or f32_squares, unscaled, of four windows: their lanes are sums side by side."""
    cdef vector part[4 * PARTS]
    cdef vector v
    cdef float lane[LANES]
    cdef const float *at
    cdef size_t i = 0, j, k
    for k in range(<size_t>(4 * PARTS)):
        part[k] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for k in range(4):
            for j in range(<size_t>PARTS):
                v = atoll_load(<const float *>(x + k * apart) + i + WIDE * j)
                part[PARTS * k + j] = part[PARTS * k + j] + (v * v if square else v)
        i = i + LANES
    for k in range(4):
        at = <const float *>(x + k * apart)
        lanes_store(lane, part + PARTS * k)
        for j in range(n - i):
            lane[j] = lane[j] + (at[i + j] * at[i + j] if square else at[i + j])
        out[k] = lanes_sum(lane)


cdef void stats_quad(const uint8_t *x, size_t apart, size_t n, uint32_t need,
                     stats *s) noexcept nogil:
    """stats_f32 of four windows of which the sums or the squares alone are needed."""
    cdef float total[4]
    cdef size_t k
    if need == NEED_SUM:
        f32_quad(x, apart, n, False, total)
    else:
        f32_quad(x, apart, n, True, total)
    for k in range(4):
        memset(s + k, 0, sizeof(stats))
        s[k].n = <uint32_t>n
        s[k].dtype = DTYPE_F32
        s[k].squares = <float>1.0
        if need == NEED_SUM:
            s[k].sum = total[k]
        else:
            s[k].squares = total[k]
        stats_f32(<const float *>(x + k * apart), n, need, True, s + k)


cdef void features_many(plan *p, const uint8_t *x, size_t apart, size_t count,
                        float *table) noexcept nogil:
    """Rows of `count` windows of samples into the table."""
    cdef stats s[4]
    cdef operation *op
    cdef size_t w, quad
    cdef uint32_t k
    cdef bint rest = False, quads = (WIDE == 8 and p.stage_dtype == DTYPE_F32
                                     and (p.need == NEED_SUM or p.need == NEED_SQUARES))
    for k in range(p.features):
        op = plan_op(p, p.first_feature + k)
        if op.code == OP_GOERTZEL:
            goertzel_rows(p, op, x, apart, count, table + k)
        else:
            rest = True
    if not rest:
        return
    for w in range(count):
        quad = w & 3
        if not quads or (quad == 0 and w + 4 > count):
            quads = False
            quad = 0
            stats_take(p.stage_dtype, x + w * apart, p.window, p.need, s)
        elif quad == 0:
            stats_quad(x + w * apart, apart, p.window, p.need, s)
        for k in range(p.features):
            op = plan_op(p, p.first_feature + k)
            if op.code != OP_GOERTZEL:
                table[w * p.features + k] = float_plain(
                    feature_value(p, op, s + quad, x + w * apart))


cdef void goertzel_rows(plan *p, const operation *op, const uint8_t *x, size_t apart, size_t count,
                        float *column) noexcept nogil:
    """Goertzel's powers of `count` windows into a column of the table."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef float power[MANY_SIDE]
    cdef size_t at = 0, w, m
    while at < count:
        m = count - at if count - at < MANY_SIDE else <size_t>MANY_SIDE
        goertzel_many(p.stage_dtype, x + at * apart, apart, m, p.window, atoll_float(args[0]),
                      atoll_float(args[1]), power)
        for w in range(m):
            column[(at + w) * p.features] = float_plain(power[w])
        at = at + m


cdef vector dots_many(const float *weight, const float *last, uint32_t dtype, const uint8_t *x,
                      size_t apart, size_t count, size_t n) noexcept nogil:
    """row_dot of WIDE rows; last: the weights behind the last LANES whole ones, then zeros."""
    cdef vector part[PARTS]
    cdef vector sum[WIDE]
    cdef float tail[LANES]
    cdef const uint8_t *row
    cdef size_t i, j, k, whole = n & ~<size_t>(LANES - 1)
    lanes_clear(tail)
    for k in range(<size_t>WIDE):
        row = many_at(x, apart, count, k)
        for j in range(<size_t>PARTS):
            part[j] = atoll_splat(<float>0.0)
        i = 0
        while i < whole:
            for j in range(<size_t>PARTS):
                part[j] = part[j] + (many_load(dtype, row, i + WIDE * j)
                                     * atoll_load(weight + i + WIDE * j))
            i = i + LANES
        if whole < n:
            for j in range(n - whole):
                tail[j] = sample_float(dtype, row, whole + j)
            for j in range(<size_t>PARTS):
                part[j] = part[j] + atoll_load(tail + WIDE * j) * atoll_load(last + WIDE * j)
        sum[k] = lanes_fold(part)
    return turned_sum(sum)


cdef void sigmoid_many(float *z, size_t n) noexcept nogil:
    """sigmoid_f32 of n <= MANY_ROWS that are no NaN, without a branch. e^-|z|, whose power of two is taken in two factors
    throughout: the first is exact, so that the product is rounded once as well."""
    cdef float near[MANY_ROWS]
    cdef float t, r, y, whole, e
    cdef int32_t k
    cdef size_t i
    # In two loops: compilers see branches where a bound that is a constant reaches a conversion.
    for i in range(n):
        t = -f32_magnitude(z[i])
        near[i] = <float>-110.0 if t < <float>-103.9 else t  # e^-110 rounds to 0
    for i in range(n):
        t = near[i]
        k = <int32_t>(t * <float>1.44269504 - <float>0.5)
        whole = <float>k
        r = (t - whole * <float>0.693359375) - whole * <float>-2.12194440e-4
        y = <float>1.9875691500e-4
        y = y * r + <float>1.3981999507e-3
        y = y * r + <float>8.3334519073e-3
        y = y * r + <float>4.1665795894e-2
        y = y * r + <float>1.6666665459e-1
        y = y * r + <float>5.0000001201e-1
        y = (y * (r * r) + r) + <float>1.0
        e = (y * float_power(k + 64)) * float_power(-64)
        z[i] = float_pick(z[i] >= <float>0.0, <float>1.0, e) / (<float>1.0 + e)


cdef void sigmoids(float *z, size_t n) noexcept nogil:
    """sigmoid_f32 of n <= MANY_ROWS; NaN stays."""
    cdef uint8_t bad[MANY_ROWS]
    cdef uint32_t some = 0
    cdef size_t i
    for i in range(n):
        bad[i] = z[i] != z[i]
        some = some | bad[i]
        z[i] = float_pick(z[i] == z[i], z[i], <float>0.0)
    sigmoid_many(z, n)
    for i in range(n if some else <size_t>0):
        if bad[i]:
            z[i] = atoll_float(BITS_NAN)


cdef void scores_many(const operation *op, const uint32_t *args, uint32_t dtype, const uint8_t *x,
                      size_t apart, size_t count, float *scores) noexcept nogil:
    """linear_scores of `count` rows of op.width samples, args[2] side by side for each row."""
    cdef float last[LANES]
    cdef float side[WIDE]
    cdef const float *at = <const float *>(args + MODEL_HEAD)
    cdef size_t n = op.width, whole = n & ~<size_t>(LANES - 1), w, k, j
    for k in range(args[2]):
        lanes_clear(last)
        memcpy(last, at + 1 + whole, (n - whole) * sizeof(float))
        w = 0
        while w < count:
            atoll_store(side, atoll_splat(at[0]) + dots_many(at + 1, last, dtype, x + w * apart, apart,
                                                             count - w, n))
            for j in range(count - w if count - w < WIDE else <size_t>WIDE):
                scores[(w + j) * args[2] + k] = side[j]
            w = w + WIDE
        at = at + n + 1


cdef void models_scores(const operation *op, const uint32_t *args, uint32_t dtype,
                        const uint8_t *x, size_t apart, size_t count, float *scores) noexcept nogil:
    """What many_fits says, of `count` rows of samples: distances, or scores."""
    cdef size_t at = 0, m
    if op.code == OP_MLP:
        while at < count:
            m = count - at if count - at < NETWORK_SIDE else <size_t>NETWORK_SIDE
            network_many(args, dtype, x + at * apart, apart, m, scores + at * args[2])
            at = at + m
    elif op.code == OP_MAHALANOBIS:
        while at < count:
            m = count - at if count - at < WIDE else <size_t>WIDE
            mahalanobis_many(args, dtype, x + at * apart, apart, m, scores + at)
            at = at + m
    elif op.code == OP_TREE:
        wood_scores(args, dtype, x, apart, count, scores)
    else:
        scores_many(op, args, dtype, x, apart, count, scores)


cdef inline uint32_t many_scores(const operation *op, const uint32_t *args) noexcept nogil:
    """Numbers that a row stage makes of a row, before the class is chosen; 0: not many at a time."""
    if op.code == OP_MAHALANOBIS:
        return 1
    if op.code == OP_MLP and network_widest(args) > NETWORK_WIDE:
        return 0
    if op.code == OP_TREE and (WIDE == 1 or args[5] > WOOD_NODES or args[1] > WOOD_COLUMNS):
        return 0
    return args[2]


cdef void models_many(plan *p, const uint8_t *x, size_t apart, size_t count,
                      float *table) noexcept nogil:
    """A row stage on `count` windows of samples: the rows into the table."""
    cdef operation *op = plan_op(p, p.first_rower)
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef size_t w, n = args[2]
    cdef float score[MANY_NUMBERS]
    cdef bint classes = op.code != OP_MAHALANOBIS and args[0] == GIVE_CLASS
    if not classes:
        models_scores(op, args, p.stage_dtype, x, apart, count, table)
    else:
        models_scores(op, args, p.stage_dtype, x, apart, count, score)
        for w in range(count):
            table[w] = class_of(score + w * n, args[2])
    if not classes and op.code == OP_LOGISTIC and n == 1:
        sigmoids(table, count)
    elif not classes and (op.code == OP_LOGISTIC or (op.code == OP_TREE and args[3])):
        for w in range(count):
            probabilities(table + w * n, args[2])


cdef void many_end(plan *p, const float *table, size_t count, float *rows) noexcept nogil:
    """Rows that went through all row stages: into the reducers, or out."""
    cdef float column[MANY_ROWS]
    cdef size_t i, w, c, width = p.width
    if p.reducers == 0:
        rows = rows + p.rows * width
        for i in range(count * width):
            rows[i] = float_plain(table[i])
    else:
        for c in range(width):
            for w in range(count):
                column[w] = table[w * width + c]
            plan_reduce(p, <uint32_t>c, column, count)
    p.rows = p.rows + <uint32_t>count
    p.units = p.units + count
    place_advance(p, count)


cdef void joint_rows(plan *p, const operation *op, void *state, const float *rows,
                     size_t count) noexcept nogil:
    """Rows that stand one behind the other into one joint reducer."""
    cdef size_t at = 0, m, w
    while at < count:
        m = count - at if count - at < GRAM_ROWS else <size_t>GRAM_ROWS
        if not ((op.code == OP_MERGE and vectors_many(<vectors *>state, rows + at * p.inner, m))
                or (AVX2 and op.code == OP_GRAM
                    and gram_many(<gram *>state, rows + at * p.inner, m,
                                  p.stage_dtype == DTYPE_I16))
                or (AVX2 and op.code == OP_CENTROIDS
                    and centroids_many(<gram *>state, rows + at * p.inner, m,
                                       <const float *>(<const uint32_t *>plan_at(p, op.args_at) + 2),
                                       p.stage_dtype == DTYPE_I16))):
            for w in range(at, at + m):
                row_reduce(p, op, state, rows + w * p.inner)
        at = at + m


cdef size_t joint_many(plan *p, const uint8_t *x, size_t count) noexcept nogil:
    """Windows of samples, one behind the other, as rows into joint reducers; how many."""
    cdef float table[MANY_NUMBERS]
    cdef const float *rows = <const float *>x
    cdef uint32_t k
    if p.stage_dtype != DTYPE_F32:
        if count > MANY_NUMBERS // p.inner:
            count = MANY_NUMBERS // p.inner
        if count == 0:
            return 0
        frame_load(p.stage_dtype, x, count * p.inner, table)
        rows = table
    for k in range(p.reducers):
        joint_rows(p, plan_op(p, p.first_reducer + k), plan_at(p, plan_branches(p)[k]), rows, count)
    p.rows = p.rows + <uint32_t>count
    p.units = p.units + count
    place_advance(p, count)
    return count


cdef inline bint many_models(plan *p) noexcept nogil:
    """Whether a plan's rows are samples, and go through one of some row stages alone."""
    if p.frames or p.features or p.rowers != 1 or p.joint:
        return False
    return op_weighs(plan_op(p, p.first_rower).code)


cdef uint32_t many_wide(plan *p) noexcept nogil:
    """Numbers that a window needs in the table; 0: the plan's windows go one by one."""
    cdef operation *op
    if many_models(p):
        op = plan_op(p, p.first_rower)
        return many_scores(op, <const uint32_t *>plan_at(p, op.args_at))
    if p.features and p.frames == 0 and p.rowers == 0 and p.joint == 0:
        return p.width
    return 0


cdef size_t windows_many(plan *p, const uint8_t *x, size_t n, float *rows,
                         size_t room) noexcept nogil:
    """How many of the windows that lie whole in n samples ran together; 0: one runs as it does."""
    cdef float table[MANY_NUMBERS]
    cdef size_t count = (n - p.window) // p.hop + 1
    cdef size_t apart = <size_t>p.hop * dtype_size(p.stage_dtype), wide
    if count < MANY_LEAST or p.channels != 1 or p.up != 1:
        return 0
    if p.reducers == 0 and count > room // p.width - p.rows:
        count = room // p.width - p.rows
    if WIDE > 1 and p.frames and count >= MANY_LEAST:
        return spectra_many(p, x, apart, count, rows)
    if p.joint and p.frames == 0 and p.features == 0 and p.rowers == 0:
        return joint_many(p, x, count) if p.hop == p.window else <size_t>0
    wide = many_wide(p)
    if wide == 0:
        return 0
    if count > MANY_ROWS:
        count = MANY_ROWS
    if count > MANY_NUMBERS // wide:
        count = MANY_NUMBERS // wide
    if count < MANY_LEAST:
        return 0
    if p.features:
        features_many(p, x, apart, count, table)
    else:
        models_many(p, x, apart, count, table)
    many_end(p, table, count, rows)
    return count
