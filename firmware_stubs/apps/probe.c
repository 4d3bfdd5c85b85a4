/* An image that shows what a port does: commands come as messages of the serial link, each is
 * answered by one.
 *
 *     report          the board, why it booted, where it fell, its stack, its log
 *     echo TEXT       the text
 *     append TEXT     add a record to the log: its number
 *     oldest          the oldest record that is not acknowledged
 *     acknowledge N   records up to N
 *     slot AT OWNER THRESHOLD ZONE    a slot of the placement's table, and where its owner is
 *     place SEED POINT WANTED         the ideal owners of a shard
 *     hang, fault, overflow, reset    what they say; the next report tells of it
 */
#include <string.h>

#include "board.h"
#include "flash_slice.h"
#include "flashlog.h"
#include "link.h"
#include "walk.h"

enum { PAGES_MAX = 16, PAGE = 1024, ANSWER_MAX = ATOLL_LINK_DATA_MAX, SLOTS = 64, OWNERS_MAX = 8 };

static struct probe {
    atoll_link link;
    uint8_t store[2 * ATOLL_LINK_DATA_MAX];
    uint8_t line[ATOLL_LINK_LINE_MAX];
    size_t line_size;
    size_t line_sent;
    atoll_flash_slice slice;
    atoll_flashlog log;
    atoll_flashlog_page pages[PAGES_MAX];
    char answer[ANSWER_MAX + 1];
    size_t answer_size;
    uint16_t owner[SLOTS];
    uint16_t threshold[SLOTS];
    int32_t zone[SLOTS]; /* by owner */
} probe;

/* --- answers --------------------------------------------------------------------------------- */

static void say(const char *text)
{
    size_t size = strlen(text);
    if (size <= ANSWER_MAX - probe.answer_size) {
        memcpy(probe.answer + probe.answer_size, text, size);
        probe.answer_size += size;
    }
}

static void say_number(uint32_t number)
{
    char digits[11];
    size_t at = sizeof digits - 1u;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + (int)(number % 10u));
        number /= 10u;
    } while (number > 0u);
    say(digits + at);
}

static void say_field(const char *name, uint32_t number)
{
    say(" ");
    say(name);
    say(" ");
    say_number(number);
}

static void report(void)
{
    const atoll_board_story *story = atoll_board_story_of_boot();
    say(atoll_board_name);
    say_field("boots", story->boots);
    say_field("cause", story->cause);
    say_field("pc", story->pc);
    say_field("status", story->status);
    say_field("stack", atoll_board_stack_used());
    say_field("ms", (uint32_t)atoll_board_now_ms());
    say_field("overruns", atoll_board_overruns());
    say_field("backlog", (uint32_t)atoll_flashlog_backlog(&probe.log));
}

/* --- commands -------------------------------------------------------------------------------- */

static void append(const char *text, size_t size)
{
    uint64_t number = 0;
    int result = atoll_flashlog_append(&probe.log, 1, text, size, &number);
    if (result == ATOLL_FLASHLOG_OK) {
        say_number((uint32_t)number);
    } else {
        say("refused");
        say_field("error", (uint32_t)-result);
    }
}

static void oldest(void)
{
    char text[ANSWER_MAX];
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    atoll_flashlog_rewind(&probe.log, &cursor);
    if (atoll_flashlog_next(&probe.log, &cursor, &record, text, sizeof text - 16u) != 1) {
        say("none");
        return;
    }
    say_number((uint32_t)record.sequence);
    text[record.size] = 0;
    say(" ");
    say(text);
}

static void acknowledge(const char *digits, size_t size)
{
    uint64_t number = 0;
    for (; size > 0u && *digits >= '0' && *digits <= '9'; digits++, size--) {
        number = number * 10u + (uint64_t)(*digits - '0');
    }
    say(atoll_flashlog_acknowledge(&probe.log, number) == ATOLL_FLASHLOG_OK ? "ok" : "refused");
}

/* The numbers of a command; how many. */
static size_t numbers(const char *text, size_t size, uint32_t *found, size_t most)
{
    size_t count = 0, at = 0;
    while (count < most && at < size) {
        found[count] = 0;
        for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
            found[count] = found[count] * 10u + (uint32_t)(text[at] - '0');
        }
        count++;
        at++; /* what stands between */
    }
    return count;
}

static void slot(const char *text, size_t size)
{
    uint32_t given[4];
    if (numbers(text, size, given, 4) != 4u || given[0] >= SLOTS || given[1] >= SLOTS) {
        say("refused");
        return;
    }
    probe.owner[given[0]] = (uint16_t)given[1];
    probe.threshold[given[0]] = (uint16_t)given[2];
    probe.zone[given[1]] = (int32_t)given[3];
    say("ok");
}

