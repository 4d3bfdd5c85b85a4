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

/* The first n of ATOLL_WIDE floats, then zeros; nothing is read behind them. */
static inline atoll_vector atoll_load_part(const float *x, size_t n) {
#if ATOLL_AVX2
    static const int32_t some[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    size_t from = n < 8u ? 8u - n : 0u;
    __m256i mask = _mm256_loadu_si256((const __m256i *)(const void *)(some + from));
    return (atoll_vector)_mm256_maskload_ps(x, mask);
#else
    float y[ATOLL_WIDE];
    size_t k;
    for (k = 0; k < ATOLL_WIDE; k++) {
        y[k] = k < n ? x[k] : 0.0f;
    }
    return atoll_load(y);
#endif
}

/* n frames of two or four channels, each channel on its own, `apart` from the one before: loops with a
 * number of channels that compilers see, which they vectorise. */
static inline void atoll_deal_u16(const uint16_t *restrict x, size_t channels, size_t n,
                                  uint16_t *restrict out, size_t apart) {
    uint16_t *restrict a = out, *restrict b = out + apart;
    uint16_t *restrict c = channels == 4u ? b + apart : a, *restrict d = channels == 4u ? c + apart : b;
    size_t i;
    for (i = 0; channels == 2u && i < n; i++) {
        a[i] = x[2u * i];
        b[i] = x[2u * i + 1u];
    }
    for (i = 0; channels == 4u && i < n; i++) {
        a[i] = x[4u * i];
        b[i] = x[4u * i + 1u];
        c[i] = x[4u * i + 2u];
        d[i] = x[4u * i + 3u];
    }
}

static inline void atoll_deal_u32(const uint32_t *restrict x, size_t channels, size_t n,
                                  uint32_t *restrict out, size_t apart) {
    uint32_t *restrict a = out, *restrict b = out + apart;
    uint32_t *restrict c = channels == 4u ? b + apart : a, *restrict d = channels == 4u ? c + apart : b;
    size_t i;
    for (i = 0; channels == 2u && i < n; i++) {
        a[i] = x[2u * i];
        b[i] = x[2u * i + 1u];
    }
    for (i = 0; channels == 4u && i < n; i++) {
        a[i] = x[4u * i];
        b[i] = x[4u * i + 1u];
        c[i] = x[4u * i + 2u];
        d[i] = x[4u * i + 3u];
    }
}

/* n numbers added to 64-bit sums. */
static inline void atoll_add_wide(int64_t *restrict total, const int32_t *restrict x, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        total[i] += x[i];
    }
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

/* 2^e for -1022 <= e <= 1023, in each element. */
static inline __m256d atoll_two(int32_t e) {
    return _mm256_castsi256_pd(_mm256_set1_epi64x((int64_t)(1023 + e) << 52));
}

/* The sum of four whole numbers below 2^62. */
static inline int64_t atoll_whole(__m256d v) {
    __m128d low = _mm256_castpd256_pd128(v), high = _mm256_extractf128_pd(v, 1);
    return (_mm_cvttsd_si64(low) + _mm_cvttsd_si64(_mm_unpackhi_pd(low, low))) +
           (_mm_cvttsd_si64(high) + _mm_cvttsd_si64(_mm_unpackhi_pd(high, high)));
}

/* The exact sum of n floats, a multiple of 16 up to 1,024, in units of 2^(*at - 149); 0 where it may
 * need more than 53 bits in a lane. In binary64, whose sums of multiples of one power of two are exact
 * as long as they fit: float's 24 bits, 6 of 64 terms, and 23 for exponents that lie apart. */
static inline size_t atoll_exact_sum(const float *x, size_t n, int64_t *total, uint32_t *at) {
    const __m256i magnitude = _mm256_set1_epi32(INT32_MAX), one = _mm256_set1_epi32(1);
    __m256d sum[4];
    __m256i most = _mm256_setzero_si256(), least = _mm256_set1_epi32(-1);
    uint32_t word[8], high = 0, low = UINT32_MAX;
    size_t i, k;
    for (k = 0; k < 4; k++) {
        sum[k] = _mm256_setzero_pd();
    }
    for (i = 0; i < n; i += 16u) {
        for (k = 0; k < 2; k++) {
            __m256 v = _mm256_loadu_ps(x + i + 8 * k);
            __m256i u = _mm256_and_si256(_mm256_castps_si256(v), magnitude);
            most = _mm256_max_epi32(most, u);
            least = _mm256_min_epu32(least, _mm256_sub_epi32(u, one)); /* 0 has no exponent */
            sum[2 * k] = _mm256_add_pd(sum[2 * k], _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
            sum[2 * k + 1] = _mm256_add_pd(sum[2 * k + 1], _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
        }
    }
    _mm256_storeu_si256((__m256i *)(void *)word, most);
    for (k = 0; k < 8; k++) {
        high = word[k] > high ? word[k] : high;
    }
    _mm256_storeu_si256((__m256i *)(void *)word, least);
    for (k = 0; k < 8; k++) {
        low = word[k] < low ? word[k] : low;
    }
    *total = 0;
    *at = 0;
    if (high == 0) {
        return n;
    }
    high = high >> 23;
    low = (low + 1u) >> 23;
    low = low ? low : 1u;
    if (high == 255u || (high > low && high - low > 23u)) {
        return 0;
    }
    *at = low - 1u;
    for (k = 0; k < 4; k++) {
        *total += atoll_whole(_mm256_mul_pd(sum[k], atoll_two(149 - (int32_t)*at)));
    }
    return n;
}

/* Products by `by` of as many of n numbers as are whole vectors, which fit in 31 bits, rounded to the
 * nearest (ties to even: the interpreter's mode). */
static inline size_t atoll_rounded(const float *x, size_t n, float by, int32_t *out) {
    const __m256 times = _mm256_set1_ps(by);
    size_t i;
    for (i = 0; i + 8u <= n; i += 8u) {
        __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), times);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), _mm256_cvtps_epi32(v));
    }
    return i;
}

