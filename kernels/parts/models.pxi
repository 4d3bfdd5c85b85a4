# Row stages `linear` and `logistic`, and what all models share.
#
# A model's words are its arguments: what it gives (scores or the class), how many columns it takes
# and how many scores it makes, then its own. They are checked once, when the program is measured;
# running trusts them. A row with a NaN gives NaN. Scores are floats in a fixed order of operations,
# so every machine gives the same bits; exp is our own.

cdef enum:
    MODEL_INPUTS_MAX = 1024
    MODEL_OUTPUTS_MAX = 32
    MODEL_HEAD = 3
    GIVE_SCORES = 0
    GIVE_CLASS = 1


cdef float exp_f32(float x) noexcept nogil:
    """e^x for x <= 88, within 1 ulp of normal results; 0 below -103.9, NaN of NaN.

    Cody and Waite's reduction by ln 2 in two parts, then the polynomial of Cephes' expf
    (S. L. Moshier, 1987) for |r| <= ln 2 / 2.
    """
    cdef float n, r, y
    cdef int32_t k
    if x < <float>-103.9:
        return <float>0.0
    if x != x:
        return x
    n = x * <float>1.44269504
    k = <int32_t>(n + <float>0.5 if n >= <float>0.0 else n - <float>0.5)
    n = <float>k
    r = (x - n * <float>0.693359375) - n * <float>-2.12194440e-4
    y = <float>1.9875691500e-4
    y = y * r + <float>1.3981999507e-3
    y = y * r + <float>8.3334519073e-3
    y = y * r + <float>4.1665795894e-2
    y = y * r + <float>1.6666665459e-1
    y = y * r + <float>5.0000001201e-1
    y = (y * (r * r) + r) + <float>1.0
    if k < -126:
        return (y * float_power(k + 64)) * float_power(-64)
    if k > 127:
        return (y * float_power(k - 64)) * float_power(64)
    return y * float_power(k)


cdef float row_dot(const float *row, const uint32_t *weights, size_t n) noexcept nogil:
    """Sum of products in lanes (lanes.pxi); the weights are bits of floats."""
    cdef float lane[LANES]
    cdef size_t i
    for i in range(<size_t>LANES):
        lane[i] = <float>0.0
    for i in range(n):
        lane[i & (LANES - 1)] = lane[i & (LANES - 1)] + row[i] * atoll_float(weights[i])
    return lanes_sum(lane)


cdef bint row_nan(const float *row, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if row[i] != row[i]:
            return True
    return False


cdef float sigmoid_f32(float z) noexcept nogil:
    cdef float e
    if z >= <float>0.0:
        return <float>1.0 / (<float>1.0 + exp_f32(-z))
    e = exp_f32(z)
    return e / (<float>1.0 + e)


cdef void softmax_f32(float *z, uint32_t n) noexcept nogil:
    """exp(z - max) over its sum, in the order of the scores."""
    cdef float most = z[0], total = <float>0.0
    cdef uint32_t k
    for k in range(n):
        most = atoll_greater(z[k], most)
    for k in range(n):
        z[k] = exp_f32(z[k] - most)
        total = total + z[k]
    for k in range(n):
        z[k] = z[k] / total


cdef void probabilities(float *z, uint32_t n) noexcept nogil:
    """Scores to probabilities: of the one class, or over all of them."""
    if n == 1:
        z[0] = sigmoid_f32(z[0])
    else:
        softmax_f32(z, n)


cdef float class_of(const float *z, uint32_t n) noexcept nogil:
    """The number of the first of the largest scores; of one score, whether it is above 0."""
    cdef uint32_t k, best = 0
    if z[0] != z[0]:
        return z[0]
    if n == 1:
        return <float>(z[0] > <float>0.0)
    for k in range(n):
        if z[k] > z[best]:
            best = k
    return <float>best


cdef bint model_head_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    return (argc > MODEL_HEAD and args[0] <= GIVE_CLASS and 1 <= args[1] <= MODEL_INPUTS_MAX
            and 1 <= args[2] <= MODEL_OUTPUTS_MAX)


cdef bint linear_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    """Arguments: head, then for each score its bias and a weight for each column."""
    cdef uint32_t k
    if not model_head_valid(argc, args) or argc != MODEL_HEAD + args[2] * (args[1] + 1):
        return False
    for k in range(<uint32_t>MODEL_HEAD, argc):
        if (args[k] & BITS_MAGNITUDE) >= BITS_INF:
            return False
    return True


cdef void linear_scores(const uint32_t *args, const float *row, float *out) noexcept nogil:
    cdef const uint32_t *at = args + MODEL_HEAD
    cdef uint32_t k
    for k in range(args[2]):
        out[k] = row_dot(row, at + 1, args[1]) + atoll_float(at[0])
        at = at + args[1] + 1
