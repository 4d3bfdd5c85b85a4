/* Cut the power in every program and erase of a flash log, and count what is
 * wrong afterwards.
 *
 *     powercut [--seed N] [--cuts N] [--flips N]
 *
 * Single cuts are exhaustive: before each operation of a workload the flash is
 * copied once for each way to tear that operation, opened, compared with a
 * model of what was promised, written to, and opened again. Every second copy
 * is cut a second time at a random operation of what follows. Then one flash
 * lives through hundreds of cuts in a row, bits rot, a page is bad in each of
 * five ways, and wear is compared between pages. Geometries and workloads
 * repeat with new seeds until the number of cuts is reached, or a promise was
 * broken. One line of JSON; exit 1 in that case. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash_emulator.h"
#include "flashlog.h"
#include "random.h"

enum { RECORDS_MAX = 4096, SIZE_CAP = 400, FOLLOW_UP = 10, WORKLOAD = 60, LIFE = 200 };

/* What was promised. Record n has the bytes of the number ids[n % RECORDS_MAX].
 */
typedef struct model {
    uint64_t ids[RECORDS_MAX];
    uint64_t written; /* records up to here were appended, and the log said OK */
    uint64_t acked;   /* ... and acknowledged */
    uint64_t writing; /* a record is being appended: its number, else 0 */
    uint64_t acking;  /* an acknowledgement under way: up to here, else 0 */
} model;

typedef struct device {
    emulator flash;
    atoll_flashlog log;
    atoll_flashlog_page pages[EMULATOR_PAGES_MAX];
    model model;
} device;

static struct counts {
    uint64_t cuts, singles, doubles, lost, torn, flips, flips_undetected, flips_seen;
    uint64_t violations, stuck, torn_found, read_bytes_max_permille, bad_pages, faults, unworn;
} counts;

static uint64_t seed;
static uint8_t expected[SIZE_CAP], seen[SIZE_CAP];

static size_t content(uint64_t id, size_t size_max, uint8_t *bytes)
{
    uint64_t state = id;
    size_t most = size_max < SIZE_CAP ? size_max : SIZE_CAP;
    uint32_t kind = random_below(&state, 8);
    size_t size = kind == 0 ? 0 : kind == 1 ? most : random_below(&state, (uint32_t)most / 3 + 1);
    uint8_t fill = kind == 2 ? 0xFF : 0;
    for (size_t at = 0; at < size; at++) {
        bytes[at] = kind == 2 ? fill : (uint8_t)random_next(&state);
    }
    return size;
}

/* --- checks
 * ----------------------------------------------------------------------------------
 */

static void broken(uint64_t *count, const char *what, const device *it, uint64_t number)
{
    if ((*count)++ == 0) {
        fprintf(stderr,
                "%s: record %" PRIu64 " (written %" PRIu64 ", acked %" PRIu64 ", writing %" PRIu64
                ", acking %" PRIu64 "; log next %" PRIu64 ", acked %" PRIu64
                "; %u pages of %u by %u, seed %" PRIu64 ")\n",
                what, number, it->model.written, it->model.acked, it->model.writing,
                it->model.acking, it->log.next, it->log.acked, it->flash.port.page_count,
                it->flash.port.page_size, it->flash.port.unit, seed);
    }
}

static bool same(const device *it, const atoll_flashlog_record *record)
{
    size_t size = content(it->model.ids[record->sequence % RECORDS_MAX],
                          atoll_flashlog_size_max(&it->flash.port), expected);
    return record->size == size && record->kind == (uint8_t)record->sequence &&
           memcmp(seen, expected, size) == 0;
}

/* Read the whole log against the model, then take over what the log decided
 * about the operation that was under way. */