static inline __m256i atoll_words(const void *x) { return _mm256_loadu_si256((const __m256i *)x); }

/* The even words of a, then those of b. */
static inline __m256i atoll_evens(__m256i a, __m256i b) {
    __m256 both = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(both), 0xD8);
}

/* Every second or fourth of n samples, eight at a time as long as there are as many; how many. */
static inline size_t atoll_every_i16(const int16_t *x, size_t n, size_t step, int32_t *out) {
    size_t i, given = 0;
    if (step != 2u && step != 4u) {
        return 0;
    }
    for (i = 0; i + 8u * step <= n; i += 8u * step) {
        __m256i v = atoll_words(x + i);
        if (step == 4u) {
            v = atoll_evens(v, atoll_words(x + i + 16));
        }
        v = _mm256_srai_epi32(_mm256_slli_epi32(v, 16), 16);
        _mm256_storeu_si256((__m256i *)(void *)(out + given), v);
        given += 8u;
    }
    return given;
}

static inline size_t atoll_every_u32(const uint32_t *x, size_t n, size_t step, uint32_t *out) {
    size_t i, given = 0;
    if (step != 2u && step != 4u) {
        return 0;
    }
    for (i = 0; i + 8u * step <= n; i += 8u * step) {
        __m256i v = atoll_evens(atoll_words(x + i), atoll_words(x + i + 8));
        if (step == 4u) {
            v = atoll_evens(v, atoll_evens(atoll_words(x + i + 16), atoll_words(x + i + 24)));
        }
        _mm256_storeu_si256((__m256i *)(void *)(out + given), v);
        given += 8u;
    }
    return given;
}

/* Exponents (biased, those of subnormals 1) of the largest and the least of n floats that is not 0, n
 * a multiple of 8; 0 where one is not finite. Of nothing but zeros both are 1. */
