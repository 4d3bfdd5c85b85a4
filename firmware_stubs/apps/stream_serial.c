/* The stream over a serial line: a bridge at the other end of the link opens and closes it. */
#include <string.h>

#include "board.h"
#include "chip.h"
#include "link.h"
#include "stream.h"

/* Messages that may be under way to the bridge: four outlast the 16 ms for which a USB adapter holds
 * an acknowledgement back. */
#ifndef ATOLL_CHIP_UNDER_WAY
#define ATOLL_CHIP_UNDER_WAY 4
#endif

static struct {
    atoll_node *node;
    atoll_link link;
    bool open;    /* the bridge has said UP */
    bool asked;   /* ... or was asked to */
    uint8_t owed; /* OPEN or DOWN, as soon as there is room; 0: nothing */
    size_t rest;  /* bytes of the stream that the node has not taken yet */
    uint8_t pending[ATOLL_LINK_DATA_MAX];
    uint8_t line[ATOLL_LINK_LINE_MAX];
    size_t line_size;
    size_t line_sent;
    uint8_t store[ATOLL_CHIP_UNDER_WAY * ATOLL_LINK_DATA_MAX];
} own;

void atoll_stream_start(atoll_node *node, const atoll_identity *identity, uint64_t now)
{
    atoll_link_config config = {.session = node->numbers.boot,
                                .window = 2,
                                .store = own.store,
                                .store_count = ATOLL_CHIP_UNDER_WAY};
    (void)identity;
    own.node = node;
    atoll_link_start(&own.link, &config, now);
}

/* --- what comes ------------------------------------------------------------------------------ */

static void close_stream(uint64_t now)
{
    own.open = false;
    own.asked = false;
    own.rest = 0;
    atoll_node_closed(own.node, now);
}

static void follow(atoll_mqtt_kind wanted, uint64_t now)
{
    if (wanted == ATOLL_MQTT_OPEN) {
        own.owed = ATOLL_LINK_OPEN;
        own.asked = true;
    } else if (wanted == ATOLL_MQTT_CLOSE) {
        own.owed = ATOLL_LINK_DOWN;
        close_stream(now);
    }
}

/* The node takes all that it has answers for; the rest waits, and so does the bridge. */
static void take_bytes(const uint8_t *data, size_t size, uint64_t now)
{
    size_t taken = atoll_node_receive(own.node, data, size, now);
    own.rest = size - taken;
    if (own.rest > 0u) {
        memmove(own.pending, data + taken, own.rest);
    }
}

static void take_message(const atoll_link_event *event, uint64_t now)
{
    if (event->message_kind == ATOLL_LINK_UP && own.asked) {
        own.open = true;
        atoll_node_opened(own.node, now);
    } else if (event->message_kind == ATOLL_LINK_DOWN && own.asked) {
        close_stream(now);
    } else if (event->message_kind == ATOLL_LINK_BYTES && own.open) {
        if (own.rest > 0u) {
            atoll_link_refuse(&own.link);
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
        at += atoll_link_receive(&own.link, data + at, size - at, now, &event);
        if (event.kind == ATOLL_LINK_MESSAGE) {
            take_message(&event, now);
        } else if (event.kind != ATOLL_LINK_NOTHING && own.asked && own.owed == 0u) {
            close_stream(now); /* a new bridge knows of no stream */
        }
    } while (at < size || event.kind != ATOLL_LINK_NOTHING);
}

/* --- what goes ------------------------------------------------------------------------------- */

static void fill_link(uint64_t now)
{
    if (own.owed != 0u && atoll_link_send(&own.link, own.owed, NULL, 0) == 0) {
        own.owed = 0;
    }
    while (own.open && own.owed == 0u && atoll_link_room(&own.link) > 0u) {
        const uint8_t *data;
        size_t size = atoll_node_output(own.node, &data);
        if (size == 0u) {
            return;
        }
        size = size < ATOLL_LINK_DATA_MAX ? size : ATOLL_LINK_DATA_MAX;
        atoll_link_send(&own.link, ATOLL_LINK_BYTES, data, size);
        atoll_node_sent(own.node, size, now);
    }
}

/* Give the line what it takes; true: it wants more time. */
static bool give(uint64_t now)
{
    if (own.line_sent == own.line_size) {
        own.line_size = atoll_link_output(&own.link, own.line, now);
        own.line_sent = 0;
    }
    own.line_sent += atoll_board_write(own.line + own.line_sent, own.line_size - own.line_sent);
    return own.line_size > 0u;
}

bool atoll_stream_serve(uint64_t now)
{
    uint8_t data[64];
    size_t size = atoll_board_read(data, sizeof data);
    take_line(data, size, now);
    if (own.rest > 0u) {
        take_bytes(own.pending, own.rest, now);
    }
    follow(atoll_node_tick(own.node, now), now);
    fill_link(now);
    return give(now) || size > 0u;
}