static void check(device *it)
{
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    model *promised = &it->model;
    uint64_t low = it->log.acked;
    bool decided = low == promised->acked || (promised->acking != 0 && low == promised->acking);
    uint64_t next = low + 1;
    uint64_t forgivable = promised->acking > promised->acked ? promised->acking : promised->acked;
    if (!decided) {
        broken(&counts.lost, "the acknowledged number is wrong", it, low);
    }
    atoll_flashlog_rewind(&it->log, &cursor);
    while (atoll_flashlog_next(&it->log, &cursor, &record, seen, sizeof seen) > 0) {
        if (record.sequence > next && next > forgivable) {
            broken(&counts.lost, "a record is missing", it, next);
        }
        if (record.sequence > (promised->writing != 0 ? promised->writing : promised->written) ||
            !same(it, &record)) {
            broken(&counts.torn, "a record is not what was written", it, record.sequence);
        }
        next = record.sequence + 1;
    }
    if (next <= promised->written && promised->written > forgivable) {
        broken(&counts.lost, "the newest record is missing", it, next);
    }
    if (next - 1 > promised->written) {
        promised->written = next - 1;
    }
    promised->writing = promised->acking = 0;
    promised->acked = low;
}

static void open_log(device *it)
{
    uint64_t used = (uint64_t)it->flash.port.page_size * it->flash.port.page_count;
    it->flash.read_bytes = 0;
    if (atoll_flashlog_open(&it->log, &it->flash.port, it->pages) != 0) {
        broken(&counts.lost, "the log does not open", it, 0);
    }
    counts.torn_found += it->log.torn;
    if (it->flash.read_bytes * 1000 / used > counts.read_bytes_max_permille) {
        counts.read_bytes_max_permille = it->flash.read_bytes * 1000 / used;
    }
}

static void reopen(device *it)
{
    it->flash.off = false;
    it->flash.cut_at = UINT64_MAX;
    open_log(it);
    check(it);
    counts.violations += it->flash.violations;
    it->flash.violations = 0;
}

/* --- workload
 * --------------------------------------------------------------------------------
 */

static void acknowledge(device *it, uint64_t number)
{
    int result;
    it->model.acking = number;
    result = atoll_flashlog_acknowledge(&it->log, number);
    if (it->flash.off) {
        return;
    }
    if (result == ATOLL_FLASHLOG_OK) {
        it->model.acked = number > it->model.acked ? number : it->model.acked;
    } else if (result != ATOLL_FLASHLOG_FULL || number == it->model.written) {
        broken(&counts.stuck, "an acknowledgement is refused", it, number);
    }
    it->model.acking = 0;
}

static int write_one(device *it, uint64_t id, bool replace)
{
    uint64_t number = it->model.written + 1, given = 0;
    uint8_t bytes[SIZE_CAP];
    size_t size = content(id, atoll_flashlog_size_max(&it->flash.port), bytes);
    int result;
    it->model.writing = number;
    it->model.ids[number % RECORDS_MAX] = id;
    if (replace) {
        it->model.acking = number - 1;
    }
    result = (replace ? atoll_flashlog_replace : atoll_flashlog_append)(&it->log, (uint8_t)number,
                                                                        bytes, size, &given);
    if (it->flash.off) {
        return result;
    }
    if (result == ATOLL_FLASHLOG_OK) {
        if (given != number) {
            broken(&counts.torn, "a number is given twice or left out", it, given);
        }
        it->model.written = number;
        if (replace) {
            it->model.acked = number - 1;
        }
    } else if (result != ATOLL_FLASHLOG_FULL || it->model.acked == it->model.written) {
        broken(&counts.stuck, "a record is refused", it, number);
    }
    it->model.writing = it->model.acking = 0;
    return result;
}

static void step(device *it, uint64_t *random, bool register_only)
{
    uint64_t backlog = it->model.written - it->model.acked;
    uint32_t choice = random_below(random, 16);
    if (register_only || choice == 15) {
        write_one(it, random_next(random), true);
    } else if (choice < 9 || backlog == 0) {
        if (write_one(it, random_next(random), false) == ATOLL_FLASHLOG_FULL) {
            acknowledge(it, it->model.acked + 1);
        }
    } else {
        uint32_t some = choice < 13 ? 1u : 1u + random_below(random, (uint32_t)backlog);
        acknowledge(it, it->model.acked + some);
    }
}

/* The log is of use after whatever happened: once all is acknowledged, records
 * fit again. */
