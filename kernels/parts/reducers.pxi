# Which reducer an operation is: init, push, write, read of each by its code.


cdef inline uint32_t plan_stride(const plan *p) noexcept nogil:
    """Samples of the stream for each `up` values."""
    return p.decimation * (p.hop if p.window else <uint32_t>1)


cdef void place_advance(plan *p, uint64_t values) noexcept nogil:
    """Move the place of the next value on, to the sample at or before it."""
    cdef uint64_t parts = values * plan_stride(p)
    if p.up > 1:
        parts = parts + p.rest
        p.rest = <uint32_t>(parts % p.up)
        parts = parts // p.up
    plan_place(p).at = plan_place(p).at + parts


cdef void reducer_init(const operation *op, void *state, plan *p) noexcept nogil:
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    if op.code == OP_COUNT:
        tally_init(<tally *>state, op.dtype)
    elif op.code == OP_SUM:
        powers_init(<powers *>state, op.dtype, 1)
    elif op.code == OP_MOMENTS:
        powers_init(<powers *>state, op.dtype, 4)
    elif op.code == OP_MINMAX:
        extrema_init(<extrema *>state, op.dtype)
    elif op.code == OP_HISTOGRAM:
        histogram_init(<histogram *>state, op.dtype, atoll_float(args[0]), atoll_float(args[1]),
                       args[2])
    elif op.code == OP_QUANTILES:
        sketch_init(<sketch *>state, op.dtype, args[0])
    elif op.code == OP_DISTINCT:
        distinct_init(<distinct *>state, op.dtype, args[0])
    elif op.code == OP_TOP:
        hitters_init(<hitters *>state, op.dtype, args[1])
    elif op_joint(op.code):
        row_reduce_init(p, op, state)


cdef void reducer_push(plan *p, const operation *op, void *state, const void *x,
                       size_t n) noexcept nogil:
    if op.code == OP_COUNT:
        tally_push(<tally *>state, x, n)
    elif op.code == OP_SUM or op.code == OP_MOMENTS:
        powers_push(<powers *>state, x, n)
    elif op.code == OP_MINMAX:
        extrema_push(<extrema *>state, x, n, plan_place(p), plan_stride(p))
    elif op.code == OP_HISTOGRAM:
        histogram_push(<histogram *>state, x, n)
    elif op.code == OP_QUANTILES:
        sketch_push(<sketch *>state, x, n)
    elif op.code == OP_DISTINCT:
        distinct_push(<distinct *>state, x, n)
    elif op.code == OP_TOP:
        hitters_push(<hitters *>state, x, n)


cdef void reducer_write(const operation *op, void *state, writer *w) noexcept nogil:
    if op.code == OP_COUNT:
        tally_write(<tally *>state, w)
    elif op.code == OP_SUM or op.code == OP_MOMENTS:
        powers_write(<powers *>state, w)
    elif op.code == OP_MINMAX:
        extrema_write(<extrema *>state, w)
    elif op.code == OP_HISTOGRAM:
        histogram_write(<histogram *>state, w)
    elif op.code == OP_QUANTILES:
        sketch_write(<sketch *>state, w)
    elif op.code == OP_DISTINCT:
        distinct_write(<distinct *>state, w)
    elif op.code == OP_TOP:
        hitters_write(<hitters *>state, w)
    elif op.code == OP_MERGE:
        vectors_write(<vectors *>state, w)
    elif op.code == OP_GRAM or op.code == OP_CENTROIDS:
        gram_write(<gram *>state, w)


cdef void reducer_read(const operation *op, void *state, reader *r) noexcept nogil:
    if op.code == OP_COUNT:
        tally_read(<tally *>state, r)
    elif op.code == OP_SUM or op.code == OP_MOMENTS:
        powers_read(<powers *>state, r)
    elif op.code == OP_MINMAX:
        extrema_read(<extrema *>state, r)
    elif op.code == OP_HISTOGRAM:
        histogram_read(<histogram *>state, r)
    elif op.code == OP_QUANTILES:
        sketch_read(<sketch *>state, r)
    elif op.code == OP_DISTINCT:
        distinct_read(<distinct *>state, r)
    elif op.code == OP_TOP:
        hitters_read(<hitters *>state, r)
    elif op.code == OP_MERGE:
        vectors_read(<vectors *>state, r)
    elif op.code == OP_GRAM or op.code == OP_CENTROIDS:
        gram_read(<gram *>state, r)


cdef void plan_reduce(plan *p, uint32_t feature, const void *x, size_t n) noexcept nogil:
    """Values of one branch into all reducers."""
    cdef uint32_t k
    for k in range(p.reducers):
        reducer_push(p, plan_op(p, p.first_reducer + k),
                     plan_instance(p, feature, k), x, n)
