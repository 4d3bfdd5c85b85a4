# The first sample stage straight from the stream, where there is room for the code: no copy before it.


cdef void abs_from_i16(const int16_t *x, int32_t *y, size_t n) noexcept nogil:
    cdef size_t i
    cdef int32_t v
    for i in range(n):
        v = x[i]
        y[i] = -v if v < 0 else v


cdef void abs_from_f32(const float *x, float *y, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        y[i] = f32_magnitude(x[i])


cdef void envelope_from_i16(const int16_t *x, float *y, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        y[i] = f32_magnitude(<float>x[i])


cdef void clip_from_i16(const int16_t *x, int32_t *y, size_t n, float low,
                        float high) noexcept nogil:
    cdef size_t i
    cdef int32_t least = bound_i32(low, True), most = bound_i32(high, False), v
    for i in range(n):
        v = x[i]
        v = least if v < least else v
        y[i] = most if v > most else v


cdef void clip_from_f32(const float *x, float *y, size_t n, float low, float high) noexcept nogil:
    cdef size_t i
    cdef float v
    for i in range(n):
        v = atoll_greater(low, x[i])
        y[i] = atoll_lesser(high, v)


cdef void scale_from_i16(const int16_t *x, float *y, size_t n, float by, float add) noexcept nogil:
    cdef size_t i
    for i in range(n):
        y[i] = <float>x[i] * by + add


cdef void scale_from_f32(const float *x, float *y, size_t n, float by, float add) noexcept nogil:
    cdef size_t i
    for i in range(n):
        y[i] = x[i] * by + add


cdef size_t diff_from_i16(delay *s, const int16_t *x, int32_t *y, size_t n) noexcept nogil:
    """Differences of i16 have 17 bits: nothing saturates."""
    cdef size_t i
    for i in range(1, n):
        y[i] = <int32_t>x[i] - <int32_t>x[i - 1]
    y[0] = x[0] - s.last.i
    s.last.i = x[n - 1]
    return diff_given(s, <uint32_t *>y, n)


cdef size_t diff_from_f32(delay *s, const float *x, float *y, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(1, n):
        y[i] = x[i] - x[i - 1]
    y[0] = x[0] - s.last.f
    s.last.f = x[n - 1]
    return diff_given(s, <uint32_t *>y, n)


cdef bint first_i16(const operation *op, const uint32_t *args, void *state, const chunk *c,
                    const int16_t *x, size_t n, size_t *given) noexcept nogil:
    if op.code == OP_ABS:
        abs_from_i16(x, c.ints, n)
    elif op.code == OP_ENVELOPE and op.argc == 0:
        envelope_from_i16(x, c.floats, n)
    elif op.code == OP_CLIP:
        clip_from_i16(x, c.ints, n, atoll_float(args[0]), atoll_float(args[1]))
    elif op.code == OP_SCALE:
        scale_from_i16(x, c.floats, n, atoll_float(args[0]), atoll_float(args[1]))
    elif op.code == OP_DIFF:
        given[0] = diff_from_i16(<delay *>state, x, c.ints, n)
    else:
        return False
    return True


cdef bint first_f32(const operation *op, const uint32_t *args, void *state, const chunk *c,
                    const float *x, size_t n, size_t *given) noexcept nogil:
    if op.code == OP_ABS or (op.code == OP_ENVELOPE and op.argc == 0):
        abs_from_f32(x, c.floats, n)
    elif op.code == OP_CLIP:
        clip_from_f32(x, c.floats, n, atoll_float(args[0]), atoll_float(args[1]))
    elif op.code == OP_SCALE:
        scale_from_f32(x, c.floats, n, atoll_float(args[0]), atoll_float(args[1]))
    elif op.code == OP_DIFF:
        given[0] = diff_from_f32(<delay *>state, x, c.floats, n)
    else:
        return False
    return True


cdef bint first_stage(plan *p, const chunk *c, const uint8_t *x, size_t n,
                      size_t *given) noexcept nogil:
    """n > 0 samples through the first stage into the chunk, and how many it gave; False, and
    nothing done, where they have to be loaded before it."""
    cdef operation *op = plan_op(p, p.first_stage)
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef void *state = plan_at(p, op.state_at)
    given[0] = n
    if p.dtype == DTYPE_I16:
        return first_i16(op, args, state, c, <const int16_t *>x, n, given)
    if p.dtype == DTYPE_F32:
        return first_f32(op, args, state, c, <const float *>x, n, given)
    return False
