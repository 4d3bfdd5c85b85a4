/* The outgoing half: the store, whose turn it is to be sent, and the packets themselves. */
#include <string.h>

#include "bytes.h"
#include "mqtt_state.h"

static const uint8_t PINGREQ[2] = {ATOLL_MQTT_TYPE_PINGREQ << 4, 0};
static const uint8_t DISCONNECT[2] = {ATOLL_MQTT_TYPE_DISCONNECT << 4, 0};

/* --- the store ------------------------------------------------------------------------------- */

uint8_t *atoll_mqtt_packet_at(const atoll_mqtt *mqtt, unsigned index)
{
    uint8_t *at = mqtt->config.store;
    for (unsigned before = 0; before < index; before++) {
        at += mqtt->packets[before].size;
    }
    return at;
}

static size_t store_used(const atoll_mqtt *mqtt)
{
    return (size_t)(atoll_mqtt_packet_at(mqtt, mqtt->packet_count) - mqtt->config.store);
}

void atoll_mqtt_drop(atoll_mqtt *mqtt, unsigned index)
{
    uint8_t *at = atoll_mqtt_packet_at(mqtt, index);
    size_t size = mqtt->packets[index].size;
    size_t behind = store_used(mqtt) - (size_t)(at - mqtt->config.store) - size;
    memmove(at, at + size, behind);
    mqtt->packet_count--;
    memmove(&mqtt->packets[index], &mqtt->packets[index + 1u],
            (mqtt->packet_count - index) * sizeof mqtt->packets[0]);
}

/* The first packet that is not gone; packet_count: none. The one under way is the first of them. */
static unsigned next_packet(const atoll_mqtt *mqtt)
{
    unsigned index = 0;
    while (index < mqtt->packet_count && mqtt->packets[index].state != ATOLL_MQTT_PACKET_WAITS) {
        index++;
    }
    return index;
}

bool atoll_mqtt_is_asking(const atoll_mqtt *mqtt)
{
    return mqtt->pinging ||
           (mqtt->packet_count > 0u && mqtt->packets[0].state == ATOLL_MQTT_PACKET_SENT);
}

void atoll_mqtt_ask(atoll_mqtt *mqtt, uint64_t now_ms)
{
    if (!atoll_mqtt_is_asking(mqtt)) {
        mqtt->heard_ms = now_ms;
    }
}

bool atoll_mqtt_forget(atoll_mqtt *mqtt, uint16_t id, bool subscribes)
{
    for (unsigned index = 0; index < mqtt->packet_count; index++) {
        const atoll_mqtt_packet *packet = &mqtt->packets[index];
        if (packet->id == id && id != 0u && packet->subscribes == subscribes &&
            packet->state == ATOLL_MQTT_PACKET_SENT) {
            atoll_mqtt_drop(mqtt, index);
            return true;
        }
    }
    return false;
}

enum { CONNECT_PIECES = 11 }; /* the head, then length and bytes of five texts */

/* --- output ---------------------------------------------------------------------------------- */

static size_t text_extent(const atoll_mqtt_text *text)
{
    return text->data != NULL ? 2u + (size_t)text->size : 0u;
}

/* The length of what follows, seven bits a byte (2.2.3). */
static size_t put_length(uint8_t *to, size_t length)
{
    size_t at = 0;
    do {
        to[at] = (uint8_t)((length & 0x7Fu) | (length > 0x7Fu ? 0x80u : 0u));
        length >>= 7;
        at++;
    } while (length > 0u);
    return at;
}

/* The fixed and the variable head of CONNECT (3.1). */
static size_t put_connect_head(atoll_mqtt *mqtt)
{
    static const uint8_t protocol[] = {0, 4, 'M', 'Q', 'T', 'T', 4};
    const atoll_mqtt_config *config = &mqtt->config;
    unsigned will = config->will_topic.data != NULL ? 1u : 0u;
    unsigned flags = (config->clean ? 2u : 0u) | will << 2 | will * config->will_qos << 3 |
                     (will & (config->will_retain ? 1u : 0u)) << 5 |
                     (config->password.data != NULL ? 0x40u : 0u) |
                     (config->user.data != NULL ? 0x80u : 0u);
    size_t length = sizeof protocol + 3u + 2u + config->client.size +
                    (will != 0u ? text_extent(&config->will_topic) + 2u + config->will.size : 0u) +
                    text_extent(&config->user) + text_extent(&config->password);
    size_t at = 1;
    mqtt->connect[0] = ATOLL_MQTT_TYPE_CONNECT << 4;
    at += put_length(mqtt->connect + at, length);
    memcpy(mqtt->connect + at, protocol, sizeof protocol);
    at += sizeof protocol;
    mqtt->connect[at++] = (uint8_t)flags;
    atoll_bytes_put_be16(mqtt->connect + at, config->keep_alive_s);
    return at + 2u;
}

/* CONNECT in pieces, from the caller's own texts: 0 its head, then of each text length and bytes.
 * The client's name is always there, the will with its topic. */
