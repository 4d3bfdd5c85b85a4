/* The node: logs, plans and samples around it. What it samples goes through its standing jobs,
 * connected or not; its stream to the broker is the link's (stream.h). */
#include <string.h>

#include "assume.h"
#include "atoll_kernels.h"
#include "atoll_receipts.h"
#include "board.h"
#include "chip.h"
#include "flash_slice.h"
#include "identity.h"
#include "kept.h"
#include "node.h"
#include "orders.h"
#include "samples.h"
#include "stream.h"
#include "worker.h"

#ifndef ATOLL_CHIP_PAGES
#define ATOLL_CHIP_PAGES 15
#endif
#ifndef ATOLL_CHIP_SAMPLES
#define ATOLL_CHIP_SAMPLES 64
#endif

enum {
    PAGES_MAX = ATOLL_CHIP_PAGES,
    NUMBERS_PAGES = 3,
    NUMBERS_PAGE = ATOLL_FLASHLOG_PAGE_MIN, /* bytes at least; three times a record of numbers */
    ORDERS_PAGES = 4, /* with one kept for deletions, and one for what is in force: two orders */
    RECORD_PAGE = 1024, /* an order, or a result with its names */
    KEPT_PAGE = 8 * (int)ATOLL_RECEIPTS + (int)ATOLL_KEPT_MORE, /* behind the logs */
    STORE = ATOLL_NODE_SAY_MAX + 256,
    KEY_MAX = 2 * ATOLL_NODE_NAME_MAX + 1,
    SAMPLES = ATOLL_CHIP_SAMPLES /* at a time; between two, the line is served and the watchdog fed */
};

/* From the linker script. */
extern const uint8_t atoll_identity_start[];
extern const uint8_t atoll_build_id[];

static struct app {
    atoll_node node;
    atoll_flash_slice slices[3]; /* numbers, orders, outbox */
    atoll_flashlog numbers;
    atoll_flashlog orders_log;
    atoll_flashlog outbox;
    atoll_worker worker;
    atoll_orders orders;
    uint32_t lost; /* samples, as the board counts them */
    char key[KEY_MAX];
    char fell[ATOLL_NODE_FELL_MAX];
    uint64_t receipts[ATOLL_RECEIPTS];
} app;

/* The receipts are taken before anything else is in use. */
static union memory {
    uint64_t receipts[(ATOLL_RECEIPT_BYTES + 7) / 8];
    struct parts {
        uint64_t arena[ATOLL_CHIP_ARENA / 8u];
        atoll_flashlog_page pages[PAGES_MAX];
        uint8_t receive[ATOLL_NODE_MESSAGE_MAX + ATOLL_NODE_TOPIC_MAX];
        uint8_t store[STORE];
    } of;
} memory;

/* --- start ----------------------------------------------------------------------------------- */

/* The first page of the last one, where this build's receipts are kept. */
static uint32_t kept_page(void)
{
    const atoll_flash *flash = atoll_board_flash();
    return flash->page_count - atoll_flash_together(flash, KEPT_PAGE);
}

/* Who has which pages; the outbox has what the others leave. */
static void open_logs(void)
{
    const atoll_flash *flash = atoll_board_flash();
    uint32_t kept = kept_page(), at;
    at = atoll_flash_slice_start(&app.slices[0], flash, 0, NUMBERS_PAGES, NUMBERS_PAGE);
    at = atoll_flash_slice_start(&app.slices[1], flash, at, ORDERS_PAGES, RECORD_PAGE);
    atoll_flash_slice_start(&app.slices[2], flash, at,
                            (uint16_t)((kept - at) / atoll_flash_together(flash, RECORD_PAGE)),
                            RECORD_PAGE);
    atoll_flashlog_open(&app.numbers, &app.slices[0].flash, memory.of.pages);
    atoll_flashlog_open(&app.orders_log, &app.slices[1].flash, memory.of.pages + NUMBERS_PAGES);
    atoll_flashlog_open(&app.outbox, &app.slices[2].flash,
                        memory.of.pages + NUMBERS_PAGES + ORDERS_PAGES);
}

/* What this board's kernels make of the golden vectors; 0 where they cannot run. */
static void take_receipts(void)
{
    for (uint32_t number = 0; number < (uint32_t)ATOLL_RECEIPTS; number++) {
        uint64_t *hash = &app.receipts[number];
        atoll_board_feed();
        if (atoll_receipt(number, memory.receipts, sizeof memory.receipts, hash) !=
            (uint32_t)ATOLL_STATUS_OK) {
            *hash = 0;
        }
    }
    memset(&memory, 0, sizeof memory);
}

/* They cost seconds, so that an image takes them once: a later start finds them under its build's id,
 * which is a hash of all that was linked. */
static void find_receipts(void)
{
    atoll_flash_slice slice;
    const atoll_flash *kept = &slice.flash;
    atoll_flash_slice_start(&slice, atoll_board_flash(), kept_page(), 1, KEPT_PAGE);
    if (!atoll_kept_read(kept, 0, atoll_build_id, app.receipts, sizeof app.receipts)) {
        take_receipts();
        atoll_kept_write(kept, 0, atoll_build_id, app.receipts, sizeof app.receipts);
    }
}

static size_t add_text(char *to, size_t at, const char *text)
{
    size_t size = strlen(text);
    memcpy(to + at, text, size);
    return at + size;
}

static size_t add_hex(char *to, size_t at, const char *name, uint32_t value)
{
    at = add_text(to, at, name);
    for (unsigned shift = 32; shift > 0u;) {
        shift -= 4u;
        to[at++] = "0123456789abcdef"[value >> shift & 15u];
    }
    return at;
}

