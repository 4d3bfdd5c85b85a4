/* What mqtt.c and mqtt_receive.c share, and nobody else. */
#ifndef ATOLL_MQTT_STATE_H
#define ATOLL_MQTT_STATE_H

#include "mqtt.h"

/* Connection states, in the order in which they follow each other. */
enum {
    ATOLL_MQTT_STATE_WAITING, /* until retry_ms */
    ATOLL_MQTT_STATE_OPENING,
    ATOLL_MQTT_STATE_CONNECTING, /* CONNECT is on its way */
    ATOLL_MQTT_STATE_CONNECTED,
    ATOLL_MQTT_STATE_STOPPING, /* DISCONNECT is on its way */
    ATOLL_MQTT_STATE_CLOSING,  /* CLOSE is due */
    ATOLL_MQTT_STATE_STOPPED
};

enum { ATOLL_MQTT_PACKET_WAITS, ATOLL_MQTT_PACKET_SENT };

/* Control packet types (2.2.1), in the upper half of the first byte. */
enum {
    ATOLL_MQTT_TYPE_CONNECT = 1,
    ATOLL_MQTT_TYPE_CONNACK = 2,
    ATOLL_MQTT_TYPE_PUBLISH = 3,
    ATOLL_MQTT_TYPE_PUBACK = 4,
    ATOLL_MQTT_TYPE_SUBSCRIBE = 8,
    ATOLL_MQTT_TYPE_SUBACK = 9,
    ATOLL_MQTT_TYPE_PINGREQ = 12,
    ATOLL_MQTT_TYPE_PINGRESP = 13,
    ATOLL_MQTT_TYPE_DISCONNECT = 14
};

/* What the bytes under way belong to. */
enum {
    ATOLL_MQTT_SENDING_NOBODY,
    ATOLL_MQTT_SENDING_CONNECT,
    ATOLL_MQTT_SENDING_REPLY,
    ATOLL_MQTT_SENDING_PING,
    ATOLL_MQTT_SENDING_PACKET,
    ATOLL_MQTT_SENDING_GOODBYE
};

/* Where packet `index` of the store begins. */
uint8_t *atoll_mqtt_packet_at(const atoll_mqtt *mqtt, unsigned index);

void atoll_mqtt_drop(atoll_mqtt *mqtt, unsigned index);

/* Whether the broker owes an answer. */
bool atoll_mqtt_is_asking(const atoll_mqtt *mqtt);

/* A question goes out: its time is taken, unless an older one is open. */
void atoll_mqtt_ask(atoll_mqtt *mqtt, uint64_t now_ms);

/* The broker acknowledged packet `id`; false: no such packet was sent. */
bool atoll_mqtt_forget(atoll_mqtt *mqtt, uint16_t id, bool subscribes);

/* CONNACK came and was good. */
void atoll_mqtt_accept(atoll_mqtt *mqtt, bool session, uint64_t now_ms);

/* Whether this can be the topic of a message (3.3.2.1, 1.5.3). */
bool atoll_mqtt_is_topic(const uint8_t *topic, size_t size);

#endif
