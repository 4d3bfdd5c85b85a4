/* What the portable kernels assume of the compiler and the machine, checked at compile time,
 * and the few operations that Cython cannot say: bits of a float, selects, the float mode.
 *
 * Both builds include this file: the Linux extension and the amalgamation for
 * microcontrollers. C99, no library beyond <string.h> (memcpy) and sqrtf. */
#ifndef ATOLL_PLATFORM_H
#define ATOLL_PLATFORM_H

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "atoll: only little-endian machines are supported (partials and streams are)"
#endif
#if defined(__FAST_MATH__)
#error "atoll: -ffast-math breaks the numeric contract (docs/numerics.md)"
#endif
#if defined(__FMA__) && defined(__GNUC__) && !defined(__clang__)
/* With -mfma GCC 12 fuses alternating additions and subtractions (the butterflies of an FFT become
 * vfmaddsub) under -ffp-contract=off too: the spectrum's bits would differ. */
#pragma GCC target("no-fma")
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "atoll: float expressions must be evaluated in float (use SSE, not x87)"
#endif

#define ATOLL_ASSUME(name, claim) typedef char atoll_assume_##name[(claim) ? 1 : -1]
ATOLL_ASSUME(byte_is_8_bits, CHAR_BIT == 8);
ATOLL_ASSUME(float_is_binary32, sizeof(float) == 4 && FLT_RADIX == 2 && FLT_MANT_DIG == 24);
ATOLL_ASSUME(float_reaches_2_127, FLT_MAX_EXP == 128 && FLT_MIN_EXP == -125);
ATOLL_ASSUME(shift_of_negative_is_arithmetic, ((-3) >> 1) == -2);
ATOLL_ASSUME(shift_of_negative_64_is_arithmetic, (((int64_t)-3) >> 1) == -2);
ATOLL_ASSUME(int_is_32_bits, sizeof(int) == 4);

/* Where the compiler is to save space (-Os), or ATOLL_SMALL says so, loops stand for unrolled code
 * and short routines of the parts for those of the compiler's library; the bits are the same. */
#ifndef ATOLL_SMALL
#ifdef __OPTIMIZE_SIZE__
#define ATOLL_SMALL 1
#else
#define ATOLL_SMALL 0
#endif
#endif

/* Square roots in integers where there is no instruction for them and space is short. */
#if ATOLL_SMALL && defined(__SOFTFP__)
#define ATOLL_SOFT_ROOT 1
#else
#define ATOLL_SOFT_ROOT 0
#endif

/* Bits of x: 0 for 0, 64 for 2^63 and above. */
static inline uint32_t atoll_length(uint64_t x) {
#if ATOLL_SMALL || !defined(__GNUC__)
    uint32_t n = 0;
    for (; x != 0u; x >>= 1) {
        n++;
    }
    return n;
#else
    return x == 0u ? 0u : 64u - (uint32_t)__builtin_clzll(x);
#endif
}

#define ATOLL_LOW32 UINT64_C(0xFFFFFFFF)
#define ATOLL_SIGNS UINT64_C(0x8000800080008000) /* of four i16 */
#define ATOLL_HASH UINT32_C(0x9E3779B1) /* 2^32 over the golden ratio (Knuth 6.4) */

/* The finalizer of MurmurHash3, 64 bit (A. Appleby): a bijection in which each bit of the input
 * changes each bit of the output with probability near 1/2. */
static inline uint64_t atoll_mix(uint64_t x) {
    x = (x ^ (x >> 33)) * UINT64_C(0xFF51AFD7ED558CCD);
    x = (x ^ (x >> 33)) * UINT64_C(0xC4CEB9FE1A85EC53);
    return x ^ (x >> 33);
}

