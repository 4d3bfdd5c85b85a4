/* The incoming half: packets out of bytes, checked before they are believed. */
#include <string.h>

#include "bytes.h"
#include "mqtt_state.h"

static void fail(atoll_mqtt *mqtt, atoll_mqtt_event *event)
{
    mqtt->malformed++;
    mqtt->state = ATOLL_MQTT_STATE_CLOSING;
    event->kind = ATOLL_MQTT_NOTHING; /* `tick` says CLOSE */
}

static void take_connack(atoll_mqtt *mqtt, uint64_t now_ms, atoll_mqtt_event *event)
{
    const uint8_t *body = mqtt->config.receive;
    if (mqtt->length != 2u || body[0] > 1u || mqtt->state != ATOLL_MQTT_STATE_CONNECTING) {
        fail(mqtt, event);
    } else if (body[1] != 0u) { /* 3.2.2.3: a reason, and the broker closes */
        mqtt->refused++;
        mqtt->state = ATOLL_MQTT_STATE_CLOSING;
    } else {
        atoll_mqtt_accept(mqtt, body[0] == 1u, now_ms);
        event->kind = ATOLL_MQTT_CONNECTED;
        event->session = body[0] == 1u;
    }
}

bool atoll_mqtt_is_topic(const uint8_t *topic, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (topic[at] == '+' || topic[at] == '#' || topic[at] == 0u) {
            return false;
        }
    }
    return size > 0u;
}

/* An oversized message has its first `receive_size` bytes in the buffer: enough for its number. */
static void take_publish(atoll_mqtt *mqtt, atoll_mqtt_event *event)
{
    const uint8_t *body = mqtt->config.receive;
    bool whole = mqtt->length <= mqtt->config.receive_size;
    uint32_t there = whole ? mqtt->length : (uint32_t)mqtt->config.receive_size;
    uint32_t qos = mqtt->head >> 1 & 3u;
    uint32_t topic_size = there >= 2u ? atoll_bytes_be16(body) : 0u;
    uint32_t at = 2u + topic_size + (qos > 0u ? 2u : 0u);
    uint16_t id = qos > 0u && at <= there ? atoll_bytes_be16(body + at - 2u) : 0u;
    bool readable = there >= 2u && at <= there && atoll_mqtt_is_topic(body + 2, topic_size);
    if (qos > 1u || (mqtt->head & 0x0Fu) == 8u || !readable || (qos == 1u && id == 0u)) {
        fail(mqtt, event);
        return;
    }
    if (!whole) {
        mqtt->oversized++;
        if (id != 0u) {
            atoll_mqtt_acknowledge(mqtt, id); /* or it comes again and again */
        }
        return;
    }
    event->kind = ATOLL_MQTT_MESSAGE;
    event->packet = id;
    event->retained = (mqtt->head & 1u) != 0u;
    event->topic = body + 2;
    event->topic_size = topic_size;
    event->payload = body + at;
    event->payload_size = mqtt->length - at;
}

static void take_answer(atoll_mqtt *mqtt, uint8_t type, atoll_mqtt_event *event)
{
    const uint8_t *body = mqtt->config.receive;
    bool subscribes = type == ATOLL_MQTT_TYPE_SUBACK;
    bool fits = mqtt->length == (subscribes ? 3u : 2u);
    uint16_t id = fits ? atoll_bytes_be16(body) : 0u;
    uint8_t code = fits && subscribes ? body[2] : 0u;
    if (!fits || (mqtt->head & 0x0Fu) != 0u || (code > 2u && code != 0x80u) ||
        !atoll_mqtt_forget(mqtt, id, subscribes)) {
        fail(mqtt, event);
        return;
    }
    event->kind = subscribes ? ATOLL_MQTT_SUBSCRIBED : ATOLL_MQTT_PUBLISHED;
    event->packet = id;
    event->code = code;
}

static void take_packet(atoll_mqtt *mqtt, uint64_t now_ms, atoll_mqtt_event *event)
{
    uint8_t type = mqtt->head >> 4;
    bool connected = mqtt->state >= ATOLL_MQTT_STATE_CONNECTED;
    if (type == ATOLL_MQTT_TYPE_CONNACK && mqtt->head == 0x20u) {
        take_connack(mqtt, now_ms, event);
    } else if (type == ATOLL_MQTT_TYPE_PUBLISH && connected) {
        take_publish(mqtt, event);
    } else if ((type == ATOLL_MQTT_TYPE_PUBACK || type == ATOLL_MQTT_TYPE_SUBACK) && connected) {
        mqtt->heard_ms = now_ms;
        take_answer(mqtt, type, event);
    } else if (mqtt->head == 0xD0u && mqtt->length == 0u && connected) {
        mqtt->heard_ms = now_ms;
        mqtt->pinging = false;
    } else {
        fail(mqtt, event);
    }
}

/* One byte of the fixed head (2.2): the first, or of the length. True: the head is complete. */
static bool take_head(atoll_mqtt *mqtt, uint8_t byte, atoll_mqtt_event *event)
{
    if (mqtt->head == 0u) {
        mqtt->head = byte;
        mqtt->length = 0;
        mqtt->length_bytes = 0;
        mqtt->got = 0;
        if (byte >> 4 == 0u) {
            fail(mqtt, event);
        }
        return false;
    }
    mqtt->length |= (uint32_t)(byte & 0x7Fu) << (7u * mqtt->length_bytes);
    mqtt->length_bytes++;
    if ((byte & 0x80u) != 0u) {
        if (mqtt->length_bytes == 4u) {
            fail(mqtt, event);
        }
        return false;
    }
    if (mqtt->length > mqtt->config.receive_size && mqtt->head >> 4 != ATOLL_MQTT_TYPE_PUBLISH) {
        fail(mqtt, event);
        return false;
    }
    return true;
}

/* Bytes of the body, kept as far as there is room; how many were taken. */
static size_t take_body(atoll_mqtt *mqtt, const uint8_t *data, size_t size)
{
    size_t room = mqtt->config.receive_size;
    size_t take = mqtt->length - mqtt->got;
    size_t keep;
    take = take < size ? take : size;
    keep = mqtt->got < room ? room - mqtt->got : 0u;
    keep = keep < take ? keep : take;
    if (keep > 0u) {
        memcpy(mqtt->config.receive + mqtt->got, data, keep);
    }
    mqtt->got += (uint32_t)take;
    return take;
}

size_t atoll_mqtt_receive(atoll_mqtt *mqtt, const uint8_t *data, size_t size, uint64_t now_ms,
                          atoll_mqtt_event *event)
{
    size_t at = 0;
    *event = (atoll_mqtt_event){.kind = ATOLL_MQTT_NOTHING};
    while (at < size && event->kind == ATOLL_MQTT_NOTHING) {
        if (mqtt->state < ATOLL_MQTT_STATE_CONNECTING || mqtt->state >= ATOLL_MQTT_STATE_CLOSING) {
            return size; /* nobody asked for it */
        }
        if (mqtt->reply_count == ATOLL_MQTT_REPLIES_MAX) {
            return at; /* no room for one more answer */
        }
        if (mqtt->in_body) {
            at += take_body(mqtt, data + at, size - at);
        } else {
            mqtt->in_body = take_head(mqtt, data[at++], event);
        }
        if (mqtt->in_body && mqtt->got == mqtt->length) {
            take_packet(mqtt, now_ms, event);
            mqtt->head = 0;
            mqtt->in_body = false;
        }
    }
    return at;
}
