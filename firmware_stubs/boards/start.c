/* From the reset to main, and from a fault to the next reset. */
#include <stddef.h>

#include "board.h"
#include "bytes.h"
#include "chip.h"
#include "cortexm.h"
#include "crc32c.h"
#include "port.h"

const char atoll_board_name[] = ATOLL_CHIP_NAME;

extern uint32_t atoll_data_from[], atoll_data_start[], atoll_data_end[];
extern uint32_t atoll_bss_start[], atoll_bss_end[];

int main(void);
void atoll_reset_interrupt(void);

enum { FILL = 0x5A, NMI = 2, GUARD_BYTES = 32, LAST_FRAME = 128, PC_IN_FRAME = 6, LR_IN_FRAME = 5 };

/* What a reset leaves alone; `crc` over what stands before it tells it from what power brings. */
struct kept {
    uint32_t boots;
    uint32_t cause; /* of the boot to come */
    uint32_t pc;
    uint32_t lr;
    uint32_t status;
    uint32_t address;
    uint32_t crc;
};

static struct kept kept __attribute__((section(".noinit")));
static atoll_board_story story;

/* A handler of a fault has no stack to trust: it brings its own. */
static uint64_t fault_stack[16];

typedef union vector {
    void (*handler)(void);
    const void *stack;
} vector;

const vector atoll_vectors[16 + ATOLL_CHIP_IRQS] __attribute__((section(".vectors"), used)) = {
    [0] = {.stack = atoll_stack_top},
    [1] = {.handler = atoll_reset_interrupt},
    [2] = {.handler = atoll_fault_interrupt}, /* NMI: the watchdog's warning */
    [3] = {.handler = atoll_fault_interrupt},
    [4] = {.handler = atoll_fault_interrupt},
    [5] = {.handler = atoll_fault_interrupt},
    [6] = {.handler = atoll_fault_interrupt},
    [7] = {.handler = atoll_fault_interrupt},
    [15] = {.handler = atoll_tick_interrupt},
#ifdef ATOLL_CHIP_TICK_IRQ
    [16 + ATOLL_CHIP_TICK_IRQ] = {.handler = atoll_tick_interrupt},
#endif
#ifdef ATOLL_CHIP_WATCHDOG_IRQ
    [16 + ATOLL_CHIP_WATCHDOG_IRQ] = {.handler = atoll_fault_interrupt},
#endif
    [16 + ATOLL_CHIP_UART_IRQ] = {.handler = atoll_uart_interrupt},
#ifdef ATOLL_CHIP_SAMPLES_IRQ
    [16 + ATOLL_CHIP_SAMPLES_IRQ] = {.handler = atoll_samples_interrupt},
#endif
#ifdef ATOLL_CHIP_ETHERNET_IRQ
    [16 + ATOLL_CHIP_ETHERNET_IRQ] = {.handler = atoll_ethernet_interrupt},
#endif
};

static uint32_t kept_crc(void)
{
    return atoll_crc32c_update(0x41544F4Cu, &kept, offsetof(struct kept, crc));
}

/* --- reset ----------------------------------------------------------------------------------- */

/* A bite that nothing warned of, with the stack used to its last frame: what overflowed had no room for
 * the fault's registers, and the core stood still. */
static uint32_t cause_of_bite(void)
{
    const volatile uint8_t *at = (const uint8_t *)atoll_stack_bottom;
    const volatile uint8_t *end = at + LAST_FRAME;
    while (at < end && *at == FILL) {
        at++;
    }
    return at == end ? ATOLL_BOARD_WATCHDOG : ATOLL_BOARD_STACK;
}

static void recall(void)
{
    bool bit = atoll_watchdog_bit();
    if (kept.crc != kept_crc()) {
        kept = (struct kept){.cause = ATOLL_BOARD_POWER};
    } else if (kept.cause == ATOLL_BOARD_RESET && bit) {
        kept.cause = cause_of_bite();
    }
    story = (atoll_board_story){.boots = kept.boots + 1u,
                                .cause = kept.cause,
                                .pc = kept.pc,
                                .lr = kept.lr,
                                .status = kept.status,
                                .address = kept.address};
    kept = (struct kept){.boots = story.boots, .cause = ATOLL_BOARD_RESET};
    kept.crc = kept_crc();
}

/* The stack lies at the bottom of RAM: what overflows leaves RAM. Where that goes unseen (a bus that
 * answers everything), the MPU or the stack limit sees it. */
