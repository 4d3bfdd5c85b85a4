/* Loops that a Cortex-M3 and above runs in fewer instructions than a compiler finds: several loads
 * and stores at a time (ldm, vldm), the DSP instructions on halves of words, saturation.
 *
 * Each function does a part of a kernel's loop, from its start, and says how many samples that were;
 * the kernel's own loop goes on from there. Elsewhere, and where space is short, each says 0. The
 * bits are those of the loops: integers are exact, and floats are added, multiplied and rounded in
 * the same order (vmla rounds its product; it is no fused multiply-add). */
#ifndef ATOLL_CORTEXM_H
#define ATOLL_CORTEXM_H

#if !ATOLL_SMALL && defined(__thumb2__) && __ARM_ARCH_PROFILE == 'M'
#define ATOLL_FAST 1
#else
#define ATOLL_FAST 0
#endif
#if ATOLL_FAST && defined(__ARM_FEATURE_DSP)
#define ATOLL_FAST_DSP 1
#else
#define ATOLL_FAST_DSP 0
#endif
#if ATOLL_FAST && defined(__ARM_FP) && (__ARM_FP & 4) && !defined(__SOFTFP__)
#define ATOLL_FAST_VFP 1
#else
#define ATOLL_FAST_VFP 0
#endif

/* Whether the lanes of a float sum have loops of their own. */
#if ATOLL_FAST_VFP || (!ATOLL_SMALL && defined(__arm__) && defined(__SOFTFP__))
#define ATOLL_FAST_LANES 1
#else
#define ATOLL_FAST_LANES 0
#endif

#define ATOLL_S0_15 "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", \
                    "s13", "s14", "s15"
#define ATOLL_S16_31 "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26",   \
                     "s27", "s28", "s29", "s30", "s31"

#if ATOLL_FAST_VFP
#define ATOLL_EACH_LANE(f)                                                                         \
    f(0, 16) f(1, 17) f(2, 18) f(3, 19) f(4, 20) f(5, 21) f(6, 22) f(7, 23) f(8, 24) f(9, 25)      \
        f(10, 26) f(11, 27) f(12, 28) f(13, 29) f(14, 30) f(15, 31)
#define ATOLL_LANE_ADD(a, x) "vadd.f32 s" #a ", s" #a ", s" #x "\n\t"
#define ATOLL_LANE_SQUARE(a, x) "vmla.f32 s" #a ", s" #x ", s" #x "\n\t"

/* The 16 lanes in 16 registers, the next 16 samples in the others. */
#define ATOLL_LANES(name, step)                                                                    \
    static inline size_t name(float *lane, const float *x, size_t n) {                             \
        size_t blocks = n / 16u;                                                                   \
        if (blocks) {                                                                              \
            __asm__ volatile("vldmia %[lane], {s0-s15}\n\t"                                        \
                             "1:\n\t"                                                              \
                             "vldmia %[x]!, {s16-s31}\n\t" ATOLL_EACH_LANE(step)                   \
                             "subs %[blocks], %[blocks], #1\n\t"                                   \
                             "bne 1b\n\t"                                                          \
                             "vstmia %[lane], {s0-s15}"                                            \
                             : [x] "+r"(x), [blocks] "+r"(blocks)                                  \
                             : [lane] "r"(lane)                                                    \
                             : ATOLL_S0_15, ATOLL_S16_31, "cc", "memory");                         \
        }                                                                                          \
        return n & ~(size_t)15u;                                                                   \
    }
ATOLL_LANES(atoll_fast_sum, ATOLL_LANE_ADD)
ATOLL_LANES(atoll_fast_squares, ATOLL_LANE_SQUARE)

