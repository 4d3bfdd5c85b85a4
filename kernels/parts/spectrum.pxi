# Tapers, the real FFT, and what is read off a spectrum.
#
# Sines come from an own polynomial after exact reduction of the angle in integers: no libm, the
# same bits everywhere, error below 2^-23. The FFT is in place, decimation in time, two radix-2
# steps at a time (Cooley, Tukey 1965), on the window as N/2 complex numbers, then split (Cooley,
# Lewis, Welch 1970). Power is one-sided, in squared units of the samples: it sums to the mean
# square of the window, and a line of amplitude A on a bin gives A^2 / 2.

cdef enum:
    FFT_MIN = 16
    FFT_MAX = 65536
    LINES_MAX = 32
    LINE_WORDS = 4  # first and last bin of the line, first and last of its neighbourhood


cdef float turn_sine(uint64_t k, uint64_t n) noexcept nogil:
    """sin(2 pi k / n), for k and n below 2^32: octant in integers, then a Taylor polynomial."""
    cdef uint64_t eighth = (8 * k) // n
    cdef uint64_t rest = 8 * k - eighth * n
    cdef uint32_t octant = <uint32_t>(eighth & 7)
    cdef float a, q, y
    if octant & 1:
        rest = n - rest
    a = (float_from_i64(<int64_t>rest) / float_from_i64(<int64_t>n)) * <float>0.78539816339744831
    q = a * a
    if octant == 0 or octant == 3 or octant == 4 or octant == 7:
        y = <float>2.7557319e-06 * q - <float>1.9841270e-04
        y = y * q + <float>8.3333333e-03
        y = y * q - <float>1.6666667e-01
        y = y * q * a + a
    else:
        y = <float>2.4801587e-05 * q - <float>1.3888889e-03
        y = y * q + <float>4.1666667e-02
        y = y * q - <float>0.5
        y = y * q + <float>1.0
    if octant >= 4:
        y = -y
    return y


cdef inline float turn_cosine(uint64_t k, uint64_t n) noexcept nogil:
    """cos(2 pi k / n), for k and n below 2^28."""
    return turn_sine(4 * k + n, 4 * n)


cdef float taper_weight(uint32_t kind, uint64_t i, uint64_t n) noexcept nogil:
    """Weight i of n, periodic, of mean 1: hann 0, hamming 1, flat-top 2 (ISO 18431-2)."""
    cdef float c = turn_cosine(i, n)
    cdef float y
    if kind == 0:
        return <float>1.0 - c
    if kind == 1:
        return <float>1.0 - <float>0.85185185 * c
    y = <float>1.0 - <float>1.93 * c
    y = y + <float>1.29 * turn_cosine(2 * i, n)
    y = y - <float>0.388 * turn_cosine(3 * i, n)
    return y + <float>0.028 * turn_cosine(4 * i, n)