/* What ended the boot before this one, if it was a fall. */
static atoll_mqtt_text fall(void)
{
    static const char *const names[] = {NULL, NULL, "watchdog", "fault", "stack overflow"};
    const atoll_board_story *story = atoll_board_story_of_boot();
    size_t at;
    if (story->cause >= sizeof names / sizeof names[0] || names[story->cause] == NULL) {
        return (atoll_mqtt_text){NULL, 0};
    }
    at = add_text(app.fell, 0, names[story->cause]);
    at = add_hex(app.fell, at, " at ", story->pc);
    at = add_hex(app.fell, at, " from ", story->lr);
    at = add_hex(app.fell, at, " status ", story->status);
    at = add_hex(app.fell, at, " address ", story->address);
    return (atoll_mqtt_text){app.fell, (uint16_t)at};
}

/* --- plans ----------------------------------------------------------------------------------- */

static int keep(void *context, atoll_mqtt_text job, uint64_t number, bool failed, const void *data,
                size_t size)
{
    (void)context;
    return atoll_node_result(&app.node, job, app.worker.key, number, failed, data, size, 0);
}

static uint32_t next_run(void *context)
{
    (void)context;
    return atoll_numbers_next_run(&app.node.numbers);
}

static const char *take_program(void *context, const atoll_message *message)
{
    (void)context;
    return atoll_orders_take(&app.orders, message);
}

static void cancel(void *context, atoll_mqtt_text job)
{
    (void)context;
    atoll_orders_cancel(&app.orders, job);
}

/* The stream is named after the device, so that no two boards can claim one. */
static atoll_mqtt_text stream_key(const atoll_identity *identity)
{
    size_t at = identity->device.size;
    memcpy(app.key, identity->device.data, at);
    app.key[at++] = '/';
    memcpy(app.key + at, identity->source.data, identity->source.size);
    return (atoll_mqtt_text){app.key, (uint16_t)(at + identity->source.size)};
}

ATOLL_ASSUME(scratch_in_message,
             (int)ATOLL_NODE_SCRATCH + (int)ATOLL_WORKER_RESULT_MAX <= ATOLL_NODE_SAY_MAX);
ATOLL_ASSUME(order_in_message, (int)ATOLL_NODE_MESSAGE_MAX <= ATOLL_NODE_SAY_MAX);

static void start_plans(const atoll_node_source *source)
{
    static const atoll_worker_port port = {NULL, keep, next_run};
    uint8_t *scratch = app.node.message;
    atoll_worker_start(&app.worker, &port, source->key, ATOLL_DTYPE_I16, memory.of.arena,
                       sizeof memory.of.arena, scratch + ATOLL_NODE_SCRATCH);
    atoll_orders_start(&app.orders, &app.orders_log, &app.worker, scratch, ATOLL_NODE_MESSAGE_MAX);
    atoll_samples_start(source->rate_hz);
}

/* All samples that have come; whether there were any. */
static bool work(void)
{
    static int16_t samples[SAMPLES];
    size_t count = atoll_samples_take(samples, SAMPLES);
    if (atoll_samples_lost() != app.lost) {
        app.lost = atoll_samples_lost();
        atoll_worker_gap(&app.worker);
    }
    atoll_worker_push(&app.worker, samples, count);
    return count > 0u;
}

/* --- the node -------------------------------------------------------------------------------- */

static bool start_node(uint64_t now)
{
    atoll_identity identity;
    atoll_node_config config = {.mqtt = {.keep_alive_s = 30,
                                         .receive = memory.of.receive,
                                         .receive_size = sizeof memory.of.receive,
                                         .store = memory.of.store,
                                         .store_size = sizeof memory.of.store},
                                .software = {"0.1.0", 5},
                                .profile = {"normal", 6},
                                .memory_bytes = sizeof app + sizeof memory,
                                .numbers = &app.numbers,
                                .outbox = &app.outbox};
    if (!atoll_identity_read(&identity, atoll_identity_start)) {
        return false;
    }
    config.site = identity.site;
    config.device = identity.device;
    config.zone = identity.zone;
    config.floor = identity.floor;
    if (identity.secret.size > 0u) {
        config.mqtt.user = identity.device;
        config.mqtt.password = identity.secret;
    }
    config.receipts =
        (atoll_node_receipts){atoll_receipt_names, app.receipts, (uint32_t)ATOLL_RECEIPTS};
    config.fell = fall();
    if (identity.source.size > 0u) {
        config.source = (atoll_node_source){identity.dataset, stream_key(&identity), identity.unit,
                                            identity.rate_hz, identity.scale};
        config.plans = (atoll_node_plans){NULL, take_program, cancel};
    }
    config.storage_bytes = atoll_board_flash()->page_size * atoll_board_flash()->page_count;
    if (atoll_node_start(&app.node, &config, now) != 0) {
        return false;
    }
    if (config.source.key.size > 0u) {
        start_plans(&config.source);
    }
    atoll_stream_start(&app.node, &identity, now);
    return true;
}

/* Without a name, or flash to count boots on, there is nothing that may be said. */
static void wait_for_help(void)
{
    for (;;) {
        atoll_board_feed();
        atoll_board_idle();
    }
}

int main(void)
{
    atoll_board_start();
    find_receipts();
    open_logs();
    if (!start_node(atoll_board_now_ms())) {
        wait_for_help();
    }
    for (;;) {
        atoll_board_feed();
        if (!atoll_stream_serve(atoll_board_now_ms()) && !work()) {
            atoll_board_idle();
        }
    }
}
