/* Some pages of a flash as a flash of their own: one region, several logs. */
#ifndef ATOLL_FLASH_SLICE_H
#define ATOLL_FLASH_SLICE_H

#include "flash.h"

typedef struct atoll_flash_slice {
    atoll_flash flash; /* what the log gets */
    const atoll_flash *whole;
    uint32_t first; /* page */
} atoll_flash_slice;

/* Pages `first` to `first + count - 1` of `whole`, which has them and outlives the slice. */
void atoll_flash_slice_start(atoll_flash_slice *slice, const atoll_flash *whole, uint32_t first,
                             uint16_t count);

#endif