static size_t connect_piece(atoll_mqtt *mqtt, const uint8_t **data)
{
    const atoll_mqtt_config *config = &mqtt->config;
    const atoll_mqtt_text *const texts[] = {&config->client, &config->will_topic, &config->will,
                                            &config->user, &config->password};
    const atoll_mqtt_text *text = &config->client;
    unsigned index = (mqtt->piece - 1u) / 2u;
    *data = mqtt->connect;
    if (mqtt->piece == 0u) {
        return put_connect_head(mqtt);
    }
    text = texts[index];
    if (index > 0u && (index == 2u ? texts[1] : text)->data == NULL) {
        return 0;
    }
    if (mqtt->piece % 2u == 1u) {
        atoll_bytes_put_be16(mqtt->connect, text->size);
        return 2;
    }
    *data = text->data;
    return text->size;
}

static size_t connect_output(atoll_mqtt *mqtt, const uint8_t **data)
{
    for (; mqtt->piece < CONNECT_PIECES; mqtt->piece++) {
        size_t size = connect_piece(mqtt, data);
        if (size > 0u) {
            return size;
        }
    }
    return 0;
}

/* Between two packets: whose turn it is. */
static uint8_t choose(const atoll_mqtt *mqtt)
{
    if (mqtt->state == ATOLL_MQTT_STATE_STOPPING) {
        return ATOLL_MQTT_SENDING_GOODBYE;
    }
    if (mqtt->state != ATOLL_MQTT_STATE_CONNECTED) {
        return ATOLL_MQTT_SENDING_NOBODY;
    }
    if (mqtt->reply_count > 0u) {
        return ATOLL_MQTT_SENDING_REPLY;
    }
    if (mqtt->ping_due) {
        return ATOLL_MQTT_SENDING_PING;
    }
    return next_packet(mqtt) < mqtt->packet_count ? ATOLL_MQTT_SENDING_PACKET
                                                  : ATOLL_MQTT_SENDING_NOBODY;
}

static size_t under_way(atoll_mqtt *mqtt, const uint8_t **data)
{
    unsigned index = next_packet(mqtt);
    switch (mqtt->sending) {
    case ATOLL_MQTT_SENDING_CONNECT:
        return connect_output(mqtt, data);
    case ATOLL_MQTT_SENDING_REPLY:
        *data = mqtt->replies;
        return 4;
    case ATOLL_MQTT_SENDING_PING:
        *data = PINGREQ;
        return sizeof PINGREQ;
    case ATOLL_MQTT_SENDING_PACKET:
        *data = atoll_mqtt_packet_at(mqtt, index);
        return mqtt->packets[index].size;
    case ATOLL_MQTT_SENDING_GOODBYE:
        *data = DISCONNECT;
        return sizeof DISCONNECT;
    default:
        *data = NULL;
        return 0;
    }
}

size_t atoll_mqtt_output(atoll_mqtt *mqtt, const uint8_t **data)
{
    size_t size;
    *data = NULL;
    if (mqtt->state < ATOLL_MQTT_STATE_CONNECTING || mqtt->state >= ATOLL_MQTT_STATE_CLOSING) {
        return 0;
    }
    if (mqtt->sending == ATOLL_MQTT_SENDING_NOBODY) {
        mqtt->sending = choose(mqtt);
    }
    size = under_way(mqtt, data);
    if (size > 0u) {
        *data += mqtt->sent;
    }
    return size - mqtt->sent;
}

/* What was under way is gone to its last byte. */
static void finish(atoll_mqtt *mqtt, uint64_t now_ms)
{
    const uint8_t *data;
    unsigned index = next_packet(mqtt);
    switch (mqtt->sending) {
    case ATOLL_MQTT_SENDING_CONNECT:
        mqtt->piece++;
        if (connect_output(mqtt, &data) > 0u) {
            return;
        }
        break;
    case ATOLL_MQTT_SENDING_REPLY:
        mqtt->reply_count--;
        memmove(mqtt->replies, mqtt->replies + 4, 4u * mqtt->reply_count);
        break;
    case ATOLL_MQTT_SENDING_PING:
        mqtt->ping_due = false;
        break;
    case ATOLL_MQTT_SENDING_PACKET:
        if (mqtt->packets[index].id == 0u) {
            atoll_mqtt_drop(mqtt, index);
        } else {
            atoll_mqtt_ask(mqtt, now_ms);
            mqtt->packets[index].state = ATOLL_MQTT_PACKET_SENT;
        }
        break;
    default:
        mqtt->state = ATOLL_MQTT_STATE_CLOSING;
        break;
    }
    mqtt->sending = ATOLL_MQTT_SENDING_NOBODY;
}

