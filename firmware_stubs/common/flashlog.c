#include "flashlog.h"

#include <string.h>

#include "bytes.h"
#include "logpage.h"

/* --- open ------------------------------------------------------------------------------------ */

static void raise_to(uint64_t *number, uint64_t least)
{
    if (*number < least) {
        *number = least;
    }
}

static void learn(atoll_flashlog *log, uint16_t page, const atoll_logpage_record *record)
{
    if (record->type == ATOLL_LOGPAGE_ACKNOWLEDGE) {
        raise_to(&log->acked, record->sequence);
        return;
    }
    raise_to(&log->pages[page].last, record->sequence);
    raise_to(&log->next, record->sequence + 1u);
    if (record->type == ATOLL_LOGPAGE_REPLACE) {
        raise_to(&log->acked, record->sequence - 1u);
    }
}

/* Where writing goes on: behind what the last sound head claims, body or not; and behind a torn
 * head by as much as a head is long, so that what is written next cannot complete it. */
static void leave_torn_tail(atoll_flashlog *log, uint16_t page, uint32_t offset)
{
    uint32_t *end = &log->pages[page].end;
    if (offset < *end) {
        offset = *end + atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_RECORD_HEAD);
    }
    *end = offset < log->flash->page_size ? offset : log->flash->page_size;
}

static void survey_records(atoll_flashlog *log, uint16_t page)
{
    atoll_logpage_record record;
    uint32_t offset = atoll_logpage_start(log->flash);
    while (atoll_logpage_find(log, page, offset, &record)) {
        bool sound = atoll_logpage_is_sound(log, page, &record);
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
    uint8_t head[ATOLL_LOGPAGE_HEAD];
    atoll_flashlog_page *entry = &log->pages[page];
    memset(entry, 0, sizeof *entry);
    entry->end = atoll_logpage_end(log, page);
    if (!atoll_logpage_read_head(log, page, head)) {
        log->torn += entry->end > 0u ? 1u : 0u;
        return;
    }
    entry->order = atoll_bytes_le32(head + 4);
    raise_to(&log->next, atoll_bytes_le64(head + 8));
    raise_to(&log->acked, atoll_bytes_le64(head + 16));
    if (entry->end < atoll_logpage_start(log->flash)) { /* the second head was torn */
        entry->end = atoll_logpage_start(log->flash);
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
    if (!atoll_logpage_fits(flash)) {
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
            atoll_logpage_write_head(log, page, log->order)) {
            entry->order = log->order;
            entry->end = atoll_logpage_start(log->flash);
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

/* Data leaves one spare page for acknowledgements; what frees pages may take the last one. */
static int put(atoll_flashlog *log, atoll_logpage_record *record, const uint8_t *data)
{
    uint32_t reserve = record->type == ATOLL_LOGPAGE_DATA ? 1u : 0u;
    record->extent = atoll_logpage_extent(log->flash, record->type, record->size);
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
        if (atoll_logpage_write(log, record, data)) {
            learn(log, log->current, record);
            return ATOLL_FLASHLOG_OK;
        }
        log->closed = true;
        log->faults++;
    }
    return ATOLL_FLASHLOG_IO;
}

static int add(atoll_flashlog *log, atoll_logpage_record *record, const void *data,
               uint64_t *sequence)
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
    atoll_logpage_record record = {.sequence = log->next, .kind = kind, .type = ATOLL_LOGPAGE_DATA};
    if (size > atoll_flashlog_size_max(log->flash)) {
        return ATOLL_FLASHLOG_RANGE;
    }
    record.size = (uint16_t)size;
    return add(log, &record, data, sequence);
}

int atoll_flashlog_replace(atoll_flashlog *log, uint8_t kind, const void *data, size_t size,
                           uint64_t *sequence)
{
    atoll_logpage_record record = {
        .sequence = log->next, .kind = kind, .type = ATOLL_LOGPAGE_REPLACE};
    if (size > atoll_flashlog_size_max(log->flash)) {
        return ATOLL_FLASHLOG_RANGE;
    }
    record.size = (uint16_t)size;
    return add(log, &record, data, sequence);
}

int atoll_flashlog_acknowledge(atoll_flashlog *log, uint64_t sequence)
{
    atoll_logpage_record record = {.sequence = sequence, .type = ATOLL_LOGPAGE_ACKNOWLEDGE};
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
                 atoll_logpage_record *record)
{
    uint64_t after = cursor->sequence > log->acked ? cursor->sequence : log->acked;
    while (page_of(log, cursor->order, page)) {
        uint32_t order = log->pages[*page].order;
        uint32_t offset = order == cursor->order ? cursor->offset : atoll_logpage_start(log->flash);
        while (log->pages[*page].last > after && atoll_logpage_find(log, *page, offset, record)) {
            cursor->order = order;
            cursor->offset = offset = record->offset;
            if (record->type != ATOLL_LOGPAGE_ACKNOWLEDGE && record->sequence > after &&
                atoll_logpage_is_sound(log, *page, record)) {
                return true;
            }
            offset += record->extent;
        }
        cursor->order = order + 1u;
        cursor->offset = atoll_logpage_start(log->flash);
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
    atoll_logpage_record record;
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
        if (!atoll_logpage_read(log, page,
                                record.offset +
                                    atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_RECORD_HEAD),
                                data, record.size)) {
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
