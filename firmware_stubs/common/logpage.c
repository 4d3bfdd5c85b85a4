#include "logpage.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

enum {
    BODY_CRC = 4,
    CHUNK = 32, /* bytes on the stack when flash is compared or summed up */
    SIZE_MAX_FIELD = 65535
};

static const uint32_t MAGIC = 0x4C465441u; /* "ATFL"; another format takes another magic */

/* --- geometry -------------------------------------------------------------------------------- */

uint32_t atoll_logpage_rounded(const atoll_flash *flash, uint32_t size)
{
    return (size + flash->unit - 1u) & ~((uint32_t)flash->unit - 1u);
}

uint32_t atoll_logpage_start(const atoll_flash *flash)
{
    return 2u * atoll_logpage_rounded(flash, ATOLL_LOGPAGE_HEAD);
}

uint32_t atoll_logpage_extent(const atoll_flash *flash, uint8_t type, uint32_t size)
{
    uint32_t head = atoll_logpage_rounded(flash, ATOLL_LOGPAGE_RECORD_HEAD);
    return type == ATOLL_LOGPAGE_ACKNOWLEDGE ? head
                                             : head + atoll_logpage_rounded(flash, size + BODY_CRC);
}

bool atoll_logpage_fits(const atoll_flash *flash)
{
    uint32_t unit = flash->unit;
    return unit >= 1u && unit <= ATOLL_FLASHLOG_UNIT_MAX && (unit & (unit - 1u)) == 0u &&
           flash->page_size >= ATOLL_FLASHLOG_PAGE_MIN && flash->page_size % unit == 0u &&
           flash->page_count >= ATOLL_FLASHLOG_PAGES_MIN &&
           flash->page_size <= UINT32_MAX / flash->page_count;
}

size_t atoll_flashlog_size_max(const atoll_flash *flash)
{
    uint32_t room = flash->page_size - atoll_logpage_start(flash) -
                    atoll_logpage_rounded(flash, ATOLL_LOGPAGE_RECORD_HEAD) - BODY_CRC;
    return room < SIZE_MAX_FIELD ? room : SIZE_MAX_FIELD;
}

/* --- flash, one page at a time --------------------------------------------------------------- */

bool atoll_logpage_read(const atoll_flashlog *log, uint16_t page, uint32_t offset, void *to,
                        uint32_t size)
{
    const atoll_flash *flash = log->flash;
    return size == 0u ||
           flash->read(flash->context, page * flash->page_size + offset, to, size) == 0;
}

/* Program and read back: a part that ignores or spoils a program is found out here. */
static bool write_at(atoll_flashlog *log, uint16_t page, uint32_t offset, const uint8_t *from,
                     uint32_t size)
{
    const atoll_flash *flash = log->flash;
    uint8_t seen[CHUNK];
    if (size == 0u) {
        return true;
    }
    if (flash->program(flash->context, page * flash->page_size + offset, from, size) != 0) {
        return false;
    }
    for (uint32_t at = 0; at < size; at += CHUNK) {
        uint32_t some = size - at < CHUNK ? size - at : CHUNK;
        if (!atoll_logpage_read(log, page, offset + at, seen, some) ||
            memcmp(seen, from + at, some) != 0) {
            return false;
        }
    }
    return true;
}

/* The offset behind the last byte that is not blank, in whole units. */
uint32_t atoll_logpage_end(const atoll_flashlog *log, uint16_t page)
{
    uint8_t seen[CHUNK];
    uint32_t end = log->flash->page_size;
    while (end > 0u) {
        uint32_t some = end % CHUNK != 0u ? end % CHUNK : CHUNK;
        if (!atoll_logpage_read(log, page, end - some, seen, some)) {
            return atoll_logpage_rounded(log->flash, end);
        }
        for (; some > 0u; some--, end--) {
            if (seen[some - 1u] != 0xFFu) {
                return atoll_logpage_rounded(log->flash, end);
            }
        }
    }
    return 0;
}

/* --- heads ----------------------------------------------------------------------------------- */

static uint32_t page_crc(const atoll_flash *flash, const uint8_t *head)
{
    uint8_t geometry[8];
    atoll_bytes_put_le32(geometry, flash->page_size);
    atoll_bytes_put_le16(geometry + 4, flash->page_count);
    atoll_bytes_put_le16(geometry + 6, flash->unit);
    return atoll_crc32c_update(atoll_crc32c_update(0, geometry, sizeof geometry), head,
                               ATOLL_LOGPAGE_HEAD - 4);
}

bool atoll_logpage_read_head(const atoll_flashlog *log, uint16_t page, uint8_t *head)
{
    for (uint32_t copy = 0; copy < 2u; copy++) {
        uint32_t offset = copy * atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_HEAD);
        if (atoll_logpage_read(log, page, offset, head, ATOLL_LOGPAGE_HEAD) &&
            atoll_bytes_le32(head) == MAGIC &&
            atoll_bytes_le32(head + 24) == page_crc(log->flash, head) &&
            atoll_bytes_le32(head + 4) != 0u) {
            return true;
        }
    }
    return false;
}

