/* Time by TIMER0 (nRF51 reference manual, chapter 18): the nRF51 has no SysTick. It counts
 * microseconds and starts anew every 10 ms. */
#include "board.h"
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define TIMER(offset) ATOLL_REGISTER(0x40008000u + (offset))
#define START TIMER(0x000)
#define CAPTURE1 TIMER(0x044)
#define COMPARE0 TIMER(0x140)
#define SHORTS TIMER(0x200)
#define INTENSET TIMER(0x304)
#define BITMODE TIMER(0x508)
#define PRESCALER TIMER(0x510)
#define CC0 TIMER(0x540)
#define CC1 TIMER(0x544)

enum { TICK_MS = 10 };

static volatile uint64_t ticks;

void atoll_tick_interrupt(void)
{
    COMPARE0 = 0;
    ticks++;
}

void atoll_tick_start(void)
{
    BITMODE = 0;   /* 16 bits */
    PRESCALER = 4; /* 16 MHz / 2**4 */
    CC0 = TICK_MS * 1000u;
    SHORTS = 1; /* clear at compare */
    INTENSET = 1u << 16;
    atoll_nvic_enable(ATOLL_CHIP_TICK_IRQ);
    START = 1;
}

uint64_t atoll_board_now_ms(void)
{
    static uint64_t newest;
    uint32_t before = atoll_interrupts_off();
    uint64_t whole = ticks;
    CAPTURE1 = 1;
    if (COMPARE0 != 0u) { /* a tick is due that was not counted yet */
        whole++;
        CAPTURE1 = 1;
    }
    atoll_interrupts_restore(before);
    whole = whole * TICK_MS + CC1 / 1000u;
    newest = whole > newest ? whole : newest;
    return newest;
}
