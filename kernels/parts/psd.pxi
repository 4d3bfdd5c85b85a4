# Power spectral density by Welch's method (P. D. Welch, 1967): the mean over overlapping segments of
# the power of each, less its mean and tapered, per Hz.
#
# Arguments: segment (a power of two), hop, taper, the factor from power to density. The memory holds
# the mean, a segment, the taper's weights and the table of the transform, one after the other.

cdef bint psd_valid(const uint32_t *args) noexcept nogil:
    return spectrum_valid(args[0]) and 1 <= args[1] <= args[0] and args[2] <= 2


cdef size_t psd_words(size_t segment) noexcept nogil:
    """Floats of the memory."""
    return 2 * (segment // 2 + 1) + segment + spectrum_words(segment)


cdef void psd_init(float *state, const uint32_t *args) noexcept nogil:
    cdef size_t n = args[0]
    state = state + n // 2 + 1 + n
    taper_init(state, args[2], n)
    spectrum_init(state + n // 2 + 1, n)


cdef void psd_run(uint32_t dtype, const void *x, size_t window, const uint32_t *args,
                  float *state) noexcept nogil:
    """The density of a window, in the first segment / 2 + 1 floats of the memory."""
    cdef size_t n = args[0], hop = args[1], bins = args[0] // 2 + 1, at = 0, k, segments = 0
    cdef float *segment = state + bins
    cdef float *weight = segment + n
    cdef float by = atoll_float(args[3])
    memset(state, 0, bins * sizeof(float))
    if ROOMY and WIDE > 1:
        segments = psd_many(dtype, x, window, args, state)
        at = segments * hop
    while at + n <= window:
        frame_mean(dtype, <const uint8_t *>x + at * dtype_size(dtype), n, segment)
        taper_run(weight, segment, n)
        spectrum_run(segment, n, weight + bins)
        for k in range(bins):
            state[k] = state[k] + segment[k]
        segments = segments + 1
        at = at + hop
    by = by / <float>segments
    for k in range(bins):
        state[k] = state[k] * by


cdef float band_power(const float *p, uint32_t argc, const uint32_t *args) noexcept nogil:
    """Power between two bins; of a density times the bins' width."""
    cdef float sum = feature_band(p, args)
    return sum * atoll_float(args[2]) if argc == 3 else sum
