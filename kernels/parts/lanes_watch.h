/* Loops of detectors, of trees and of rows side by side (watches.pxi, woods.pxi, gram.pxi): roots and
 * columns by vectors, states that pass from bit to bit as a carry does. The bits are those of the plain
 * loops beside their callers. */
#ifndef ATOLL_LANES_WATCH_H
#define ATOLL_LANES_WATCH_H

/* sqrtf of each element: a compiler that minds errno makes a loop of calls of it. */
static inline atoll_vector atoll_root(atoll_vector v) {
#if ATOLL_WIDE == 8
    return (atoll_vector)_mm256_sqrt_ps((__m256)v);
#elif ATOLL_WIDE == 4 && defined(__SSE2__)
    return __builtin_ia32_sqrtps(v);
#else
    float y[ATOLL_WIDE];
    size_t k;
    atoll_store(y, v);
    for (k = 0; k < ATOLL_WIDE; k++) {
        y[k] = sqrtf(y[k]);
    }
    return atoll_load(y);
#endif
}

/* first, first + 1, ... */
static inline atoll_vector atoll_count(float first) {
    float y[ATOLL_WIDE];
    size_t k;
    for (k = 0; k < ATOLL_WIDE; k++) {
        y[k] = first + (float)k;
    }
    return atoll_load(y);
}

/* `yes` where v is at most `most`, else `no`. */
static inline atoll_vector atoll_pick_upto(atoll_vector v, atoll_vector most, atoll_vector yes,
                                           atoll_vector no) {
#if ATOLL_WIDE == 8
    return (atoll_vector)_mm256_blendv_ps((__m256)no, (__m256)yes,
                                          _mm256_cmp_ps((__m256)v, (__m256)most, _CMP_LE_OQ));
#elif ATOLL_WIDE == 4
    typedef int32_t which __attribute__((vector_size(16)));
    which upto = (which)(v <= most);
    return (atoll_vector)((upto & (which)yes) | (~upto & (which)no));
#else
    return v <= most ? yes : no;
#endif
}

/* Which of n <= 16 bins rise above `most` and above the bin before them, and are not below the next: a bit
 * for each. */
static inline uint32_t atoll_rises(const float *p, size_t n, float most) {
    uint32_t some = 0;
    size_t k;
#if ATOLL_AVX2
    if (n == 16u) {
        const __m256 bound = _mm256_set1_ps(most);
        for (k = 0; k < 16u; k += 8u) {
            __m256 v = _mm256_loadu_ps(p + k);
            __m256 up = _mm256_and_ps(_mm256_cmp_ps(v, bound, _CMP_GT_OQ),
                                      _mm256_cmp_ps(v, _mm256_loadu_ps(p + k - 1), _CMP_GT_OQ));
            up = _mm256_and_ps(up, _mm256_cmp_ps(v, _mm256_loadu_ps(p + k + 1), _CMP_GE_OQ));
            some |= (uint32_t)_mm256_movemask_ps(up) << k;
        }
        return some;
    }
#endif
    for (k = 0; k < n; k++) {
        some |= (uint32_t)((p[k] > most) & (p[k] > p[(ptrdiff_t)k - 1]) & (p[k] >= p[k + 1])) << k;
    }
    return some;
}

/* A node of a tree as woods.pxi lays it out: the value at place `at` is held against `most`, and that which is
 * not above it leads to the second of the next nodes (by their distance in bytes from the first). */
typedef struct {
    float most;
    uint32_t at;
    uint32_t next[2];
} atoll_node;

#define ATOLL_NODE(first, bytes) ((const atoll_node *)(const void *)((const uint8_t *)(first) + (bytes)))

/* ATOLL_WIDE walks down one tree, a step of each in turn: none waits for another, and no branch is guessed.
 * The empty assembly keeps each in a register of its own: a compiler that makes a vector of them takes it
 * apart at every step. */
