/* What benchmarks/mcu.py counts: kernels of ours beside the functions of CMSIS-DSP that compute the
 * same, on the same samples. A pair's two functions stand one after the other, in the order of
 * `pairs`; each runs between two marks. Both give a number, and where they differ by more than the
 * format of the other one explains, the program ends with the pair's place.
 *
 * The amalgamation is included, for its kernels are static; what a plan adds to them (some dozen
 * instructions a window or a chunk of 128 samples) is not in the counts, nor is any preparation. */
#include "atoll_kernels.c"

#include "arm_math.h"

enum { N = 256, FFT = 256, TAPS = 32, SECTIONS = 2, LAG = 7, BLOCK = 128 };

typedef float (*work)(void);

static float f[N], out[FFT + TAPS], theirs_out[FFT + 8];
static int16_t h[N], h_out[N];
static int32_t w[N], w_out[N];
static float table[FFT * 3];
static uint32_t fir_words[TAPS], biquad_words[5 * SECTIONS];
static float taps_back[TAPS], fir_state[TAPS + BLOCK - 1];
static float biquad_coeffs[5 * SECTIONS], biquad_state[2 * SECTIONS];
static union {
    struct atoll_line line;
    uint32_t room[3 + TAPS + BLOCK];
} delay_line;
static struct atoll_section sections[SECTIONS];
static arm_fir_instance_f32 fir;
static arm_biquad_cascade_df2T_instance_f32 biquad;
static arm_rfft_fast_instance_f32 rfft;

void image_mark(void); /* kernels/parts/board_start.c */

/* --- windows ------------------------------------------------------------------------------------ */

static float feature(uint32_t dtype, const void *x, uint32_t need, float (*of)(const struct atoll_stats *))
{
    struct atoll_stats s;
    atoll_stats_take(dtype, x, N, need, &s);
    return of(&s);
}