void atoll_mqtt_sent(atoll_mqtt *mqtt, size_t size, uint64_t now_ms)
{
    const uint8_t *data;
    size_t whole = under_way(mqtt, &data);
    if (size == 0u || size > whole - mqtt->sent) {
        return;
    }
    mqtt->spoke_ms = now_ms;
    mqtt->sent = (uint16_t)(mqtt->sent + size);
    if (mqtt->sent == whole) {
        mqtt->sent = 0;
        finish(mqtt, now_ms);
    }
}

/* --- what the caller says -------------------------------------------------------------------- */

static uint16_t free_id(atoll_mqtt *mqtt)
{
    bool taken = true;
    while (taken) {
        mqtt->last_id = mqtt->last_id == UINT16_MAX ? 1u : (uint16_t)(mqtt->last_id + 1u);
        taken = false;
        for (unsigned index = 0; index < mqtt->packet_count; index++) {
            taken = taken || mqtt->packets[index].id == mqtt->last_id;
        }
    }
    return mqtt->last_id;
}

/* A packet of `length` bytes behind its fixed head, at the end of the store: where it goes on behind
 * that head; NULL: there is no room. */
static uint8_t *add_packet(atoll_mqtt *mqtt, unsigned first, size_t length)
{
    uint8_t head[5];
    size_t head_size = 1u + put_length(head + 1, length);
    size_t used = store_used(mqtt);
    uint8_t *at = mqtt->config.store + used;
    if (mqtt->packet_count == ATOLL_MQTT_PACKETS_MAX ||
        head_size + length > mqtt->config.store_size - used) {
        return NULL;
    }
    head[0] = (uint8_t)first;
    memcpy(at, head, head_size);
    mqtt->packets[mqtt->packet_count] = (atoll_mqtt_packet){.size = (uint16_t)(head_size + length)};
    return at + head_size;
}

static bool is_sendable(const atoll_mqtt *mqtt, size_t length)
{
    return length <= UINT16_MAX - 5u && length + 5u <= mqtt->config.store_size;
}

static uint8_t *put_text(uint8_t *to, const void *data, uint16_t size)
{
    atoll_bytes_put_be16(to, size);
    memcpy(to + 2, data, size);
    return to + 2u + size;
}

int atoll_mqtt_publish(atoll_mqtt *mqtt, atoll_mqtt_text topic, const void *payload, size_t size,
                       uint8_t qos, bool retain)
{
    size_t head = 2u + (size_t)topic.size + (qos > 0u ? 2u : 0u);
    atoll_mqtt_packet *packet = &mqtt->packets[mqtt->packet_count];
    uint8_t *at;
    if (qos > 1u || !atoll_mqtt_is_topic(topic.data, topic.size) || size > UINT16_MAX ||
        !is_sendable(mqtt, head + size)) {
        return ATOLL_MQTT_RANGE;
    }
    if (qos == 0u && !atoll_mqtt_is_connected(mqtt)) {
        return ATOLL_MQTT_OFFLINE;
    }
    at = add_packet(mqtt, (unsigned)ATOLL_MQTT_TYPE_PUBLISH << 4 | (unsigned)qos << 1 | retain,
                    head + size);
    if (at == NULL) {
        return ATOLL_MQTT_FULL;
    }
    at = put_text(at, topic.data, topic.size);
    if (qos > 0u) {
        packet->id = free_id(mqtt);
        atoll_bytes_put_be16(at, packet->id);
        at += 2;
    }
    if (size > 0u) {
        memcpy(at, payload, size);
    }
    mqtt->packet_count++;
    return packet->id;
}

int atoll_mqtt_subscribe(atoll_mqtt *mqtt, atoll_mqtt_text filter, uint8_t qos)
{
    size_t length = 2u + 2u + (size_t)filter.size + 1u;
    atoll_mqtt_packet *packet = &mqtt->packets[mqtt->packet_count];
    uint8_t *at;
    if (qos > 1u || filter.size == 0u || !is_sendable(mqtt, length)) {
        return ATOLL_MQTT_RANGE;
    }
    if (!atoll_mqtt_is_connected(mqtt)) {
        return ATOLL_MQTT_OFFLINE;
    }
    at = add_packet(mqtt, (unsigned)ATOLL_MQTT_TYPE_SUBSCRIBE << 4 | 2u, length);
    if (at == NULL) {
        return ATOLL_MQTT_FULL;
    }
    packet->id = free_id(mqtt);
    packet->subscribes = true;
    atoll_bytes_put_be16(at, packet->id);
    *put_text(at + 2, filter.data, filter.size) = qos;
    mqtt->packet_count++;
    return packet->id;
}

bool atoll_mqtt_acknowledge(atoll_mqtt *mqtt, uint16_t packet)
{
    uint8_t *reply = mqtt->replies + 4u * mqtt->reply_count;
    if (mqtt->reply_count == ATOLL_MQTT_REPLIES_MAX) {
        return false;
    }
    reply[0] = ATOLL_MQTT_TYPE_PUBACK << 4;
    reply[1] = 2;
    atoll_bytes_put_be16(reply + 2, packet);
    mqtt->reply_count++;
    return true;
}