static inline void atoll_walk(const atoll_node *node, const float *value, uint32_t root, uint32_t steps,
                              uint32_t *end) {
    uint32_t k[ATOLL_WIDE], r;
    for (r = 0; r < ATOLL_WIDE; r++) {
        k[r] = root;
    }
    for (; steps != 0u; steps--) {
        for (r = 0; r < ATOLL_WIDE; r++) {
            const atoll_node *n = ATOLL_NODE(node, k[r]);
            k[r] = n->next[n->most >= value[n->at + r]];
#if ATOLL_ROOMY && defined(__GNUC__)
            __asm__("" : "+r"(k[r]));
#endif
        }
    }
    memcpy(end, k, sizeof k);
}

#if ATOLL_AVX2
/* The state of a switch at each of 64 samples: set by a bit of `up`, cleared by one of `down` alone, it
 * passes on as a carry does in the sum of what would set it and what would let it stand. */
static inline uint64_t atoll_carried(uint64_t up, uint64_t down, uint32_t *on) {
    uint64_t stands = up | ~down, sum = stands + up + *on;
    uint64_t state = up | (stands & ~sum);
    *on = (uint32_t)(state >> 63);
    return state;
}

/* threshold_many of as many of n samples as are whole blocks of 64. */
static inline size_t atoll_switch(const float *x, size_t n, float high, float low, uint32_t *on, float *out) {
    const __m256 above = _mm256_set1_ps(high), below = _mm256_set1_ps(low), one = _mm256_set1_ps(1.0f);
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    size_t i, k;
    for (i = 0; i + 64u <= n; i += 64u) {
        uint64_t up = 0, down = 0, state;
        for (k = 0; k < 8u; k++) {
            __m256 v = _mm256_loadu_ps(x + i + 8u * k);
            up |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, above, _CMP_GT_OQ)) << (8u * k);
            down |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, below, _CMP_LT_OQ)) << (8u * k);
        }
        state = atoll_carried(up, down, on);
        for (k = 0; k < 8u; k++) {
            __m256 v = _mm256_loadu_ps(x + i + 8u * k);
            __m256i byte = _mm256_and_si256(_mm256_set1_epi32((int32_t)(uint8_t)(state >> (8u * k))), bit);
            __m256 set = _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(byte, bit)), one);
            v = _mm256_blendv_ps(set, v, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
            _mm256_storeu_ps(out + i + 8u * k, v);
        }
    }
    return i;
}

/* Adds a leaf's `width` <= 4 numbers to each of eight sums, four floats apart; a leaf's number stands in its
 * node as the bits of `most`. */
static inline uint32_t atoll_leaves(const atoll_node *node, const uint32_t *end, const float *value,
                                    uint32_t width, float *sum) {
    static const int32_t some[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)(some + 4u - width));
    size_t r;
    for (r = 0; r < 8u; r++) {
        size_t leaf = atoll_bits(ATOLL_NODE(node, end[r])->most);
        __m128 v = _mm_maskload_ps(value + leaf * width, mask);
        _mm_storeu_ps(sum + 4u * r, _mm_add_ps(_mm_loadu_ps(sum + 4u * r), v));
    }
    return 1;
}

/* Four numbers of eight rows, those of one column side by side. */
static inline void atoll_turn_four(const __m128 *row, float *out) {
    __m256 v[4], a[4];
    size_t k;
    for (k = 0; k < 4u; k++) {
        v[k] = _mm256_insertf128_ps(_mm256_castps128_ps256(row[k]), row[k + 4u], 1);
    }
    a[0] = _mm256_unpacklo_ps(v[0], v[1]);
    a[1] = _mm256_unpackhi_ps(v[0], v[1]);
    a[2] = _mm256_unpacklo_ps(v[2], v[3]);
    a[3] = _mm256_unpackhi_ps(v[2], v[3]);
    _mm256_storeu_ps(out, _mm256_shuffle_ps(a[0], a[2], 0x44));
    _mm256_storeu_ps(out + 8, _mm256_shuffle_ps(a[0], a[2], 0xEE));
    _mm256_storeu_ps(out + 16, _mm256_shuffle_ps(a[1], a[3], 0x44));
    _mm256_storeu_ps(out + 24, _mm256_shuffle_ps(a[1], a[3], 0xEE));
}

/* The same of rows `apart` bytes from each other, of i16 or of f32; beyond the count the last row again. */
static inline size_t atoll_four_i16(const uint8_t *x, size_t apart, size_t count, float *out) {
    __m128 row[8];
    size_t k;
    for (k = 0; k < 8u; k++) {
        const uint8_t *at = x + apart * (k < count ? k : count - 1u);
        row[k] = _mm_cvtepi32_ps(_mm_cvtepi16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)at)));
    }
    atoll_turn_four(row, out);
    return 4;
}