#define FEATURE(name, code, x, need, of)                                                            \
    static float ours_##name(void)                                                                  \
    {                                                                                               \
        return feature(ATOLL_DTYPE_##code, x, need, of);                                            \
    }

FEATURE(mean_f32, F32, f, ATOLL_NEED_SUM, atoll_feature_mean)
FEATURE(mean_i16, I16, h, ATOLL_NEED_SUM, atoll_feature_mean)
FEATURE(mean_i32, I32, w, ATOLL_NEED_SUM, atoll_feature_mean)
FEATURE(rms_f32, F32, f, ATOLL_NEED_SQUARES, atoll_feature_rms)
FEATURE(rms_i16, I16, h, ATOLL_NEED_SQUARES, atoll_feature_rms)
FEATURE(rms_i32, I32, w, ATOLL_NEED_SQUARES, atoll_feature_rms)
FEATURE(peak_f32, F32, f, ATOLL_NEED_EXTREMA, atoll_feature_peak)
FEATURE(peak_i16, I16, h, ATOLL_NEED_EXTREMA, atoll_feature_peak)
FEATURE(peak_i32, I32, w, ATOLL_NEED_EXTREMA, atoll_feature_peak)
FEATURE(p2p_f32, F32, f, ATOLL_NEED_EXTREMA, atoll_feature_p2p)
FEATURE(p2p_i16, I16, h, ATOLL_NEED_EXTREMA, atoll_feature_p2p)
FEATURE(p2p_i32, I32, w, ATOLL_NEED_EXTREMA, atoll_feature_p2p)

#define THEIRS(name, type, x, call, as)                                                             \
    static float theirs_##name(void)                                                                \
    {                                                                                               \
        type a = 0;                                                                                 \
        call(x, N, &a);                                                                             \
        return (float)a * (as);                                                                     \
    }
#define THEIRS_RANGE(name, type, x, most, least)                                                    \
    static float theirs_##name(void)                                                                \
    {                                                                                               \
        type a = 0, b = 0;                                                                          \
        most(x, N, &a);                                                                             \
        least(x, N, &b);                                                                            \
        return (float)a - (float)b;                                                                 \
    }

THEIRS(mean_f32, float, f, arm_mean_f32, 1.0f)
THEIRS(mean_i16, q15_t, h, arm_mean_q15, 1.0f)
THEIRS(mean_i32, q31_t, w, arm_mean_q31, 1.0f)
THEIRS(rms_f32, float, f, arm_rms_f32, 1.0f)
THEIRS(rms_i16, q15_t, h, arm_rms_q15, 1.0f)
THEIRS(rms_i32, q31_t, w, arm_rms_q31, 1.0f)
THEIRS(peak_f32, float, f, arm_absmax_no_idx_f32, 1.0f)
THEIRS(peak_i16, q15_t, h, arm_absmax_no_idx_q15, 1.0f)
THEIRS(peak_i32, q31_t, w, arm_absmax_no_idx_q31, 1.0f)
THEIRS_RANGE(p2p_f32, float, f, arm_max_no_idx_f32, arm_min_no_idx_f32)
THEIRS_RANGE(p2p_i16, q15_t, h, arm_max_no_idx_q15, arm_min_no_idx_q15)
THEIRS_RANGE(p2p_i32, q31_t, w, arm_max_no_idx_q31, arm_min_no_idx_q31)

/* The reducer gives both extremes with their places. */
static float minmax(uint32_t dtype, const void *x)
{
    struct atoll_extrema s;
    struct atoll_place here = {0, 0, {0}};
    atoll_extrema_init(&s, dtype);
    atoll_extrema_push(&s, x, N, &here, 1);
    return (float)(s.low_place.at + N * s.high_place.at);
}

static float ours_minmax_f32(void) { return minmax(ATOLL_DTYPE_F32, f); }
static float ours_minmax_i16(void) { return minmax(ATOLL_DTYPE_I16, h); }
static float ours_minmax_i32(void) { return minmax(ATOLL_DTYPE_I32, w); }

#define THEIRS_PLACES(name, type, x, least, most)                                                   \
    static float theirs_##name(void)                                                                \
    {                                                                                               \
        type a = 0;                                                                                 \
        uint32_t low = 0, high = 0;                                                                 \
        least(x, N, &a, &low);                                                                      \
        most(x, N, &a, &high);                                                                      \
        return (float)(low + N * high);                                                             \
    }

THEIRS_PLACES(minmax_f32, float, f, arm_min_f32, arm_max_f32)
THEIRS_PLACES(minmax_i16, q15_t, h, arm_min_q15, arm_max_q15)
THEIRS_PLACES(minmax_i32, q31_t, w, arm_min_q31, arm_max_q31)

static float ours_autocorr_f32(void)
{
    struct atoll_stats s;
    atoll_stats_take(ATOLL_DTYPE_F32, f, N, ATOLL_NEED_SUM, &s);
    return atoll_feature_autocorr(&s, f, N, LAG);
}

static float theirs_autocorr_f32(void)
{
    float mean, over, under;
    arm_mean_f32(f, N, &mean);
    arm_offset_f32(f, -mean, theirs_out, N);
    arm_power_f32(theirs_out, N, &under);
    arm_dot_prod_f32(theirs_out, theirs_out + LAG, N - LAG, &over);
    return over / under;
}

/* --- samples in, samples out: a chunk, in place as the interpreter runs it -------------------------- */

static void chunk_f32(void) { memcpy(out, f, BLOCK * sizeof(float)); }
static void chunk_i32(void) { memcpy(w_out, w, BLOCK * sizeof(int32_t)); }
/* i16 streams are widened before their first stage: that is in our count. */
static void chunk_i16(void)
{
    size_t k;
    for (k = atoll_fast_widen(h, w_out, BLOCK); k < BLOCK; k++) {
        w_out[k] = h[k];
    }
}

static float ours_abs_f32(void) { return atoll_abs_f32(out, BLOCK), out[BLOCK - 1]; }
static float theirs_abs_f32(void) { return arm_abs_f32(f, theirs_out, BLOCK), theirs_out[BLOCK - 1]; }
static float ours_abs_i32(void) { return atoll_abs_i32(w_out, BLOCK), (float)w_out[BLOCK - 1]; }
static float theirs_abs_i32(void)
{
    arm_abs_q31(w, (q31_t *)theirs_out, BLOCK);
    return (float)((q31_t *)theirs_out)[BLOCK - 1];
}
static float ours_abs_i16(void) { return chunk_i16(), ours_abs_i32(); }
static float theirs_abs_i16(void) { return arm_abs_q15(h, h_out, BLOCK), (float)h_out[BLOCK - 1]; }

static float ours_clip_f32(void) { return atoll_clip_f32(out, BLOCK, -900.0f, 900.0f), out[BLOCK - 1]; }
static float theirs_clip_f32(void)
{
    arm_clip_f32(f, theirs_out, -900.0f, 900.0f, BLOCK);
    return theirs_out[BLOCK - 1];
}
static float ours_clip_i32(void)
{
    atoll_clip_i32(w_out, BLOCK, -900.0f, 900.0f);
    return (float)w_out[BLOCK - 1];
}
static float theirs_clip_i32(void)
{
    arm_clip_q31(w, (q31_t *)theirs_out, -900, 900, BLOCK);
    return (float)((q31_t *)theirs_out)[BLOCK - 1];
}
static float ours_clip_i16(void) { return chunk_i16(), ours_clip_i32(); }
static float theirs_clip_i16(void)
{
    arm_clip_q15(h, h_out, -900, 900, BLOCK);
    return (float)h_out[BLOCK - 1];
}

static float ours_scale_f32(void) { return atoll_scale_f32(out, BLOCK, 0.3f, 7.0f), out[BLOCK - 1]; }
static float theirs_scale_f32(void)
{
    arm_scale_f32(f, 0.3f, theirs_out, BLOCK);
    arm_offset_f32(theirs_out, 7.0f, theirs_out, BLOCK);
    return theirs_out[BLOCK - 1];
}
static float ours_scale_i32(void)
{
    atoll_scale_i32(w_out, out, BLOCK, 1.0f / 2147483648.0f, 0.0f);
    return out[BLOCK - 1];
}
static float theirs_scale_i32(void) { return arm_q31_to_float(w, theirs_out, BLOCK), theirs_out[BLOCK - 1]; }
static float ours_scale_i16(void)
{
    chunk_i16();
    atoll_scale_i32(w_out, out, BLOCK, 1.0f / 32768.0f, 0.0f);
    return out[BLOCK - 1];
}
static float theirs_scale_i16(void) { return arm_q15_to_float(h, theirs_out, BLOCK), theirs_out[BLOCK - 1]; }

static float ours_diff_f32(void)
{
    struct atoll_delay s = {0, {0}};
    return out[atoll_diff_f32(&s, out, BLOCK) - 1u];
}
static float theirs_diff_f32(void)
{
    arm_sub_f32(f + 1, f, theirs_out, BLOCK - 1);
    return theirs_out[BLOCK - 2];
}
static float ours_diff_i32(void)
{
    struct atoll_delay s = {0, {0}};
    return (float)w_out[atoll_diff_i32(&s, w_out, BLOCK) - 1u];
}
static float theirs_diff_i32(void)
{
    arm_sub_q31(w + 1, w, (q31_t *)theirs_out, BLOCK - 1);
    return (float)((q31_t *)theirs_out)[BLOCK - 2];
}
static float ours_diff_i16(void) { return chunk_i16(), ours_diff_i32(); }
static float theirs_diff_i16(void)
{
    arm_sub_q15(h + 1, h, h_out, BLOCK - 1);
    return (float)h_out[BLOCK - 2];
}

/* Both with their lines full, as in the middle of a stream. */
static float ours_fir_f32(void)
{
    atoll_fir_f32(&delay_line.line, fir_words, TAPS, out, BLOCK);
    return out[BLOCK - 1];
}
static float theirs_fir_f32(void) { return arm_fir_f32(&fir, f, theirs_out, BLOCK), theirs_out[BLOCK - 1]; }

static float ours_biquad_f32(void)
{
    atoll_sections_f32(sections, biquad_words, 5 * SECTIONS, out, BLOCK);
    return out[BLOCK - 1];
}
static float theirs_biquad_f32(void)
{
    arm_biquad_cascade_df2T_f32(&biquad, f, theirs_out, BLOCK);
    return theirs_out[BLOCK - 1];
}

/* --- frames ------------------------------------------------------------------------------------- */

static void window_f32(void) { memcpy(out, f, FFT * sizeof(float)); }

static float ours_taper_f32(void) { return atoll_taper_run(table, out, FFT), out[100]; }
static float theirs_taper_f32(void)
{
    arm_mult_f32(f, table, theirs_out, FFT);
    return theirs_out[100];
}

static float ours_spectrum_f32(void) { return atoll_spectrum_run(out, FFT, table), out[9]; }
static float theirs_spectrum_f32(void)
{
    arm_rfft_fast_f32(&rfft, out, theirs_out, 0);
    arm_cmplx_mag_squared_f32(theirs_out, theirs_out, FFT / 2);
    arm_scale_f32(theirs_out, 2.0f / ((float)FFT * (float)FFT), theirs_out, FFT / 2);
    return theirs_out[9];
}

/* ------------------------------------------------------------------------------------------------ */

/* Ours reads the first half of the weights, theirs all. */
static void taper_table(void)
{
    uint32_t k;
    window_f32();
    atoll_taper_init(table, 0, FFT);
    for (k = 1; k < FFT / 2; k++) {
        table[FFT - k] = table[k];
    }
}
static void fft_table(void) { window_f32(), atoll_spectrum_init(table, FFT); }
static void none(void) {}

typedef struct pair {
    work ours;
    work theirs;
    void (*before)(void); /* not counted; before each of both */
    float within;         /* relative, of the larger */
} pair;

#define PAIR(name, before, within) {ours_##name, theirs_##name, before, within},

static const pair pairs[] = {
    PAIR(mean_f32, none, 1e-3f)
    PAIR(mean_i16, none, 0.1f)
    PAIR(mean_i32, none, 1e-4f)
    PAIR(rms_f32, none, 1e-5f)
    PAIR(rms_i16, none, 0.02f)
    PAIR(rms_i32, none, 1e-4f)
    PAIR(peak_f32, none, 0.0f)
    PAIR(peak_i16, none, 0.0f)
    PAIR(peak_i32, none, 0.0f)
    PAIR(p2p_f32, none, 0.0f)
    PAIR(p2p_i16, none, 0.0f)
    PAIR(p2p_i32, none, 1e-6f)
    PAIR(minmax_f32, none, 0.0f)
    PAIR(minmax_i16, none, 0.0f)
    PAIR(minmax_i32, none, 0.0f)
    PAIR(autocorr_f32, none, 1e-3f)
    PAIR(abs_f32, chunk_f32, 0.0f)
    PAIR(abs_i16, none, 0.0f)
    PAIR(abs_i32, chunk_i32, 0.0f)
    PAIR(clip_f32, chunk_f32, 0.0f)
    PAIR(clip_i16, none, 0.0f)
    PAIR(clip_i32, chunk_i32, 0.0f)
    PAIR(scale_f32, chunk_f32, 1e-6f)
    PAIR(scale_i16, none, 0.0f)
    PAIR(scale_i32, chunk_i32, 0.0f)
    PAIR(diff_f32, chunk_f32, 0.0f)
    PAIR(diff_i16, none, 0.0f)
    PAIR(diff_i32, chunk_i32, 0.0f)
    PAIR(fir_f32, chunk_f32, 1e-3f)
    PAIR(biquad_f32, chunk_f32, 1e-3f)
    PAIR(taper_f32, taper_table, 1e-6f)
    PAIR(spectrum_f32, fft_table, 1e-3f)
};

static uint32_t random_word(void)
{
    static uint32_t word = 2463534242u;
    word ^= word << 13;
    word ^= word >> 17;
    word ^= word << 5;
    return word;
}

static void prepare(void)
{
    uint32_t k;
    for (k = 0; k < N; k++) {
        h[k] = (int16_t)(random_word() >> 18);
        h[k] = (int16_t)(h[k] - 6000);
        w[k] = (int32_t)random_word() >> 5; /* squares of 256 such stay in their 63 bits */
        f[k] = (float)h[k] * 0.37f;
    }
    for (k = 0; k < TAPS; k++) {
        taps_back[TAPS - 1u - k] = (float)(k + 1u) * 0.01f;
        fir_words[k] = atoll_bits((float)(k + 1u) * 0.01f);
    }
    delay_line.line.filled = TAPS - 1;
    for (k = 0; k < SECTIONS; k++) {
        static const float given[5] = {0.2f, 0.4f, 0.2f, -0.5f, 0.3f};
        uint32_t j;
        for (j = 0; j < 5u; j++) {
            biquad_words[5u * k + j] = atoll_bits(given[j]);
            biquad_coeffs[5u * k + j] = j < 3u ? given[j] : -given[j];
        }
    }
    arm_fir_init_f32(&fir, TAPS, taps_back, fir_state, BLOCK);
    arm_biquad_cascade_df2T_init_f32(&biquad, SECTIONS, biquad_coeffs, biquad_state);
    (void)arm_rfft_fast_init_256_f32(&rfft);
}

static float counted(work each)
{
    float given;
    image_mark();
    given = each();
    image_mark();
    return given;
}

static float nothing(void) { return 0.0f; }

int main(void)
{
    uint32_t k;
    prepare();
    (void)counted(nothing);
    for (k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
        float ours, theirs, apart, most;
        pairs[k].before();
        ours = counted(pairs[k].ours);
        pairs[k].before();
        theirs = counted(pairs[k].theirs);
        apart = ours > theirs ? ours - theirs : theirs - ours;
        most = ours < 0.0f ? -ours : ours;
        if (!(apart <= pairs[k].within * most)) {
            return (int)k + 1;
        }
    }
    return 0;
}
