/* What the vectors of platform.h need beyond arithmetic: loads of integers, transposition; and loops
 * that AVX2 runs in fewer instructions than a compiler finds. Integers are exact and floats keep their
 * order, so the bits are those of the plain loops, which each kernel has as well. */
#ifndef ATOLL_LANES_H
#define ATOLL_LANES_H

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__AVX2__) && ATOLL_ROOMY
#define ATOLL_AVX2 1
#else
#define ATOLL_AVX2 0
#endif

/* ATOLL_WIDE integers as float. */
static inline atoll_vector atoll_load_i32(const int32_t *x) {
#if ATOLL_AVX2
    return (atoll_vector)_mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)x));
#else
    float y[ATOLL_WIDE];
    size_t k;
    for (k = 0; k < ATOLL_WIDE; k++) {
        y[k] = (float)x[k];
    }
    return atoll_load(y);
#endif
}

/* ATOLL_WIDE differences x - less, each within 31 bits, as float. */
static inline atoll_vector atoll_load_i16(const int16_t *x, int32_t less) {
#if ATOLL_AVX2
    __m256i wide = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)x));
    return (atoll_vector)_mm256_cvtepi32_ps(_mm256_sub_epi32(wide, _mm256_set1_epi32(less)));
#else
    float y[ATOLL_WIDE];
    size_t k;
    for (k = 0; k < ATOLL_WIDE; k++) {
        y[k] = (float)(x[k] - less);
    }
    return atoll_load(y);
#endif
}

/* Transpose ATOLL_WIDE vectors: element j of vector i becomes element i of vector j. */
static inline void atoll_turn(atoll_vector *v) {
#if ATOLL_WIDE == 8
    __m256 a[8], b[8];
    size_t k;
    for (k = 0; k < 4; k++) {
        a[2 * k] = _mm256_unpacklo_ps((__m256)v[2 * k], (__m256)v[2 * k + 1]);
        a[2 * k + 1] = _mm256_unpackhi_ps((__m256)v[2 * k], (__m256)v[2 * k + 1]);
    }
    for (k = 0; k < 8; k += 4) {
        b[k] = _mm256_shuffle_ps(a[k], a[k + 2], 0x44);
        b[k + 1] = _mm256_shuffle_ps(a[k], a[k + 2], 0xEE);
        b[k + 2] = _mm256_shuffle_ps(a[k + 1], a[k + 3], 0x44);
        b[k + 3] = _mm256_shuffle_ps(a[k + 1], a[k + 3], 0xEE);
    }
    for (k = 0; k < 4; k++) {
        v[k] = (atoll_vector)_mm256_permute2f128_ps(b[k], b[k + 4], 0x20);
        v[k + 4] = (atoll_vector)_mm256_permute2f128_ps(b[k], b[k + 4], 0x31);
    }
#elif ATOLL_WIDE == 4 && defined(__SSE2__)
    __m128 a = (__m128)v[0], b = (__m128)v[1], c = (__m128)v[2], d = (__m128)v[3];
    _MM_TRANSPOSE4_PS(a, b, c, d);
    v[0] = (atoll_vector)a;
    v[1] = (atoll_vector)b;
    v[2] = (atoll_vector)c;
    v[3] = (atoll_vector)d;
#else
    float y[ATOLL_WIDE * ATOLL_WIDE], z[ATOLL_WIDE * ATOLL_WIDE];
    size_t i, j;
    for (i = 0; i < ATOLL_WIDE; i++) {
        atoll_store(y + ATOLL_WIDE * i, v[i]);
    }
    for (i = 0; i < ATOLL_WIDE; i++) {
        for (j = 0; j < ATOLL_WIDE; j++) {
            z[ATOLL_WIDE * i + j] = y[ATOLL_WIDE * j + i];
        }
    }
    for (i = 0; i < ATOLL_WIDE; i++) {
        v[i] = atoll_load(z + ATOLL_WIDE * i);
    }
#endif
}

