/* How the RP2040 reads its flash (data sheet, chapter 4.10): the command 03h that every flash chip of
 * this kind knows, one bit at a time at 31 MHz. Used by the second stage, and after flash was
 * programmed; always inlined, for neither may call what lies on flash. */
#ifndef ATOLL_SSI_RP2040_H
#define ATOLL_SSI_RP2040_H

#include "cortexm.h"

#define ATOLL_SSI(offset) ATOLL_REGISTER(0x18000000u + (offset))

__attribute__((always_inline)) static inline void atoll_ssi_start(void)
{
    ATOLL_SSI(0x008) = 0;                                    /* off, to be set up */
    ATOLL_SSI(0x014) = 4;                                    /* the system's clock by 4; even */
    ATOLL_SSI(0x000) = 31u << 16 | 3u << 8;                  /* 32 bits a frame; write, then read */
    ATOLL_SSI(0x0F4) = 0x03u << 24 | 2u << 8 | 24u / 4u << 2; /* 03h, 8 bits; 24 bits of address */
    ATOLL_SSI(0x004) = 0;                                    /* one frame at a time */
    ATOLL_SSI(0x008) = 1;
}

#endif
