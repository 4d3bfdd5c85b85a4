/* An MQTT 3.1.1 client over a byte stream: bytes and milliseconds in, bytes and events out.
 *
 * It opens no socket and reads no clock. The caller opens the stream when told to (OPEN), says that
 * it is open, hands over what comes in, sends what `output` gives, calls `tick` when `wakeup` says
 * so, and closes the stream when told to (CLOSE). Section numbers are those of the OASIS standard.
 *
 * QoS 0 and 1, both ways. A QoS 1 packet stays in the caller's store until its PUBACK; after a new
 * connection it goes out again, in the order of the first time, with DUP if the broker kept the
 * session (4.4). Nothing is sent twice on one connection. An incoming QoS 1 message is answered
 * when the caller has kept it and says so.
 *
 * All input is bounded: a message larger than the receive buffer is skipped, answered and counted;
 * whatever the standard does not allow ends the connection and is counted. */
#ifndef ATOLL_MQTT_H
#define ATOLL_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ATOLL_MQTT_FULL = -1,   /* no room now: try again after PUBLISHED */
    ATOLL_MQTT_RANGE = -2,  /* a topic, QoS or size that can never be sent */
    ATOLL_MQTT_OFFLINE = -3 /* QoS 0 and subscriptions are not kept for the next connection */
};

enum {
    ATOLL_MQTT_PACKETS_MAX = 8, /* kept at once: more would need more round trips than it saves */
    ATOLL_MQTT_REPLIES_MAX = 8, /* PUBACKs not yet sent; more input waits for them */
    ATOLL_MQTT_CONNECT_MS = 10000, /* for a CONNACK, of a broker under load */
    ATOLL_MQTT_ANSWER_MS = 20000,  /* for a PUBACK, SUBACK or PINGRESP */
    ATOLL_MQTT_STABLE_MS = 10000,  /* a connection this old starts the back-off anew */
    ATOLL_MQTT_BACKOFF_MIN_MS = 500,
    ATOLL_MQTT_BACKOFF_MAX_MS = 60000
};

typedef struct atoll_mqtt_text {
    const void *data;
    uint16_t size;
} atoll_mqtt_text;

/* All of it outlives the client. A text with data NULL is left out. */
typedef struct atoll_mqtt_config {
    atoll_mqtt_text client;
    atoll_mqtt_text user;
    atoll_mqtt_text password;
    atoll_mqtt_text will_topic;
    atoll_mqtt_text will;
    uint8_t will_qos;
    bool will_retain;
    bool clean;            /* the broker is to forget the session */
    uint16_t keep_alive_s; /* 0: never ping */
    uint8_t *receive;      /* one incoming packet without its fixed head */
    size_t receive_size;
    uint8_t *store; /* outgoing packets, until sent or acknowledged */
    size_t store_size;
    uint32_t seed; /* of the back-off's jitter: different on every device */
} atoll_mqtt_config;

typedef enum atoll_mqtt_kind {
    ATOLL_MQTT_NOTHING,
    ATOLL_MQTT_OPEN,      /* open the stream; then call `opened`, or `closed` if that fails */
    ATOLL_MQTT_CLOSE,     /* close the stream, then call `closed` */
    ATOLL_MQTT_CONNECTED, /* `session`: the broker remembers the subscriptions */
    ATOLL_MQTT_MESSAGE,   /* topic and payload are valid until the next call */
    ATOLL_MQTT_PUBLISHED, /* the broker has `packet` */
    ATOLL_MQTT_SUBSCRIBED /* `packet`; `code` is the QoS granted, 0x80 refused */
} atoll_mqtt_kind;

typedef struct atoll_mqtt_event {
    atoll_mqtt_kind kind;
    uint16_t packet; /* of MESSAGE: 0 for QoS 0, else what `acknowledge` wants */
    uint8_t code;
    bool session;
    bool retained;
    const uint8_t *topic;
    size_t topic_size;
    const uint8_t *payload;
    size_t payload_size;
} atoll_mqtt_event;

