# Rows: the numbers that stand side by side, features of one window, or its samples, or its
# spectrum. Row stages (models, detectors) make rows of rows; joint reducers (gram, centroids,
# merge) take a row as one; the other reducers take each column apart.


cdef inline bint op_joint(uint32_t code) noexcept nogil:
    return OP_GRAM <= code <= OP_MERGE


cdef inline bint op_watches(uint32_t code) noexcept nogil:
    """Row stages that treat each column apart and remember."""
    return OP_THRESHOLD <= code <= OP_CUSUM


cdef inline bint op_weighs(uint32_t code) noexcept nogil:
    """Row stages that many.pxi has for many rows at a time."""
    return (code == OP_LINEAR or code == OP_LOGISTIC or code == OP_MLP or code == OP_MAHALANOBIS
            or code == OP_TREE)


cdef inline bint op_remembers(uint32_t code) noexcept nogil:
    return op_watches(code) or code == OP_NOVELTY


cdef bint rate_valid(uint32_t word) noexcept nogil:
    """A rate of forgetting: above 0, at most 1."""
    return <float>0.0 < atoll_float(word) <= <float>1.0


cdef bint row_valid(uint32_t code, uint32_t argc, const uint32_t *args) noexcept nogil:
    """Whether the arguments of a row stage or joint reducer are in their ranges."""
    if code == OP_LINEAR or code == OP_LOGISTIC:
        return linear_valid(argc, args)
    if code == OP_TREE:
        return tree_valid(argc, args)
    if code == OP_MLP:
        return network_valid(argc, args)
    if code == OP_MAHALANOBIS:
        return mahalanobis_valid(argc, args)
    if code == OP_THRESHOLD:
        return argc == 2 and atoll_float(args[1]) <= atoll_float(args[0])
    if code == OP_EWMA:
        return argc == 1 and rate_valid(args[0])
    if code == OP_CUSUM:
        return argc == 2
    if code == OP_NOVELTY:
        return argc == 2 and 1 <= args[0] <= PROTOTYPES_MAX and rate_valid(args[1])
    if code == OP_GRAM:
        return argc == 1 and args[0] <= GRAM_COLUMNS_MAX
    if code == OP_CENTROIDS:
        return (argc >= 2 and 1 <= args[0] <= GRAM_COLUMNS_MAX and 1 <= args[1] <= CENTROIDS_MAX
                and argc == 2 + args[0] * args[1] and row_finite(<const float *>(args + 2),
                                                                 args[0] * args[1]))
    return argc == 2 and args[0] <= VECTOR_BITS_MAX and args[1] <= 1


cdef uint32_t row_gives(uint32_t code, const uint32_t *args, uint32_t width) noexcept nogil:
    """Numbers that a row stage gives for a row of `width`; 0 where it does not take such rows."""
    if op_watches(code):
        return width
    if code == OP_NOVELTY:
        return 1
    if code == OP_MAHALANOBIS:
        return args[0] == width
    if args[1] != width:
        return 0
    return 1 if args[0] == GIVE_CLASS else args[2]


cdef bint row_fits(uint32_t code, const uint32_t *args, uint32_t width) noexcept nogil:
    """Whether a joint reducer takes rows of `width`."""
    if code == OP_GRAM:
        return width <= GRAM_COLUMNS_MAX and args[0] <= width
    if code == OP_CENTROIDS:
        return args[0] == width
    return args[1] < width <= VECTOR_MAX


cdef size_t row_state(const operation *op, const uint32_t *args) noexcept nogil:
    """Bytes of memory of a row stage or joint reducer on rows of op.width."""
    if op_watches(op.code):
        return sizeof(watch) * op.width
    if op.code == OP_NOVELTY:
        return novelty_size(args[0], op.width)
    if op.code == OP_MLP:
        return network_memory(args)
    if op.code == OP_GRAM:
        return gram_size(op.width, 0)
    if op.code == OP_CENTROIDS:
        return gram_size(args[0], args[1])
    if op.code == OP_MERGE:
        return vectors_size(op.width)
    return 0


cdef void model_run(const operation *op, const uint32_t *args, void *state, const float *row,
                    float *out) noexcept nogil:
    """Scores, probabilities or the class of one row."""
    cdef float scores[MODEL_OUTPUTS_MAX]
    cdef uint32_t k, n = args[2]
    scores[0] = <float>0.0
    if row_nan(row, op.width):
        for k in range(n):
            scores[k] = atoll_float(BITS_NAN)
    elif op.code == OP_TREE:
        tree_scores(args, row, scores)
    elif op.code == OP_MLP:
        network_scores(args, <int16_t *>state, row, scores)
    else:
        linear_scores(args, row, scores)
    if args[0] == GIVE_CLASS:
        out[0] = class_of(scores, n)
        return
    if op.code == OP_LOGISTIC or (op.code == OP_TREE and args[3]):
        probabilities(scores, n)
    for k in range(n):
        out[k] = scores[k]


cdef void row_stage(const operation *op, const uint32_t *args, void *state, const float *row,
                    float *out) noexcept nogil:
    """One row through one row stage; `out` is another row."""
    cdef uint32_t k
    if op_watches(op.code):
        for k in range(op.width):
            watch_row(op.code, args, <watch *>state + k, row + k, out + k)
    elif op.code == OP_NOVELTY or op.code == OP_MAHALANOBIS:
        if row_nan(row, op.width):
            out[0] = atoll_float(BITS_NAN)
        elif not row_finite(row, op.width):
            out[0] = atoll_float(BITS_INF)
        elif op.code == OP_NOVELTY:
            out[0] = novelty_step(<novelty *>state, args, row, op.width)
        else:
            out[0] = mahalanobis_f32(args, row)
    else:
        model_run(op, args, state, row, out)


cdef void row_reduce(plan *p, const operation *op, void *state, const float *row) noexcept nogil:
    """One row into a joint reducer."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    if op.code == OP_GRAM:
        gram_push(<gram *>state, row)
    elif op.code == OP_CENTROIDS:
        centroids_push(<gram *>state, row, <const float *>(args + 2))
    else:
        vectors_push(<vectors *>state, row)


cdef void row_reduce_init(plan *p, const operation *op, void *state) noexcept nogil:
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    if op.code == OP_GRAM:
        gram_init(<gram *>state, op.width, 0)
    elif op.code == OP_CENTROIDS:
        gram_init(<gram *>state, args[0], args[1])
    else:
        vectors_init(<vectors *>state, op.width, args[0], args[1])


cdef void row_run(plan *p, const float *row, float *rows) noexcept nogil:
    """A row of p.inner numbers through the row stages, into the reducers or to `rows`."""
    cdef float *spare = <float *>plan_at(p, p.row_at) + p.row_wide
    cdef float *out
    cdef operation *op
    cdef uint32_t k, c
    for k in range(p.rowers):
        op = plan_op(p, p.first_rower + k)
        out = spare
        if row == spare:
            out = spare - p.row_wide
        row_stage(op, <const uint32_t *>plan_at(p, op.args_at), plan_at(p, op.state_at), row, out)
        row = out
    if p.reducers == 0:
        for c in range(p.width):
            rows[c] = float_plain(row[c])
    elif p.joint:
        for k in range(p.reducers):
            op = plan_op(p, p.first_reducer + k)
            row_reduce(p, op, plan_at(p, plan_branches(p)[k]), row)
    else:
        for c in range(p.width):
            plan_reduce(p, c, row + c, 1)
