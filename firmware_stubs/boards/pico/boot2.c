/* The second stage. The boot ROM copies the first 256 bytes of flash to the end of RAM and, if the
 * CRC in the last four is right (boot2.py puts it there), calls them: flash becomes readable in the
 * address space, and the image's vector table behind these bytes is entered as after a reset. */
#include "ssi_rp2040.h"

#define VECTORS 0x10000100u
#define VTOR ATOLL_REGISTER(0xE000ED08u)

void atoll_boot2(void);

__attribute__((noreturn, section(".boot2"))) void atoll_boot2(void)
{
    atoll_ssi_start();
    VTOR = VECTORS;
    __asm__ volatile("msr msp, %0\n"
                     "bx %1\n"
                     :
                     : "l"(ATOLL_REGISTER(VECTORS)), "l"(ATOLL_REGISTER(VECTORS + 4u)));
    __builtin_unreachable();
}