/* A packet in the store; the packets lie there one behind the other, in this order. */
typedef struct atoll_mqtt_packet {
    uint16_t id;
    uint16_t size;
    uint8_t state;
    bool subscribes;
    bool repeated; /* went out on an earlier connection */
} atoll_mqtt_packet;

typedef struct atoll_mqtt {
    atoll_mqtt_config config;
    /* The connection. */
    uint8_t state;
    bool close_said;    /* CLOSE was given out */
    bool stopped;       /* `stop` was called */
    bool was_connected; /* CONNACK came on this connection */
    uint64_t since_ms;  /* when it did; before: when the stream was opened */
    uint64_t retry_ms;  /* the stream is not opened before */
    uint32_t backoff_ms;
    uint32_t random;
    /* What goes out. */
    uint8_t sending; /* what the bytes under way belong to */
    uint8_t piece;   /* of CONNECT */
    uint16_t sent;   /* bytes of it that are gone */
    uint16_t last_id;
    bool pinging;      /* PINGRESP is owed */
    bool ping_due;     /* PINGREQ has not gone out yet */
    uint64_t spoke_ms; /* the last bytes went out */
    uint64_t heard_ms; /* the oldest open question was asked, or an answer came later */
    uint8_t packet_count;
    uint8_t reply_count;
    uint8_t replies[4 * ATOLL_MQTT_REPLIES_MAX];
    uint8_t connect[16]; /* the piece of CONNECT under way, where it is no caller's text */
    atoll_mqtt_packet packets[ATOLL_MQTT_PACKETS_MAX];
    /* What comes in. */
    bool in_body;
    uint8_t head; /* first byte; 0: none yet */
    uint8_t length_bytes;
    uint32_t length;
    uint32_t got;
    /* What went wrong, since the start. */
    uint32_t malformed;
    uint32_t oversized;
    uint32_t timeouts;
    uint32_t refused;
    uint32_t connections;
} atoll_mqtt;

void atoll_mqtt_start(atoll_mqtt *mqtt, const atoll_mqtt_config *config, uint64_t now_ms);

/* The stream is open: CONNECT goes out. */
void atoll_mqtt_opened(atoll_mqtt *mqtt, uint64_t now_ms);

/* The stream is closed, whoever did it, or could not be opened. */
void atoll_mqtt_closed(atoll_mqtt *mqtt, uint64_t now_ms);

/* Take bytes until an event comes of them, and return how many were taken. 0 of some: send output
 * first. Call again with the rest. */
size_t atoll_mqtt_receive(atoll_mqtt *mqtt, const uint8_t *data, size_t size, uint64_t now_ms,
                          atoll_mqtt_event *event);

/* Let time pass; call it when `wakeup` says so, and once more after each event. */
void atoll_mqtt_tick(atoll_mqtt *mqtt, uint64_t now_ms, atoll_mqtt_event *event);

/* When `tick` has something to do; UINT64_MAX: not before another call. */
uint64_t atoll_mqtt_wakeup(const atoll_mqtt *mqtt);

/* What is to be sent next: its size, and where it is; valid until the next call. */
size_t atoll_mqtt_output(atoll_mqtt *mqtt, const uint8_t **data);

/* So many bytes of it are gone. */
void atoll_mqtt_sent(atoll_mqtt *mqtt, size_t size, uint64_t now_ms);

/* Queue a message: its packet number (0 for QoS 0) or a negative number. */
int atoll_mqtt_publish(atoll_mqtt *mqtt, atoll_mqtt_text topic, const void *payload, size_t size,
                       uint8_t qos, bool retain);

/* Queue a subscription to one filter: its packet number or a negative number. */
int atoll_mqtt_subscribe(atoll_mqtt *mqtt, atoll_mqtt_text filter, uint8_t qos);

/* A QoS 1 message is kept; the broker may forget it. False: send output first, then say so again. */
bool atoll_mqtt_acknowledge(atoll_mqtt *mqtt, uint16_t packet);

/* Say goodbye, so that the broker does not publish the will; CLOSE follows once it is sent. */
void atoll_mqtt_stop(atoll_mqtt *mqtt);

bool atoll_mqtt_is_connected(const atoll_mqtt *mqtt);

#endif
