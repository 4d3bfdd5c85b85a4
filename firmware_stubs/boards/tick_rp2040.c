/* Time by the timer of the RP2040 (data sheet, chapter 4.6): 64 bits of microseconds, which go on while
 * flash is programmed and no interrupt comes. Its alarm 0 is the tick. */
#include "board.h"
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define TIMER(offset) ATOLL_REGISTER(0x40054000u + (offset))
#define ALARM0 TIMER(0x10)
#define TIME_HIGH TIMER(0x24)
#define TIME_LOW TIMER(0x28)
#define RAISED TIMER(0x34)
#define ENABLE_ALSO TIMER(0x2038) /* sets bits, and leaves the others */

enum { TICK_US = 10000, OURS = 1 };

void atoll_tick_interrupt(void)
{
    RAISED = OURS;
    ALARM0 = TIME_LOW + TICK_US;
}

void atoll_tick_start(void)
{
    ENABLE_ALSO = OURS;
    atoll_nvic_enable(ATOLL_CHIP_TICK_IRQ);
    ALARM0 = TIME_LOW + TICK_US;
}

uint64_t atoll_board_now_ms(void)
{
    uint32_t high, low;
    do {
        high = TIME_HIGH;
        low = TIME_LOW;
    } while (high != TIME_HIGH);
    return ((uint64_t)high << 32 | low) / 1000u;
}
