# What is read off the spectra of several windows at a time, while each power is a vector with one window in
# each of its elements: power k at x[2 k], all finite. The orders are those of spectrum.pxi and peaks.pxi.

cdef enum:
    SIDE_NUMBERS = 512  # of a window's row


cdef inline vector side_fold(const vector *lane) noexcept nogil:
    """lanes_sum."""
    cdef vector a[8]
    cdef size_t j
    for j in range(8):
        a[j] = lane[j] + lane[j + 8]
    for j in range(4):
        a[j] = a[j] + a[j + 4]
    return (a[0] + a[2]) + (a[1] + a[3])


cdef vector side_sum(const vector *x, size_t n, vector by) noexcept nogil:
    """f32_sum."""
    cdef vector lane[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>LANES):
        lane[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            lane[j] = lane[j] + x[2 * (i + j)] * by
        i = i + LANES
    for j in range(n - i):
        lane[j] = lane[j] + x[2 * (i + j)] * by
    return side_fold(lane)


cdef vector side_centroid(const vector *x, size_t n, float bin_hz) noexcept nogil:
    """feature_centroid."""
    cdef vector lane[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>LANES):
        lane[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for j in range(<size_t>LANES):
            lane[j] = lane[j] + x[2 * (i + j)] * atoll_splat(<float>(i + j) * bin_hz)
        i = i + LANES
    for j in range(n - i):
        lane[j] = lane[j] + x[2 * (i + j)] * atoll_splat(<float>(i + j) * bin_hz)
    return side_fold(lane) / side_sum(x, n, atoll_splat(<float>1.0))


cdef vector side_mel(const vector *x, float low, float middle, float high) noexcept nogil:
    """mel_band."""
    cdef vector lane[LANES]
    cdef uint32_t first = <uint32_t>low + 1, last = <uint32_t>high, k, j
    cdef float up = <float>1.0 / (middle - low), down = <float>1.0 / (high - middle), at
    if <float>last == high:
        last = last - 1
    for j in range(<uint32_t>LANES):
        lane[j] = atoll_splat(<float>0.0)
    for k in range(first, <uint32_t>(last + 1)):
        j = (k - first) & (LANES - 1)
        at = <float>k
        at = (at - low) * up if at <= middle else (high - at) * down
        lane[j] = lane[j] + x[2 * k] * atoll_splat(at)
    return side_fold(lane)


cdef void side_mels(const vector *x, uint32_t argc, const uint32_t *args, float *out) noexcept nogil:
    """feature_mel, number by number."""
    cdef const uint32_t *edge = args + MEL_HEAD
    cdef size_t k, w
    for k in range(<size_t>(argc - MEL_HEAD - 2)):
        atoll_store(out, side_mel(x, atoll_float(edge[k]), atoll_float(edge[k + 1]), atoll_float(edge[k + 2])))
        for w in range(<size_t>WIDE if args[0] == 1 else <size_t>0):
            out[w] = <float>3.01029996 * log2_f32(atoll_greater(<float>1e-10, out[w]))
        out = out + WIDE


cdef vector side_line(const vector *x, const uint32_t *words) noexcept nogil:
    """feature_line."""
    cdef vector most = atoll_splat(<float>0.0), lower, upper
    cdef uint32_t k
    for k in range(words[0], <uint32_t>(words[1] + 1)):
        most = atoll_most(x[2 * k], most)
    lower = atoll_side_middle(x + 2 * words[2], words[3] - words[2] + 1, &upper)
    return most / (atoll_splat(<float>0.5) * (lower + upper))


cdef vector side_share(vector share) noexcept nogil:
    """A term of the entropy, x log2 x; of a share of 0 it is 0."""
    cdef vector term
    cdef float x[WIDE]
    cdef float y[WIDE]
    cdef uint32_t odd = atoll_side_shares(share, &term)
    cdef size_t w
    if odd:
        atoll_store(x, share)
        atoll_store(y, term)
        for w in range(<size_t>WIDE):
            if (odd >> w) & 1:
                y[w] = x[w] * log2_f32(x[w]) if x[w] != <float>0.0 else <float>0.0
        term = atoll_load(y)
    return term


cdef void side_entropy(const vector *x, size_t n, float *out) noexcept nogil:
    """feature_entropy."""
    cdef vector lane[LANES]
    cdef vector one = atoll_splat(<float>1.0), total = side_sum(x, n, one), by
    cdef float scale[WIDE]
    cdef size_t k, w
    atoll_store(out, total)
    for w in range(<size_t>WIDE):
        scale[w] = entropy_scale(out[w])
    by = atoll_load(scale)
    total = side_sum(x, n, by)
    for k in range(<size_t>LANES):
        lane[k] = atoll_splat(<float>0.0)
    for k in range(n):
        lane[k & (LANES - 1)] = lane[k & (LANES - 1)] + side_share((x[2 * k] * by) / total)
    atoll_store(out, (atoll_splat(<float>0.0) - side_fold(lane)) / atoll_splat(log2_f32(<float>n)))


cdef inline bint side_sums(uint32_t code) noexcept nogil:
    return code == OP_BAND or code == OP_CENTROID or code == OP_MEL


cdef inline bint side_words(uint32_t code) noexcept nogil:
    return code == OP_LINES or code == OP_ENTROPY


cdef inline bint side_reads(const operation *op) noexcept nogil:
    """Whether a feature is read off spectra side by side; what takes numbers for their bits with AVX2 alone."""
    return side_sums(op.code) or (AVX2 and side_words(op.code))


cdef void side_feature(const operation *op, const uint32_t *args, const vector *x, size_t bins,
                       float *out) noexcept nogil:
    """The numbers of a feature, those of all windows side by side."""
    cdef uint32_t k
    if op.code == OP_BAND:
        atoll_store(out, side_sum(x + 2 * args[0], args[1] - args[0] + 1, atoll_splat(<float>1.0))
                    * atoll_splat(atoll_float(args[2]) if op.argc == 3 else <float>1.0))
    elif op.code == OP_CENTROID:
        atoll_store(out, side_centroid(x, bins, atoll_float(args[0])))
    elif op.code == OP_ENTROPY:
        side_entropy(x, bins, out)
    elif op.code == OP_MEL:
        side_mels(x, op.argc, args, out)
    elif op.code == OP_LINES:
        for k in range(op.width):
            atoll_store(out + WIDE * k, side_line(x, args + LINE_WORDS * k))


cdef bint sides_fit(plan *p) noexcept nogil:
    """Whether there is room for all that a plan's features may be read side by side."""
    cdef operation *op
    cdef uint32_t k, numbers = 0
    for k in range(p.features):
        op = plan_op(p, p.first_feature + k)
        numbers = numbers + op.width
    return p.need == 0 and numbers <= SIDE_NUMBERS


cdef void sides_take(plan *p, const vector *x, float *side) noexcept nogil:
    """What is read side by side, of every number WIDE, in the order of the row."""
    cdef operation *op
    cdef uint32_t k
    for k in range(p.features):
        op = plan_op(p, p.first_feature + k)
        if side_reads(op):
            side_feature(op, <const uint32_t *>plan_at(p, op.args_at), x, p.window // 2 + 1, side)
        side = side + WIDE * op.width


cdef void sides_row(plan *p, const float *power, const float *side, float *row) noexcept nogil:
    """A window's numbers: those read side by side, and the others, read off its powers."""
    cdef operation *op
    cdef stats s
    cdef uint32_t k, j
    memset(&s, 0, sizeof(stats))
    s.n = p.window // 2 + 1
    s.dtype = DTYPE_F32
    for k in range(p.features):
        op = plan_op(p, p.first_feature + k)
        if side_reads(op):
            for j in range(op.width):
                row[j] = float_plain(side[WIDE * j])
        else:
            feature_values(p, op, &s, power, row)
        row = row + op.width
        side = side + WIDE * op.width