static inline uint32_t atoll_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float atoll_float(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* A vector of ATOLL_WIDE floats: as many as the machine computes on at a time, one where it has no
 * such vectors with IEEE 754's rules. Its operators work by element, so that sums in 16 lanes are
 * the same bits whatever the width. */
#if defined(__AVX__)
#define ATOLL_WIDE 8
#elif defined(__SSE2__) || defined(__aarch64__)
#define ATOLL_WIDE 4
#else
#define ATOLL_WIDE 1
#endif
#if ATOLL_WIDE > 1
typedef float atoll_vector __attribute__((vector_size(4 * ATOLL_WIDE)));
#else
typedef float atoll_vector;
#endif

#define ATOLL_PARTS (16 / ATOLL_WIDE) /* vectors of the 16 lanes (lanes.pxi) */

static inline atoll_vector atoll_load(const float *x) {
    atoll_vector v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline void atoll_store(float *x, atoll_vector v) { memcpy(x, &v, sizeof v); }

static inline atoll_vector atoll_splat(float x) {
#if ATOLL_WIDE == 8
    return (atoll_vector){x, x, x, x, x, x, x, x};
#elif ATOLL_WIDE == 4
    return (atoll_vector){x, x, x, x};
#else
    return x;
#endif
}

/* Whether there is stack and flash to spare: paths for many samples at a time, which give the same
 * bits as the short ones, are then compiled, too. */
#ifndef ATOLL_ROOMY
#if defined(__linux__) || defined(__APPLE__)
#define ATOLL_ROOMY 1
#else
#define ATOLL_ROOMY 0
#endif
#endif

/* Elements of an array on the stack that only a roomy machine uses. */
#define ATOLL_SPARE(n) (ATOLL_ROOMY ? (n) : 1)
#define ATOLL_RUN ATOLL_SPARE(2048) /* samples that run through the sample stages at a time */
#define ATOLL_PLANAR ATOLL_SPARE(8192) /* samples of several channels side by side */
#define ATOLL_TALLY_SLOTS ATOLL_SPARE(1024) /* bins that sketch.pxi counts beside the sketch */
#define ATOLL_TALLY_BLOCK ATOLL_SPARE(512)
#define ATOLL_POINTS (ATOLL_ROOMY ? 32768 / ATOLL_WIDE : 16) /* of a spectrum beside others (spectra.pxi) */
#define ATOLL_COUNTERS ATOLL_SPARE(65536) /* values of i16 (counts.pxi) */
#define ATOLL_PROTOTYPES ATOLL_SPARE(64) /* of novelty, side by side */
#define ATOLL_EXPONENTS ATOLL_SPARE(256) /* sums apart by exponent in powers.pxi */

/* Ask for the byte so far behind x, which will be read soon: machines guess within a page only.
 * It need not exist. */
static inline void atoll_expect(const void *x, size_t ahead) {
#if ATOLL_ROOMY && defined(__GNUC__)
    __builtin_prefetch((const void *)((uintptr_t)x + ahead));
#else
    (void)x;
    (void)ahead;
#endif
}

/* By element v where it is below (above) what is kept, else what is kept, as where one is NaN. */
#if ATOLL_WIDE == 8
static inline atoll_vector atoll_least(atoll_vector v, atoll_vector kept) {
    return __builtin_ia32_minps256(v, kept);
}
static inline atoll_vector atoll_most(atoll_vector v, atoll_vector kept) {
    return __builtin_ia32_maxps256(v, kept);
}
#elif ATOLL_WIDE == 4 && defined(__SSE2__)
static inline atoll_vector atoll_least(atoll_vector v, atoll_vector kept) {
    return __builtin_ia32_minps(v, kept);
}
static inline atoll_vector atoll_most(atoll_vector v, atoll_vector kept) {
    return __builtin_ia32_maxps(v, kept);
}
#elif ATOLL_WIDE == 4
typedef int32_t atoll_mask __attribute__((vector_size(16)));
static inline atoll_vector atoll_pick(atoll_mask which, atoll_vector v, atoll_vector kept) {
    return (atoll_vector)((which & (atoll_mask)v) | (~which & (atoll_mask)kept));
}
static inline atoll_vector atoll_least(atoll_vector v, atoll_vector kept) {
    return atoll_pick(v < kept, v, kept);
}
static inline atoll_vector atoll_most(atoll_vector v, atoll_vector kept) {
    return atoll_pick(v > kept, v, kept);
}
#else
static inline atoll_vector atoll_least(atoll_vector v, atoll_vector kept) {
    return v < kept ? v : kept;
}
static inline atoll_vector atoll_most(atoll_vector v, atoll_vector kept) {
    return v > kept ? v : kept;
}
#endif

/* Written as the machines' min and max instructions do it, so that loops of them vectorise:
 * where x is NaN the second operand is the answer. */
static inline float atoll_lesser(float x, float kept) { return x < kept ? x : kept; }
static inline float atoll_greater(float x, float kept) { return x > kept ? x : kept; }

/* The float mode: round to nearest, no flush to zero. A library in the same process may have
 * changed it (a shared object linked with -ffast-math does so when it is loaded). */
#if defined(__SSE__)
static inline uint32_t atoll_mode_enter(void) {
    uint32_t old = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(0x1f80u);
    return old;
}
static inline void atoll_mode_leave(uint32_t old) { __builtin_ia32_ldmxcsr(old); }
#elif defined(__aarch64__)
static inline uint32_t atoll_mode_enter(void) {
    uint64_t old, plain = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(plain));
    return (uint32_t)old;
}
static inline void atoll_mode_leave(uint32_t old) {
    uint64_t wide = old;
    __asm__ volatile("msr fpcr, %0" : : "r"(wide));
}
#elif defined(__ARM_FP) && (__ARM_FP & 4) && !defined(__SOFTFP__)
static inline uint32_t atoll_mode_enter(void) {
    uint32_t old, plain = 0;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(old));
    __asm__ volatile("vmsr fpscr, %0" : : "r"(plain));
    return old;
}
static inline void atoll_mode_leave(uint32_t old) {
    __asm__ volatile("vmsr fpscr, %0" : : "r"(old));
}
#else
static inline uint32_t atoll_mode_enter(void) { return 0; }
static inline void atoll_mode_leave(uint32_t old) { (void)old; }
#endif

#include "lanes.h"
#include "lanes_watch.h"
#include "lanes_layer.h"
#include "lanes_first.h"
#include "lanes_sides.h"
#include "cortexm.h"
#include "user.h"

#endif
