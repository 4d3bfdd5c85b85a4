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
    SPLIT = 8  # pairs of bins at a time
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
    cdef size_t half = n // 2 + 1
    for i in range(atoll_fast_taper(weight, x, half), half):
        x[i] = x[i] * weight[i]
    i = half + atoll_fast_taper_back(weight + (n - half), x + half, n - half)
    while i < n:
        x[i] = x[i] * weight[n - i]
        i = i + 1


cdef void taper_from(const float *weight, const float *x, size_t n, float *out) noexcept nogil:
    """taper_run of samples that stand elsewhere."""
    cdef size_t i
    cdef size_t half = n // 2 + 1
    for i in range(half):
        out[i] = x[i] * weight[i]
    for i in range(half, n):
        out[i] = x[i] * weight[n - i]


cdef size_t spectrum_words(size_t n) noexcept nogil:
    """Floats of the table: the split's n / 2 + 1, and the late steps' 4 h each."""
    cdef size_t h = fft_first(n // 2), words = n // 2 + 1
    while h < n // 2:
        if fft_late(n // 2, h):
            words = words + 4 * h
        h = 4 * h
    return words


cdef void spectrum_init(float *table, size_t n) noexcept nogil:
    """sin(2 pi k / n) for half a turn; then for each late step w and w^2: cosines, sines of both."""
    cdef size_t h = fft_first(n // 2), k, step
    for k in range(n // 2 + 1):
        table[k] = turn_sine(k, n)
    table = table + n // 2 + 1
    while h < n // 2:
        if fft_late(n // 2, h):
            step = n // (4 * h)
            for k in range(h):
                table[k] = turn_sine(step * k + n // 4, n)
                table[h + k] = turn_sine(step * k, n)
                table[2 * h + k] = turn_sine(2 * step * k + n // 4, n)
                table[3 * h + k] = turn_sine(2 * step * k, n)
            table = table + 4 * h
        h = 4 * h


cdef inline size_t fft_first(size_t m) noexcept nogil:
    """Length after the radix-2 step that an odd number of steps begins with."""
    return 2 if bits_length(m) % 2 == 0 else 1


cdef inline bint fft_late(size_t m, size_t h) noexcept nogil:
    """Whether the step from h to 4 h comes after the reordering: where its runs are then longer."""
    return 4 * h * h > m


cdef void fft_reverse(float *x, size_t n) noexcept nogil:
    """Order n floats by the reversed bits of their index.

    An index is (p, middle, q) with as many bits in p as in q, and q's reverse stands for p: pairs
    are swapped once, without a comparison. Of complex numbers in turn the real parts so come to
    stand before the imaginary parts, each in the reversed order of their index.
    """
    cdef uint8_t back[256]
    cdef uint32_t half = (bits_length(n) - 1) // 2, side = <uint32_t>1 << half
    cdef size_t stride = n >> half, middle = 0, t, p
    cdef float v
    back[0] = 0
    for p in range(1, side):
        back[p] = <uint8_t>((back[p >> 1] >> 1) | ((p & 1) << (half - 1)))
    while middle < stride:
        for p in range(side):
            for t in range(p + 1, side):
                v = x[p * stride + middle + back[t]]
                x[p * stride + middle + back[t]] = x[t * stride + middle + back[p]]
                x[t * stride + middle + back[p]] = v
        middle = middle + side


cdef void fft_pair(float *x, size_t n) noexcept nogil:
    """The first radix-2 step, before the reordering: halves of the n floats."""
    cdef size_t i
    cdef float *y = x + n // 2
    cdef float v
    for i in range(n // 2):
        v = y[i]
        y[i] = x[i] - v
        x[i] = x[i] + v


cdef struct turns:
    float c1
    float s1
    float c2
    float s2


cdef inline void fft_cross(float *re, float *im, const turns *w) noexcept nogil:
    """Two radix-2 steps on the complex numbers a, b, c, d."""
    cdef float br, bi, cr, ci, dr, di, ar, ai, pr, pi
    br = re[1] * w.c1 + im[1] * w.s1
    bi = im[1] * w.c1 - re[1] * w.s1
    dr = re[3] * w.c1 + im[3] * w.s1
    di = im[3] * w.c1 - re[3] * w.s1
    ar = re[0] + br
    ai = im[0] + bi
    br = re[0] - br
    bi = im[0] - bi
    pr = re[2] + dr
    pi = im[2] + di
    dr = re[2] - dr
    di = im[2] - di
    cr = pr * w.c2 + pi * w.s2
    ci = pi * w.c2 - pr * w.s2
    pr = di * w.c2 - dr * w.s2
    pi = -(dr * w.c2 + di * w.s2)
    re[0] = ar + cr
    im[0] = ai + ci
    re[2] = ar - cr
    im[2] = ai - ci
    re[1] = br + pr
    im[1] = bi + pi
    re[3] = br - pr
    im[3] = bi - pi


cdef void fft_early(float *x, size_t m, size_t h, const float *sine) noexcept nogil:
    """Two steps on all blocks of 4 h, before the reordering: of one twiddle, runs of m / (4 h).

    What will stand at position j of a block of h stands at bit-reversed j times m / h.
    """
    cdef size_t run = m // (4 * h), j, k, i, back, bit, step = (2 * m) // (4 * h), quarter = m // 2
    cdef turns w
    cdef float re[4]
    cdef float im[4]
    cdef float *at
    for j in range(h):
        back = 0
        bit = 1
        while bit < h:
            back = 2 * back + <size_t>((j & bit) != 0)
            bit = 2 * bit
        at = x + 2 * back * (m // h)
        w.c1 = early_cosine(sine, 2 * step * j, quarter)
        w.s1 = sine[2 * step * j]
        w.c2 = early_cosine(sine, step * j, quarter)
        w.s2 = sine[step * j]
        for i in range(run):
            for k in range(4):
                re[k] = at[2 * (((k & 1) * 2 + (k >> 1)) * run + i)]
                im[k] = at[2 * (((k & 1) * 2 + (k >> 1)) * run + i) + 1]
            fft_cross(re, im, &w)
            for k in range(4):
                at[2 * (((k & 1) * 2 + (k >> 1)) * run + i)] = re[k]
                at[2 * (((k & 1) * 2 + (k >> 1)) * run + i) + 1] = im[k]


cdef inline float early_cosine(const float *sine, size_t k, size_t quarter) noexcept nogil:
    """cos(2 pi k / n), k up to half a turn, of the sines of half a turn; exact mirror images."""
    if k <= quarter:
        return sine[quarter + k]
    return -sine[k - quarter]


cdef void fft_step(float *re, float *im, size_t h, const float *table) noexcept nogil:
    """Two steps on one block of 4 h complex numbers: blocks of h become one of 4 h."""
    cdef size_t j, k
    cdef turns w
    cdef float a[4]
    cdef float b[4]
    for j in range(h):
        w.c2 = table[j]
        w.s2 = table[h + j]
        w.c1 = table[2 * h + j]
        w.s1 = table[3 * h + j]
        for k in range(4):
            a[k] = re[k * h + j]
            b[k] = im[k * h + j]
        fft_cross(a, b, &w)
        for k in range(4):
            re[k * h + j] = a[k]
            im[k * h + j] = b[k]


cdef void fft_complex(float *x, size_t m, const float *table) noexcept nogil:
    """Forward transform of m complex numbers, in turn in x; real parts before imaginary after."""
    cdef size_t h = fft_first(m), i
    cdef const float *sine = table
    if h == 2:
        fft_pair(x, 2 * m)
    while h < m and not fft_late(m, h):
        fft_early(x, m, h, sine)
        h = 4 * h
    fft_reverse(x, 2 * m)
    table = table + m + 1
    while h < m:
        i = 0
        while i < m:
            fft_step(x + i, x + m + i, h, table)
            i = i + 4 * h
        table = table + 4 * h
        h = 4 * h


cdef inline float squared(float re, float im) noexcept nogil:
    return re * re + im * im


cdef inline void split_bins(float *x, size_t m, const float *sine, size_t k,
                            size_t n) noexcept nogil:
    """Bins k .. k + n - 1 and those that mirror them, n <= SPLIT."""
    cdef size_t j, quarter = m // 2
    cdef float er, ei, dr, di, pr, pi
    cdef float low[SPLIT]
    cdef float high[SPLIT]
    cdef const float *y = x + m
    for j in range(n):
        er = x[k + j] + x[m - k - j]
        ei = y[k + j] - y[m - k - j]
        dr = y[k + j] + y[m - k - j]
        di = x[m - k - j] - x[k + j]
        pr = dr * sine[k + j + quarter] + di * sine[k + j]
        pi = di * sine[k + j + quarter] - dr * sine[k + j]
        low[j] = <float>0.5 * squared(er + pr, ei + pi)
        high[j] = <float>0.5 * squared(er - pr, ei - pi)
    for j in range(n):
        x[m - k - j] = high[j]
    for j in range(n):
        x[k + j] = low[j]


cdef void spectrum_split(float *x, size_t m, const float *sine) noexcept nogil:
    """The power of the real window whose m pairs were transformed, in x[0 .. m].

    E and D are twice the transforms of the even and odd samples; |E +- w D|^2 / 4, twice.
    """
    cdef size_t k = 1
    cdef float er = x[0], ei = x[m]
    x[0] = (er + ei) * (er + ei)
    x[m] = (er - ei) * (er - ei)
    while k + SPLIT <= m // 2 + 1:
        split_bins(x, m, sine, k, SPLIT)
        k = k + SPLIT
    split_bins(x, m, sine, k, m // 2 + 1 - k)


cdef void spectrum_run(float *x, size_t n, const float *table) noexcept nogil:
    """The one-sided power of n samples, in x[0 .. n/2]; NaN where one of them is not finite."""
    cdef size_t k
    cdef float by = <float>1.0 / <float>n
    cdef uint32_t bad = 0
    for k in range(n):
        bad = bad | <uint32_t>((atoll_bits(x[k]) & BITS_MAGNITUDE) >= BITS_INF)
        x[k] = x[k] * by
    if bad:
        for k in range(n // 2 + 1):
            x[k] = atoll_float(BITS_NAN)
        return
    fft_complex(x, n // 2, table)
    spectrum_split(x, n // 2, table)


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
    if ROOMY:
        lower = power_middle(near, n, &upper)
    else:
        lower = power_ranked(near, n, (n - 1) // 2)
        upper = power_ranked(near, n, n // 2)
    return most / (<float>0.5 * (lower + upper))


cdef float feature_band(const float *p, const uint32_t *words) noexcept nogil:
    """Sum of the power of the bins words[0] .. words[1], in lanes."""
    return f32_sum(p + words[0], words[1] - words[0] + 1, <float>1.0)


cdef float feature_centroid(const float *p, size_t n, float bin_hz) noexcept nogil:
    """Mean frequency, weighted by power."""
    cdef vector part[PARTS]
    cdef vector t[PARTS]
    cdef float lane[LANES]
    cdef size_t k = 0, j
    times_start(t, <float>0.0)
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while k + LANES <= n:
        for j in range(<size_t>PARTS):
            part[j] = part[j] + atoll_load(p + k + WIDE * j) * (t[j] * atoll_splat(bin_hz))
            t[j] = t[j] + atoll_splat(<float>LANES)
        k = k + LANES
    lanes_store(lane, part)
    for j in range(n - k):
        lane[j] = lane[j] + p[k + j] * (<float>(k + j) * bin_hz)
    return lanes_sum(lane) / f32_sum(p, n, <float>1.0)


cdef uint32_t crossings_of(uint32_t dtype, const void *x, size_t n) noexcept nogil:
    """How often the sign changes from sample to sample; 0 counts as positive, NaN too."""
    cdef size_t i
    cdef uint32_t count = 0
    cdef const int16_t *a = <const int16_t *>x
    cdef const int32_t *b = <const int32_t *>x
    cdef const float *f = <const float *>x
    if dtype == DTYPE_I16:
        for i in range(1, n):
            count = count + (<uint32_t>(a[i] ^ a[i - 1]) >> 31)
    elif dtype == DTYPE_I32:
        for i in range(1, n):
            count = count + (<uint32_t>(b[i] ^ b[i - 1]) >> 31)
    else:
        for i in range(1, n):
            count = count + <uint32_t>((f[i] < <float>0.0) != (f[i - 1] < <float>0.0))
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
