# One sample stage straight into `minmax`, where AVX2 is at hand: samples that change no extreme are
# counted, and not made. Those that may are made after all, by the stage itself, and searched.

cdef bint extremes_alone(plan *p) noexcept nogil:
    cdef operation *op
    if p.stages != 1 or p.window or p.rowers or p.joint or p.up != 1 or p.reducers != 1:
        return False
    op = plan_op(p, p.first_reducer)
    return op.code == OP_MINMAX


cdef bint made_i16(const operation *op, const uint32_t *args, const delay *s, const int16_t *x, size_t n,
                   int32_t *low, int32_t *high) noexcept nogil:
    """The extremes, as ordered integers, of what n samples become; False where they are not known.

    Scaling and clipping do not change an order, rounding included: what they make of the samples'
    extremes are the extremes (the other way round where the factor is negative).
    """
    cdef int32_t least, most, v
    cdef float a, b
    if op.code == OP_ABS:
        return atoll_abs_bounds(x, n, low, high)
    if op.code == OP_ENVELOPE and op.argc == 0:
        if not atoll_abs_bounds(x, n, &least, &most):
            return False
        low[0] = float_key(<float>least)
        high[0] = float_key(<float>most)
        return True
    if op.code == OP_DIFF:
        if not s.filled or not atoll_i16_bounds(x + 1, n - 1, 1, &least, &most):
            return False
        v = <int32_t>x[0] - s.last.i
        low[0] = v if v < least else least
        high[0] = v if v > most else most
        return True
    if (op.code != OP_CLIP and op.code != OP_SCALE) or not atoll_i16_bounds(x, n, 0, &least, &most):
        return False
    a = atoll_float(args[0])
    b = atoll_float(args[1])
    if op.code == OP_CLIP:
        clip_i32(&least, 1, a, b)
        clip_i32(&most, 1, a, b)
        low[0] = least
        high[0] = most
        return True
    a = <float>least * atoll_float(args[0]) + b
    b = <float>most * atoll_float(args[0]) + b
    if (args[0] & BITS_MAGNITUDE) >= BITS_INF or (args[1] & BITS_MAGNITUDE) >= BITS_INF:
        return False
    low[0] = float_key(a if a < b else b)
    high[0] = float_key(b if a < b else a)
    return True


cdef bint made_f32(const operation *op, const uint32_t *args, const delay *s, const float *x, size_t n,
                   int32_t *low, int32_t *high) noexcept nogil:
    cdef float a = <float>0.0, b = a, least, most, last
    if op.code == OP_CLIP or op.code == OP_SCALE:
        a = atoll_float(args[0])
        b = atoll_float(args[1])
    if op.code == OP_ABS or (op.code == OP_ENVELOPE and op.argc == 0):
        if not atoll_made_of_f32(MADE_ABS, x, n, a, b, &least, &most):
            return False
    elif op.code == OP_CLIP:
        if not atoll_made_of_f32(MADE_CLIP, x, n, a, b, &least, &most):
            return False
    elif op.code == OP_SCALE:
        if not atoll_made_of_f32(MADE_SCALE, x, n, a, b, &least, &most):
            return False
    elif op.code == OP_DIFF and s.filled:
        if not atoll_made_of_f32(MADE_DIFF, x + 1, n - 1, a, b, &least, &most):
            return False
        last = x[0] - s.last.f
        if last != last:
            return False
        least = atoll_lesser(last, least)
        most = atoll_greater(last, most)
    else:
        return False
    low[0] = float_key(least)
    high[0] = float_key(most)
    return True


cdef bint extremes_stand(plan *p, const uint8_t *x, size_t n) noexcept nogil:
    """Count n > 0 samples of which none becomes a new extreme; False, and nothing done, where one may."""
    cdef operation *op = plan_op(p, p.first_stage)
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef delay *d = <delay *>plan_at(p, op.state_at)
    cdef extrema *s = <extrema *>plan_instance(p, 0, 0)
    cdef const place *first = plan_place(p)
    cdef int32_t low, high
    if s.count == s.nan:
        return False
    if p.dtype == DTYPE_I16:
        if not made_i16(op, args, d, <const int16_t *>x, n, &low, &high):
            return False
    elif p.dtype != DTYPE_F32 or not made_f32(op, args, d, <const float *>x, n, &low, &high):
        return False
    # Of equal extremes that of the smaller place is kept, and none here stands before the first.
    if (low < s.low or high > s.high or (low == s.low and place_before(first, &s.low_place))
            or (high == s.high and place_before(first, &s.high_place))):
        return False
    if op.code == OP_DIFF and p.dtype == DTYPE_I16:
        d.last.i = (<const int16_t *>x)[n - 1]
    elif op.code == OP_DIFF:
        d.last.f = (<const float *>x)[n - 1]
    s.count = s.count + n
    place_advance(p, n)
    p.units = p.units + n
    return True
