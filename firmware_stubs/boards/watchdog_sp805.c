/* Watchdog SP805 and its twins (ARM DDI 0270; CMSDK: DDI 0479, section 4.4): at the end of the first
 * period it calls (NMI or an interrupt), at the end of the second it resets. */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define LOAD ATOLL_REGISTER(ATOLL_CHIP_WATCHDOG + 0x000u)
#define CONTROL ATOLL_REGISTER(ATOLL_CHIP_WATCHDOG + 0x008u)
#define CLEAR ATOLL_REGISTER(ATOLL_CHIP_WATCHDOG + 0x00Cu)
#define LOCK ATOLL_REGISTER(ATOLL_CHIP_WATCHDOG + 0xC00u)

void atoll_watchdog_start(void)
{
    LOCK = 0x1ACCE551u;
    LOAD = ATOLL_CHIP_WATCHDOG_HZ * 2u;
    CONTROL = 3; /* call, and reset */
    LOCK = 0;
#ifdef ATOLL_CHIP_WATCHDOG_IRQ
    atoll_nvic_enable(ATOLL_CHIP_WATCHDOG_IRQ);
#endif
}

bool atoll_watchdog_bit(void)
{
    return false; /* it has called before */
}

void atoll_watchdog_feed(void)
{
    LOCK = 0x1ACCE551u;
    CLEAR = 1;
    LOCK = 0;
}
