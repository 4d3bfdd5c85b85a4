/* The port to a region of flash that a log may use alone: what a board has to provide.
 *
 * Addresses count from the start of the region. The log calls `program` with address and size in
 * whole units, programs a unit at most once between two erases of its page (so that flash with an
 * error code per unit can be used), and never programs across the end of a page.
 *
 * Where flash cannot be written (some emulated boards), the port may be RAM that a reset leaves
 * alone; then a power cut does lose the log, and the board's page in the documentation says so. */
#ifndef ATOLL_FLASH_H
#define ATOLL_FLASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct atoll_flash {
    /* Each returns 0 when all of it was done, a negative number when any of it was not. After a
     * failed `program` or `erase` the content of what was named is undefined, and nothing else is
     * touched. `erase` leaves all bytes of the page 0xFF; `program` can only clear bits. They may
     * block for as long as the part needs; the port feeds the watchdog meanwhile if it must. */
    int (*read)(void *context, uint32_t address, void *data, size_t size);
    int (*program)(void *context, uint32_t address, const void *data, size_t size);
    int (*erase)(void *context, uint32_t page);
    void *context;
    uint32_t page_size; /* bytes that `erase` erases; a multiple of `unit` */
    uint16_t page_count;
    uint16_t unit; /* bytes that `program` programs at least: a power of two */
} atoll_flash;

#endif
