/* Time by TIMER0 (nRF51 reference manual, chapter 18): the nRF51 has no SysTick. It counts
 * microseconds and is never set: an erase of flash stops the core for two ticks (flash_nrf51.c), and a
 * time that counted interrupts would fall behind by one of them each time. */
#include "board.h"
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define TIMER(offset) ATOLL_REGISTER(0x40008000u + (offset))
#define START TIMER(0x000)
#define CAPTURE1 TIMER(0x044)
#define COMPARE0 TIMER(0x140)
#define INTENSET TIMER(0x304)
#define BITMODE TIMER(0x508)
#define PRESCALER TIMER(0x510)
#define CC0 TIMER(0x540)
#define CC1 TIMER(0x544)

enum { TICK_US = 10000, US_PER_MS = 1000 };

static uint64_t now_ms;
static uint32_t counted; /* the counter at `now_ms`: it overflows each 71 minutes, and ticks come oftener */

/* With interrupts off, or in one. */
static void count(void)
{
    uint32_t whole;
    CAPTURE1 = 1;
    whole = (CC1 - counted) / US_PER_MS;
    now_ms += whole;
    counted += whole * US_PER_MS;
}

/* The next tick is behind the time of this one, however late this one is. */
void atoll_tick_interrupt(void)
{
    COMPARE0 = 0;
    count();
    CC0 = CC1 + TICK_US;
}

void atoll_tick_start(void)
{
    BITMODE = 3;   /* 32 bits */
    PRESCALER = 4; /* 16 MHz / 2**4 */
    CC0 = TICK_US;
    INTENSET = 1u << 16;
    atoll_nvic_enable(ATOLL_CHIP_TICK_IRQ);
    START = 1;
}

uint64_t atoll_board_now_ms(void)
{
    uint32_t before = atoll_interrupts_off();
    uint64_t now;
    count();
    now = now_ms;
    atoll_interrupts_restore(before);
    return now;
}
