/* Registers of the Cortex-M core that the ports use (ARMv6-M, v7-M and v8-M architecture manuals). */
#ifndef ATOLL_CORTEXM_H
#define ATOLL_CORTEXM_H

#include <stdint.h>

#define ATOLL_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define ATOLL_SYST_CSR ATOLL_REGISTER(0xE000E010u)
#define ATOLL_SYST_RVR ATOLL_REGISTER(0xE000E014u)
#define ATOLL_SYST_CVR ATOLL_REGISTER(0xE000E018u)
#define ATOLL_NVIC_ISER(irq) ATOLL_REGISTER(0xE000E100u + 4u * ((irq) / 32u))
#define ATOLL_ICSR ATOLL_REGISTER(0xE000ED04u)
#define ATOLL_AIRCR ATOLL_REGISTER(0xE000ED0Cu)
#define ATOLL_SHCSR ATOLL_REGISTER(0xE000ED24u)
#define ATOLL_CFSR ATOLL_REGISTER(0xE000ED28u)
#define ATOLL_MMFAR ATOLL_REGISTER(0xE000ED34u)
#define ATOLL_CPACR ATOLL_REGISTER(0xE000ED88u)
#define ATOLL_MPU_CTRL ATOLL_REGISTER(0xE000ED94u)
#define ATOLL_MPU_RNR ATOLL_REGISTER(0xE000ED98u)
#define ATOLL_MPU_RBAR ATOLL_REGISTER(0xE000ED9Cu)
#define ATOLL_MPU_RASR ATOLL_REGISTER(0xE000EDA0u)

static inline void atoll_nvic_enable(uint32_t irq)
{
    ATOLL_NVIC_ISER(irq) = 1u << irq % 32u;
}

static inline uint32_t atoll_interrupts_off(void)
{
    uint32_t before;
    __asm__ volatile("mrs %0, primask\n cpsid i" : "=r"(before) : : "memory");
    return before;
}

static inline void atoll_interrupts_restore(uint32_t before)
{
    __asm__ volatile("msr primask, %0" : : "r"(before) : "memory");
}

#endif
