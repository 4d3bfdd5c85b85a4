/* How the flash log's pages look: heads, records, checksums. For flashlog.c only.
 *
 * A page: its head twice, then records. A record: a head of 16 bytes (size, kind, type, sequence,
 * CRC), and unless it is an acknowledgement a body (data, CRC). Heads and bodies begin and end with
 * program units. All numbers are little-endian. */
#ifndef ATOLL_LOGPAGE_H
#define ATOLL_LOGPAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "flashlog.h"

enum { ATOLL_LOGPAGE_HEAD = 28, ATOLL_LOGPAGE_RECORD_HEAD = 16 };

/* Types of records: far apart in bits, so that no single flip makes one of another. */
enum {
    ATOLL_LOGPAGE_DATA = 0x0F,
    ATOLL_LOGPAGE_ACKNOWLEDGE = 0x33,
    ATOLL_LOGPAGE_REPLACE = 0x55 /* data that acknowledges all before it */
};

typedef struct atoll_logpage_record {
    uint64_t sequence;
    uint32_t offset;
    uint32_t extent;
    uint32_t crc; /* of the head: seeds the body's */
    uint16_t size;
    uint8_t kind;
    uint8_t type;
} atoll_logpage_record;

/* Whether the port's sizes are within the log's bounds. */
bool atoll_logpage_fits(const atoll_flash *flash);

/* `size` in whole program units. */
uint32_t atoll_logpage_rounded(const atoll_flash *flash, uint32_t size);

/* The offset of a page's first record. */
uint32_t atoll_logpage_start(const atoll_flash *flash);

/* The bytes that a record takes. */
uint32_t atoll_logpage_extent(const atoll_flash *flash, uint8_t type, uint32_t size);

bool atoll_logpage_read(const atoll_flashlog *log, uint16_t page, uint32_t offset, void *to,
                        uint32_t size);

/* The offset behind the last byte that is not blank, in whole units. */
uint32_t atoll_logpage_end(const atoll_flashlog *log, uint16_t page);

/* The page's head, from whichever of its copies is sound. */
bool atoll_logpage_read_head(const atoll_flashlog *log, uint16_t page, uint8_t *head);
bool atoll_logpage_write_head(atoll_flashlog *log, uint16_t page, uint32_t order);

/* The next record head at or behind `offset`; what lies between is torn or rotten. */
bool atoll_logpage_find(const atoll_flashlog *log, uint16_t page, uint32_t offset,
                        atoll_logpage_record *record);

bool atoll_logpage_is_sound(const atoll_flashlog *log, uint16_t page,
                            const atoll_logpage_record *record);

/* Write `record` at the end of the current page, where there is room for it; it takes up its room
 * whether that succeeds or not. */
bool atoll_logpage_write(atoll_flashlog *log, atoll_logpage_record *record, const uint8_t *data);

#endif
