/* The device: it is born, holds a lease, and hands over results until they are acknowledged.
 *
 * Sans-IO over the MQTT client: the caller moves bytes and tells the time. docs/wire.md has what is
 * said; here is what a microcontroller does of it:
 *
 * - each start has a boot number, on flash before anything is said;
 * - birth and status are retained; a will says that it is lost;
 * - the lease is asked for every interval, and counted from when that was sent, less 5 %;
 * - a gateway term, map epoch or lease epoch that is lower than one seen is refused and counted, and
 *   a higher one is on flash before it is acted upon;
 * - a result is in the outbox on flash when `result` says OK, and leaves it when the gateway has
 *   acknowledged it; unacknowledged ones go out again after each connection, oldest first;
 * - it holds no block of others: what it is asked for of them is refused with the reason. */
#ifndef ATOLL_NODE_H
#define ATOLL_NODE_H

#include "flashlog.h"
#include "message.h"
#include "mqtt.h"
#include "numbers.h"

enum {
    ATOLL_NODE_FULL = -1,  /* the outbox: acknowledgements will make room */
    ATOLL_NODE_RANGE = -2, /* a result that does not fit into a record or a message */
    ATOLL_NODE_IO = -3     /* the flash */
};

enum {
    ATOLL_NODE_NAME_MAX = 64,
    ATOLL_NODE_TOPIC_MAX = 176,    /* atoll/v1/SITE/device/DEVICE/down/LEAF */
    ATOLL_NODE_WINDOW = 32,        /* results sent and not acknowledged */
    ATOLL_NODE_UNDER_WAY = 2,      /* messages at the broker: meanwhile results gather for the next */
    ATOLL_NODE_INTERVAL_MS = 2000, /* between lease requests, until the gateway says another */
    ATOLL_NODE_ANSWER_MS = 30000,  /* for an acknowledgement; then all are sent again */
    ATOLL_NODE_MESSAGE_MAX = ATOLL_CBOR_SIZE_MAX,
    ATOLL_NODE_SCRATCH = 256, /* where a result's data may lie in the message buffer */
    ATOLL_NODE_FELL_MAX = 80
};

/* Bytes of the largest message that it says. Only a birth with the receipts of many kernels is larger
 * than what it is told. */
#ifndef ATOLL_NODE_SAY_MAX
#define ATOLL_NODE_SAY_MAX 1024
#endif

/* Of each kernel that the image has, its name and its receipt; `count` 0: unknown. */
typedef struct atoll_node_receipts {
    const char *const *names;
    const uint64_t *digests;
    uint32_t count;
} atoll_node_receipts;

/* What runs standing jobs. Of a node without it, `program` NULL, they are refused. */
typedef struct atoll_node_plans {
    void *context;
    const char *(*program)(void *context, const atoll_message *message); /* why not, or NULL */
    void (*cancel)(void *context, atoll_mqtt_text job);
} atoll_node_plans;

/* The stream that the device samples, 16-bit; `key` of size 0: it samples none. */
typedef struct atoll_node_source {
    atoll_mqtt_text dataset;
    atoll_mqtt_text key;
    atoll_mqtt_text unit;
    float rate_hz;
    float scale;
} atoll_node_source;

typedef struct atoll_node_config {
    atoll_mqtt_config mqtt; /* client, will and its texts are the node's to fill */
    atoll_mqtt_text site;
    atoll_mqtt_text device;
    atoll_mqtt_text zone;
    atoll_mqtt_text software;
    atoll_mqtt_text profile;
    float capacity;
    uint32_t memory_bytes;
    uint32_t storage_bytes;
    uint32_t floor; /* boots have numbers above it */
    atoll_flashlog *numbers; /* opened */
    atoll_flashlog *outbox;  /* opened */
    atoll_node_source source;
    atoll_node_plans plans;
    atoll_node_receipts receipts;
    atoll_mqtt_text fell; /* why the boot before this one ended, if it fell: ATOLL_NODE_FELL_MAX */
} atoll_node_config;

typedef struct atoll_node {
    atoll_node_config config;
    atoll_mqtt mqtt;
    atoll_numbers numbers;
    uint32_t due; /* what is to be said, one bit each */
    uint64_t refused_transfer;

    /* The lease. */
    uint32_t request;
    uint64_t request_ms; /* when it was sent */
    uint64_t next_ms;    /* when the next one is */
    uint64_t until_ms;   /* of the lease; 0: none */
    uint32_t interval_ms;
    uint32_t round_trip_ms;
    bool said_ready;
    /* The outbox. */
    atoll_flashlog_cursor cursor; /* behind what was sent */
    uint64_t ahead;      /* bit n: the record n + 1 behind the last acknowledged one is, too */
    uint64_t overdue_ms; /* when all is sent again */
    /* What was refused, since the start. */
    uint32_t malformed;
    uint32_t stale;
    uint32_t unwanted;
    char topic[ATOLL_NODE_TOPIC_MAX];
    char will_topic[ATOLL_NODE_TOPIC_MAX];
    char will[96];
    uint8_t message[ATOLL_NODE_SAY_MAX]; /* nobody's between two calls */
} atoll_node;

/* 0, or a negative number: without a boot number on flash nothing may be said. */
int atoll_node_start(atoll_node *node, const atoll_node_config *config, uint64_t now_ms);

/* As those of the MQTT client, which it owns. `tick` and `receive` return whether the stream is to be
 * opened or closed (ATOLL_MQTT_OPEN, ATOLL_MQTT_CLOSE), else ATOLL_MQTT_NOTHING. */
void atoll_node_opened(atoll_node *node, uint64_t now_ms);
void atoll_node_closed(atoll_node *node, uint64_t now_ms);
size_t atoll_node_receive(atoll_node *node, const uint8_t *data, size_t size, uint64_t now_ms);
atoll_mqtt_kind atoll_node_tick(atoll_node *node, uint64_t now_ms);
uint64_t atoll_node_wakeup(const atoll_node *node);
size_t atoll_node_output(atoll_node *node, const uint8_t **data);
void atoll_node_sent(atoll_node *node, size_t size, uint64_t now_ms);

/* Keep a task's result until it is acknowledged: 0, or a negative number and it is not kept. `failed`:
 * the data is the reason. The data may lie in the node's message, from ATOLL_NODE_SCRATCH on. */
int atoll_node_result(atoll_node *node, atoll_mqtt_text job, atoll_mqtt_text key, uint64_t task,
                      bool failed, const void *data, size_t size, uint32_t elapsed_us);

bool atoll_node_has_lease(const atoll_node *node, uint64_t now_ms);

#endif
