# Real transforms of several windows at a time: each number is a vector, with one window in each of its
# elements. Every window goes through the steps of spectrum.pxi in their order; the data stand in reversed
# order from the beginning, and a piece that fits in the fastest memory goes through many steps at once.
#
# A twiddle of 1 is not multiplied by. That may change the sign of a zero, which squares do not show; and no
# number overflows on the way to them, as samples are divided by their count before.

cdef enum:
    WIDE_PIECE = 128  # complex numbers: 8 KB


cdef struct wide_turns:
    vector c1
    vector s1
    vector c2
    vector s2


cdef inline void wide_ends(vector *re, vector *im, vector br, vector bi, vector cr, vector ci,
                           vector pr, vector pi) noexcept nogil:
    """The last sums of two radix-2 steps: of a, and of b, c and d times their twiddles."""
    cdef vector ar = re[0] + br, ai = im[0] + bi
    br = re[0] - br
    bi = im[0] - bi
    re[0] = ar + cr
    im[0] = ai + ci
    re[2] = ar - cr
    im[2] = ai - ci
    re[1] = br + pr
    im[1] = bi + pi
    re[3] = br - pr
    im[3] = bi - pi


cdef inline void wide_cross(vector *re, vector *im, const wide_turns *w) noexcept nogil:
    """fft_cross."""
    cdef vector br, bi, dr, di, pr, pi, qr, qi
    br = re[1] * w.c1 + im[1] * w.s1
    bi = im[1] * w.c1 - re[1] * w.s1
    dr = re[3] * w.c1 + im[3] * w.s1
    di = im[3] * w.c1 - re[3] * w.s1
    pr = re[2] + dr
    pi = im[2] + di
    qr = re[2] - dr
    qi = im[2] - di
    wide_ends(re, im, br, bi, pr * w.c2 + pi * w.s2, pi * w.c2 - pr * w.s2, qi * w.c2 - qr * w.s2,
              -(qr * w.c2 + qi * w.s2))


cdef inline void wide_plain(vector *re, vector *im) noexcept nogil:
    """fft_cross where all twiddles are 1."""
    cdef vector pr = re[2] + re[3], pi = im[2] + im[3], qr = re[2] - re[3], qi = im[2] - im[3]
    wide_ends(re, im, re[1], im[1], pr, pi, qi, -qr)


cdef inline void wide_take(const vector *x, size_t h, vector *re, vector *im) noexcept nogil:
    """Four complex numbers, h from each other."""
    re[0] = x[0]
    im[0] = x[1]
    re[1] = x[2 * h]
    im[1] = x[2 * h + 1]
    re[2] = x[4 * h]
    im[2] = x[4 * h + 1]
    re[3] = x[6 * h]
    im[3] = x[6 * h + 1]


cdef inline void wide_give(vector *x, size_t h, const vector *re, const vector *im) noexcept nogil:
    x[0] = re[0]
    x[1] = im[0]
    x[2 * h] = re[1]
    x[2 * h + 1] = im[1]
    x[4 * h] = re[2]
    x[4 * h + 1] = im[2]
    x[6 * h] = re[3]
    x[6 * h + 1] = im[3]


cdef void wide_fours(vector *x, size_t m) noexcept nogil:
    """Two steps on m complex numbers, four by four."""
    cdef vector re[4]
    cdef vector im[4]
    cdef size_t i = 0
    while i < m:
        wide_take(x + 2 * i, 1, re, im)
        wide_plain(re, im)
        wide_give(x + 2 * i, 1, re, im)
        i = i + 4


cdef void wide_pairs(vector *x, size_t m) noexcept nogil:
    """One step on m complex numbers, two by two."""
    cdef size_t i = 0
    cdef vector re, im
    while i < m:
        re = x[2 * i + 2]
        im = x[2 * i + 3]
        x[2 * i + 2] = x[2 * i] - re
        x[2 * i + 3] = x[2 * i + 1] - im
        x[2 * i] = x[2 * i] + re
        x[2 * i + 1] = x[2 * i + 1] + im
        i = i + 2


