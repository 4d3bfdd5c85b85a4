/* Some pages of a flash as a flash of their own: one region, several logs. Pages that are smaller than
 * what a log asks of a page are taken together. */
#ifndef ATOLL_FLASH_SLICE_H
#define ATOLL_FLASH_SLICE_H

#include "flash.h"

typedef struct atoll_flash_slice {
    atoll_flash flash; /* what the log gets */
    const atoll_flash *whole;
    uint32_t first;    /* page */
    uint32_t together; /* pages of the whole in one of the slice */
} atoll_flash_slice;

/* How many pages of a flash hold so many bytes. */
uint32_t atoll_flash_together(const atoll_flash *whole, uint32_t bytes);

/* `count` pages of at least `page_bytes`, from page `first` of `whole` on, which has them and outlives
 * the slice; the page of `whole` behind them. */
uint32_t atoll_flash_slice_start(atoll_flash_slice *slice, const atoll_flash *whole, uint32_t first,
                                 uint16_t count, uint32_t page_bytes);

#endif
