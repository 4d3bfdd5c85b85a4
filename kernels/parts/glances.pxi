# A frame stage whose features ask for extremes alone, where there is room: the frame is not made.

cdef inline bint glances(plan *p) noexcept nogil:
    """Whether a plan is one."""
    cdef uint32_t k, code
    if p.frames != 1 or p.need != NEED_EXTREMA:
        return False
    for k in range(p.features):
        code = plan_op(p, p.first_feature + k).code
        if code != OP_PEAK and code != OP_P2P:
            return False
    return True


cdef bint glance_mean(uint32_t dtype, const void *x, size_t n, float *low, float *high) noexcept nogil:
    """The extremes of frame_mean's window: rounded differences keep the samples' order. False where they
    are not finite."""
    cdef stats s
    cdef centre c
    cdef uint32_t need = NEED_SUM | NEED_EXTREMA
    if dtype == DTYPE_I32:
        return False
    if dtype == DTYPE_F32:
        need = need | NEED_SQUARES  # one pass gives all three
    stats_take(dtype, x, n, need, &s)
    if s.bad:
        return False
    centre_take(&s, x, n, &c)
    if dtype == DTYPE_F32:
        low[0] = (s.low - c.mean) - c.rest
        high[0] = (s.high - c.mean) - c.rest
    else:
        low[0] = <float>(s.low_int - c.middle) - c.rest
        high[0] = <float>(s.high_int - c.middle) - c.rest
    return low[0] - low[0] == <float>0.0 and high[0] - high[0] == <float>0.0


cdef bint glance_take(plan *p, const void *x, stats *s) noexcept nogil:
    """stats_take of the frame of window x; False where it has to be made."""
    cdef operation *op = plan_op(p, p.first_frame)
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef const float *weight = <const float *>plan_at(p, op.state_at)
    memset(s, 0, sizeof(stats))
    s.n = p.window
    s.dtype = DTYPE_F32
    if op.code == OP_DETREND:
        return args[0] == 0 and glance_mean(p.stage_dtype, x, p.window, &s.low, &s.high)
    if op.code != OP_TAPER or p.window % 16:
        return False
    if p.stage_dtype == DTYPE_I16:
        return atoll_tapered_i16(<const int16_t *>x, weight, p.window, &s.low, &s.high) != 0
    if p.stage_dtype == DTYPE_F32:
        return atoll_tapered_f32(<const float *>x, weight, p.window, &s.low, &s.high) != 0
    return False
