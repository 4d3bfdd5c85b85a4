/* The worker and its orders under the test's hands: commands in, what is kept out. Flash is in memory
 * and outlives a `reset`.
 *
 *     order HEX        a Program message     -> ok, or why not
 *     cancel JOB                             -> ok
 *     push HEX         little-endian i16     -> ok COUNT, behind the lines of what was kept
 *     gap                                    -> ok
 *     room N           results that still find room: more are refused
 *     reset            as a board does: RAM is lost, flash is not
 *     state            -> jobs N used N dropped N
 *
 * A kept result is a line: kept JOB NUMBER FAILED HEX. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash_emulator.h"
#include "numbers.h"
#include "orders.h"

enum { PAGES = 4, LINE = 1 << 17, ARENA = 6000 };

static emulator flash, numbers_flash;
static atoll_flashlog log_, numbers_log;
static atoll_flashlog_page pages[PAGES], numbers_pages[PAGES];
static atoll_numbers numbers;
static atoll_worker worker;
static atoll_orders orders;
static uint64_t arena[ARENA / 8];
static uint8_t scratch[ATOLL_WORKER_RESULT_MAX], buffer[1024];
static long room = 1000000;
static char line[LINE];
static uint8_t bytes[LINE / 2];

static void put_hex(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        printf("%02x", data[at]);
    }
}

static int keep(void *context, atoll_mqtt_text job, uint64_t number, bool failed, const void *data,
                size_t size)
{
    (void)context;
    if (room == 0) {
        return -1;
    }
    room--;
    printf("kept %.*s %" PRIu64 " %d ", (int)job.size, (const char *)job.data, number, failed);
    put_hex(data, size);
    printf("\n");
    return 0;
}

static uint32_t next_run(void *context)
{
    (void)context;
    return atoll_numbers_next_run(&numbers);
}

static void start(void)
{
    static const atoll_worker_port port = {NULL, keep, next_run};
    memset(arena, 0xA5, sizeof arena);
    if (atoll_flashlog_open(&numbers_log, &numbers_flash.port, numbers_pages) != 0 ||
        atoll_numbers_start(&numbers, &numbers_log, 0) != 0 ||
        atoll_flashlog_open(&log_, &flash.port, pages) != 0) {
        exit(2);
    }
    atoll_worker_start(&worker, &port, (atoll_mqtt_text){"m/adc", 5}, 1, arena, sizeof arena,
                       scratch);
    atoll_orders_start(&orders, &log_, &worker, buffer, sizeof buffer);
}

static size_t take_hex(const char *text)
{
    size_t size = strlen(text) / 2;
    for (size_t at = 0; at < size; at++) {
        unsigned value;
        sscanf(text + 2 * at, "%2x", &value);
        bytes[at] = (uint8_t)value;
    }
    return size;
}

static const char *take_order(const char *text)
{
    atoll_message message;
    size_t size = take_hex(text);
    if (atoll_message_open(&message, bytes, size, ATOLL_CBOR_DEPTH_TOLD) != ATOLL_CBOR_OK) {
        return "no message";
    }
    return atoll_orders_take(&orders, &message);
}

static void obey(const char *word, const char *rest)
{
    static int16_t samples[LINE / 4];
    const char *reason = NULL;
    size_t size;
    if (strcmp(word, "order") == 0) {
        reason = take_order(rest);
    } else if (strcmp(word, "cancel") == 0) {
        atoll_orders_cancel(&orders, (atoll_mqtt_text){rest, (uint16_t)strlen(rest)});
    } else if (strcmp(word, "push") == 0) {
        size = take_hex(rest);
        memcpy(samples, bytes, size);
        atoll_worker_push(&worker, samples, size / 2);
    } else if (strcmp(word, "gap") == 0) {
        atoll_worker_gap(&worker);
    } else if (strcmp(word, "room") == 0) {
        room = atol(rest);
    } else if (strcmp(word, "reset") == 0) {
        start();
    } else {
        printf("jobs %u used %u dropped %u\n", worker.count, worker.arena_used, worker.dropped);
        return;
    }
    printf("%s\n", reason == NULL ? "ok" : reason);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    emulator_start(&flash, 1024, PAGES, 4, 1);
    emulator_start(&numbers_flash, 1024, PAGES, 4, 2);
    start();
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *word = strtok(line, " \n"), *rest = strtok(NULL, "\n");
        obey(word, rest == NULL ? "" : rest);
    }
    return 0;
}
