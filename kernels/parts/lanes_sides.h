/* Medians and logarithms of several windows at a time, one in each element of a vector (sides.pxi). */
#ifndef ATOLL_LANES_SIDES_H
#define ATOLL_LANES_SIDES_H

#if ATOLL_AVX2
#define ATOLL_SIDE(x, i) _mm256_load_si256((const __m256i *)(const void *)((x) + 2u * (i)))

/* How many of n powers, two vectors from each other, are beyond the bound. */
static inline __m256i atoll_side_beyond(const atoll_vector *x, size_t n, __m256i bound) {
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t i;
    for (i = 0; i + 2u <= n; i += 2u) {
        a = _mm256_sub_epi32(a, _mm256_cmpgt_epi32(ATOLL_SIDE(x, i), bound));
        b = _mm256_sub_epi32(b, _mm256_cmpgt_epi32(ATOLL_SIDE(x, i + 1u), bound));
    }
    if (i < n) {
        a = _mm256_sub_epi32(a, _mm256_cmpgt_epi32(ATOLL_SIDE(x, i), bound));
    }
    return _mm256_add_epi32(a, b);
}

/* The smallest of them beyond the bound. */
static inline __m256i atoll_side_next(const atoll_vector *x, size_t n, __m256i bound) {
    const __m256i none = _mm256_set1_epi32(INT32_MAX);
    __m256i least = none;
    size_t i;
    for (i = 0; i < n; i++) {
        __m256i v = ATOLL_SIDE(x, i);
        least = _mm256_min_epi32(least, _mm256_blendv_epi8(none, v, _mm256_cmpgt_epi32(v, bound)));
    }
    return least;
}

/* power_middle (readings.pxi) of n finite powers, by bisection on their bits in every element: it rests where
 * a bound has just so many above it that the next value is the one looked for. */
static inline atoll_vector atoll_side_middle(const atoll_vector *x, size_t n, atoll_vector *upper) {
    const __m256i above = _mm256_set1_epi32((int32_t)(n - (n - 1u) / 2u)); /* the value looked for, too */
    __m256i low = ATOLL_SIDE(x, 0), high = low, next;
    size_t i;
    for (i = 1; i < n; i++) {
        low = _mm256_min_epi32(low, ATOLL_SIDE(x, i));
        high = _mm256_max_epi32(high, ATOLL_SIDE(x, i));
    }
    while (_mm256_movemask_epi8(_mm256_cmpeq_epi32(low, high)) != -1) {
        __m256i middle = _mm256_add_epi32(low, _mm256_srli_epi32(_mm256_sub_epi32(high, low), 1));
        __m256i beyond = atoll_side_beyond(x, n, middle);
        __m256i rests = _mm256_cmpeq_epi32(beyond, above), less = _mm256_cmpgt_epi32(above, beyond);
        low = _mm256_blendv_epi8(_mm256_sub_epi32(middle, _mm256_set1_epi32(-1)), low, less);
        low = _mm256_blendv_epi8(low, middle, rests);
        high = _mm256_blendv_epi8(high, middle, _mm256_or_si256(less, rests));
    }
    next = _mm256_cmpeq_epi32(atoll_side_beyond(x, n, low), above);
    if (_mm256_movemask_epi8(next)) {
        low = _mm256_blendv_epi8(low, atoll_side_next(x, n, low), next);
    }
    high = low;
    if (n % 2u == 0) {
        next = _mm256_cmpeq_epi32(atoll_side_beyond(x, n, low), _mm256_set1_epi32((int32_t)(n / 2u)));
        high = _mm256_blendv_epi8(low, atoll_side_next(x, n, low), next);
    }
    memcpy(upper, &high, sizeof high);
    return (atoll_vector)low;
}

/* x log2 x of shares as log2_f32 has it (logarithm.pxi); which of them are 0, subnormal, infinite or NaN, and not
 * done. An exponent counts from sqrt(1/2) on, so that the mantissa needs no halving. */
static inline uint32_t atoll_side_shares(atoll_vector share, atoll_vector *term) {
    const __m256i u = _mm256_castps_si256((__m256)share);
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256i e = _mm256_sub_epi32(u, _mm256_set1_epi32(0x3FB504F4)), odd;
    __m256 m, s, q, y;
    e = _mm256_sub_epi32(_mm256_srai_epi32(e, 23), _mm256_set1_epi32(-1));
    m = _mm256_castsi256_ps(_mm256_sub_epi32(u, _mm256_slli_epi32(e, 23)));
    s = _mm256_div_ps(_mm256_sub_ps(m, one), _mm256_add_ps(m, one));
    q = _mm256_mul_ps(s, s);
    y = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(0.32059890f), q), _mm256_set1_ps(0.41219859f));
    y = _mm256_add_ps(_mm256_mul_ps(y, q), _mm256_set1_ps(0.57707802f));
    y = _mm256_add_ps(_mm256_mul_ps(y, q), _mm256_set1_ps(0.96179669f));
    y = _mm256_add_ps(_mm256_mul_ps(y, q), _mm256_set1_ps(2.88539008f));
    y = _mm256_add_ps(_mm256_cvtepi32_ps(e), _mm256_mul_ps(y, s));
    *term = (atoll_vector)_mm256_mul_ps((__m256)share, y);
    odd = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(0x00800000), u),
                          _mm256_cmpgt_epi32(u, _mm256_set1_epi32(0x7F7FFFFF)));
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(odd));
}
#else
#define atoll_side_shares(share, term) (*(term) = (share), (uint32_t)0)
#define atoll_side_middle(x, n, upper) ((void)(n), *(upper) = *(x))
#endif

#endif
