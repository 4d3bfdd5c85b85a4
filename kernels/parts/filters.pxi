# Sample stages with running memory: biquad sections, envelope, ema. They give f32.
#
# Sections are transposed direct form II in float, coefficients normalised to a0 = 1 and designed
# where the rate is known (design.py). Their memory is all that a checkpoint holds.

cdef enum:
    SECTION_WORDS = 5  # b0 b1 b2 a1 a2
    SECTIONS_MAX = 8

cdef struct section:
    float s1
    float s2


cdef void biquad_f32(section *s, const uint32_t *words, float *x, size_t n) noexcept nogil:
    """One section over a chunk, in place."""
    cdef float b0 = atoll_float(words[0]), b1 = atoll_float(words[1]), b2 = atoll_float(words[2])
    cdef float a1 = atoll_float(words[3]), a2 = atoll_float(words[4])
    cdef float s1, s2, v, y
    cdef size_t i, done = atoll_fast_biquad(&s.s1, words, x, n)
    s1 = s.s1
    s2 = s.s2
    for i in range(done, n):
        v = x[i]
        y = b0 * v + s1
        s1 = (b1 * v - a1 * y) + s2
        s2 = b2 * v - a2 * y
        x[i] = y
    s.s1 = s1
    s.s2 = s2


cdef void sections_f32(section *s, const uint32_t *words, uint32_t argc, float *x,
                       size_t n) noexcept nogil:
    """All sections of a filter, one after the other; in pairs where there is room for the code."""
    cdef uint32_t k = 0, sections = argc // SECTION_WORDS
    while ROOMY and k + 2 <= sections:
        biquad_pair(s + k, words + SECTION_WORDS * k, x, n)
        k = k + 2
    while k < sections:
        biquad_f32(s + k, words + SECTION_WORDS * k, x, n)
        k = k + 1


cdef void biquad_pair(section *s, const uint32_t *words, float *x, size_t n) noexcept nogil:
    """Two sections in one pass: each waits for its own last output only, so both run side by side."""
    cdef float b0 = atoll_float(words[0]), b1 = atoll_float(words[1]), b2 = atoll_float(words[2])
    cdef float a1 = atoll_float(words[3]), a2 = atoll_float(words[4])
    cdef float d0 = atoll_float(words[5]), d1 = atoll_float(words[6]), d2 = atoll_float(words[7])
    cdef float c1 = atoll_float(words[8]), c2 = atoll_float(words[9])
    cdef float s1 = s.s1, s2 = s.s2, r1 = s[1].s1, r2 = s[1].s2, v, y, z
    cdef size_t i
    for i in range(n):
        v = x[i]
        y = b0 * v + s1
        s1 = (b1 * v - a1 * y) + s2
        s2 = b2 * v - a2 * y
        z = d0 * y + r1
        r1 = (d1 * y - c1 * z) + r2
        r2 = d2 * y - c2 * z
        x[i] = z
    s.s1 = s1
    s.s2 = s2
    s[1].s1 = r1
    s[1].s2 = r2


cdef void ema_f32(delay *s, float alpha, float *x, size_t n) noexcept nogil:
    """y += alpha (x - y), from the first sample."""
    cdef size_t i
    cdef float y
    if n == 0:
        return
    if s.filled == 0:
        s.last.f = x[0]
        s.filled = 1
    y = s.last.f
    for i in range(n):
        y = y + alpha * (x[i] - y)
        x[i] = y
    s.last.f = y


cdef void floats_of(const int32_t *ints, float *floats, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        floats[i] = <float>ints[i]