#if ATOLL_AVX2
static inline int64_t atoll_across_i64(__m256i v) {
    int64_t part[4];
    _mm256_storeu_si256((__m256i *)(void *)part, v);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

/* Pairs of products in 32 bits: two squares of -32768 just fit, without a sign. */
static inline size_t atoll_fast_squares_i16(const int16_t *x, size_t n, uint64_t *total) {
    const __m256i low = _mm256_set1_epi64x(INT64_C(0xFFFFFFFF));
    __m256i even = _mm256_setzero_si256(), odd = even;
    size_t i;
    for (i = 0; i + 16u <= n; i += 16u) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        v = _mm256_madd_epi16(v, v);
        even = _mm256_add_epi64(even, _mm256_and_si256(v, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(v, 32));
    }
    *total += (uint64_t)atoll_across_i64(_mm256_add_epi64(even, odd));
    return i;
}

/* At most 65,536 samples, whose sum fits; so does that of every lane. */
static inline size_t atoll_fast_sum_i16(const int16_t *x, size_t n, int32_t *total) {
    const __m256i one = _mm256_set1_epi16(1);
    __m256i a = _mm256_setzero_si256(), b = a;
    int32_t part[8];
    size_t i;
    for (i = 0; i + 32u <= n; i += 32u) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        __m256i w = _mm256_loadu_si256((const __m256i *)(const void *)(x + i + 16));
        a = _mm256_add_epi32(a, _mm256_madd_epi16(v, one));
        b = _mm256_add_epi32(b, _mm256_madd_epi16(w, one));
    }
    _mm256_storeu_si256((__m256i *)(void *)part, _mm256_add_epi32(a, b));
    *total += ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    return i;
}

/* Extremes of n >= 16 floats, and the largest magnitude's bits: beyond those of infinity there is a
 * NaN, of which the extremes know nothing. */
static inline uint32_t atoll_extremes(const float *x, size_t n, float *low, float *high) {
    const __m256i magnitude = _mm256_set1_epi32(INT32_MAX);
    __m256 least[2], most[2];
    __m256i worst[2], bits;
    float lane[8];
    uint32_t far[8], bad = 0;
    size_t i, k;
    for (k = 0; k < 2; k++) {
        least[k] = most[k] = _mm256_set1_ps(x[0]);
        worst[k] = _mm256_setzero_si256();
    }
    for (i = 0; i + 16u <= n; i += 16u) {
        for (k = 0; k < 2; k++) {
            __m256 v = _mm256_loadu_ps(x + i + 8 * k);
            least[k] = _mm256_min_ps(v, least[k]);
            most[k] = _mm256_max_ps(v, most[k]);
            worst[k] = _mm256_max_epi32(worst[k], _mm256_and_si256(_mm256_castps_si256(v), magnitude));
        }
    }
    _mm256_storeu_ps(lane, _mm256_min_ps(least[0], least[1]));
    *low = lane[0];
    for (k = 1; k < 8; k++) {
        *low = lane[k] < *low ? lane[k] : *low;
    }
    _mm256_storeu_ps(lane, _mm256_max_ps(most[0], most[1]));
    *high = lane[0];
    for (k = 1; k < 8; k++) {
        *high = lane[k] > *high ? lane[k] : *high;
    }
    bits = _mm256_max_epi32(worst[0], worst[1]);
    _mm256_storeu_si256((__m256i *)(void *)far, bits);
    for (; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
        far[0] = (atoll_bits(x[i]) & 0x7FFFFFFFu) > far[0] ? atoll_bits(x[i]) & 0x7FFFFFFFu : far[0];
    }
    for (k = 0; k < 8; k++) {
        bad = far[k] > bad ? far[k] : bad;
    }
    return bad;
}
#else
#define atoll_extremes(x, n, low, high) ((uint32_t)(*(low) = *(high) = *(x), (n) != 0u))
#endif

#endif
