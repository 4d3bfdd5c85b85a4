/* Time by SysTick: an interrupt every 10 ms, and between two of them the counter. */
#include "board.h"
#include "chip.h"
#include "cortexm.h"
#include "port.h"

enum { TICK_MS = 10 };

static volatile uint64_t ticks;

void atoll_tick_interrupt(void)
{
    ticks++;
}

void atoll_tick_start(void)
{
    ATOLL_SYST_RVR = ATOLL_CHIP_HZ / 1000u * TICK_MS - 1u;
    ATOLL_SYST_CVR = 0;
    ATOLL_SYST_CSR = 7;
}

uint64_t atoll_board_now_ms(void)
{
    static uint64_t newest;
    uint32_t before = atoll_interrupts_off();
    uint64_t whole = ticks;
    uint32_t left = ATOLL_SYST_CVR;
    if ((ATOLL_ICSR & 1u << 26) != 0u) { /* a tick is due that was not counted yet */
        whole++;
        left = ATOLL_SYST_CVR;
    }
    atoll_interrupts_restore(before);
    whole = whole * TICK_MS + (ATOLL_SYST_RVR - left) / (ATOLL_CHIP_HZ / 1000u);
    newest = whole > newest ? whole : newest;
    return newest;
}