static void place(const char *text, size_t size)
{
    uint32_t given[3], count, at;
    uint16_t found[OWNERS_MAX];
    struct atoll_walk walk = {probe.owner, probe.threshold, SLOTS - 1, 0, 0, 0, 0};
    if (numbers(text, size, given, 3) != 3u || given[2] > OWNERS_MAX) {
        say("refused");
        return;
    }
    walk.seed = given[0];
    atoll_walk_begin(&walk, given[1]);
    count = atoll_walk_place(&walk, probe.zone, found, given[2]);
    for (at = 0; at < count; at++) {
        say(at > 0u ? " " : "");
        say_number(found[at]);
    }
}

/* A frame of 64 bytes a level, until the guard. */
__attribute__((noinline)) static uint32_t overflow(uint32_t level)
{
    volatile uint8_t frame[64];
    frame[level % 64u] = (uint8_t)(level & 0xFFu);
    return level == UINT32_MAX ? 0u : overflow(level + 1u) + frame[level % 64u];
}

__attribute__((noinline)) static void fault(void)
{
    __asm__ volatile("udf #0");
}

__attribute__((noinline)) static void hang(void)
{
    for (;;) {
        atoll_board_idle();
    }
}

static bool is(const char *name, const char *text, size_t size)
{
    size_t length = strlen(name);
    return size >= length && memcmp(text, name, length) == 0 &&
           (size == length || text[length] == ' ');
}

static void obey(const char *text, size_t size)
{
    const char *space = memchr(text, ' ', size);
    const char *rest = space != NULL ? space + 1 : text + size;
    size_t rest_size = size - (size_t)(rest - text);
    probe.answer_size = 0;
    if (is("report", text, size)) {
        report();
    } else if (is("echo", text, size)) {
        memcpy(probe.answer, rest, rest_size);
        probe.answer_size = rest_size;
    } else if (is("append", text, size)) {
        append(rest, rest_size);
    } else if (is("oldest", text, size)) {
        oldest();
    } else if (is("acknowledge", text, size)) {
        acknowledge(rest, rest_size);
    } else if (is("slot", text, size)) {
        slot(rest, rest_size);
    } else if (is("place", text, size)) {
        place(rest, rest_size);
    } else if (is("hang", text, size)) {
        hang();
    } else if (is("fault", text, size)) {
        fault();
    } else if (is("overflow", text, size)) {
        say_number(overflow(0));
    } else if (is("reset", text, size)) {
        atoll_board_reset();
    } else {
        say("what?");
    }
    atoll_link_send(&probe.link, ATOLL_LINK_BYTES, probe.answer, probe.answer_size);
}

/* --- the line -------------------------------------------------------------------------------- */

static void take(const uint8_t *data, size_t size, uint64_t now)
{
    atoll_link_event event = {ATOLL_LINK_NOTHING, 0, NULL, 0};
    size_t at = 0;
    do {
        at += atoll_link_receive(&probe.link, data + at, size - at, now, &event);
        if (event.kind == ATOLL_LINK_MESSAGE && atoll_link_room(&probe.link) == 0u) {
            atoll_link_refuse(&probe.link);
        } else if (event.kind == ATOLL_LINK_MESSAGE) {
            obey((const char *)event.data, event.size);
        }
    } while (at < size || event.kind != ATOLL_LINK_NOTHING);
}

/* Give the line what it takes; true: it wants more time. */
static bool give(uint64_t now)
{
    if (probe.line_sent == probe.line_size) {
        probe.line_size = atoll_link_output(&probe.link, probe.line, now);
        probe.line_sent = 0;
    }
    probe.line_sent += atoll_board_write(probe.line + probe.line_sent,
                                         probe.line_size - probe.line_sent);
    return probe.line_size > 0u;
}

int main(void)
{
    atoll_link_config config = {.window = 2, .store = probe.store, .store_count = 2};
    const atoll_flash *flash = atoll_board_flash();
    atoll_board_start();
    config.session = atoll_board_story_of_boot()->boots;
    atoll_link_start(&probe.link, &config, atoll_board_now_ms());
    atoll_flash_slice_start(&probe.slice, flash, 0,
                            (uint16_t)(flash->page_count / atoll_flash_together(flash, PAGE)), PAGE);
    atoll_flashlog_open(&probe.log, &probe.slice.flash, probe.pages);
    for (;;) {
        uint8_t data[64];
        uint64_t now = atoll_board_now_ms();
        size_t size = atoll_board_read(data, sizeof data);
        atoll_board_feed();
        take(data, size, now);
        if (!give(now) && size == 0u) {
            atoll_board_idle();
        }
    }
}
