/* Clocks and pins of the LM3S6965 (data sheet, chapters 5 and 9). */
#include "cortexm.h"
#include "port.h"

#define SYSCTL(offset) ATOLL_REGISTER(0x400FE000u + (offset))
#define GPIOA(offset) ATOLL_REGISTER(0x40004000u + (offset))

void atoll_clock_start(void)
{
    SYSCTL(0x060) = 0x07C00540u | 0xFu << 23; /* PLL (200 MHz) by 16, from the 8 MHz crystal */
    SYSCTL(0x100) |= 1u << 3;                 /* watchdog */
    SYSCTL(0x104) |= 1u;                      /* UART0 */
    SYSCTL(0x108) |= 1u;                      /* port A */
    GPIOA(0x420) |= 3u;                       /* PA0, PA1: the UART's */
    GPIOA(0x51C) |= 3u;
}
