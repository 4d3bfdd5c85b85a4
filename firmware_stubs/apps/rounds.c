/* Round trips for benchmarks/serial.py: QoS 1 messages of a result's size, one after the other, each
 * published when the broker has answered the one before. Of the node there is the MQTT client alone,
 * so that what is measured is the link; the rest of node.h is what a stream asks for. */
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "stream.h"

enum { SIZE = 200, RECEIVE = 256, STORE = 512 };

static atoll_node node;
static struct {
    uint8_t receive[RECEIVE];
    uint8_t store[STORE];
    uint8_t payload[SIZE]; /* begins with its number */
    uint32_t number;
    bool free; /* nothing is under way */
} own;

static atoll_mqtt_text text(const char *words)
{
    return (atoll_mqtt_text){words, (uint16_t)strlen(words)};
}

static void handle(const atoll_mqtt_event *event)
{
    own.free = own.free || event->kind == ATOLL_MQTT_CONNECTED || event->kind == ATOLL_MQTT_PUBLISHED;
}

static void pump(void)
{
    if (own.free) {
        atoll_bytes_put_le32(own.payload, ++own.number);
        own.free = atoll_mqtt_publish(&node.mqtt, text("atoll/rounds"), own.payload, SIZE, 1, false) < 0;
    }
}

size_t atoll_node_receive(atoll_node *of, const uint8_t *data, size_t size, uint64_t now_ms)
{
    size_t at = 0, taken = 1;
    while (at < size && taken > 0u) {
        atoll_mqtt_event event;
        taken = atoll_mqtt_receive(&of->mqtt, data + at, size - at, now_ms, &event);
        at += taken;
        handle(&event);
    }
    pump();
    return at;
}

atoll_mqtt_kind atoll_node_tick(atoll_node *of, uint64_t now_ms)
{
    atoll_mqtt_event event;
    atoll_mqtt_tick(&of->mqtt, now_ms, &event);
    pump();
    return event.kind;
}

void atoll_node_opened(atoll_node *of, uint64_t now_ms)
{
    atoll_mqtt_opened(&of->mqtt, now_ms);
}

void atoll_node_closed(atoll_node *of, uint64_t now_ms)
{
    own.free = false;
    atoll_mqtt_closed(&of->mqtt, now_ms);
}

size_t atoll_node_output(atoll_node *of, const uint8_t **data)
{
    return atoll_mqtt_output(&of->mqtt, data);
}

void atoll_node_sent(atoll_node *of, size_t size, uint64_t now_ms)
{
    atoll_mqtt_sent(&of->mqtt, size, now_ms);
}

int main(void)
{
    static const atoll_identity nobody;
    const atoll_mqtt_config config = {.client = text("rounds"),
                                      .clean = true,
                                      .keep_alive_s = 30,
                                      .receive = own.receive,
                                      .receive_size = sizeof own.receive,
                                      .store = own.store,
                                      .store_size = sizeof own.store};
    atoll_board_start();
    node.numbers.boot = 1;
    atoll_mqtt_start(&node.mqtt, &config, atoll_board_now_ms());
    atoll_stream_start(&node, &nobody, atoll_board_now_ms());
    for (;;) {
        atoll_board_feed();
        if (!atoll_stream_serve(atoll_board_now_ms())) {
            atoll_board_idle();
        }
    }
}