static void prove_alive(device *it)
{
    if (it->model.written > it->model.acked) {
        acknowledge(it, it->model.written);
    }
    for (int count = 0; count < 3 && !it->flash.off; count++) {
        if (write_one(it, random_next(&it->flash.random), true) != ATOLL_FLASHLOG_OK) {
            broken(&counts.stuck, "an empty log takes no record", it, it->model.written);
        }
    }
}

static void cut_again(device *it, bool register_only)
{
    uint64_t *random = &it->flash.random;
    it->flash.cut_at = it->flash.operations + random_below(random, 12);
    it->flash.tear = (enum tear)random_below(random, TEARS);
    for (int count = 0; count < 40 && !it->flash.off; count++) {
        step(it, random, register_only);
    }
    counts.cuts++;
    counts.doubles++;
    reopen(it);
}

struct watcher {
    const device *original;
    device *copy;
    bool register_only;
    uint64_t random;
};

/* Before an operation of the workload: one copy of the flash for each way to
 * tear it. */
static void cut_here(void *context, const emulator *flash, uint32_t address, const uint8_t *data,
                     uint32_t size)
{
    struct watcher *watcher = context;
    device *copy = watcher->copy;
    for (int tear = 0; tear < TEARS; tear++) {
        emulator_copy(&copy->flash, flash);
        copy->flash.random = random_next(&watcher->random);
        copy->model = watcher->original->model;
        emulator_tear(&copy->flash, address, data, size, (enum tear)tear);
        counts.cuts++;
        counts.singles++;
        reopen(copy);
        if ((tear & 1) != 0) {
            cut_again(copy, watcher->register_only);
        }
        for (int count = 0; count < FOLLOW_UP; count++) {
            step(copy, &copy->flash.random, watcher->register_only);
        }
        prove_alive(copy);
        reopen(copy);
    }
}

static void run_workload(device *it, device *copy, bool register_only)
{
    struct watcher watcher = {it, copy, register_only, random_next(&seed)};
    uint64_t random = random_next(&seed);
    it->flash.before = cut_here;
    it->flash.watcher = &watcher;
    for (int count = 0; count < WORKLOAD; count++) {
        step(it, &random, register_only);
    }
    it->flash.before = NULL;
    reopen(it);
}

/* One flash through many cuts: what each leaves behind must not add up. */
static void run_life(device *it, bool register_only)
{
    for (int count = 0; count < LIFE; count++) {
        cut_again(it, register_only);
        if (count % 16 == 0) {
            prove_alive(it);
        }
    }
}

/* --- rot
 * -------------------------------------------------------------------------------------
 */

static void flip(device *it, device *copy, uint64_t *random)
{
    uint32_t bits = it->flash.port.page_size * it->flash.port.page_count * 8u;
    uint32_t number = 1u + random_below(random, 4) / 3u * random_below(random, 8);
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    uint64_t next = it->model.acked + 1, wrong = 0, missing = 0, noticed;
    emulator_copy(&copy->flash, &it->flash);
    for (uint32_t at = 0; at < number; at++) {
        uint32_t bit = random_below(random, bits);
        copy->flash.bytes[bit / 8u] ^= (uint8_t)(1u << bit % 8u);
    }
    copy->model = it->model;
    atoll_flashlog_open(&copy->log, &copy->flash.port, copy->pages);
    noticed = copy->log.torn + copy->log.lost;
    atoll_flashlog_rewind(&copy->log, &cursor);
    while (atoll_flashlog_next(&copy->log, &cursor, &record, seen, sizeof seen) > 0) {
        missing += record.sequence != next;
        wrong += record.sequence > it->model.written || !same(it, &record);
        next = record.sequence + 1;
    }
    missing += next != it->model.written + 1 || copy->log.next != it->log.next;
    counts.flips++;
    counts.flips_seen += noticed > 0;
    if (wrong > 0 || (missing > 0 && noticed == 0)) {
        broken(&counts.flips_undetected, "rot went unseen", copy, next);
    }
}

/* --- bad pages and wear
 * ---------------------------------------------------------------------- */

