/* The crystal of the micro:bit (nRF51 reference manual, chapter 13): the UART needs its precision. */
#include "cortexm.h"
#include "port.h"

enum { TRIES = 100000 }; /* some milliseconds: without it the board still runs */

void atoll_clock_start(void)
{
    ATOLL_REGISTER(0x40000000u) = 1; /* HFCLKSTART */
    for (uint32_t tries = 0; tries < TRIES && ATOLL_REGISTER(0x40000100u) == 0u; tries++) {
    }
    ATOLL_REGISTER(0x40000008u) = 1; /* LFCLKSTART: the watchdog's */
}
