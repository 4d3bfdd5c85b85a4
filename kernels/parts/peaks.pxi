# Of a spectrum: its largest local maxima, and its power in bands that are even in mel.

cdef enum:
    PEAKS_MAX = 16
    MEL_HEAD = 1
    MEL_BANDS_MAX = 128


cdef void peak_enter(uint32_t most, float hz, float power, float *out) noexcept nogil:
    """Keep the `most` largest in (hz, power) pairs; of equal ones the first stays before."""
    cdef uint32_t k = most
    while k > 0 and not out[2 * k - 1] >= power:  # NaN: nothing stands there yet
        if k < most:
            out[2 * k] = out[2 * k - 2]
            out[2 * k + 1] = out[2 * k - 1]
        k = k - 1
    if k < most:
        out[2 * k] = hz
        out[2 * k + 1] = power


cdef void feature_peaks(const float *p, size_t n, const uint32_t *args, float *out) noexcept nogil:
    """The largest args[0] local maxima; of a plateau its middle, and the ends are none.

    The rule is that of scipy.signal.find_peaks. `out` holds NaN.
    """
    cdef size_t k = 1, end
    cdef float hz = atoll_float(args[1])
    while k + 1 < n:
        end = k + 1
        if p[k - 1] < p[k]:
            while end + 1 < n and p[end] == p[k]:
                end = end + 1
            if p[end] < p[k]:
                peak_enter(args[0], <float>((k + end - 1) // 2) * hz, p[k], out)
        k = end


cdef bint mel_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    """What is given (power or dB), then the edges of the triangles in bins, rising from 0 on."""
    cdef uint32_t k
    if argc < MEL_HEAD + 3 or argc > MEL_HEAD + 2 + MEL_BANDS_MAX or args[0] > 1:
        return False
    for k in range(<uint32_t>(MEL_HEAD + 1), argc):
        if not atoll_float(args[k - 1]) < atoll_float(args[k]) <= <float>FFT_MAX:
            return False
    return atoll_float(args[MEL_HEAD]) >= <float>0.0


cdef float mel_band(const float *p, float low, float middle, float high) noexcept nogil:
    """Power under a triangle of height 1 between two bins' places."""
    cdef float lane[LANES]
    cdef uint32_t first = <uint32_t>low + 1, last = <uint32_t>high, k, j
    cdef float up = <float>1.0 / (middle - low), down = <float>1.0 / (high - middle), at
    if <float>last == high:
        last = last - 1
    for j in range(<uint32_t>LANES):
        lane[j] = <float>0.0
    for k in range(first, <uint32_t>(last + 1)):
        j = (k - first) & (LANES - 1)
        at = <float>k
        if at <= middle:
            lane[j] = lane[j] + p[k] * ((at - low) * up)
        else:
            lane[j] = lane[j] + p[k] * ((high - at) * down)
    return lanes_sum(lane)


cdef void feature_mel(const float *p, uint32_t argc, const uint32_t *args,
                      float *out) noexcept nogil:
    """Power of each band, or its level: 10 log10 of at least 1e-10."""
    cdef const uint32_t *edge = args + MEL_HEAD
    cdef uint32_t k
    cdef float power
    for k in range(<uint32_t>(argc - MEL_HEAD - 2)):
        power = mel_band(p, atoll_float(edge[k]), atoll_float(edge[k + 1]),
                         atoll_float(edge[k + 2]))
        if args[0] == 1:
            power = <float>3.01029996 * log2_f32(atoll_greater(<float>1e-10, power))
        out[k] = float_plain(power)