static inline size_t atoll_four_f32(const uint8_t *x, size_t apart, size_t count, float *out) {
    __m128 row[8];
    size_t k;
    for (k = 0; k < 8u; k++) {
        row[k] = _mm_loadu_ps((const float *)(const void *)(x + apart * (k < count ? k : count - 1u)));
    }
    atoll_turn_four(row, out);
    return 4;
}

/* The first of the nearest points of n rows, a multiple of 8, whose columns stand `apart` floats from each
 * other: squared distances summed in the order of the columns. */
static inline void atoll_near_groups(const float *side, size_t apart, size_t n, const float *point,
                                 size_t columns, size_t points, int32_t *best) {
    size_t i, j, k;
    for (i = 0; i < n; i += 8u) {
        __m256 least = _mm256_castsi256_ps(_mm256_set1_epi32(0x7F800000));
        __m256i first = _mm256_setzero_si256();
        const float *at = point;
        for (k = 0; k < points; k++) {
            __m256 total = _mm256_setzero_ps(), nearer;
            for (j = 0; j < columns; j++) {
                __m256 d = _mm256_sub_ps(_mm256_loadu_ps(side + apart * j + i), _mm256_set1_ps(at[j]));
                total = _mm256_add_ps(total, _mm256_mul_ps(d, d));
            }
            nearer = _mm256_cmp_ps(total, least, _CMP_LT_OQ);
            least = _mm256_blendv_ps(least, total, nearer);
            first = _mm256_blendv_epi8(first, _mm256_set1_epi32((int32_t)k), _mm256_castps_si256(nearer));
            at += columns;
        }
        _mm256_storeu_si256((__m256i *)(void *)(best + i), first);
    }
}

/* The exact sums of the columns of n <= 256 rows, apart by group; those of column j, whose exponents lie
 * at most 21 above low[j], in units of 2^(low[j] - 150). For at most 1,024 sums. */
static inline void atoll_group_sums(const float *rows, size_t n, const int32_t *group, size_t columns,
                                    size_t groups, const uint32_t *low, int64_t *total) {
    static const int32_t some[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    const size_t last = (columns - 1u) / 4u, wide = last + 1u;
    const __m128i mask = _mm_loadu_si128((const __m128i *)(const void *)(some + 4u * wide - columns));
    __m256d sum[256];
    size_t i, j;
    memset(sum, 0, wide * groups * sizeof *sum);
    for (i = 0; i < n; i++) {
        __m256d *at = sum + wide * (size_t)group[i];
        for (j = 0; j < last; j++) {
            at[j] = _mm256_add_pd(at[j], _mm256_cvtps_pd(_mm_loadu_ps(rows + 4u * j)));
        }
        at[last] = _mm256_add_pd(at[last], _mm256_cvtps_pd(_mm_maskload_ps(rows + 4u * last, mask)));
        rows += columns;
    }
    for (j = 0; j < columns; j++) {
        for (i = 0; i < groups; i++) {
            __m256d v = _mm256_mul_pd(sum[wide * i + j / 4u], atoll_two(150 - (int32_t)low[j]));
            __m128d half = (j & 2u) ? _mm256_extractf128_pd(v, 1) : _mm256_castpd256_pd128(v);
            total[columns * i + j] = _mm_cvttsd_si64((j & 1u) ? _mm_unpackhi_pd(half, half) : half);
        }
    }
}
#else
#define atoll_switch(x, n, high, low, on, out) ((void)(x), (void)(on), (size_t)0)
#define atoll_leaves(node, end, value, width, sum) ((uint32_t)((void)(value), 0u))
#define atoll_four_i16(x, apart, count, out) ((void)(out), (size_t)0)
#define atoll_four_f32(x, apart, count, out) ((void)(out), (size_t)0)
#define atoll_near_groups(side, apart, n, point, columns, points, best) ((void)(point), (void)(best))
#define atoll_group_sums(rows, n, group, columns, groups, low, total) ((void)(total))
#endif

#endif
