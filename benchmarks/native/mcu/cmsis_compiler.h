/* What CMSIS-DSP's sources expect of CMSIS-Core's header of this name, over GCC's <arm_acle.h>: the
 * same instructions by their ACLE names. Only what the functions that are compared use. */
#ifndef ATOLL_CMSIS_COMPILER_H
#define ATOLL_CMSIS_COMPILER_H

#include <arm_acle.h>
#include <stdint.h>

#define __ASM __asm
#define __INLINE inline
#define __STATIC_INLINE static inline
#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline
#define __ALIGNED(x) __attribute__((aligned(x)))
#define __WEAK __attribute__((weak))
#define __PACKED __attribute__((packed))
#define __RESTRICT __restrict
#define __COMPILER_BARRIER() __asm volatile("" ::: "memory")

__STATIC_FORCEINLINE uint8_t __CLZ(uint32_t value)
{
    return value == 0u ? 32u : (uint8_t)__builtin_clz(value);
}

#if defined(__ARM_FEATURE_SAT)
#define __SSAT(value, bits) __ssat(value, bits)
#define __USAT(value, bits) __usat(value, bits)
#else
__STATIC_FORCEINLINE int32_t __SSAT(int32_t value, uint32_t bits)
{
    const int32_t most = (int32_t)((1u << (bits - 1u)) - 1u);
    return value > most ? most : value < -1 - most ? -1 - most : value;
}
__STATIC_FORCEINLINE uint32_t __USAT(int32_t value, uint32_t bits)
{
    const int32_t most = (int32_t)((1u << bits) - 1u);
    return value > most ? (uint32_t)most : value < 0 ? 0u : (uint32_t)value;
}
#endif

#define __ROR(value, by) __ror(value, by)

#if defined(__ARM_FEATURE_DSP)
#define __QADD(a, b) __qadd(a, b)
#define __QSUB(a, b) __qsub(a, b)
#define __QADD16(a, b) ((uint32_t)__qadd16((int16x2_t)(a), (int16x2_t)(b)))
#define __QSUB16(a, b) ((uint32_t)__qsub16((int16x2_t)(a), (int16x2_t)(b)))
#define __QADD8(a, b) ((uint32_t)__qadd8((int8x4_t)(a), (int8x4_t)(b)))
#define __QSUB8(a, b) ((uint32_t)__qsub8((int8x4_t)(a), (int8x4_t)(b)))
#define __SHADD16(a, b) ((uint32_t)__shadd16((int16x2_t)(a), (int16x2_t)(b)))
#define __SHSUB16(a, b) ((uint32_t)__shsub16((int16x2_t)(a), (int16x2_t)(b)))
#define __QASX(a, b) ((uint32_t)__qasx((int16x2_t)(a), (int16x2_t)(b)))
#define __QSAX(a, b) ((uint32_t)__qsax((int16x2_t)(a), (int16x2_t)(b)))
#define __SHASX(a, b) ((uint32_t)__shasx((int16x2_t)(a), (int16x2_t)(b)))
#define __SHSAX(a, b) ((uint32_t)__shsax((int16x2_t)(a), (int16x2_t)(b)))
#define __SMUAD(a, b) ((uint32_t)__smuad((int16x2_t)(a), (int16x2_t)(b)))
#define __SMUADX(a, b) ((uint32_t)__smuadx((int16x2_t)(a), (int16x2_t)(b)))
#define __SMUSD(a, b) ((uint32_t)__smusd((int16x2_t)(a), (int16x2_t)(b)))
#define __SMUSDX(a, b) ((uint32_t)__smusdx((int16x2_t)(a), (int16x2_t)(b)))
#define __SMLAD(a, b, c) ((uint32_t)__smlad((int16x2_t)(a), (int16x2_t)(b), (int32_t)(c)))
#define __SMLADX(a, b, c) ((uint32_t)__smladx((int16x2_t)(a), (int16x2_t)(b), (int32_t)(c)))
#define __SMLSD(a, b, c) ((uint32_t)__smlsd((int16x2_t)(a), (int16x2_t)(b), (int32_t)(c)))
#define __SMLSDX(a, b, c) ((uint32_t)__smlsdx((int16x2_t)(a), (int16x2_t)(b), (int32_t)(c)))
#define __SMLALD(a, b, c) ((uint64_t)__smlald((int16x2_t)(a), (int16x2_t)(b), (int64_t)(c)))
#define __SMLALDX(a, b, c) ((uint64_t)__smlaldx((int16x2_t)(a), (int16x2_t)(b), (int64_t)(c)))
#define __SXTB16(a) ((uint32_t)__sxtb16((int8x4_t)(a)))
#define __PKHBT(a, b, by) (((uint32_t)(a) & 0xFFFFu) | (((uint32_t)(b) << (by)) & 0xFFFF0000u))
#define __PKHTB(a, b, by) (((uint32_t)(a) & 0xFFFF0000u) | (((uint32_t)(b) >> (by)) & 0xFFFFu))
__STATIC_FORCEINLINE int32_t __SMMLA(int32_t a, int32_t b, int32_t c)
{
    return (int32_t)((((int64_t)a * b) >> 32) + c);
}
#endif

#endif