cdef inline void wide_halves(const vector *x, vector *re, vector *im, vector *er,
                             vector *ei) noexcept nogil:
    """One step on the pairs of eight numbers: sums and differences."""
    re[0] = x[0] + x[2]
    im[0] = x[1] + x[3]
    er[0] = x[0] - x[2]
    ei[0] = x[1] - x[3]
    re[1] = x[4] + x[6]
    im[1] = x[5] + x[7]
    er[1] = x[4] - x[6]
    ei[1] = x[5] - x[7]
    re[2] = x[8] + x[10]
    im[2] = x[9] + x[11]
    er[2] = x[8] - x[10]
    ei[2] = x[9] - x[11]
    re[3] = x[12] + x[14]
    im[3] = x[13] + x[15]
    er[3] = x[12] - x[14]
    ei[3] = x[13] - x[15]


cdef void wide_eights(vector *x, size_t m, const float *sine, size_t all) noexcept nogil:
    """Three steps on m complex numbers of `all`, eight by eight: of differences the first twiddle is -i."""
    cdef vector re[4]
    cdef vector im[4]
    cdef vector er[4]
    cdef vector ei[4]
    cdef vector c = atoll_splat(early_cosine(sine, all // 4, all // 2)), s = atoll_splat(sine[all // 4])
    cdef vector pr, pi, qr, qi
    cdef size_t i = 0
    while i < m:
        wide_halves(x + 2 * i, re, im, er, ei)
        wide_plain(re, im)
        wide_give(x + 2 * i, 2, re, im)
        pr = er[2] + ei[3]
        pi = ei[2] - er[3]
        qr = er[2] - ei[3]
        qi = ei[2] + er[3]
        wide_ends(er, ei, ei[1], -er[1], pr * c + pi * s, pi * c - pr * s, qi * c - qr * s,
                  -(qr * c + qi * s))
        wide_give(x + 2 * i + 2, 2, er, ei)
        i = i + 8


cdef inline void wide_turn(const float *sine, size_t m, size_t h, size_t j,
                           wide_turns *w) noexcept nogil:
    """The twiddles of place j in the step from h to 4 h, of m complex numbers in all."""
    cdef size_t step = (2 * m) // (4 * h), quarter = m // 2
    w.c1 = atoll_splat(early_cosine(sine, 2 * step * j, quarter))
    w.s1 = atoll_splat(sine[2 * step * j])
    w.c2 = atoll_splat(early_cosine(sine, step * j, quarter))
    w.s2 = atoll_splat(sine[step * j])


cdef void wide_step(vector *x, size_t m, size_t h, const float *sine, size_t all) noexcept nogil:
    """fft_step on all blocks of m complex numbers of `all`."""
    cdef size_t i, j
    cdef wide_turns w
    cdef vector re[4]
    cdef vector im[4]
    for j in range(h):
        wide_turn(sine, all, h, j, &w)
        i = j
        while i < m:
            wide_take(x + 2 * i, h, re, im)
            wide_cross(re, im, &w)
            wide_give(x + 2 * i, h, re, im)
            i = i + 4 * h


cdef size_t wide_begin(vector *x, size_t m, const float *sine) noexcept nogil:
    """All steps but the last two, which begin with blocks of m / 4; piece by piece."""
    cdef size_t piece = m, at = 0, h = 0
    while piece > WIDE_PIECE:
        piece = piece // 4
    while at < m:
        h = 4
        if fft_first(m) == 1:
            wide_fours(x + 2 * at, piece)
        elif m > 8:
            h = 8
            wide_eights(x + 2 * at, piece, sine, m)
        else:
            h = 2
            wide_pairs(x + 2 * at, piece)
        while h < piece and h < m // 4:
            wide_step(x + 2 * at, piece, h, sine, m)
            h = 4 * h
        at = at + piece
    while h < m // 4:
        wide_step(x, m, h, sine, m)
        h = 4 * h
    return h


cdef inline void wide_split(const float *sine, size_t m, size_t k, vector xr, vector xi, vector yr,
                            vector yi, vector *x, vector *total) noexcept nogil:
    """The powers of bins k <= m / 2 and m - k, of the transform's numbers there, into their places, and their
    sum to the total."""
    cdef vector er = xr + yr, ei = xi - yi, dr = xi + yi, di = yr - xr
    cdef vector c = atoll_splat(sine[k + m // 2]), s = atoll_splat(sine[k]), half = atoll_splat(<float>0.5)
    cdef vector pr = dr * c + di * s, pi = di * c - dr * s
    cdef vector high = half * ((er - pr) * (er - pr) + (ei - pi) * (ei - pi))
    cdef vector low = half * ((er + pr) * (er + pr) + (ei + pi) * (ei + pi))
    total[0] = total[0] + (low + high)
    x[2 * (m - k)] = high
    x[2 * k] = low


cdef vector wide_edges(vector *x, size_t m, const float *sine) noexcept nogil:
    """wide_end at the places that mirror themselves: 0 and the middle."""
    cdef vector total
    cdef size_t h = m // 4
    cdef wide_turns w
    cdef vector re[4]
    cdef vector im[4]
    wide_take(x, h, re, im)
    wide_plain(re, im)
    x[0] = (re[0] + im[0]) * (re[0] + im[0])
    x[2 * m] = (re[0] - im[0]) * (re[0] - im[0])
    total = x[0] + x[2 * m]
    wide_split(sine, m, h, re[1], im[1], re[3], im[3], x, &total)
    wide_split(sine, m, 2 * h, re[2], im[2], re[2], im[2], x, &total)
    wide_turn(sine, m, h, h // 2, &w)
    wide_take(x + h, h, re, im)
    wide_cross(re, im, &w)
    wide_split(sine, m, h // 2, re[0], im[0], re[3], im[3], x, &total)
    wide_split(sine, m, h + h // 2, re[1], im[1], re[2], im[2], x, &total)
    return total


cdef vector wide_end(vector *x, size_t m, const float *sine) noexcept nogil:
    """The last two steps, and spectrum_split of what they make: places j and h - j mirror each other. The sum
    of all powers, in no order of note: where it is finite all of them are."""
    cdef vector total = wide_edges(x, m, sine)
    cdef size_t h = m // 4, j
    cdef wide_turns w
    cdef vector ar[4]
    cdef vector ai[4]
    cdef vector br[4]
    cdef vector bi[4]
    for j in range(1, h // 2):
        wide_turn(sine, m, h, j, &w)
        wide_take(x + 2 * j, h, ar, ai)
        wide_cross(ar, ai, &w)
        wide_turn(sine, m, h, h - j, &w)
        wide_take(x + 2 * (h - j), h, br, bi)
        wide_cross(br, bi, &w)
        wide_split(sine, m, j, ar[0], ai[0], br[3], bi[3], x, &total)
        wide_split(sine, m, h + j, ar[1], ai[1], br[2], bi[2], x, &total)
        wide_split(sine, m, 2 * h - j, br[1], bi[1], ar[2], ai[2], x, &total)
        wide_split(sine, m, h - j, br[0], bi[0], ar[3], ai[3], x, &total)
    return total


cdef inline void wide_place(const vector *v, size_t back, size_t m, vector *x) noexcept nogil:
    """WIDE samples of each window, as complex numbers, to where the reversed bits of their index say; back:
    those of the first one's."""
    cdef size_t q, at
    for q in range(<size_t>(WIDE // 2)):
        at = back + (((q & 1) * 2 + (q >> 1)) * (m // 4) if WIDE == 8 else q * (m // 2))
        x[2 * at] = v[2 * q]
        x[2 * at + 1] = v[2 * q + 1]


cdef inline size_t wide_next(size_t back, size_t m) noexcept nogil:
    """The reversed bits of the index that is WIDE / 2 larger, below m."""
    cdef size_t bit = m // WIDE
    while back & bit:
        back = back ^ bit
        bit = bit >> 1
    return back | bit


cdef void wide_powers(const vector *x, size_t m, float *out, size_t apart) noexcept nogil:
    """Powers 0 .. m of each window on their own, one window `apart` floats from the other; behind the last of
    each there is room for WIDE more."""
    cdef vector v[WIDE]
    cdef float last[WIDE]
    cdef size_t i = 0, k
    while i < m:
        for k in range(<size_t>WIDE):
            v[k] = x[2 * (i + k)]
        atoll_turn(v)
        for k in range(<size_t>WIDE):
            atoll_store(out + apart * k + i, v[k])
        i = i + WIDE
    atoll_store(last, x[2 * m])
    for k in range(<size_t>WIDE):
        out[apart * k + m] = last[k]
