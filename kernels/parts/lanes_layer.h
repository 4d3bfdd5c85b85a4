/* Layers of a network in int8 over 16 rows (watches.pxi): numbers of 16 bits in pairs, those of one row side
 * by side, so that a multiplication adds two products. Integers are exact, whatever the order.
 *
 * Number k of row r stands at 32 (k / 2) + 2 r + k mod 2. */
#ifndef ATOLL_LANES_LAYER_H
#define ATOLL_LANES_LAYER_H

#define ATOLL_PAIR(x, pair, row) ((x) + 32u * (size_t)(pair) + 2u * (size_t)(row))

/* An output of a layer: its weights, four to a word, its bias, multiplier and shift. */
typedef struct {
    const uint32_t *weight;
    int32_t base;
    int32_t by;
    uint32_t shift;
} atoll_output;

#if ATOLL_AVX2
/* 16 rows of `each` numbers, a multiple of 16, into pairs. Bits are moved, as if they were floats. */
static inline void atoll_layer_rows(const int16_t *row, size_t each, int16_t *x) {
    atoll_vector v[8];
    size_t i, half, k;
    for (i = 0; i < each; i += 16u) {
        for (half = 0; half < 16u; half += 8u) {
            for (k = 0; k < 8u; k++) {
                memcpy(v + k, row + each * (half + k) + i, sizeof v[k]);
            }
            atoll_turn(v);
            for (k = 0; k < 8u; k++) {
                memcpy(ATOLL_PAIR(x, i / 2u + k, half), v + k, sizeof v[k]);
            }
        }
    }
}

/* Within low .. most, (v by + 2^(shift - 1)) / 2^shift rounded down, of the even words of v. AVX2 has no
 * arithmetic shift of 64 bits: 2^63 is added before a logical one, and what becomes of it taken off. */
static inline __m256i atoll_rescaled(__m256i v, __m256i by, uint32_t shift, __m256i low, __m256i most) {
    const __m256i lift = _mm256_set1_epi64x(INT64_MIN);
    const __m128i down = _mm_cvtsi32_si128((int32_t)shift);
    __m256i half = _mm256_set1_epi64x(1LL << (shift - 1u));
    v = _mm256_add_epi64(_mm256_add_epi64(_mm256_mul_epi32(v, by), half), lift);
    v = _mm256_sub_epi64(_mm256_srl_epi64(v, down), _mm256_srl_epi64(lift, down));
    v = _mm256_blendv_epi8(v, low, _mm256_cmpgt_epi64(low, v));
    return _mm256_blendv_epi8(v, most, _mm256_cmpgt_epi64(v, most));
}

/* The same where shift is 32 or more, so that the upper words of the products are all that is left. */
static inline __m256i atoll_rescaled_high(__m256i v, __m256i by, uint32_t shift, __m256i low, __m256i most) {
    const __m128i down = _mm_cvtsi32_si128((int32_t)shift - 32);
    const __m256i half = _mm256_set1_epi64x(1LL << (shift - 1u));
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(v, by), half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(v, 32), by), half);
    v = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_min_epi32(_mm256_max_epi32(_mm256_sra_epi32(v, down), low), most);
}

static inline __m256i atoll_layer_scale(__m256i v, const atoll_output *o, int32_t low, int32_t most) {
    const __m256i by = _mm256_set1_epi64x(o->by);
    __m256i least, top, odd;
    if (o->shift >= 32u) {
        return atoll_rescaled_high(v, by, o->shift, _mm256_set1_epi32(low), _mm256_set1_epi32(most));
    }
    least = _mm256_set1_epi64x(low);
    top = _mm256_set1_epi64x(most);
    odd = atoll_rescaled(_mm256_srli_epi64(v, 32), by, o->shift, least, top);
    v = atoll_rescaled(v, by, o->shift, least, top);
    return _mm256_blend_epi32(v, _mm256_slli_epi64(odd, 32), 0xAA);
}

/* 8 numbers times `by`, rounded to whole ones (ties to even, as the interpreter's mode has it), within 16 bits. */
static inline __m256i atoll_layer_near(const float *row, __m256 by) {
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(row), by);
    v = _mm256_max_ps(v, _mm256_set1_ps(-32768.0f)); /* of NaN as well */
    return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(32768.0f)));
}

/* n numbers, a multiple of 16, as bytes less their zero point: whole numbers of their product by `by`. */
static inline void atoll_layer_bytes(const float *row, size_t n, float by, int32_t zero, int16_t *x) {
    const __m256 times = _mm256_set1_ps(by);
    const __m256i add = _mm256_set1_epi32(zero), less = _mm256_set1_epi16((int16_t)zero);
    const __m256i low = _mm256_set1_epi16(-128), most = _mm256_set1_epi16(127);
    size_t i;
    for (i = 0; i < n; i += 16u) {
        __m256i a = _mm256_add_epi32(atoll_layer_near(row + i, times), add);
        __m256i b = _mm256_add_epi32(atoll_layer_near(row + i + 8, times), add);
        a = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
        a = _mm256_sub_epi16(_mm256_min_epi16(_mm256_max_epi16(a, low), most), less);
        _mm256_storeu_si256((__m256i *)(void *)(x + i), a);
    }
}