static void run_bad_page(device *it, enum fault fault)
{
    it->flash.fault = fault;
    it->flash.bad_page = random_below(&it->flash.random, it->flash.port.page_count);
    for (int count = 0; count < 10 * WORKLOAD; count++) {
        step(it, &it->flash.random, false);
        if (count % WORKLOAD == 0) {
            reopen(it);
        }
    }
    counts.faults += it->log.faults;
    counts.bad_pages++;
}

static void run_wear(device *it)
{
    uint32_t most = 0, least = UINT32_MAX;
    for (int count = 0; count < 100 * WORKLOAD; count++) {
        step(it, &it->flash.random, false);
    }
    for (uint32_t page = 0; page < it->flash.port.page_count; page++) {
        uint32_t erases = it->flash.erases[page];
        most = erases > most ? erases : most;
        least = erases < least ? erases : least;
    }
    if (most < 10u || most - least > 1u + most / 10u) {
        broken(&counts.unworn, "wear is not spread", it, most - least);
    }
}

static uint64_t number_after(int argc, char **argv, const char *name, uint64_t fallback)
{
    for (int at = 1; at + 1 < argc; at++) {
        if (strcmp(argv[at], name) == 0) {
            return strtoull(argv[at + 1], NULL, 10);
        }
    }
    return fallback;
}

static const struct {
    uint32_t page_size;
    uint16_t page_count, unit;
} geometries[] = {
    {1024, 4, 4}, {256, 3, 1}, {512, 5, 8}, {256, 8, 2}, {1024, 3, 32}, {512, 16, 16}, {2048, 4, 4},
};

static void start(device *it, size_t shape)
{
    memset(it, 0, sizeof *it);
    emulator_start(&it->flash, geometries[shape].page_size, geometries[shape].page_count,
                   geometries[shape].unit, random_next(&seed));
    open_log(it);
}

static void run_all(uint64_t round, uint64_t cuts, uint64_t flips)
{
    static device it, copy;
    size_t shape = round % (sizeof geometries / sizeof geometries[0]);
    bool register_only = round % 5 == 4;
    uint64_t random = random_next(&seed);
    start(&it, shape);
    if (counts.cuts < cuts) {
        run_workload(&it, &copy, register_only);
        run_life(&it, register_only);
    }
    for (uint64_t at = 0; at < flips / 20 && counts.flips < flips; at++) {
        flip(&it, &copy, &random);
        step(&it, &random, false);
    }
    start(&it, shape);
    run_wear(&it);
    if (it.flash.port.page_count > ATOLL_FLASHLOG_PAGES_MIN) {
        start(&it, shape);
        run_bad_page(&it, (enum fault)(1 + round % 5));
    }
}

static uint64_t broken_promises(void)
{
    return counts.lost + counts.torn + counts.stuck + counts.violations + counts.flips_undetected +
           counts.unworn;
}

int main(int argc, char **argv)
{
    uint64_t cuts = number_after(argc, argv, "--cuts", 100000);
    uint64_t flips = number_after(argc, argv, "--flips", 20000);
    seed = number_after(argc, argv, "--seed", 1);
    for (uint64_t round = 0; counts.cuts < cuts || counts.flips < flips || round < 10; round++) {
        if (broken_promises() > 0) {
            break;
        }
        run_all(round, cuts, flips);
    }
    printf("{\"cuts\": %" PRIu64 ", \"singles\": %" PRIu64 ", \"doubles\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"torn\": %" PRIu64 ", \"stuck\": %" PRIu64
           ", \"violations\": %" PRIu64 ", \"torn_found\": %" PRIu64
           ", \"open_reads_permille\": %" PRIu64 ", \"flips\": %" PRIu64
           ", \"flips_seen\": %" PRIu64 ", \"flips_undetected\": %" PRIu64
           ", \"bad_pages\": %" PRIu64 ", \"faults\": %" PRIu64 ", \"unworn\": %" PRIu64 "}\n",
           counts.cuts, counts.singles, counts.doubles, counts.lost, counts.torn, counts.stuck,
           counts.violations, counts.torn_found, counts.read_bytes_max_permille, counts.flips,
           counts.flips_seen, counts.flips_undetected, counts.bad_pages, counts.faults,
           counts.unworn);
    return broken_promises() > 0 ? 1 : 0;
}
