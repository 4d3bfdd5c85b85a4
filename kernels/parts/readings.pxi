# What is read off a spectrum, by vectors, where there is room: the numbers of spectrum.pxi and peaks.pxi.

cdef enum:
    PEAK_BLOCK = 16  # bins of which a maximum is looked for only where one may count


cdef void powers_within(const float *p, size_t n, int32_t *low, int32_t *high) noexcept nogil:
    """The bits of the smallest and the largest of n floats >= 0, which stand in their order."""
    cdef const int32_t *bits = <const int32_t *>p
    cdef int32_t least = bits[0], most = bits[0]
    cdef size_t i
    for i in range(n):
        least = bits[i] if bits[i] < least else least
        most = bits[i] if bits[i] > most else most
    low[0] = least
    high[0] = most


cdef size_t powers_upto(const float *p, size_t n, int32_t bound) noexcept nogil:
    """How many of n floats >= 0 have bits up to the bound."""
    cdef const int32_t *bits = <const int32_t *>p
    cdef int32_t some = 0
    cdef size_t i
    for i in range(n):
        some = some + <int32_t>(bits[i] <= bound)
    return <size_t>some


cdef float power_above(const float *p, size_t n, int32_t bound) noexcept nogil:
    """The smallest of n floats >= 0 whose bits are beyond the bound."""
    cdef const int32_t *bits = <const int32_t *>p
    cdef int32_t least = I32_MAX
    cdef size_t i
    for i in range(n):
        least = bits[i] if bits[i] > bound and bits[i] < least else least
    return atoll_float(<uint32_t>least)


cdef float power_middle(const float *p, size_t n, float *upper) noexcept nogil:
    """The two middle values of n floats >= 0, the one of an odd n twice: bisection on their bits, which ends
    where a bound has so many below it that the next value is the one looked for."""
    cdef int32_t low, high, middle
    cdef size_t rank = (n - 1) // 2, upto
    cdef float lower
    powers_within(p, n, &low, &high)
    while low < high:
        middle = low + <int32_t>((<uint32_t>high - <uint32_t>low) >> 1)  # -0 lies far below 0
        upto = powers_upto(p, n, middle)
        if upto == rank:
            low = <int32_t>atoll_bits(power_above(p, n, middle))
            high = low
        elif upto > rank:
            high = middle
        else:
            low = middle + 1
    lower = atoll_float(<uint32_t>low)
    upper[0] = lower
    if n % 2 == 0 and powers_upto(p, n, low) == rank + 1:
        upper[0] = power_above(p, n, low)
    return lower


cdef void peaks_many(const float *p, size_t n, const uint32_t *args, float *out) noexcept nogil:
    """feature_peaks, where most bins are seen not to be among the largest, block by block."""
    cdef uint32_t most = args[0], some
    cdef float hz = atoll_float(args[1])
    cdef size_t at = 1, k, end
    while at + 1 < n:
        # What does not rise above the least that is kept changes nothing; NaN: nothing is kept there yet.
        k = PEAK_BLOCK if at + PEAK_BLOCK < n else n - 1 - at
        some = atoll_rises(p + at, k, atoll_greater(out[2 * most - 1], <float>0.0))
        while some:
            k = at + atoll_length(some & (0 - some)) - 1
            some = some & (some - 1)
            end = k + 1
            while end + 1 < n and p[end] == p[k]:
                end = end + 1
            if p[end] < p[k]:
                peak_enter(most, <float>((k + end - 1) // 2) * hz, p[k], out)
        at = at + PEAK_BLOCK


cdef inline vector mel_weight(vector at, float low, float middle, float high, float up,
                              float down) noexcept nogil:
    return atoll_pick_upto(at, atoll_splat(middle), (at - atoll_splat(low)) * atoll_splat(up),
                           (atoll_splat(high) - at) * atoll_splat(down))


cdef vector mel_fold(const float *p, float low, float middle, float high) noexcept nogil:
    """mel_band up to its last vector. Where the band ends zeros are weighted, which add nothing."""
    cdef vector part[PARTS]
    cdef vector at
    cdef size_t first = <size_t>low + 1, last = <size_t>high, i = 0, j
    cdef float up = <float>1.0 / (middle - low), down = <float>1.0 / (high - middle)
    if <float>last == high:
        last = last - 1
    last = last + 1 - first
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    at = atoll_count(<float>first)
    while i < last:
        j = (i // WIDE) % PARTS
        part[j] = part[j] + (atoll_load_part(p + first + i, last - i)
                             * mel_weight(at, low, middle, high, up, down))
        at = at + atoll_splat(<float>WIDE)
        i = i + WIDE
    return lanes_fold(part)


cdef void mel_many(const float *p, uint32_t argc, const uint32_t *args, float *out) noexcept nogil:
    """feature_mel, the trees of WIDE bands side by side."""
    cdef const float *edge = <const float *>(args + MEL_HEAD)
    cdef vector sum[WIDE]
    cdef float power[WIDE]
    cdef uint32_t bands = argc - MEL_HEAD - 2, at = 0, k, band
    while at < bands:
        for k in range(<uint32_t>WIDE):
            band = <uint32_t>(at + k)
            if band >= bands:
                band = <uint32_t>(bands - 1)
            sum[k] = mel_fold(p, edge[band], edge[band + 1], edge[band + 2])
        atoll_store(power, turned_sum(sum))
        for k in range(<uint32_t>(bands - at) if bands - at < WIDE else <uint32_t>WIDE):
            if args[0] == 1:
                power[k] = <float>3.01029996 * log2_f32(atoll_greater(<float>1e-10, power[k]))
            out[at + k] = float_plain(power[k])
        at = at + WIDE