static inline uint32_t atoll_span(const float *x, size_t n, uint32_t *high, uint32_t *low) {
    const __m256i magnitude = _mm256_set1_epi32(INT32_MAX), one = _mm256_set1_epi32(1);
    __m256i most = _mm256_setzero_si256(), least = _mm256_set1_epi32(-1);
    uint32_t a[8], b[8], far = 0, near = UINT32_MAX;
    size_t i;
    for (i = 0; i < n; i += 8u) {
        __m256i u = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)(x + i)), magnitude);
        most = _mm256_max_epi32(most, u);
        least = _mm256_min_epu32(least, _mm256_sub_epi32(u, one));
    }
    _mm256_storeu_si256((__m256i *)(void *)a, most);
    _mm256_storeu_si256((__m256i *)(void *)b, least);
    for (i = 0; i < 8; i++) {
        far = a[i] > far ? a[i] : far;
        near = b[i] < near ? b[i] : near;
    }
    *high = far >> 23 ? far >> 23 : 1u;
    *low = far && (near + 1u) >> 23 ? (near + 1u) >> 23 : 1u;
    return *high < 255u;
}

/* The exact sum of n <= 256 floats of a span of at most 21, in units of 2^(low - 150). */
static inline int64_t atoll_span_sum(const float *x, size_t n, uint32_t low) {
    __m256d sum = _mm256_setzero_pd();
    size_t i;
    for (i = 0; i < n; i += 4u) {
        sum = _mm256_add_pd(sum, _mm256_cvtps_pd(_mm_loadu_ps(x + i)));
    }
    return atoll_whole(_mm256_mul_pd(sum, atoll_two(150 - (int32_t)low)));
}

/* The exact sum of n <= 256 products of whole numbers of 15 bits and a sign. */
static inline int64_t atoll_short_dot(const float *x, const float *y, size_t n) {
    __m256d a = _mm256_setzero_pd(), b = a;
    size_t i;
    for (i = 0; i < n; i += 8u) {
        a = _mm256_add_pd(a, _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(x + i)),
                                           _mm256_cvtps_pd(_mm_loadu_ps(y + i))));
        b = _mm256_add_pd(b, _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(x + i + 4)),
                                           _mm256_cvtps_pd(_mm_loadu_ps(y + i + 4))));
    }
    return atoll_whole(_mm256_add_pd(a, b));
}

/* The exact sum of n <= 256 products of floats whose exponents' sums lie between low and high, not
 * more than 42 apart: products have 48 bits, exact in binary64. Each is cut at 2^(high - 296): 44 bits
 * above and 53 below, with 8 bits of carry, fit. *over is in units of that, *under of 2^(low - 300). */
static inline size_t atoll_span_dot(const float *x, const float *y, size_t n, uint32_t high, uint32_t low,
                                    int64_t *over, int64_t *under) {
    const int32_t cut = (int32_t)high - 296;
    const __m256d round = _mm256_mul_pd(_mm256_set1_pd(1.5), atoll_two(cut + 52));
    __m256d above = _mm256_setzero_pd(), below = above;
    size_t i;
    for (i = 0; i < n; i += 4u) {
        __m256d p = _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(x + i)), _mm256_cvtps_pd(_mm_loadu_ps(y + i)));
        __m256d part = _mm256_sub_pd(_mm256_add_pd(p, round), round);
        above = _mm256_add_pd(above, part);
        below = _mm256_add_pd(below, _mm256_sub_pd(p, part));
    }
    *over = atoll_whole(_mm256_mul_pd(above, atoll_two(-cut)));
    *under = atoll_whole(_mm256_mul_pd(below, atoll_two(300 - (int32_t)low)));
    return n;
}
#else
#define atoll_rounded(x, n, by, out) ((size_t)0)
#define atoll_every_i16(x, n, step, out) ((size_t)0)
#define atoll_every_u32(x, n, step, out) ((size_t)0)
#define atoll_span(x, n, high, low) ((void)(x), (void)(n), *(high) = *(low) = 0u)
#define atoll_span_sum(x, n, low) ((void)(x), (void)(n), (void)(low), (int64_t)0)
#define atoll_short_dot(x, y, n) ((void)(x), (void)(y), (void)(n), (int64_t)0)
#define atoll_span_dot(x, y, n, high, low, over, under)                                            \
    ((void)(x), (void)(y), (void)(n), (void)(high), (void)(low), *(over) = *(under) = 0, (size_t)0)
#define atoll_exact_sum(x, n, total, at) ((void)(x), (void)(n), (void)(total), (void)(at), (size_t)0)
#define atoll_extremes(x, n, low, high) ((uint32_t)(*(low) = *(high) = *(x), (n) != 0u))
#endif

#endif
