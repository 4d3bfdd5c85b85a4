/* Watchdog of the nRF51 (reference manual, chapter 24); QEMU does not have it. */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define WATCHDOG(offset) ATOLL_REGISTER(0x40010000u + (offset))
#define RESET_REASON ATOLL_REGISTER(0x40000400u) /* chapter 12 */

enum { BY_WATCHDOG = 1 << 1 };

void atoll_watchdog_start(void)
{
    WATCHDOG(0x504) = 2u * 32768u - 1u; /* two seconds */
    WATCHDOG(0x508) = 1;                /* one request register */
    WATCHDOG(0x50C) = 1;                /* runs while the core sleeps, not while it is debugged */
    WATCHDOG(0x000) = 1;
}

bool atoll_watchdog_bit(void)
{
    bool bit = (RESET_REASON & BY_WATCHDOG) != 0u;
    RESET_REASON = BY_WATCHDOG; /* else it is there at the next boot, too */
    return bit;
}

void atoll_watchdog_feed(void)
{
    WATCHDOG(0x600) = 0x6E524635u;
}
