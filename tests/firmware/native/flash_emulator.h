/* NOR flash in memory: programs clear bits, a unit is programmed once, pages are erased whole.
 *
 * Power can fail before, during and after any program or erase, pages can be bad, bits can rot.
 * Whatever a log must not do (program a unit twice, leave the region, misalign) is counted. */
#ifndef ATOLL_TEST_FLASH_EMULATOR_H
#define ATOLL_TEST_FLASH_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "flash.h"

enum { EMULATOR_BYTES_MAX = 16384, EMULATOR_PAGES_MAX = 32 };

/* How much of a program or erase happens when the power fails in it. */
enum tear {
    TEAR_NOTHING,  /* the cut came before */
    TEAR_PREFIX,   /* bytes in order, the last one in part */
    TEAR_BITS,     /* each bit on its own: the part's own buffering and charge pumps */
    TEAR_BYTES,    /* each byte on its own, in no order */
    TEAR_BUT_LAST, /* all but the last byte */
    TEAR_WHOLE,    /* the cut came after */
    TEARS
};

enum fault {
    FAULT_NONE,
    FAULT_PROGRAM_ERROR,
    FAULT_PROGRAM_IGNORED,
    FAULT_ERASE_ERROR,
    FAULT_ERASE_IGNORED,
    FAULT_READ_ERROR
};

typedef struct emulator {
    uint8_t bytes[EMULATOR_BYTES_MAX];
    uint32_t erases[EMULATOR_PAGES_MAX];
    atoll_flash port;
    uint64_t random;
    uint64_t operations; /* programs and erases so far */
    uint64_t read_bytes;
    uint64_t cut_at; /* the operation in which the power fails; UINT64_MAX: none */
    enum tear tear;
    bool off; /* the power has failed: nothing has an effect any more */
    uint32_t violations;
    enum fault fault; /* of page `bad_page` */
    uint32_t bad_page;
    /* Called before every operation, with what it is going to do; may be NULL. */
    void (*before)(void *watcher, const struct emulator *self, uint32_t address,
                   const uint8_t *data, uint32_t size);
    void *watcher;
} emulator;

/* Blank flash of this geometry. */
void emulator_start(emulator *self, uint32_t page_size, uint16_t page_count, uint16_t unit,
                    uint64_t seed);

/* The same flash after a power cut: the bytes of `from`, the power back on. */
void emulator_copy(emulator *self, const emulator *from);

/* Do what a torn operation does: `data` NULL is an erase of `size` bytes. */
void emulator_tear(emulator *self, uint32_t address, const uint8_t *data, uint32_t size,
                   enum tear tear);

#endif