static void guard_stack(void)
{
#if defined ATOLL_CHIP_STACK_LIMIT
    __asm__ volatile("msr msplim, %0" : : "r"(atoll_stack_bottom));
    ATOLL_SHCSR |= 7u << 16;
#elif defined ATOLL_CHIP_MPU && defined __ARM_ARCH_6M__
    ATOLL_MPU_RNR = 0;
    ATOLL_MPU_RBAR = (uint32_t)(uintptr_t)atoll_guard_bottom;
    ATOLL_MPU_RASR = 1u << 28 | 0xFEu << 8 | 7u << 1 | 1u; /* the first 32 of 256 bytes, as below */
    ATOLL_MPU_CTRL = 5;
    __asm__ volatile("dsb\n isb" : : : "memory");
#elif defined ATOLL_CHIP_MPU
    ATOLL_MPU_RNR = 0;
    ATOLL_MPU_RBAR = (uint32_t)(uintptr_t)atoll_guard_bottom;
    ATOLL_MPU_RASR = 1u << 28 | 4u << 1 | 1u; /* 32 bytes, no access, no execution */
    ATOLL_MPU_CTRL = 5;                       /* on; elsewhere the default map */
    ATOLL_SHCSR |= 7u << 16;
    __asm__ volatile("dsb\n isb" : : : "memory");
#endif
}

void atoll_reset_interrupt(void)
{
    volatile uint32_t *to = atoll_data_start;
    for (const uint32_t *from = atoll_data_from; to < atoll_data_end;) {
        *to++ = *from++;
    }
    for (to = atoll_bss_start; to < atoll_bss_end;) {
        *to++ = 0;
    }
#ifdef ATOLL_CHIP_FPU
    ATOLL_CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n isb" : : : "memory");
#endif
    recall();
    main();
    atoll_board_reset();
}

static void fill_stack(void)
{
    volatile uint8_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    for (volatile uint8_t *at = (volatile uint8_t *)atoll_stack_bottom; at < top - 64; at++) {
        *at = FILL;
    }
}

void atoll_board_start(void)
{
    fill_stack();
    guard_stack();
    atoll_clock_start();
    atoll_watchdog_start();
    atoll_tick_start();
    atoll_uart_start();
}

const atoll_board_story *atoll_board_story_of_boot(void)
{
    return &story;
}

void atoll_board_reset(void)
{
    __asm__ volatile("dsb" : : : "memory");
#ifdef ATOLL_CHIP_RESETS_ITSELF
    atoll_watchdog_reset();
#else
    ATOLL_AIRCR = 0x05FA0004u;
#endif
    for (;;) {
    }
}

void atoll_board_idle(void)
{
    __asm__ volatile("wfi");
}

void atoll_board_feed(void)
{
    atoll_watchdog_feed();
}

uint32_t atoll_board_stack_used(void)
{
    const uint8_t *at = (const uint8_t *)atoll_stack_bottom;
    while (at < (const uint8_t *)atoll_stack_top && *at == FILL) {
        at++;
    }
    return (uint32_t)((const uint8_t *)atoll_stack_top - at);
}

uint32_t atoll_board_stack_size(void)
{
    return (uint32_t)((const uint8_t *)atoll_stack_top - (const uint8_t *)atoll_stack_bottom);
}

/* --- fault ----------------------------------------------------------------------------------- */

static uint32_t cause_of(uint32_t number, uint32_t frame)
{
    uint32_t bottom = (uint32_t)(uintptr_t)atoll_stack_bottom;
#ifdef ATOLL_CHIP_WATCHDOG_IRQ
    if (number == 16u + ATOLL_CHIP_WATCHDOG_IRQ) {
        return ATOLL_BOARD_WATCHDOG;
    }
#endif
    if (number == NMI) {
        return ATOLL_BOARD_WATCHDOG;
    }
    return frame < bottom + GUARD_BYTES ? ATOLL_BOARD_STACK : ATOLL_BOARD_FAULT;
}

/* `frame` is where the core put the registers, if there was room for them. */
__attribute__((used)) void atoll_fault_record(const uint32_t *frame);

void atoll_fault_record(const uint32_t *frame)
{
    uint32_t at = (uint32_t)(uintptr_t)frame;
    uint32_t top = (uint32_t)(uintptr_t)atoll_stack_top;
    kept.cause = cause_of(ATOLL_ICSR & 0x1FFu, at);
    if (at >= (uint32_t)(uintptr_t)atoll_stack_bottom && at + GUARD_BYTES <= top) {
        kept.lr = frame[LR_IN_FRAME];
        kept.pc = frame[PC_IN_FRAME];
    }
#if (defined ATOLL_CHIP_MPU || defined ATOLL_CHIP_STACK_LIMIT) && !defined __ARM_ARCH_6M__
    kept.status = ATOLL_CFSR;
    kept.address = ATOLL_MMFAR;
    if ((kept.status & 0x00100010u) != 0u) { /* STKOF, or stacking hit the guard */
        kept.cause = ATOLL_BOARD_STACK;
    }
#endif
    kept.crc = kept_crc();
    atoll_board_reset();
}

__attribute__((naked)) void atoll_fault_interrupt(void)
{
    __asm__ volatile("mrs r0, msp\n"
                     "ldr r1, =%c0\n"
                     "mov sp, r1\n"
                     "ldr r1, =atoll_fault_record\n"
                     "bx r1\n"
                     ".ltorg\n"
                     :
                     : "i"(fault_stack + 16));
}
