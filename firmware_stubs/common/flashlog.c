#include "flashlog.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

enum {
    PAGE_HEAD = 28,
    RECORD_HEAD = 16,
    BODY_CRC = 4,
    CHUNK = 32, /* bytes on the stack when flash is compared or summed up */
    SIZE_MAX_FIELD = 65535
};

static const uint32_t MAGIC = 0x4C465441u; /* "ATFL"; another format takes another magic */

/* Far apart in bits, so that no single flip makes one of another. */
enum type { DATA = 0x0F, ACKNOWLEDGE = 0x33, REPLACE = 0x55 };

struct record {
    uint64_t sequence;
    uint32_t offset;
    uint32_t extent;
    uint32_t crc; /* of the head: seeds the body's */
    uint16_t size;
    uint8_t kind;
    uint8_t type;
};

/* --- geometry -------------------------------------------------------------------------------- */

static uint32_t rounded(const atoll_flash *flash, uint32_t size)
{
    return (size + flash->unit - 1u) & ~((uint32_t)flash->unit - 1u);
}

static uint32_t first_offset(const atoll_flash *flash)
{
    return 2u * rounded(flash, PAGE_HEAD);
}

static uint32_t extent_of(const atoll_flash *flash, uint8_t type, uint32_t size)
{
    uint32_t head = rounded(flash, RECORD_HEAD);
    return type == ACKNOWLEDGE ? head : head + rounded(flash, size + BODY_CRC);
}

static bool geometry_fits(const atoll_flash *flash)
{
    uint32_t unit = flash->unit;
    return unit >= 1u && unit <= ATOLL_FLASHLOG_UNIT_MAX && (unit & (unit - 1u)) == 0u &&
           flash->page_size >= ATOLL_FLASHLOG_PAGE_MIN && flash->page_size % unit == 0u &&
           flash->page_count >= ATOLL_FLASHLOG_PAGES_MIN &&
           flash->page_size <= UINT32_MAX / flash->page_count;
}

size_t atoll_flashlog_size_max(const atoll_flash *flash)
{
    uint32_t room = flash->page_size - first_offset(flash) - rounded(flash, RECORD_HEAD) - BODY_CRC;
    return room < SIZE_MAX_FIELD ? room : SIZE_MAX_FIELD;
}

/* --- flash, one page at a time --------------------------------------------------------------- */

static bool read_at(const atoll_flashlog *log, uint16_t page, uint32_t offset, void *to,
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
        if (!read_at(log, page, offset + at, seen, some) || memcmp(seen, from + at, some) != 0) {
            return false;
        }
    }
    return true;
}