/* One output of the layer for 16 rows: its sums of products, rescaled. */
static inline void atoll_layer_one(const atoll_output *o, size_t words, const int16_t *x, int32_t low,
                                   int32_t most, __m256i *out) {
    __m256i a = _mm256_set1_epi32(o->base), b = a;
    size_t i;
    for (i = 0; i < words; i++) {
        __m256i w = _mm256_cvtepi8_epi16(_mm_set1_epi32((int32_t)o->weight[i]));
        __m256i first = _mm256_shuffle_epi32(w, 0x00), second = _mm256_shuffle_epi32(w, 0x55);
        a = _mm256_add_epi32(a, _mm256_madd_epi16(first, atoll_words(x)));
        b = _mm256_add_epi32(b, _mm256_madd_epi16(first, atoll_words(x + 16)));
        a = _mm256_add_epi32(a, _mm256_madd_epi16(second, atoll_words(x + 32)));
        b = _mm256_add_epi32(b, _mm256_madd_epi16(second, atoll_words(x + 48)));
        x += 64;
    }
    out[0] = atoll_layer_scale(a, o, low, most);
    out[1] = atoll_layer_scale(b, o, low, most);
}

/* Two outputs of the layer for 16 rows, as a pair; of one alone the upper is 0. */
static inline void atoll_layer_pair(const atoll_output *o, uint32_t outputs, size_t words, const int16_t *x,
                                    int32_t low, int32_t most, int16_t *y) {
    __m256i even[2], odd[2];
    size_t k;
    atoll_layer_one(o, words, x, low, most, even);
    odd[0] = odd[1] = _mm256_setzero_si256();
    if (outputs > 1u) {
        atoll_layer_one(o + 1, words, x, low, most, odd);
    }
    for (k = 0; k < 2u; k++) {
        __m256i v = _mm256_blend_epi16(even[k], _mm256_slli_epi32(odd[k], 16), 0xAA);
        _mm256_storeu_si256((__m256i *)(void *)(y + 16u * k), v);
    }
}

/* The first `outputs` numbers of `count` <= 16 rows times `by`, row by row. */
static inline void atoll_layer_scores(const int16_t *y, uint32_t outputs, size_t count, float by, float *out) {
    const __m256 times = _mm256_set1_ps(by);
    atoll_vector v[8];
    float tile[64];
    size_t half, k, r, j, m;
    for (half = 0; half < count; half += 8u) {
        for (k = 0; k < outputs; k += 8u) {
            m = outputs - k < 8u ? outputs - k : 8u;
            for (j = 0; j < 8u; j++) {
                __m256i u = j < m ? atoll_words(ATOLL_PAIR(y, (k + j) / 2u, half)) : _mm256_setzero_si256();
                u = _mm256_srai_epi32((j & 1u) ? u : _mm256_slli_epi32(u, 16), 16);
                v[j] = (atoll_vector)_mm256_mul_ps(_mm256_cvtepi32_ps(u), times);
            }
            atoll_turn(v);
            memcpy(tile, v, sizeof v);
            for (r = 0; r < 8u && half + r < count; r++) {
                for (j = 0; j < m; j++) {
                    out[(half + r) * outputs + k + j] = tile[8u * r + j];
                }
            }
        }
    }
}
#else
static inline void atoll_layer_rows(const int16_t *row, size_t each, int16_t *x) {
    size_t i, r;
    for (i = 0; i < each; i++) {
        for (r = 0; r < 16u; r++) {
            ATOLL_PAIR(x, i / 2u, r)[i % 2u] = row[each * r + i];
        }
    }
}

static inline void atoll_layer_bytes(const float *row, size_t n, float by, int32_t zero, int16_t *x) {
    size_t i;
    for (i = 0; i < n; i++) {
        float v = row[i] * by, rest;
        int32_t whole, odd;
        v = v > -32768.0f ? v : -32768.0f; /* of NaN as well */
        v = v < 32768.0f ? v : 32768.0f;
        whole = (int32_t)v;
        rest = v - (float)whole;
        odd = whole & 1;
        whole += (rest > 0.5f) + ((rest == 0.5f) & odd);
        whole -= (rest < -0.5f) + ((rest == -0.5f) & odd);
        whole += zero;
        whole = whole > 127 ? 127 : whole;
        x[i] = (int16_t)((whole < -128 ? -128 : whole) - zero);
    }
}

static inline void atoll_layer_one(const atoll_output *o, size_t words, const int16_t *x, int32_t low,
                                   int32_t most, int16_t *y) {
    int32_t total[16];
    size_t i, k, j;
    for (j = 0; j < 16u; j++) {
        total[j] = o->base;
    }
    for (i = 0; i < words; i++) {
        for (k = 0; k < 4u; k += 2u) {
            int32_t v = (int32_t)(((o->weight[i] >> (8u * k)) & 0xFFu) ^ 0x80u) - 128;
            int32_t w = (int32_t)(((o->weight[i] >> (8u * k + 8u)) & 0xFFu) ^ 0x80u) - 128;
            for (j = 0; j < 16u; j++) {
                total[j] += v * x[2u * j] + w * x[2u * j + 1u];
            }
            x += 32;
        }
    }
    for (j = 0; j < 16u; j++) {
        int64_t q = ((int64_t)total[j] * o->by + ((int64_t)1 << (o->shift - 1u))) >> o->shift;
        q = q < low ? low : q;
        y[2u * j] = (int16_t)(q > most ? most : q);
    }
}

static inline void atoll_layer_pair(const atoll_output *o, uint32_t outputs, size_t words, const int16_t *x,
                                    int32_t low, int32_t most, int16_t *y) {
    memset(y, 0, 32u * sizeof *y);
    atoll_layer_one(o, words, x, low, most, y);
    if (outputs > 1u) {
        atoll_layer_one(o + 1, words, x, low, most, y + 1);
    }
}

static inline void atoll_layer_scores(const int16_t *y, uint32_t outputs, size_t count, float by, float *out) {
    size_t r, k;
    for (r = 0; r < count; r++) {
        for (k = 0; k < outputs; k++) {
            out[r * outputs + k] = (float)ATOLL_PAIR(y, k / 2u, r)[k % 2u] * by;
        }
    }
}
#endif

#endif
