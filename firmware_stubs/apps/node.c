/* The node over a serial line: its stream to the broker is opened and closed by a bridge at the other
 * end of the link. What it samples goes through its standing jobs, connected or not. */
#include <string.h>

#include "atoll_kernels.h"
#include "board.h"
#include "chip.h"
#include "flash_slice.h"
#include "identity.h"
#include "link.h"
#include "node.h"
#include "orders.h"
#include "samples.h"
#include "worker.h"

enum {
    PAGES_MAX = 16,
    NUMBERS_PAGES = 3,
    ORDERS_PAGES = 4, /* with one kept for deletions, and one for what is in force: two orders */
    STORE = 1280,
    KEY_MAX = 2 * ATOLL_NODE_NAME_MAX + 1,
    SAMPLES = 64 /* at a time; between two, the line is served and the watchdog fed */
};

extern const uint8_t atoll_identity_start[]; /* from the linker script */

static struct app {
    atoll_node node;
    atoll_link link;
    bool open;    /* the bridge has said UP */
    bool asked;   /* ... or was asked to */
    uint8_t owed; /* OPEN or DOWN, as soon as there is room; 0: nothing */
    size_t rest;  /* bytes of the stream that the node has not taken yet */
    uint8_t pending[ATOLL_LINK_DATA_MAX];
    uint8_t line[ATOLL_LINK_LINE_MAX];
    size_t line_size;
    size_t line_sent;
    atoll_flash_slice slices[3];
    atoll_flashlog numbers;
    atoll_flashlog orders_log;
    atoll_flashlog outbox;
    atoll_worker worker;
    atoll_orders orders;
    uint32_t lost; /* samples, as the board counts them */
    char key[KEY_MAX];
    uint8_t scratch[ATOLL_NODE_MESSAGE_MAX]; /* of the worker and of the orders, in turn */
    uint64_t arena[ATOLL_CHIP_ARENA / 8u];
    atoll_flashlog_page pages[PAGES_MAX];
    uint8_t link_store[2 * ATOLL_LINK_DATA_MAX];
    uint8_t receive[ATOLL_NODE_MESSAGE_MAX + ATOLL_NODE_TOPIC_MAX];
    uint8_t store[STORE];
} app;

/* --- start ----------------------------------------------------------------------------------- */

static void open_logs(void)
{
    const atoll_flash *flash = atoll_board_flash();
    atoll_flash_slice_start(&app.slices[0], flash, 0, NUMBERS_PAGES);
    atoll_flash_slice_start(&app.slices[1], flash, NUMBERS_PAGES, ORDERS_PAGES);
    atoll_flash_slice_start(&app.slices[2], flash, NUMBERS_PAGES + ORDERS_PAGES,
                            (uint16_t)(flash->page_count - NUMBERS_PAGES - ORDERS_PAGES));
    atoll_flashlog_open(&app.numbers, &app.slices[0].flash, app.pages);
    atoll_flashlog_open(&app.orders_log, &app.slices[1].flash, app.pages + NUMBERS_PAGES);
    atoll_flashlog_open(&app.outbox, &app.slices[2].flash,
                        app.pages + NUMBERS_PAGES + ORDERS_PAGES);
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

static void start_plans(const atoll_node_source *source)
{
    static const atoll_worker_port port = {NULL, keep, next_run};
    atoll_worker_start(&app.worker, &port, source->key, ATOLL_DTYPE_I16, app.arena,
                       sizeof app.arena, app.scratch);
    atoll_orders_start(&app.orders, &app.orders_log, &app.worker, app.scratch, sizeof app.scratch);
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
                                         .receive = app.receive,
                                         .receive_size = sizeof app.receive,
                                         .store = app.store,
                                         .store_size = sizeof app.store},
                                .software = {"0.1.0", 5},
                                .profile = {"normal", 6},
                                .memory_bytes = sizeof app,
                                .numbers = &app.numbers,
                                .outbox = &app.outbox};
    if (!atoll_identity_read(&identity, atoll_identity_start)) {
        return false;
    }
    config.site = identity.site;
    config.device = identity.device;
    config.zone = identity.zone;
    config.floor = identity.floor;
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
    return true;
}