/* As float, times by, plus add: 8 at a time. */
static inline size_t atoll_fast_scale_i32(const int32_t *x, float *out, size_t n, float by, float add) {
    size_t blocks = n / 8u;
    register float factor __asm__("s16") = by;
    register float term __asm__("s17") = add;
#define ATOLL_SCALE(k)                                                                             \
    "vcvt.f32.s32 s" #k ", s" #k "\n\tvmul.f32 s" #k ", s" #k ", %[by]\n\tvadd.f32 s" #k ", s" #k  \
    ", %[add]\n\t"
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "vldmia %[x]!, {s0-s7}\n\t" ATOLL_SCALE(0) ATOLL_SCALE(1) ATOLL_SCALE(2)
                             ATOLL_SCALE(3) ATOLL_SCALE(4) ATOLL_SCALE(5) ATOLL_SCALE(6)
                                 ATOLL_SCALE(7) "vstmia %[out]!, {s0-s7}\n\t"
                                                "subs %[blocks], %[blocks], #1\n\t"
                                                "bne 1b"
                         : [x] "+r"(x), [out] "+r"(out), [blocks] "+r"(blocks)
                         : [by] "t"(factor), [add] "t"(term)
                         : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "cc", "memory");
    }
    return n & ~(size_t)7u;
}

/* x[i] = x[i + 1] - x[i], n of them, 8 at a time. */
static inline size_t atoll_fast_diff_f32(float *x, size_t n) {
    size_t blocks = n / 8u;
    if (blocks) {
        const float *ahead = x + 1;
        __asm__ volatile("vldr s0, [%[x]]\n\t"
                         "1:\n\t"
                         "vldmia %[ahead]!, {s1-s8}\n\t"
                         "vsub.f32 s0, s1, s0\n\tvsub.f32 s1, s2, s1\n\tvsub.f32 s2, s3, s2\n\t"
                         "vsub.f32 s3, s4, s3\n\tvsub.f32 s4, s5, s4\n\tvsub.f32 s5, s6, s5\n\t"
                         "vsub.f32 s6, s7, s6\n\tvsub.f32 s7, s8, s7\n\t"
                         "vstmia %[x]!, {s0-s7}\n\t"
                         "vmov.f32 s0, s8\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [ahead] "+r"(ahead), [blocks] "+r"(blocks)
                         :
                         : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "cc", "memory");
    }
    return n & ~(size_t)7u;
}

/* x[i] *= weight[i], 8 at a time. */
static inline size_t atoll_fast_taper(const float *weight, float *x, size_t n) {
    size_t blocks = n / 8u;
#define ATOLL_TIMES(a, b) "vmul.f32 s" #a ", s" #a ", s" #b "\n\t"
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "vldmia %[x], {s0-s7}\n\t"
                         "vldmia %[w]!, {s8-s15}\n\t" ATOLL_TIMES(0, 8) ATOLL_TIMES(1, 9)
                             ATOLL_TIMES(2, 10) ATOLL_TIMES(3, 11) ATOLL_TIMES(4, 12)
                                 ATOLL_TIMES(5, 13) ATOLL_TIMES(6, 14) ATOLL_TIMES(7, 15)
                         "vstmia %[x]!, {s0-s7}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [w] "+r"(weight), [blocks] "+r"(blocks)
                         :
                         : ATOLL_S0_15, "cc", "memory");
    }
    return n & ~(size_t)7u;
}

/* x[i] *= weight[-i], 8 at a time: the mirrored half. */
static inline size_t atoll_fast_taper_back(const float *weight, float *x, size_t n) {
    size_t blocks = n / 8u;
    weight++;
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "vldmia %[x], {s0-s7}\n\t"
                         "vldmdb %[w]!, {s8-s15}\n\t" ATOLL_TIMES(0, 15) ATOLL_TIMES(1, 14)
                             ATOLL_TIMES(2, 13) ATOLL_TIMES(3, 12) ATOLL_TIMES(4, 11)
                                 ATOLL_TIMES(5, 10) ATOLL_TIMES(6, 9) ATOLL_TIMES(7, 8)
                         "vstmia %[x]!, {s0-s7}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [w] "+r"(weight), [blocks] "+r"(blocks)
                         :
                         : ATOLL_S0_15, "cc", "memory");
    }
    return n & ~(size_t)7u;
}

/* One section: y = b0 v + s1, s1 = (b1 v - a1 y) + s2, s2 = b2 v - a2 y; 4 samples at a time.
 * word: b0 b1 b2 a1 a2; state: s1 s2. */
