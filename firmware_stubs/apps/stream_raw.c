/* The stream straight over the serial line, without a link: for benchmarks/serial.py alone, which
 * compares the link with it. A reset in the middle of a message makes the broker take the next boot
 * for the rest of it, and what the line spoils arrives spoilt: no node is built with this. */
#include <string.h>

#include "board.h"
#include "stream.h"

enum { PENDING = 256 };

static struct {
    atoll_node *node;
    size_t rest; /* bytes that the node has not taken yet */
    uint8_t pending[PENDING];
} own;

void atoll_stream_start(atoll_node *node, const atoll_identity *identity, uint64_t now)
{
    (void)identity;
    (void)now;
    own.node = node;
}

static void follow(atoll_mqtt_kind wanted, uint64_t now)
{
    if (wanted == ATOLL_MQTT_OPEN) {
        atoll_node_opened(own.node, now);
    } else if (wanted == ATOLL_MQTT_CLOSE) {
        own.rest = 0;
        atoll_node_closed(own.node, now);
    }
}

/* Bytes until the line takes no more; whether there were any. */
static bool give(uint64_t now)
{
    const uint8_t *data;
    size_t size, sent = 1, all = 0;
    while (sent > 0u && (size = atoll_node_output(own.node, &data)) > 0u) {
        sent = atoll_board_write(data, size);
        atoll_node_sent(own.node, sent, now);
        all += sent;
    }
    return all > 0u;
}

bool atoll_stream_serve(uint64_t now)
{
    size_t come = atoll_board_read(own.pending + own.rest, PENDING - own.rest), taken;
    own.rest += come;
    taken = atoll_node_receive(own.node, own.pending, own.rest, now);
    own.rest -= taken;
    memmove(own.pending, own.pending + taken, own.rest);
    follow(atoll_node_tick(own.node, now), now);
    return give(now) || come > 0u;
}