bool atoll_logpage_write_head(atoll_flashlog *log, uint16_t page, uint32_t order)
{
    uint8_t head[2 * ATOLL_FLASHLOG_UNIT_MAX];
    uint32_t extent = atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_HEAD);
    memset(head, 0xFF, sizeof head);
    atoll_bytes_put_le32(head, MAGIC);
    atoll_bytes_put_le32(head + 4, order);
    atoll_bytes_put_le64(head + 8, log->next);
    atoll_bytes_put_le64(head + 16, log->acked);
    atoll_bytes_put_le32(head + 24, page_crc(log->flash, head));
    return write_at(log, page, 0, head, extent) && write_at(log, page, extent, head, extent);
}

static uint32_t record_crc(uint32_t order, uint32_t offset, const uint8_t *head)
{
    uint8_t place[8];
    atoll_bytes_put_le32(place, order);
    atoll_bytes_put_le32(place + 4, offset);
    return atoll_crc32c_update(atoll_crc32c_update(0, place, sizeof place), head,
                               ATOLL_LOGPAGE_RECORD_HEAD - 4);
}

static bool read_record_head(const atoll_flashlog *log, uint16_t page, uint32_t offset,
                             atoll_logpage_record *record)
{
    uint8_t head[ATOLL_LOGPAGE_RECORD_HEAD];
    if (offset + ATOLL_LOGPAGE_RECORD_HEAD > log->flash->page_size ||
        !atoll_logpage_read(log, page, offset, head, ATOLL_LOGPAGE_RECORD_HEAD)) {
        return false;
    }
    record->crc = atoll_bytes_le32(head + 12);
    record->size = atoll_bytes_le16(head);
    record->kind = head[2];
    record->type = head[3];
    record->sequence = atoll_bytes_le64(head + 4);
    record->offset = offset;
    record->extent = atoll_logpage_extent(log->flash, record->type, record->size);
    return record->crc == record_crc(log->pages[page].order, offset, head) &&
           record->extent <= log->flash->page_size - offset;
}

/* The next record head at or behind `offset`; what lies between is torn or rotten. */
bool atoll_logpage_find(const atoll_flashlog *log, uint16_t page, uint32_t offset,
                        atoll_logpage_record *record)
{
    for (; offset < log->pages[page].end; offset += log->flash->unit) {
        if (read_record_head(log, page, offset, record)) {
            return true;
        }
    }
    return false;
}

bool atoll_logpage_is_sound(const atoll_flashlog *log, uint16_t page,
                            const atoll_logpage_record *record)
{
    uint8_t seen[CHUNK];
    uint32_t crc = record->crc;
    uint32_t at = record->offset + atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_RECORD_HEAD);
    uint32_t left = record->size;
    if (record->type == ATOLL_LOGPAGE_ACKNOWLEDGE) {
        return true;
    }
    while (left > 0u) {
        uint32_t some = left < CHUNK ? left : CHUNK;
        if (!atoll_logpage_read(log, page, at, seen, some)) {
            return false;
        }
        crc = atoll_crc32c_update(crc, seen, some);
        at += some;
        left -= some;
    }
    return atoll_logpage_read(log, page, at, seen, BODY_CRC) && atoll_bytes_le32(seen) == crc;
}

static bool write_body(atoll_flashlog *log, const atoll_logpage_record *record, const uint8_t *data)
{
    uint8_t tail[2 * ATOLL_FLASHLOG_UNIT_MAX];
    uint32_t offset = record->offset + atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_RECORD_HEAD);
    uint32_t whole = record->size & ~((uint32_t)log->flash->unit - 1u);
    uint32_t rest = record->size - whole;
    uint32_t crc = atoll_crc32c_update(record->crc, data, record->size);
    memset(tail, 0xFF, sizeof tail);
    if (rest > 0u) {
        memcpy(tail, data + whole, rest);
    }
    atoll_bytes_put_le32(tail + rest, crc);
    return write_at(log, log->current, offset, data, whole) &&
           write_at(log, log->current, offset + whole, tail,
                    atoll_logpage_rounded(log->flash, rest + BODY_CRC));
}

/* Write `record` at the end of the current page, where there is room for it. */
bool atoll_logpage_write(atoll_flashlog *log, atoll_logpage_record *record, const uint8_t *data)
{
    uint8_t head[ATOLL_FLASHLOG_UNIT_MAX];
    atoll_flashlog_page *entry = &log->pages[log->current];
    memset(head, 0xFF, sizeof head);
    record->offset = entry->end;
    atoll_bytes_put_le16(head, record->size);
    head[2] = record->kind;
    head[3] = record->type;
    atoll_bytes_put_le64(head + 4, record->sequence);
    record->crc = record_crc(entry->order, record->offset, head);
    atoll_bytes_put_le32(head + 12, record->crc);
    entry->end += record->extent;
    return write_at(log, log->current, record->offset, head,
                    atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_RECORD_HEAD)) &&
           (record->type == ATOLL_LOGPAGE_ACKNOWLEDGE || write_body(log, record, data));
}