#define ATOLL_SECTION(v, y, old, fresh)                                                            \
    "vmla.f32 s" #old ", s5, s" #v "\n\t"      /* y, in the place of s1 */                         \
    "vmul.f32 s" #fresh ", s6, s" #v "\n\t"    /* b1 v */                                          \
    "vmls.f32 s" #fresh ", s8, s" #old "\n\t"  /* - a1 y */                                        \
    "vadd.f32 s" #fresh ", s" #fresh ", s10\n\t" /* + s2 */                                        \
    "vmul.f32 s10, s7, s" #v "\n\t"            /* b2 v */                                          \
    "vmls.f32 s10, s9, s" #old "\n\t"          /* - a2 y */                                        \
    "vmov.f32 s" #y ", s" #old "\n\t"
static inline size_t atoll_fast_biquad(float *state, const void *word, float *x, size_t n) {
    size_t blocks = n / 4u;
    if (blocks) {
        __asm__ volatile("vldmia %[word], {s5-s9}\n\t"
                         "vldr s11, [%[state]]\n\t"
                         "vldr s10, [%[state], #4]\n\t"
                         "1:\n\t"
                         "vldmia %[x], {s0-s3}\n\t" ATOLL_SECTION(0, 0, 11, 12)
                             ATOLL_SECTION(1, 1, 12, 11) ATOLL_SECTION(2, 2, 11, 12)
                                 ATOLL_SECTION(3, 3, 12, 11) "vstmia %[x]!, {s0-s3}\n\t"
                                                             "subs %[blocks], %[blocks], #1\n\t"
                                                             "bne 1b\n\t"
                                                             "vstr s11, [%[state]]\n\t"
                                                             "vstr s10, [%[state], #4]"
                         : [x] "+r"(x), [blocks] "+r"(blocks)
                         : [word] "r"(word), [state] "r"(state)
                         : ATOLL_S0_15, "cc", "memory");
    }
    return n & ~(size_t)3u;
}

/* Outputs of a FIR, 8 at a time, 8 taps at a time: held[i + keep - k] tap[k], k rising. The samples of
 * 8 taps and 8 outputs are 15. */
#define ATOLL_TAP(h, x0, x1, x2, x3, x4, x5, x6, x7)                                               \
    "vmla.f32 s0, s" #h ", s" #x0 "\n\tvmla.f32 s1, s" #h ", s" #x1 "\n\tvmla.f32 s2, s" #h ", s"   \
    #x2 "\n\tvmla.f32 s3, s" #h ", s" #x3 "\n\tvmla.f32 s4, s" #h ", s" #x4 "\n\tvmla.f32 s5, s"    \
    #h ", s" #x5 "\n\tvmla.f32 s6, s" #h ", s" #x6 "\n\tvmla.f32 s7, s" #h ", s" #x7 "\n\t"
#define ATOLL_FIRST_TAP(h, x0, x1, x2, x3, x4, x5, x6, x7)                                         \
    "vmul.f32 s0, s" #h ", s" #x0 "\n\tvmul.f32 s1, s" #h ", s" #x1 "\n\tvmul.f32 s2, s" #h ", s"   \
    #x2 "\n\tvmul.f32 s3, s" #h ", s" #x3 "\n\tvmul.f32 s4, s" #h ", s" #x4 "\n\tvmul.f32 s5, s"    \
    #h ", s" #x5 "\n\tvmul.f32 s6, s" #h ", s" #x6 "\n\tvmul.f32 s7, s" #h ", s" #x7 "\n\t"
#define ATOLL_LATER_TAPS                                                                           \
    ATOLL_TAP(25, 14, 15, 16, 17, 18, 19, 20, 21)                                                  \
    ATOLL_TAP(26, 13, 14, 15, 16, 17, 18, 19, 20)                                                  \
    ATOLL_TAP(27, 12, 13, 14, 15, 16, 17, 18, 19)                                                  \
    ATOLL_TAP(28, 11, 12, 13, 14, 15, 16, 17, 18)                                                  \
    ATOLL_TAP(29, 10, 11, 12, 13, 14, 15, 16, 17)                                                  \
    ATOLL_TAP(30, 9, 10, 11, 12, 13, 14, 15, 16)                                                   \
    ATOLL_TAP(31, 8, 9, 10, 11, 12, 13, 14, 15)
