/* Bytes that could be had again, at a price: on a page of flash of their own, under the key of what
 * made them. A power cut at any time leaves them whole, or not there. */
#ifndef ATOLL_KEPT_H
#define ATOLL_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flash.h"

enum {
    ATOLL_KEPT_KEY = 16, /* bytes of a key */
    ATOLL_KEPT_MORE = ATOLL_KEPT_KEY + 4 + 31 /* what they may take of the page beside themselves */
};

/* Whether the page has `size` bytes under this key; else `data` holds nothing of use. */
bool atoll_kept_read(const atoll_flash *flash, uint32_t page, const uint8_t *key, void *data,
                     size_t size);

/* Keep them in place of what was there; whether the flash says that it did. */
bool atoll_kept_write(const atoll_flash *flash, uint32_t page, const uint8_t *key,
                      const void *data, size_t size);

#endif
