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
        middle = low + ((high - low) >> 1)
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


cdef bint peak_near(const float *p, float most) noexcept nogil:
    """Whether one of PEAK_BLOCK bins rises above the bin before it and above `most`."""
    cdef uint32_t some = 0
    cdef size_t i
    for i in range(<size_t>PEAK_BLOCK):
        some = some | (<uint32_t>(p[i] > most) & <uint32_t>(p[i] > p[i - 1]) & <uint32_t>(p[i] >= p[i + 1]))
    return some != 0


cdef void peaks_many(const float *p, size_t n, const uint32_t *args, float *out) noexcept nogil:
    """feature_peaks, where most bins are seen not to be among the largest, block by block."""
    cdef uint32_t most = args[0]
    cdef float hz = atoll_float(args[1])
    cdef size_t k = 1, last, end
    while k + 1 < n:
        # What does not rise above the least that is kept changes nothing; NaN: nothing is kept there yet.
        if k + PEAK_BLOCK < n and not peak_near(p + k, atoll_greater(out[2 * most - 1], <float>0.0)):
            k = k + PEAK_BLOCK
            continue
        last = k + PEAK_BLOCK
        while k < last and k + 1 < n:
            if p[k] > p[k - 1] and p[k] >= p[k + 1]:
                end = k + 1
                while end + 1 < n and p[end] == p[k]:
                    end = end + 1
                if p[end] < p[k]:
                    peak_enter(most, <float>((k + end - 1) // 2) * hz, p[k], out)
            k = k + 1