static inline size_t atoll_fast_fir(const float *held, const void *taps, size_t count, float *out,
                                    size_t outputs) {
    size_t i, keep = count - 1u;
    if (count < 8u) {
        return 0;
    }
    for (i = 0; i + 8u <= outputs; i += 8u) {
        const float *x = held + i + keep - 7u, *tap = (const float *)taps;
        size_t blocks = (count - 8u) / 8u, rest = (count - 8u) % 8u;
        float *to = out + i;
        __asm__ volatile(
            "vldmia %[tap]!, {s24-s31}\n\t"
            "vldmia %[x], {s8-s22}\n\t" ATOLL_FIRST_TAP(24, 15, 16, 17, 18, 19, 20, 21, 22)
                ATOLL_LATER_TAPS "cmp %[blocks], #0\n\t"
                                 "beq 2f\n\t"
                                 "1:\n\t"
                                 "sub %[x], %[x], #32\n\t"
                                 "vldmia %[tap]!, {s24-s31}\n\t"
                                 "vldmia %[x], {s8-s22}\n\t"
                                 "subs %[blocks], %[blocks], #1\n\t"
            ATOLL_TAP(24, 15, 16, 17, 18, 19, 20, 21, 22) ATOLL_LATER_TAPS
            "bne 1b\n\t"
            "2:\n\t"
            "cmp %[rest], #0\n\t"
            "beq 4f\n\t"
            "3:\n\t"
            "sub %[x], %[x], #4\n\t"
            "vldmia %[tap]!, {s24}\n\t"
            "vldmia %[x], {s8-s15}\n\t"
            "subs %[rest], %[rest], #1\n\t" ATOLL_TAP(24, 8, 9, 10, 11, 12, 13, 14, 15)
            "bne 3b\n\t"
            "4:\n\t"
            "vstmia %[to], {s0-s7}"
            : [x] "+r"(x), [tap] "+r"(tap), [blocks] "+r"(blocks), [rest] "+r"(rest)
            : [to] "r"(to)
            : ATOLL_S0_15, ATOLL_S16_31, "cc", "memory");
    }
    return i;
}
#else
/* Lane by lane where there are no such registers: each lane's sum stays in one. */
#if ATOLL_FAST_LANES
#define ATOLL_LANES(name, term)                                                                    \
    static inline size_t name(float *lane, const float *x, size_t n) {                             \
        size_t i, j, end = n & ~(size_t)15u;                                                       \
        for (j = 0; j < 16u; j++) {                                                                \
            float sum = lane[j];                                                                   \
            for (i = j; i < end; i += 16u) {                                                       \
                sum = sum + (term);                                                                \
            }                                                                                      \
            lane[j] = sum;                                                                         \
        }                                                                                          \
        return end;                                                                                \
    }
ATOLL_LANES(atoll_fast_sum, x[i])
ATOLL_LANES(atoll_fast_squares, x[i] * x[i])
#else
#define atoll_fast_sum(lane, x, n) ((size_t)0)
#define atoll_fast_squares(lane, x, n) ((size_t)0)
#endif
#define atoll_fast_scale_i32(x, out, n, by, add) ((size_t)0)
#define atoll_fast_diff_f32(x, n) ((size_t)0)
#define atoll_fast_taper(weight, x, n) ((size_t)0)
#define atoll_fast_taper_back(weight, x, n) ((size_t)0)
#define atoll_fast_biquad(state, word, x, n) ((size_t)0)
#define atoll_fast_fir(held, taps, count, out, outputs) ((size_t)0)
#endif

#if ATOLL_FAST
#define ATOLL_WORDS "r3", "r4", "r5", "r6"

/* The smaller and the larger of what is kept and a word. */
#define ATOLL_BOUND(x)                                                                             \
    "cmp " x ", %[low]\n\tit lt\n\tmovlt %[low], " x "\n\tcmp " x ", %[high]\n\tit gt\n\t"         \
    "movgt %[high], " x "\n\t"
/* Bits of a float in the order of floats (f32_order). */
#define ATOLL_ORDER(x) "asr r8, " x ", #31\n\teor " x ", " x ", r8, lsr #1\n\t"