cdef void taper_init(float *weight, uint32_t kind, size_t n) noexcept nogil:
    """Weights 0..n/2; the other half mirrors them."""
    cdef size_t i
    for i in range(n // 2 + 1):
        weight[i] = taper_weight(kind, i, n)


cdef void taper_run(const float *weight, float *x, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n // 2 + 1):
        x[i] = x[i] * weight[i]
    for i in range(n // 2 + 1, n):
        x[i] = x[i] * weight[n - i]


cdef void spectrum_init(float *sine, size_t n) noexcept nogil:
    """sin(2 pi k / n), k = 0 .. 3 n / 4: sines at k, cosines at k + n / 4, for half a turn."""
    cdef size_t k
    for k in range(3 * (n // 4) + 1):
        sine[k] = turn_sine(k, n)


cdef void fft_reverse(float *x, size_t m) noexcept nogil:
    """Order m complex numbers by the reversed bits of their index."""
    cdef size_t i, j = 0, bit
    cdef float re, im
    for i in range(1, m):
        bit = m >> 1
        while j & bit:
            j = j ^ bit
            bit = bit >> 1
        j = j | bit
        if i < j:
            re = x[2 * i]
            im = x[2 * i + 1]
            x[2 * i] = x[2 * j]
            x[2 * i + 1] = x[2 * j + 1]
            x[2 * j] = re
            x[2 * j + 1] = im


cdef void fft_pair(float *x, size_t m) noexcept nogil:
    """The first radix-2 step, for an odd number of steps."""
    cdef size_t i
    cdef float re, im
    for i in range(m // 2):
        re = x[4 * i + 2]
        im = x[4 * i + 3]
        x[4 * i + 2] = x[4 * i] - re
        x[4 * i + 3] = x[4 * i + 1] - im
        x[4 * i] = x[4 * i] + re
        x[4 * i + 1] = x[4 * i + 1] + im


cdef void fft_step(float *x, size_t h, const float *sine, size_t n) noexcept nogil:
    """Two steps on one block of 4 h complex numbers: blocks of h become one of 4 h."""
    cdef size_t j, step = n // (4 * h), quarter = n // 4
    cdef float c1, s1, c2, s2, re, im
    cdef float ar, ai, br, bi, cr, ci, dr, di
    cdef float *a = x
    cdef float *b = x + 2 * h
    cdef float *c = x + 4 * h
    cdef float *d = x + 6 * h
    for j in range(h):
        s2 = sine[step * j]
        c2 = sine[step * j + quarter]
        s1 = sine[2 * step * j]
        c1 = sine[2 * step * j + quarter]
        re = b[2 * j]
        im = b[2 * j + 1]
        br = re * c1 + im * s1
        bi = im * c1 - re * s1
        re = d[2 * j]
        im = d[2 * j + 1]
        dr = re * c1 + im * s1
        di = im * c1 - re * s1
        ar = a[2 * j] + br
        ai = a[2 * j + 1] + bi
        br = a[2 * j] - br
        bi = a[2 * j + 1] - bi
        re = c[2 * j] + dr
        im = c[2 * j + 1] + di
        dr = c[2 * j] - dr
        di = c[2 * j + 1] - di
        cr = re * c2 + im * s2
        ci = im * c2 - re * s2
        re = di * c2 - dr * s2
        im = -(dr * c2 + di * s2)
        a[2 * j] = ar + cr
        a[2 * j + 1] = ai + ci
        c[2 * j] = ar - cr
        c[2 * j + 1] = ai - ci
        b[2 * j] = br + re
        b[2 * j + 1] = bi + im
        d[2 * j] = br - re
        d[2 * j + 1] = bi - im


cdef void fft_complex(float *x, size_t m, const float *sine, size_t n) noexcept nogil:
    """Forward transform of m = n / 2 complex numbers, in place."""
    cdef size_t h = 1, i
    fft_reverse(x, m)
    if bits_length(m) % 2 == 0:
        fft_pair(x, m)
        h = 2
    while h < m:
        i = 0
        while i < m:
            fft_step(x + 2 * i, h, sine, n)
            i = i + 4 * h
        h = 4 * h


cdef inline float squared(float re, float im) noexcept nogil:
    return re * re + im * im


cdef void spectrum_run(float *x, size_t n, const float *sine) noexcept nogil:
    """The one-sided power of n samples, in x[0 .. n/2]; NaN where one of them is not finite."""
    cdef size_t m = n // 2, k, quarter = n // 4
    cdef float er, ei, dr, di, pr, pi, c, s, by = <float>1.0 / <float>n
    cdef uint32_t bad = 0
    for k in range(n):
        bad = bad | <uint32_t>((atoll_bits(x[k]) & BITS_MAGNITUDE) >= BITS_INF)
        x[k] = x[k] * by
    if bad:
        for k in range(m + 1):
            x[k] = atoll_float(BITS_NAN)
        return
    fft_complex(x, m, sine, n)
    er = x[0]
    ei = x[1]
    x[0] = (er + ei) * (er + ei)
    x[1] = (er - ei) * (er - ei)
    for k in range(1, m // 2 + 1):
        # E and D are twice the transforms of the even and odd samples; |E +- w D|^2 / 4, twice.
        er = x[2 * k] + x[2 * (m - k)]
        ei = x[2 * k + 1] - x[2 * (m - k) + 1]
        dr = x[2 * k + 1] + x[2 * (m - k) + 1]
        di = x[2 * (m - k)] - x[2 * k]
        c = sine[k + quarter]
        s = sine[k]
        pr = dr * c + di * s
        pi = di * c - dr * s
        x[2 * k] = <float>0.5 * squared(er + pr, ei + pi)
        if k < m - k:
            x[2 * (m - k)] = <float>0.5 * squared(er - pr, ei - pi)
    er = x[1]
    for k in range(1, m):
        x[k] = x[2 * k]
    x[m] = er


cdef float power_ranked(const float *p, size_t n, size_t rank) noexcept nogil:
    """The value of this rank (0 is the smallest) of n floats >= 0: bisection on their bits."""
    cdef uint32_t low = 0, high = BITS_INF, middle
    cdef size_t below, i
    while low < high:
        middle = low + ((high - low) >> 1)
        below = 0
        for i in range(n):
            below = below + <size_t>(atoll_bits(p[i]) <= middle)
        if below > rank:
            high = middle
        else:
            low = middle + 1
    return atoll_float(low)


cdef float feature_line(const float *p, const uint32_t *words) noexcept nogil:
    """Largest power of the line over the median power of its neighbourhood."""
    cdef float most = <float>0.0, lower, upper
    cdef uint32_t k
    cdef size_t n = words[3] - words[2] + 1
    cdef const float *near = p + words[2]
    for k in range(words[0], <uint32_t>(words[1] + 1)):
        most = atoll_greater(p[k], most)
    lower = power_ranked(near, n, (n - 1) // 2)
    upper = power_ranked(near, n, n // 2)
    return most / (<float>0.5 * (lower + upper))


cdef float feature_band(const float *p, const uint32_t *words) noexcept nogil:
    """Sum of the power of the bins words[0] .. words[1], in lanes."""
    return f32_sum(p + words[0], words[1] - words[0] + 1, <float>1.0)


cdef float feature_centroid(const float *p, size_t n, float bin_hz) noexcept nogil:
    """Mean frequency, weighted by power."""
    cdef float lane[LANES]
    cdef size_t k, j
    for j in range(<size_t>LANES):
        lane[j] = <float>0.0
    for k in range(n):
        j = k & (LANES - 1)
        lane[j] = lane[j] + p[k] * (<float>k * bin_hz)
    return lanes_sum(lane) / f32_sum(p, n, <float>1.0)


cdef uint32_t crossings_of(uint32_t dtype, const void *x, size_t n) noexcept nogil:
    """How often the sign changes from sample to sample; 0 counts as positive, NaN too."""
    cdef size_t i
    cdef uint32_t count = 0
    for i in range(1, n):
        if dtype == DTYPE_I16:
            count = count + <uint32_t>(((<const int16_t *>x)[i] < 0)
                                       != ((<const int16_t *>x)[i - 1] < 0))
        elif dtype == DTYPE_I32:
            count = count + <uint32_t>(((<const int32_t *>x)[i] < 0)
                                       != ((<const int32_t *>x)[i - 1] < 0))
        else:
            count = count + <uint32_t>(((<const float *>x)[i] < <float>0.0)
                                       != ((<const float *>x)[i - 1] < <float>0.0))
    return count


cdef float feature_goertzel(uint32_t dtype, const void *x, size_t n, float cosine,
                            float scale) noexcept nogil:
    """Power at one frequency: Goertzel's recurrence with 2 cos w, in squared units.

    |sum x e^(-iwt)|^2 = s1^2 + s2^2 - 2 cos(w) s1 s2; `scale` is 2 / n^2 (1 / n^2 at the ends).
    """
    cdef size_t i
    cdef float s0, s1 = <float>0.0, s2 = <float>0.0, v
    for i in range(n):
        if dtype == DTYPE_I16:
            v = <float>(<const int16_t *>x)[i]
        elif dtype == DTYPE_I32:
            v = <float>(<const int32_t *>x)[i]
        else:
            v = (<const float *>x)[i]
        s0 = (v - s2) + cosine * s1
        s2 = s1
        s1 = s0
    return ((s1 * s1 + s2 * s2) - (cosine * s1) * s2) * scale