static void start_link(uint64_t now)
{
    atoll_link_config config = {
        .session = app.node.numbers.boot, .window = 2, .store = app.link_store, .store_count = 2};
    atoll_link_start(&app.link, &config, now);
}

/* --- the stream ------------------------------------------------------------------------------ */

static void close_stream(uint64_t now)
{
    app.open = false;
    app.asked = false;
    app.rest = 0;
    atoll_node_closed(&app.node, now);
}

static void follow(atoll_mqtt_kind wanted, uint64_t now)
{
    if (wanted == ATOLL_MQTT_OPEN) {
        app.owed = ATOLL_LINK_OPEN;
        app.asked = true;
    } else if (wanted == ATOLL_MQTT_CLOSE) {
        app.owed = ATOLL_LINK_DOWN;
        close_stream(now);
    }
}

/* The node takes all that it has answers for; the rest waits, and so does the bridge. */
static void take_bytes(const uint8_t *data, size_t size, uint64_t now)
{
    size_t taken = atoll_node_receive(&app.node, data, size, now);
    app.rest = size - taken;
    if (app.rest > 0u) {
        memmove(app.pending, data + taken, app.rest);
    }
}

static void take_message(const atoll_link_event *event, uint64_t now)
{
    if (event->message_kind == ATOLL_LINK_UP && app.asked) {
        app.open = true;
        atoll_node_opened(&app.node, now);
    } else if (event->message_kind == ATOLL_LINK_DOWN && app.asked) {
        close_stream(now);
    } else if (event->message_kind == ATOLL_LINK_BYTES && app.open) {
        if (app.rest > 0u) {
            atoll_link_refuse(&app.link);
        } else {
            take_bytes(event->data, event->size, now);
        }
    }
}

static void take_line(const uint8_t *data, size_t size, uint64_t now)
{
    atoll_link_event event;
    size_t at = 0;
    do {
        at += atoll_link_receive(&app.link, data + at, size - at, now, &event);
        if (event.kind == ATOLL_LINK_MESSAGE) {
            take_message(&event, now);
        } else if (event.kind != ATOLL_LINK_NOTHING && app.asked && app.owed == 0u) {
            close_stream(now); /* a new bridge knows of no stream */
        }
    } while (at < size || event.kind != ATOLL_LINK_NOTHING);
}

static void fill_link(uint64_t now)
{
    if (app.owed != 0u && atoll_link_send(&app.link, app.owed, NULL, 0) == 0) {
        app.owed = 0;
    }
    while (app.open && app.owed == 0u && atoll_link_room(&app.link) > 0u) {
        const uint8_t *data;
        size_t size = atoll_node_output(&app.node, &data);
        if (size == 0u) {
            return;
        }
        size = size < ATOLL_LINK_DATA_MAX ? size : ATOLL_LINK_DATA_MAX;
        atoll_link_send(&app.link, ATOLL_LINK_BYTES, data, size);
        atoll_node_sent(&app.node, size, now);
    }
}

/* Give the line what it takes; true: it wants more time. */
static bool give(uint64_t now)
{
    if (app.line_sent == app.line_size) {
        app.line_size = atoll_link_output(&app.link, app.line, now);
        app.line_sent = 0;
    }
    app.line_sent += atoll_board_write(app.line + app.line_sent, app.line_size - app.line_sent);
    return app.line_size > 0u;
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
    open_logs();
    if (!start_node(atoll_board_now_ms())) {
        wait_for_help();
    }
    start_link(atoll_board_now_ms());
    for (;;) {
        uint8_t data[64];
        uint64_t now = atoll_board_now_ms();
        size_t size = atoll_board_read(data, sizeof data);
        atoll_board_feed();
        take_line(data, size, now);
        if (app.rest > 0u) {
            take_bytes(app.pending, app.rest, now);
        }
        follow(atoll_node_tick(&app.node, now), now);
        fill_link(now);
        if (!give(now) && size == 0u && !work()) {
            atoll_board_idle();
        }
    }
}