#define ATOLL_BOUNDS(name, type, each)                                                             \
    static inline size_t name(const type *x, size_t n, int32_t *least, int32_t *most) {            \
        size_t blocks = n / 4u;                                                                    \
        int32_t low = *least, high = *most;                                                        \
        if (blocks) {                                                                              \
            __asm__ volatile("1:\n\t"                                                              \
                             "ldmia %[x]!, {r3-r6}\n\t" each("r3") each("r4") each("r5") each("r6") \
                             "subs %[blocks], %[blocks], #1\n\t"                                   \
                             "bne 1b"                                                              \
                             : [x] "+r"(x), [blocks] "+r"(blocks), [low] "+r"(low),                \
                               [high] "+r"(high)                                                   \
                             :                                                                     \
                             : ATOLL_WORDS, "r8", "cc", "memory");                                 \
        }                                                                                          \
        *least = low;                                                                              \
        *most = high;                                                                              \
        return n & ~(size_t)3u;                                                                    \
    }
#define ATOLL_ORDER_BOUND(x) ATOLL_ORDER(x) ATOLL_BOUND(x)
ATOLL_BOUNDS(atoll_fast_bounds_i32, int32_t, ATOLL_BOUND)
ATOLL_BOUNDS(atoll_fast_bounds_f32, float, ATOLL_ORDER_BOUND)

static inline size_t atoll_fast_sum_i32(const int32_t *x, size_t n, int64_t *total) {
    size_t blocks = n / 4u;
    uint32_t low = (uint32_t)*total, high = (uint32_t)((uint64_t)*total >> 32), one = 1;
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x]!, {r3-r6}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "smlal %[low], %[high], r3, %[one]\n\tsmlal %[low], %[high], r4, %[one]\n\t"
                         "smlal %[low], %[high], r5, %[one]\n\tsmlal %[low], %[high], r6, %[one]\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks), [low] "+r"(low), [high] "+r"(high)
                         : [one] "r"(one)
                         : ATOLL_WORDS, "cc", "memory");
    }
    *total = (int64_t)(((uint64_t)high << 32) | low);
    return n & ~(size_t)3u;
}

/* Sum of squares = low + 2^32 high. Three squares and 62 bits fit in 64; what is above goes to top. */
static inline size_t atoll_fast_squares_i32(const int32_t *x, size_t n, uint64_t *low, uint64_t *high) {
    size_t blocks = n / 6u;
    uint32_t first = 0, second = 0, top = 0;
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x]!, {r3-r6, r8, r9}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "smlal %[first], %[second], r3, r3\n\tsmlal %[first], %[second], r4, r4\n\t"
                         "smlal %[first], %[second], r5, r5\n\t"
                         "add %[top], %[top], %[second], lsr #30\n\t"
                         "bic %[second], %[second], #0xC0000000\n\t"
                         "smlal %[first], %[second], r6, r6\n\tsmlal %[first], %[second], r8, r8\n\t"
                         "smlal %[first], %[second], r9, r9\n\t"
                         "add %[top], %[top], %[second], lsr #30\n\t"
                         "bic %[second], %[second], #0xC0000000\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks), [first] "+r"(first),
                           [second] "+r"(second), [top] "+r"(top)
                         :
                         : ATOLL_WORDS, "r8", "r9", "cc", "memory");
    }
    *low = *low + first;
    *high = *high + second + ((uint64_t)top << 30);
    return n - n % 6u;
}

/* Magnitudes of floats, 4 at a time. */
static inline size_t atoll_fast_abs_f32(float *x, size_t n) {
    size_t blocks = n / 4u;
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x], {r3-r6}\n\t"
                         "bic r3, r3, #0x80000000\n\tbic r4, r4, #0x80000000\n\t"
                         "bic r5, r5, #0x80000000\n\tbic r6, r6, #0x80000000\n\t"
                         "stmia %[x]!, {r3-r6}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks)
                         :
                         : ATOLL_WORDS, "cc", "memory");
    }
    return n & ~(size_t)3u;
}

