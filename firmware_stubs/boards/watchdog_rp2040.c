/* Watchdog of the RP2040 (data sheet, chapter 4.7). It has no warning of its own: an alarm of the timer
 * comes a little earlier, and records where the image hangs. Where that cannot come (interrupts are
 * off, the core is locked up), the watchdog says that it was it. */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define WATCHDOG(offset) ATOLL_REGISTER(0x40058000u + (offset))
#define CONTROL WATCHDOG(0x0)
#define LOAD WATCHDOG(0x4)
#define REASON WATCHDOG(0x8)
#define RESETS_ALL_BUT_OSCILLATORS ATOLL_REGISTER(0x40010008u) /* chapter 2.13: WDSEL */
#define TIMER(offset) ATOLL_REGISTER(0x40054000u + (offset))
#define ALARM1 TIMER(0x14)
#define TIME_LOW TIMER(0x28)
#define ENABLE_ALSO TIMER(0x2038)

enum { WARNING_US = 1900000, BITE_US = 2000000, BY_TIMER = 1 };

void atoll_watchdog_start(void)
{
    RESETS_ALL_BUT_OSCILLATORS = 0x1FFFCu;
    atoll_watchdog_feed();
    CONTROL = 1u << 30 | 7u << 24; /* on; not while a debugger has stopped a core */
    ENABLE_ALSO = 2;
    atoll_nvic_enable(ATOLL_CHIP_WATCHDOG_IRQ);
}

void atoll_watchdog_feed(void)
{
    LOAD = 2u * BITE_US; /* erratum RP2040-E1: it counts down two a microsecond */
    ALARM1 = TIME_LOW + WARNING_US;
}

bool atoll_watchdog_bit(void)
{
    return (REASON & BY_TIMER) != 0u;
}

void atoll_watchdog_reset(void)
{
    CONTROL = 1u << 31;
}
