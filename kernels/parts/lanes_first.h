/* The extremes of what a sample stage makes of n samples, without the samples it makes (stands.pxi). Blocks of 16
 * overlap at the end: an extreme may be met twice. */
#ifndef ATOLL_LANES_FIRST_H
#define ATOLL_LANES_FIRST_H

#define ATOLL_MADE_ABS 0
#define ATOLL_MADE_CLIP 1 /* within a and b */
#define ATOLL_MADE_SCALE 2 /* times a, and b */
#define ATOLL_MADE_DIFF 3 /* less the sample before, which is there */

#if ATOLL_AVX2
/* 0 where there are fewer than 16, or one of them is NaN. `how` is known where it is called. */
#if defined(__GNUC__)
#define ATOLL_MADE_INLINE static inline __attribute__((always_inline))
#else
#define ATOLL_MADE_INLINE static inline
#endif

ATOLL_MADE_INLINE uint32_t atoll_made_of_f32(uint32_t how, const float *x, size_t n, float a, float b,
                                             float *low, float *high) {
    const __m256 first = _mm256_set1_ps(a), second = _mm256_set1_ps(b);
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 least[2], most[2], odd = _mm256_setzero_ps();
    float one[8], two[8];
    size_t i, k;
    if (n < 16u) {
        return 0;
    }
    for (k = 0; k < 2u; k++) {
        least[k] = _mm256_castsi256_ps(_mm256_set1_epi32(0x7F800000));
        most[k] = _mm256_xor_ps(least[k], sign);
    }
    for (i = 0; i < n; i += 16u) {
        size_t at = i + 16u <= n ? i : n - 16u;
        for (k = 0; k < 2u; k++) {
            __m256 v = _mm256_loadu_ps(x + at + 8u * k);
            if (how == ATOLL_MADE_ABS) {
                v = _mm256_andnot_ps(sign, v);
            } else if (how == ATOLL_MADE_CLIP) {
                v = _mm256_min_ps(second, _mm256_max_ps(first, v));
            } else if (how == ATOLL_MADE_SCALE) {
                v = _mm256_add_ps(_mm256_mul_ps(v, first), second);
            } else {
                v = _mm256_sub_ps(v, _mm256_loadu_ps(x + at + 8u * k - 1));
            }
            least[k] = _mm256_min_ps(v, least[k]);
            most[k] = _mm256_max_ps(v, most[k]);
            odd = _mm256_or_ps(odd, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        }
    }
    _mm256_storeu_ps(one, _mm256_min_ps(least[0], least[1]));
    _mm256_storeu_ps(two, _mm256_max_ps(most[0], most[1]));
    *low = one[0];
    *high = two[0];
    for (k = 1; k < 8u; k++) {
        *low = one[k] < *low ? one[k] : *low;
        *high = two[k] > *high ? two[k] : *high;
    }
    return _mm256_movemask_ps(odd) == 0;
}

/* The same in 16 bits: of magnitudes, as numbers without a sign. */
static inline uint32_t atoll_abs_bounds(const int16_t *x, size_t n, int32_t *low, int32_t *high) {
    __m256i least = _mm256_set1_epi16(-1), most = _mm256_setzero_si256();
    uint16_t a[16], b[16];
    size_t i;
    for (i = 0; n >= 16u && i < n; i += 16u) {
        size_t at = i + 16u <= n ? i : n - 16u;
        __m256i v = _mm256_abs_epi16(atoll_words(x + at));
        least = _mm256_min_epu16(least, v);
        most = _mm256_max_epu16(most, v);
    }
    _mm256_storeu_si256((__m256i *)(void *)a, least);
    _mm256_storeu_si256((__m256i *)(void *)b, most);
    *low = a[0];
    *high = b[0];
    for (i = 1; i < 16u; i++) {
        *low = a[i] < *low ? a[i] : *low;
        *high = b[i] > *high ? b[i] : *high;
    }
    return n >= 16u;
}

/* Of the samples themselves; of differences, where they stay within 16 bits. */
ATOLL_MADE_INLINE uint32_t atoll_i16_bounds(const int16_t *x, size_t n, uint32_t less, int32_t *low,
                                            int32_t *high) {
    __m256i least = _mm256_set1_epi16(INT16_MAX), most = _mm256_set1_epi16(INT16_MIN);
    int16_t a[16], b[16];
    size_t i;
    for (i = 0; n >= 16u && i < n; i += 16u) {
        size_t at = i + 16u <= n ? i : n - 16u;
        __m256i v = atoll_words(x + at);
        v = less ? _mm256_subs_epi16(v, atoll_words(x + at - 1)) : v;
        least = _mm256_min_epi16(least, v);
        most = _mm256_max_epi16(most, v);
    }
    _mm256_storeu_si256((__m256i *)(void *)a, least);
    _mm256_storeu_si256((__m256i *)(void *)b, most);
    *low = a[0];
    *high = b[0];
    for (i = 1; i < 16u; i++) {
        *low = a[i] < *low ? a[i] : *low;
        *high = b[i] > *high ? b[i] : *high;
    }
    return n >= 16u && (!less || (*low > INT16_MIN && *high < INT16_MAX));
}

/* Extremes of n samples, a multiple of 16, times their weights, of which the second half mirrors the first
 * (spectrum.pxi); 0 where one is NaN. Zeros have no sign. */
ATOLL_MADE_INLINE uint32_t atoll_tapered(const int16_t *whole, const float *x, const float *weight, size_t n,
                                         float *low, float *high) {
    const __m256i turn = _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    __m256 least[2], most[2], odd = _mm256_setzero_ps();
    float one[8], two[8];
    size_t i, k;
    least[0] = least[1] = _mm256_castsi256_ps(_mm256_set1_epi32(0x7F800000));
    most[0] = most[1] = _mm256_castsi256_ps(_mm256_set1_epi32((int32_t)0xFF800000u));
    for (i = 0; i < n / 2u; i += 8u) {
        for (k = 0; k < 2u; k++) {
            size_t at = k ? n / 2u + i : i;
            __m256 w = _mm256_loadu_ps(k ? weight + (n - at - 7u) : weight + at);
            __m256 v = x ? _mm256_loadu_ps(x + at) : (__m256)atoll_load_i16(whole + at, 0);
            v = _mm256_mul_ps(v, k ? _mm256_permutevar8x32_ps(w, turn) : w);
            least[k] = _mm256_min_ps(v, least[k]);
            most[k] = _mm256_max_ps(v, most[k]);
            odd = _mm256_or_ps(odd, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        }
    }
    _mm256_storeu_ps(one, _mm256_min_ps(least[0], least[1]));
    _mm256_storeu_ps(two, _mm256_max_ps(most[0], most[1]));
    for (k = 1; k < 8u; k++) {
        one[0] = one[k] < one[0] ? one[k] : one[0];
        two[0] = two[k] > two[0] ? two[k] : two[0];
    }
    *low = one[0] + 0.0f;
    *high = two[0] + 0.0f;
    return _mm256_movemask_ps(odd) == 0;
}

static inline uint32_t atoll_tapered_i16(const int16_t *x, const float *weight, size_t n, float *low, float *high) {
    return atoll_tapered(x, NULL, weight, n, low, high);
}

static inline uint32_t atoll_tapered_f32(const float *x, const float *weight, size_t n, float *low, float *high) {
    return atoll_tapered(NULL, x, weight, n, low, high);
}
#else
#define atoll_tapered_i16(x, weight, n, low, high)                                                     \
    ((void)(x), (void)(n), (void)(*(low) = *(high) = *(weight)), (uint32_t)0)
#define atoll_tapered_f32(x, weight, n, low, high) atoll_tapered_i16(x, weight, n, low, high)
#define ATOLL_NONE_MADE(x, n, a, b, low, high)                                                         \
    ((void)(x), (void)(n), (void)(b), (void)(*(low) = *(high) = (a)), (uint32_t)0)
#define atoll_made_of_f32(how, x, n, a, b, low, high) ATOLL_NONE_MADE(x, n, a, b, low, high)
#define atoll_abs_bounds(x, n, low, high) ATOLL_NONE_MADE(x, n, 0, 0, low, high)
#define atoll_i16_bounds(x, n, less, low, high) ATOLL_NONE_MADE(x, n, 0, 0, low, high)
#endif

#endif