static inline size_t atoll_fast_clip_i32(int32_t *x, size_t n, int32_t least, int32_t most) {
    size_t blocks = n / 4u;
#define ATOLL_CLIP(x)                                                                              \
    "cmp " x ", %[least]\n\tit lt\n\tmovlt " x ", %[least]\n\tcmp " x ", %[most]\n\tit gt\n\t"     \
    "movgt " x ", %[most]\n\t"
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x], {r3-r6}\n\t" ATOLL_CLIP("r3") ATOLL_CLIP("r4") ATOLL_CLIP("r5")
                             ATOLL_CLIP("r6") "stmia %[x]!, {r3-r6}\n\t"
                                              "subs %[blocks], %[blocks], #1\n\t"
                                              "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks)
                         : [least] "r"(least), [most] "r"(most)
                         : ATOLL_WORDS, "cc", "memory");
    }
    return n & ~(size_t)3u;
}

/* i16 to i32, 4 at a time; x may stand between words. */
static inline size_t atoll_fast_widen(const int16_t *x, int32_t *out, size_t n) {
    size_t blocks = n / 4u;
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldr r4, [%[x]], #4\n\t"
                         "ldr r6, [%[x]], #4\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "sxth r3, r4\n\tasr r4, r4, #16\n\tsxth r5, r6\n\tasr r6, r6, #16\n\t"
                         "stmia %[out]!, {r3-r6}\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [out] "+r"(out), [blocks] "+r"(blocks)
                         :
                         : ATOLL_WORDS, "cc", "memory");
    }
    return n & ~(size_t)3u;
}
#else
#define atoll_fast_bounds_i32(x, n, least, most) ((size_t)0)
#define atoll_fast_bounds_f32(x, n, least, most) ((size_t)0)
#define atoll_fast_sum_i32(x, n, total) ((size_t)0)
#define atoll_fast_squares_i32(x, n, low, high) ((size_t)0)
#define atoll_fast_abs_f32(x, n) ((size_t)0)
#define atoll_fast_clip_i32(x, n, least, most) ((size_t)0)
#define atoll_fast_widen(x, out, n) ((size_t)0)
#endif

#if ATOLL_FAST_DSP
/* Halves of words: the sum in 32 bits, so n is at most 2^16 (SUM_BLOCK). */
static inline size_t atoll_fast_sum_i16(const int16_t *x, size_t n, int32_t *total) {
    size_t blocks = n / 8u;
    int32_t sum = *total;
    uint32_t ones = 0x00010001u;
    if (((uintptr_t)x & 2u) != 0u) {
        return 0;
    }
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x]!, {r3-r6}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "smlad %[sum], r3, %[ones], %[sum]\n\tsmlad %[sum], r4, %[ones], %[sum]\n\t"
                         "smlad %[sum], r5, %[ones], %[sum]\n\tsmlad %[sum], r6, %[ones], %[sum]\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks), [sum] "+r"(sum)
                         : [ones] "r"(ones)
                         : ATOLL_WORDS, "cc", "memory");
    }
    *total = sum;
    return n & ~(size_t)7u;
}

static inline size_t atoll_fast_squares_i16(const int16_t *x, size_t n, uint64_t *total) {
    size_t blocks = n / 8u;
    uint32_t low = (uint32_t)*total, high = (uint32_t)(*total >> 32);
    if (((uintptr_t)x & 2u) != 0u) {
        return 0;
    }
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x]!, {r3-r6}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "smlald %[low], %[high], r3, r3\n\tsmlald %[low], %[high], r4, r4\n\t"
                         "smlald %[low], %[high], r5, r5\n\tsmlald %[low], %[high], r6, r6\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks), [low] "+r"(low), [high] "+r"(high)
                         :
                         : ATOLL_WORDS, "cc", "memory");
    }
    *total = ((uint64_t)high << 32) | low;
    return n & ~(size_t)7u;
}

/* Both halves' extremes side by side: where x less what is kept is not negative, GE is set. */
#define ATOLL_BOUND_HALVES(x)                                                                      \
    "ssub16 r8, " x ", %[low]\n\tsel %[low], %[low], " x "\n\tssub16 r8, " x ", %[high]\n\t"       \
    "sel %[high], " x ", %[high]\n\t"
