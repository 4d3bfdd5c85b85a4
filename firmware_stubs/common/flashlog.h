/* A log of records on flash: the outbox, and with `replace` the numbers that must never go back.
 *
 * Promises. A record is there, whole and in its place, from the moment `append` returned OK until
 * `acknowledge` names it or a later one, whatever happens to the power; a record whose `append`
 * never returned is either whole or not there. What `acknowledge` returned OK for does not come
 * back. Sequence numbers grow by one and are not used twice. A damaged record is never handed out;
 * it is counted, and its neighbours are still found.
 *
 * How. Pages are used round robin, each with its order, the acknowledged sequence and the next one
 * in its head (twice, against a rotten bit). A record is a 16-byte head with a CRC of its own and a
 * body closed by a CRC; both CRCs are seeded with the page's order and the record's offset, so that
 * no stale byte reads as a record. An acknowledgement is a head without a body. A page is erased
 * only when all its records are acknowledged, and that fact lies in another page. A torn record is
 * stepped over; writing goes on behind it.
 *
 * The last page that could be erased is kept for acknowledgements: a full log can always be
 * emptied. A page must hold a record and its heads; that is the bound on a record's size. */
#ifndef ATOLL_FLASHLOG_H
#define ATOLL_FLASHLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flash.h"

enum {
    ATOLL_FLASHLOG_OK = 0,
    ATOLL_FLASHLOG_FULL = -1,    /* no room until older records are acknowledged; nothing changed */
    ATOLL_FLASHLOG_RANGE = -2,   /* a record too large for a page, or a sequence not yet given */
    ATOLL_FLASHLOG_SMALL = -3,   /* the caller's buffer is smaller than the record */
    ATOLL_FLASHLOG_IO = -4,      /* the flash failed on every page that was tried */
    ATOLL_FLASHLOG_GEOMETRY = -5 /* the port's sizes are outside the bounds below */
};

enum {
    ATOLL_FLASHLOG_PAGES_MIN = 3, /* one written, one with live records, one for acknowledgements */
    ATOLL_FLASHLOG_UNIT_MAX = 32, /* the widest program unit of known parts (STM32H7) */
    ATOLL_FLASHLOG_PAGE_MIN = 256 /* heads and one record of use */
};

/* What the log remembers of a page; the caller owns one for each. */
typedef struct atoll_flashlog_page {
    uint64_t last;  /* highest sequence of a record in it; 0: none */
    uint32_t order; /* grows with each page taken into use; 0: not in use */
    uint32_t end;   /* offset behind the last byte that is not blank, in whole units */
    bool bad;       /* refused an erase or its head since the log was opened */
} atoll_flashlog_page;

typedef struct atoll_flashlog {
    const atoll_flash *flash;
    atoll_flashlog_page *pages;
    uint64_t next;  /* the sequence that the next record gets; the first one is 1 */
    uint64_t acked; /* records up to this one are acknowledged */
    uint32_t order; /* of the current page; 0: none yet */
    uint16_t current;
    bool closed;     /* the current page refused a record: nothing more is written to it */
    uint32_t torn;   /* records or heads found unfinished or damaged since the log was opened */
    uint32_t lost;   /* sequences that were given, not acknowledged, and are not there */
    uint32_t faults; /* programs and erases that failed or read back otherwise */
} atoll_flashlog;

typedef struct atoll_flashlog_cursor {
    uint64_t sequence; /* of the last record read */
    uint32_t order;
    uint32_t offset;
} atoll_flashlog_cursor;

typedef struct atoll_flashlog_record {
    uint64_t sequence;
    size_t size;
    uint32_t lost; /* sequences missing between the record before (or the cursor) and this one */
    uint8_t kind;
} atoll_flashlog_record;

/* Find what is on the flash; `pages` has `flash->page_count` elements and, like `flash`, outlives
 * the log. Writes nothing. Reads each byte of the region at most a fixed number of times. */
int atoll_flashlog_open(atoll_flashlog *log, const atoll_flash *flash, atoll_flashlog_page *pages);

/* Add a record; its number goes to `*sequence` (may be NULL). `kind` is the caller's. */
int atoll_flashlog_append(atoll_flashlog *log, uint8_t kind, const void *data, size_t size,
                          uint64_t *sequence);

/* Add a record and acknowledge all before it, in one step that happens whole or not at all. */
int atoll_flashlog_replace(atoll_flashlog *log, uint8_t kind, const void *data, size_t size,
                           uint64_t *sequence);

/* Delete the records up to `sequence`. FULL (after many power cuts in acknowledgements only): the
 * records are still there; a later acknowledgement that frees a page succeeds. */
int atoll_flashlog_acknowledge(atoll_flashlog *log, uint64_t sequence);

/* Point `cursor` before the oldest record that is not acknowledged. */
void atoll_flashlog_rewind(const atoll_flashlog *log, atoll_flashlog_cursor *cursor);

/* Read the next record that is not acknowledged: 1 and the record, 0 at the end, or an error.
 * `data` NULL: its size and number only. After SMALL, `record->size` says what is needed and the
 * cursor has not moved. At the end `record->lost` counts what is missing there. */
int atoll_flashlog_next(atoll_flashlog *log, atoll_flashlog_cursor *cursor,
                        atoll_flashlog_record *record, void *data, size_t size);

/* Records given and not acknowledged. */
uint64_t atoll_flashlog_backlog(const atoll_flashlog *log);

/* The largest record that a page of this flash can hold. */
size_t atoll_flashlog_size_max(const atoll_flash *flash);

#endif
