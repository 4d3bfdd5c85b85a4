# Row stage `mlp`: dense layers of int8 weights, int32 sums, and integer rescaling.
#
#   head            as all models (models.pxi)
#   layers
#   input           float 1 / scale, zero point (a byte)
#   output          float scale
#   layers          each: width, 1 where it is rectified, zero point of its output; then for each of
#                   its outputs bias, multiplier, shift; then the weights, four to a word, each
#                   output's padded to whole words
#
# A layer computes clamp(round((bias + sum w (x - zero of x)) multiplier / 2^shift) + zero), rounding
# half up, as TensorFlow Lite does with single rounding (Jacob et al., 2018). All of it is integers
# but the first conversion and the last.

cdef enum:
    NETWORK_HEAD = 7
    NETWORK_LAYERS_MAX = 8
    NETWORK_BIAS_MAX = 1 << 30  # and 1,024 products of 255 by 128 stay within 31 bits
    NETWORK_SHIFT_MAX = 62


cdef inline int32_t signed_byte(uint32_t word) noexcept nogil:
    return <int32_t>((word & 0xFF) ^ 0x80) - 128


cdef inline bint byte_word(uint32_t word) noexcept nogil:
    """Whether a word is a signed byte, as a 32-bit number."""
    return word + 128 <= 255


cdef uint32_t layer_words(uint32_t inputs, uint32_t outputs) noexcept nogil:
    return 3 + outputs * (3 + ((inputs + 3) >> 2))


cdef bint layer_valid(const uint32_t *at) noexcept nogil:
    cdef uint32_t k
    cdef int32_t bias
    if at[1] > 1 or not byte_word(at[2]):
        return False
    for k in range(at[0]):
        bias = <int32_t>at[3 + 3 * k]
        if not -NETWORK_BIAS_MAX <= bias <= NETWORK_BIAS_MAX or at[4 + 3 * k] > I32_MAX:
            return False
        if not 1 <= at[5 + 3 * k] <= NETWORK_SHIFT_MAX:
            return False
    return True


cdef bint network_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    cdef uint32_t at = NETWORK_HEAD, left, inputs, outputs
    if argc <= NETWORK_HEAD or not model_head_valid(argc, args):
        return False
    if not 1 <= args[3] <= NETWORK_LAYERS_MAX or not byte_word(args[5]):
        return False
    if not atoll_float(args[4]) > <float>0.0 or (args[4] & BITS_MAGNITUDE) >= BITS_INF:
        return False
    if not atoll_float(args[6]) > <float>0.0 or (args[6] & BITS_MAGNITUDE) >= BITS_INF:
        return False
    inputs = args[1]
    left = args[3]
    while left:
        left = left - 1
        if argc - at < 3:
            return False
        outputs = args[at]
        if not 1 <= outputs <= MODEL_INPUTS_MAX or argc - at < layer_words(inputs, outputs):
            return False
        if not layer_valid(args + at):
            return False
        at = at + layer_words(inputs, outputs)
        inputs = outputs
    return at == argc and inputs == args[2]


cdef uint32_t network_widest(const uint32_t *args) noexcept nogil:
    """The most numbers that stand between two layers, the input among them."""
    cdef uint32_t at = NETWORK_HEAD, left = args[3], inputs = args[1]
    cdef uint32_t wide, widest = args[1]
    while left:
        left = left - 1
        wide = args[at]
        if wide > widest:
            widest = wide
        at = at + layer_words(inputs, wide)
        inputs = wide
    return widest


cdef void network_load(const uint32_t *args, const float *row, int16_t *x) noexcept nogil:
    """The row as bytes less their zero point."""
    cdef float v, scale = atoll_float(args[4])
    cdef int64_t q
    cdef int32_t zero = <int32_t>args[5]
    cdef uint32_t k
    for k in range(args[1]):
        v = row[k] * scale
        if f32_magnitude(v) >= <float>32768.0:
            q = 127 if v > <float>0.0 else -128
        else:
            q = whole_nearest(v) + zero
            q = 127 if q > 127 else (-128 if q < -128 else q)
        x[k] = <int16_t>(q - zero)


cdef int32_t layer_output(const uint32_t *at, const uint32_t *weights, const int16_t *x,
                          uint32_t inputs) noexcept nogil:
    """One output of a layer, its zero point taken off; `at` is bias, multiplier, shift."""
    cdef int32_t total = <int32_t>at[0]
    cdef uint32_t k
    for k in range(inputs):
        total = total + signed_byte(weights[k >> 2] >> (8 * (k & 3))) * x[k]
    return saturate((<int64_t>total * <int32_t>at[1] + (<int64_t>1 << (at[2] - 1))) >> at[2])


cdef size_t network_memory(const uint32_t *args) noexcept nogil:
    """Bytes for two rows of the widest layer."""
    return 2 * sizeof(int16_t) * <size_t>network_widest(args)


cdef void network_scores(const uint32_t *args, int16_t *x, const float *row,
                         float *out) noexcept nogil:
    """x: network_memory."""
    cdef const uint32_t *at = args + NETWORK_HEAD
    cdef int16_t *y = x + network_widest(args)
    cdef int16_t *swap
    cdef uint32_t left = args[3], k, inputs = args[1], wide
    cdef int32_t q, zero, low
    network_load(args, row, x)
    while left:
        left = left - 1
        wide = (inputs + 3) >> 2
        zero = <int32_t>at[2]
        low = 0 if at[1] else <int32_t>(-128 - zero)
        for k in range(at[0]):
            q = layer_output(at + 3 + 3 * k, at + 3 + 3 * at[0] + wide * k, x, inputs)
            q = low if q < low else q
            y[k] = <int16_t>(127 - zero if q > 127 - zero else q)
        inputs = at[0]
        at = at + 3 + inputs * (3 + wide)
        swap = x
        x = y
        y = swap
    for k in range(args[2]):
        out[k] = <float>x[k] * atoll_float(args[6])