static inline size_t atoll_fast_bounds_i16(const int16_t *x, size_t n, int16_t *least, int16_t *most) {
    size_t blocks = n / 8u;
    uint32_t low = 0x7FFF7FFFu, high = 0x80008000u;
    if (((uintptr_t)x & 2u) != 0u || blocks == 0u) {
        return 0;
    }
    __asm__ volatile("1:\n\t"
                     "ldmia %[x]!, {r3-r6}\n\t" ATOLL_BOUND_HALVES("r3") ATOLL_BOUND_HALVES("r4")
                         ATOLL_BOUND_HALVES("r5") ATOLL_BOUND_HALVES("r6")
                     "subs %[blocks], %[blocks], #1\n\t"
                     "bne 1b"
                     : [x] "+r"(x), [blocks] "+r"(blocks), [low] "+r"(low), [high] "+r"(high)
                     :
                     : ATOLL_WORDS, "r8", "cc", "memory");
    *least = (int16_t)low < (int16_t)(low >> 16) ? (int16_t)low : (int16_t)(low >> 16);
    *most = (int16_t)high > (int16_t)(high >> 16) ? (int16_t)high : (int16_t)(high >> 16);
    return n & ~(size_t)7u;
}

/* Saturating magnitudes, 4 at a time. */
static inline size_t atoll_fast_abs_i32(int32_t *x, size_t n) {
    size_t blocks = n / 4u;
    int32_t zero = 0;
#define ATOLL_ABS(x) "cmp " x ", #0\n\tit lt\n\tqsublt " x ", %[zero], " x "\n\t"
    if (blocks) {
        __asm__ volatile("1:\n\t"
                         "ldmia %[x], {r3-r6}\n\t" ATOLL_ABS("r3") ATOLL_ABS("r4") ATOLL_ABS("r5")
                             ATOLL_ABS("r6") "stmia %[x]!, {r3-r6}\n\t"
                                             "subs %[blocks], %[blocks], #1\n\t"
                                             "bne 1b"
                         : [x] "+r"(x), [blocks] "+r"(blocks)
                         : [zero] "r"(zero)
                         : ATOLL_WORDS, "cc", "memory");
    }
    return n & ~(size_t)3u;
}

/* x[i] = x[i + 1] - x[i], saturated, n of them, 4 at a time. */
static inline size_t atoll_fast_diff_i32(int32_t *x, size_t n) {
    size_t blocks = n / 4u;
    if (blocks) {
        const int32_t *ahead = x + 1;
        __asm__ volatile("ldr r8, [%[x]]\n\t"
                         "1:\n\t"
                         "ldmia %[ahead]!, {r3-r6}\n\t"
                         "subs %[blocks], %[blocks], #1\n\t"
                         "qsub r8, r3, r8\n\tqsub r3, r4, r3\n\tqsub r4, r5, r4\n\tqsub r5, r6, r5\n\t"
                         "str r8, [%[x]], #4\n\t"
                         "stmia %[x]!, {r3-r5}\n\t"
                         "mov r8, r6\n\t"
                         "bne 1b"
                         : [x] "+r"(x), [ahead] "+r"(ahead), [blocks] "+r"(blocks)
                         :
                         : ATOLL_WORDS, "r8", "cc", "memory");
    }
    return n & ~(size_t)3u;
}
#else
#if !ATOLL_AVX2
#define atoll_fast_sum_i16(x, n, total) ((size_t)0)
#define atoll_fast_squares_i16(x, n, total) ((size_t)0)
#endif
#if !ATOLL_SMALL && defined(__thumb__)
/* In whole registers: the kernel's own loop, made for vectors of i16, extends a sign at each step. */
static inline size_t atoll_fast_bounds_i16(const int16_t *x, size_t n, int16_t *least, int16_t *most) {
    int32_t low = *least, high = *most;
    size_t i;
    for (i = 0; i < n; i++) {
        int32_t v = x[i];
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    *least = (int16_t)low;
    *most = (int16_t)high;
    return n;
}
#else
#define atoll_fast_bounds_i16(x, n, least, most) ((size_t)0)
#endif
#define atoll_fast_abs_i32(x, n) ((size_t)0)
#define atoll_fast_diff_i32(x, n) ((size_t)0)
#endif

#endif
