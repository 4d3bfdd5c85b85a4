/* Independent watchdog of the STM32F4 (RM0090, chapter 21); QEMU does not have it. */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define KEY ATOLL_REGISTER(0x40003000u)
#define PRESCALER ATOLL_REGISTER(0x40003004u)
#define RELOAD ATOLL_REGISTER(0x40003008u)
#define RESET_REASON ATOLL_REGISTER(0x40023874u) /* RCC_CSR, chapter 7.3.21 */

enum { BY_WATCHDOG = 1 << 29, FORGET = 1 << 24 };

void atoll_watchdog_start(void)
{
    KEY = 0x5555u;
    PRESCALER = 4;  /* 32 kHz / 64 */
    RELOAD = 1000u; /* two seconds */
    KEY = 0xCCCCu;
}

bool atoll_watchdog_bit(void)
{
    bool bit = (RESET_REASON & BY_WATCHDOG) != 0u;
    RESET_REASON |= FORGET; /* else it is there at the next boot, too */
    return bit;
}

void atoll_watchdog_feed(void)
{
    KEY = 0xAAAAu;
}