/* The offset behind the last byte that is not blank, in whole units. */
static uint32_t written_end(const atoll_flashlog *log, uint16_t page)
{
    uint8_t seen[CHUNK];
    uint32_t end = log->flash->page_size;
    while (end > 0u) {
        uint32_t some = end % CHUNK != 0u ? end % CHUNK : CHUNK;
        if (!read_at(log, page, end - some, seen, some)) {
            return rounded(log->flash, end);
        }
        for (; some > 0u; some--, end--) {
            if (seen[some - 1u] != 0xFFu) {
                return rounded(log->flash, end);
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
                               PAGE_HEAD - 4);
}

static bool read_page_head(const atoll_flashlog *log, uint16_t page, uint8_t *head)
{
    for (uint32_t copy = 0; copy < 2u; copy++) {
        uint32_t offset = copy * rounded(log->flash, PAGE_HEAD);
        if (read_at(log, page, offset, head, PAGE_HEAD) && atoll_bytes_le32(head) == MAGIC &&
            atoll_bytes_le32(head + 24) == page_crc(log->flash, head) &&
            atoll_bytes_le32(head + 4) != 0u) {
            return true;
        }
    }
    return false;
}

static bool write_page_head(atoll_flashlog *log, uint16_t page, uint32_t order)
{
    uint8_t head[2 * ATOLL_FLASHLOG_UNIT_MAX];
    uint32_t extent = rounded(log->flash, PAGE_HEAD);
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
    return atoll_crc32c_update(atoll_crc32c_update(0, place, sizeof place), head, RECORD_HEAD - 4);
}

static bool read_record_head(const atoll_flashlog *log, uint16_t page, uint32_t offset,
                             struct record *record)
{
    uint8_t head[RECORD_HEAD];
    if (offset + RECORD_HEAD > log->flash->page_size ||
        !read_at(log, page, offset, head, RECORD_HEAD)) {
        return false;
    }
    record->crc = atoll_bytes_le32(head + 12);
    record->size = atoll_bytes_le16(head);
    record->kind = head[2];
    record->type = head[3];
    record->sequence = atoll_bytes_le64(head + 4);
    record->offset = offset;
    record->extent = extent_of(log->flash, record->type, record->size);
    return record->crc == record_crc(log->pages[page].order, offset, head) &&
           record->extent <= log->flash->page_size - offset;
}

/* The next record head at or behind `offset`; what lies between is torn or rotten. */
static bool find_record(const atoll_flashlog *log, uint16_t page, uint32_t offset,
                        struct record *record)
{
    for (; offset < log->pages[page].end; offset += log->flash->unit) {
        if (read_record_head(log, page, offset, record)) {
            return true;
        }
    }
    return false;
}

static bool body_is_sound(const atoll_flashlog *log, uint16_t page, const struct record *record)
{
    uint8_t seen[CHUNK];
    uint32_t crc = record->crc;
    uint32_t at = record->offset + rounded(log->flash, RECORD_HEAD);
    uint32_t left = record->size;
    if (record->type == ACKNOWLEDGE) {
        return true;
    }
    while (left > 0u) {
        uint32_t some = left < CHUNK ? left : CHUNK;
        if (!read_at(log, page, at, seen, some)) {
            return false;
        }
        crc = atoll_crc32c_update(crc, seen, some);
        at += some;
        left -= some;
    }
    return read_at(log, page, at, seen, BODY_CRC) && atoll_bytes_le32(seen) == crc;
}

/* --- open ------------------------------------------------------------------------------------ */

static void raise_to(uint64_t *number, uint64_t least)
{
    if (*number < least) {
        *number = least;
    }
}

static void learn(atoll_flashlog *log, uint16_t page, const struct record *record)
{
    if (record->type == ACKNOWLEDGE) {
        raise_to(&log->acked, record->sequence);
        return;
    }
    raise_to(&log->pages[page].last, record->sequence);
    raise_to(&log->next, record->sequence + 1u);
    if (record->type == REPLACE) {
        raise_to(&log->acked, record->sequence - 1u);
    }
}

/* Where writing goes on: behind what the last sound head claims, body or not; and behind a torn
 * head by as much as a head is long, so that what is written next cannot complete it. */
static void leave_torn_tail(atoll_flashlog *log, uint16_t page, uint32_t offset)
{
    uint32_t *end = &log->pages[page].end;
    if (offset < *end) {
        offset = *end + rounded(log->flash, RECORD_HEAD);
    }
    *end = offset < log->flash->page_size ? offset : log->flash->page_size;
}

static void survey_records(atoll_flashlog *log, uint16_t page)
{
    struct record record;
    uint32_t offset = first_offset(log->flash);
    while (find_record(log, page, offset, &record)) {
        bool sound = body_is_sound(log, page, &record);
        log->torn += (record.offset > offset ? 1u : 0u) + (sound ? 0u : 1u);
        if (sound) {
            learn(log, page, &record);
        }
        offset = record.offset + record.extent;
    }
    log->torn += offset < log->pages[page].end ? 1u : 0u;
    leave_torn_tail(log, page, offset);
    raise_to(&log->next, log->acked + 1u);
}

static void survey_page(atoll_flashlog *log, uint16_t page)
{
    uint8_t head[PAGE_HEAD];
    atoll_flashlog_page *entry = &log->pages[page];
    memset(entry, 0, sizeof *entry);
    entry->end = written_end(log, page);
    if (!read_page_head(log, page, head)) {
        log->torn += entry->end > 0u ? 1u : 0u;
        return;
    }
    entry->order = atoll_bytes_le32(head + 4);
    raise_to(&log->next, atoll_bytes_le64(head + 8));
    raise_to(&log->acked, atoll_bytes_le64(head + 16));
    if (entry->end < first_offset(log->flash)) { /* the second head was torn */
        entry->end = first_offset(log->flash);
    }
    if (entry->order > log->order) {
        log->order = entry->order;
        log->current = page;
    }
    survey_records(log, page);
}

static uint32_t count_lost(atoll_flashlog *log)
{
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    uint32_t lost = 0;
    int found;
    atoll_flashlog_rewind(log, &cursor);
    do {
        found = atoll_flashlog_next(log, &cursor, &record, NULL, 0);
        lost += record.lost;
    } while (found > 0);
    return lost;
}

int atoll_flashlog_open(atoll_flashlog *log, const atoll_flash *flash, atoll_flashlog_page *pages)
{
    memset(log, 0, sizeof *log);
    log->flash = flash;
    log->pages = pages;
    log->next = 1;
    if (!geometry_fits(flash)) {
        return ATOLL_FLASHLOG_GEOMETRY;
    }
    for (uint16_t page = 0; page < flash->page_count; page++) {
        survey_page(log, page);
    }
    log->lost = count_lost(log);
    return ATOLL_FLASHLOG_OK;
}

/* --- write ----------------------------------------------------------------------------------- */

static bool has_current(const atoll_flashlog *log)
{
    return log->pages[log->current].order != 0u;
}

static bool is_spare(const atoll_flashlog *log, uint16_t page)
{
    const atoll_flashlog_page *entry = &log->pages[page];
    return !(has_current(log) && page == log->current) && !entry->bad && entry->last <= log->acked;
}

static uint32_t spare_count(const atoll_flashlog *log)
{
    uint32_t count = 0;
    for (uint16_t page = 0; page < log->flash->page_count; page++) {
        count += is_spare(log, page) ? 1u : 0u;
    }
    return count;
}

static uint16_t next_spare(const atoll_flashlog *log)
{
    uint16_t page = log->current;
    do {
        page = (uint16_t)((page + 1u) % log->flash->page_count);
    } while (!is_spare(log, page));
    return page;
}

/* Erase the next page that holds nothing of worth and make it the current one, as long as `least`
 * such pages are there. */
static int take_page(atoll_flashlog *log, uint32_t least)
{
    bool failed = false;
    while (spare_count(log) >= least) {
        uint16_t page = next_spare(log);
        atoll_flashlog_page *entry = &log->pages[page];
        entry->order = 0;
        entry->last = 0;
        log->order++; /* also for a page that fails: two pages never share an order */
        if (log->flash->erase(log->flash->context, page) == 0 &&
            write_page_head(log, page, log->order)) {
            entry->order = log->order;
            entry->end = first_offset(log->flash);
            log->current = page;
            log->closed = false;
            return ATOLL_FLASHLOG_OK;
        }
        entry->bad = true;
        failed = true;
        log->faults++;
    }
    return failed && atoll_flashlog_backlog(log) == 0u ? ATOLL_FLASHLOG_IO : ATOLL_FLASHLOG_FULL;
}

static bool write_body(atoll_flashlog *log, const struct record *record, const uint8_t *data)
{
    uint8_t tail[2 * ATOLL_FLASHLOG_UNIT_MAX];
    uint32_t offset = record->offset + rounded(log->flash, RECORD_HEAD);
    uint32_t whole = record->size & ~((uint32_t)log->flash->unit - 1u);
    uint32_t rest = record->size - whole;
    uint32_t crc = atoll_crc32c_update(record->crc, data, record->size);
    memset(tail, 0xFF, sizeof tail);
    if (rest > 0u) {
        memcpy(tail, data + whole, rest);
    }
    atoll_bytes_put_le32(tail + rest, crc);
    return write_at(log, log->current, offset, data, whole) &&
           write_at(log, log->current, offset + whole, tail, rounded(log->flash, rest + BODY_CRC));
}

/* Write `record` at the end of the current page, where there is room for it. */
static bool write_record(atoll_flashlog *log, struct record *record, const uint8_t *data)
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
    return write_at(log, log->current, record->offset, head, rounded(log->flash, RECORD_HEAD)) &&
           (record->type == ACKNOWLEDGE || write_body(log, record, data));
}

/* Data leaves one spare page for acknowledgements; what frees pages may take the last one. */
static int put(atoll_flashlog *log, struct record *record, const uint8_t *data)
{
    uint32_t reserve = record->type == DATA ? 1u : 0u;
    record->extent = extent_of(log->flash, record->type, record->size);
    if (spare_count(log) < reserve) {
        return ATOLL_FLASHLOG_FULL;
    }
    for (uint32_t tries = 0; tries < log->flash->page_count; tries++) {
        if (!has_current(log) || log->closed ||
            record->extent > log->flash->page_size - log->pages[log->current].end) {
            int taken = take_page(log, reserve + 1u);
            if (taken != ATOLL_FLASHLOG_OK) {
                return taken;
            }
        }
        if (write_record(log, record, data)) {
            learn(log, log->current, record);
            return ATOLL_FLASHLOG_OK;
        }
        log->closed = true;
        log->faults++;
    }
    return ATOLL_FLASHLOG_IO;
}

static int add(atoll_flashlog *log, struct record *record, const void *data, uint64_t *sequence)
{
    int result = put(log, record, data);
    if (result == ATOLL_FLASHLOG_OK && sequence != NULL) {
        *sequence = record->sequence;
    }
    return result;
}

int atoll_flashlog_append(atoll_flashlog *log, uint8_t kind, const void *data, size_t size,
                          uint64_t *sequence)
{
    struct record record = {.sequence = log->next, .kind = kind, .type = DATA};
    if (size > atoll_flashlog_size_max(log->flash)) {
        return ATOLL_FLASHLOG_RANGE;
    }
    record.size = (uint16_t)size;
    return add(log, &record, data, sequence);
}

int atoll_flashlog_replace(atoll_flashlog *log, uint8_t kind, const void *data, size_t size,
                           uint64_t *sequence)
{
    struct record record = {.sequence = log->next, .kind = kind, .type = REPLACE};
    if (size > atoll_flashlog_size_max(log->flash)) {
        return ATOLL_FLASHLOG_RANGE;
    }
    record.size = (uint16_t)size;
    return add(log, &record, data, sequence);
}

int atoll_flashlog_acknowledge(atoll_flashlog *log, uint64_t sequence)
{
    struct record record = {.sequence = sequence, .type = ACKNOWLEDGE};
    int result;
    if (sequence >= log->next) {
        return ATOLL_FLASHLOG_RANGE;
    }
    if (sequence <= log->acked) {
        return ATOLL_FLASHLOG_OK;
    }
    result = put(log, &record, NULL);
    if (result == ATOLL_FLASHLOG_FULL) {
        /* Nowhere to write it down first: a page that it frees may go at once, and the head of the
         * page that takes its place says so. */
        uint64_t before = log->acked;
        log->acked = sequence;
        result = take_page(log, 1);
        if (result == ATOLL_FLASHLOG_FULL) {
            log->acked = before;
        }
    }
    return result;
}

/* --- read ------------------------------------------------------------------------------------ */

void atoll_flashlog_rewind(const atoll_flashlog *log, atoll_flashlog_cursor *cursor)
{
    cursor->sequence = log->acked;
    cursor->order = 0;
    cursor->offset = 0;
}

/* The page of the lowest order that is at least `least`; false: there is none. */
static bool page_of(const atoll_flashlog *log, uint32_t least, uint16_t *page)
{
    uint32_t best = 0;
    for (uint16_t at = 0; at < log->flash->page_count; at++) {
        uint32_t order = log->pages[at].order;
        if (order != 0u && order >= least && (best == 0u || order < best)) {
            best = order;
            *page = at;
        }
    }
    return best != 0u;
}

/* Move the cursor to the next record that is sound, not acknowledged and not yet read. */
static bool seek(const atoll_flashlog *log, atoll_flashlog_cursor *cursor, uint16_t *page,
                 struct record *record)
{
    uint64_t after = cursor->sequence > log->acked ? cursor->sequence : log->acked;
    while (page_of(log, cursor->order, page)) {
        uint32_t order = log->pages[*page].order;
        uint32_t offset = order == cursor->order ? cursor->offset : first_offset(log->flash);
        while (log->pages[*page].last > after && find_record(log, *page, offset, record)) {
            cursor->order = order;
            cursor->offset = offset = record->offset;
            if (record->type != ACKNOWLEDGE && record->sequence > after &&
                body_is_sound(log, *page, record)) {
                return true;
            }
            offset += record->extent;
        }
        cursor->order = order + 1u;
        cursor->offset = first_offset(log->flash);
        if (order == log->order) {
            break;
        }
    }
    return false;
}

static uint32_t gap(const atoll_flashlog *log, uint64_t after, uint64_t sequence)
{
    uint64_t from = after > log->acked ? after : log->acked;
    uint64_t missing = sequence - from - 1u;
    return missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX;
}

int atoll_flashlog_next(atoll_flashlog *log, atoll_flashlog_cursor *cursor,
                        atoll_flashlog_record *found, void *data, size_t size)
{
    atoll_flashlog_cursor ahead = *cursor;
    struct record record;
    uint16_t page = 0;
    if (!seek(log, &ahead, &page, &record)) {
        *found = (atoll_flashlog_record){.lost = gap(log, cursor->sequence, log->next)};
        return 0;
    }
    found->lost = gap(log, cursor->sequence, record.sequence);
    found->sequence = record.sequence;
    found->size = record.size;
    found->kind = record.kind;
    if (data != NULL) {
        if (size < record.size) {
            return ATOLL_FLASHLOG_SMALL;
        }
        if (!read_at(log, page, record.offset + rounded(log->flash, RECORD_HEAD), data,
                     record.size)) {
            return ATOLL_FLASHLOG_IO;
        }
    }
    ahead.sequence = record.sequence;
    ahead.offset = record.offset + record.extent;
    *cursor = ahead;
    return 1;
}

uint64_t atoll_flashlog_backlog(const atoll_flashlog *log)
{
    return log->next - 1u - log->acked;
}
