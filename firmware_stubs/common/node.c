#include "node.h"

#include <string.h>

#include "crc32c.h"
#include "node_say.h"

/* What is due to be said, in this order. */
enum {
    DUE_SUBSCRIBE = 1,
    DUE_STATUS = 2,
    DUE_BIRTH = 4,
    DUE_LEASE = 8,
    DUE_INVENTORY = 16,
    DUE_TRANSFER_FAILED = 32
};

enum {
    RESULT = 1,            /* the kind of an outbox record */
    INTERVAL_MIN_MS = 100, /* however often a gateway would like to hear from us */
    INTERVAL_MAX_MS = 3600000
};

static const char TASK_REASON[] = "this device holds no stored blocks";

static int refusal(int result)
{
    return result == ATOLL_FLASHLOG_OK      ? 0
           : result == ATOLL_FLASHLOG_FULL  ? ATOLL_NODE_FULL
           : result == ATOLL_FLASHLOG_RANGE ? ATOLL_NODE_RANGE
                                            : ATOLL_NODE_IO;
}

/* --- life ------------------------------------------------------------------------------------ */

int atoll_node_start(atoll_node *node, const atoll_node_config *config, uint64_t now_ms)
{
    atoll_mqtt_config mqtt = config->mqtt;
    int result;
    memset(node, 0, sizeof *node);
    node->config = *config;
    node->interval_ms = ATOLL_NODE_INTERVAL_MS;
    node->round_trip_ms = UINT32_MAX;
    if (config->site.size > ATOLL_NODE_NAME_MAX || config->device.size > ATOLL_NODE_NAME_MAX) {
        return ATOLL_NODE_RANGE;
    }
    result = atoll_numbers_start(&node->numbers, config->numbers, config->floor);
    if (result != ATOLL_FLASHLOG_OK) {
        return refusal(result);
    }
    if (mqtt.seed == 0u) { /* boards that lost one broker do not come back at one time */
        mqtt.seed = atoll_crc32c_update(node->numbers.boot, config->device.data,
                                        config->device.size);
    }
    mqtt.client = config->device;
    mqtt.will_topic = atoll_node_topic(node, node->will_topic, "up/status");
    mqtt.will = atoll_node_status(node, node->will, "lost");
    mqtt.will_qos = 1;
    mqtt.will_retain = true;
    atoll_mqtt_start(&node->mqtt, &mqtt, now_ms);
    atoll_flashlog_rewind(config->outbox, &node->cursor);
    return 0;
}

bool atoll_node_has_lease(const atoll_node *node, uint64_t now_ms)
{
    return now_ms < node->until_ms;
}

int atoll_node_result(atoll_node *node, atoll_mqtt_text job, atoll_mqtt_text key, uint64_t task,
                      bool failed, const void *data, size_t size, uint32_t elapsed_us)
{
    size_t packed = atoll_node_pack(node, job, key, task, failed, data, size, elapsed_us);
    if (packed == 0u || packed + ATOLL_NODE_PARTIALS_HEAD > ATOLL_NODE_MESSAGE_MAX) {
        return ATOLL_NODE_RANGE;
    }
    return refusal(atoll_flashlog_append(node->config.outbox, RESULT, node->message, packed, NULL));
}

/* --- saying ---------------------------------------------------------------------------------- */

static bool publish(atoll_node *node, const char *leaf, const void *data, size_t size, uint8_t qos,
                    bool retain)
{
    atoll_mqtt_text topic = atoll_node_topic(node, node->topic, leaf);
    return atoll_mqtt_publish(&node->mqtt, topic, data, size, qos, retain) >= 0;
}

static bool say_lease(atoll_node *node, uint64_t now_ms)
{
    node->request++;
    if (!publish(node, "up/lease", node->message, atoll_node_lease_request(node, now_ms), 0,
                 false)) {
        node->request--;
        return false;
    }
    node->request_ms = now_ms;
    node->next_ms = now_ms + node->interval_ms;
    return true;
}

static bool say(atoll_node *node, uint32_t what, uint64_t now_ms)
{
    char status[96];
    atoll_mqtt_text text;
    switch (what) {
    case DUE_SUBSCRIBE:
        text = atoll_node_topic(node, node->topic, "down/#");
        return atoll_mqtt_subscribe(&node->mqtt, text, 1) >= 0;
    case DUE_STATUS:
        text = atoll_node_status(node, status, node->said_ready ? "ready" : "init");
        return publish(node, "up/status", status, text.size, 1, true);
    case DUE_BIRTH:
        return publish(node, "up/birth", node->message, atoll_node_birth(node), 1, true);
    case DUE_LEASE:
        return say_lease(node, now_ms);
    case DUE_INVENTORY:
        return publish(node, "up/block", node->message, atoll_node_inventory(node), 1, false);
    default:
        return publish(node, "up/block", node->message, atoll_node_transfer_failed(node), 1, false);
    }
}

/* Results that were not sent on this connection, oldest first, as far as the window goes. */
static void say_results(atoll_node *node, uint64_t now_ms)
{
    while (node->mqtt.packet_count < ATOLL_NODE_UNDER_WAY) {
        atoll_flashlog_cursor ahead = node->cursor;
        size_t size = atoll_node_partials(node, &ahead);
        if (ahead.sequence == node->cursor.sequence ||
            (size > 0u && !publish(node, "up/partial", node->message, size, 1, false))) {
            return;
        }
        if (node->cursor.sequence <= node->config.outbox->acked) {
            node->overdue_ms = now_ms + ATOLL_NODE_ANSWER_MS;
        }
        node->cursor = ahead;
    }
}

static void pump(atoll_node *node, uint64_t now_ms)
{
    if (!atoll_mqtt_is_connected(&node->mqtt)) {
        return;
    }
    if (now_ms >= node->next_ms) {
        node->due |= DUE_LEASE;
    }
    for (uint32_t what = DUE_SUBSCRIBE; what <= DUE_TRANSFER_FAILED; what <<= 1) {
        if ((node->due & what) != 0u) {
            if (!say(node, what, now_ms)) {
                return; /* the store is full; an answer makes room */
            }
            node->due &= ~what;
        }
    }
    if (node->cursor.sequence > node->config.outbox->acked && now_ms >= node->overdue_ms) {
        atoll_flashlog_rewind(node->config.outbox, &node->cursor);
    }
    say_results(node, now_ms);
}

/* --- being told ------------------------------------------------------------------------------ */

static uint64_t field(const atoll_message *message, unsigned number)
{
    atoll_cbor_reader reader = atoll_message_field(message, number);
    return atoll_cbor_read_uint(&reader);
}

static atoll_mqtt_text text(const atoll_message *message, unsigned number)
{
    atoll_cbor_reader reader = atoll_message_field(message, number);
    size_t size;
    const uint8_t *data = atoll_cbor_read_string(&reader, &size);
    return (atoll_mqtt_text){data, (uint16_t)size};
}

static void take_lease(atoll_node *node, const atoll_message *message, uint64_t now_ms)
{
    atoll_cbor_reader wanted = atoll_message_field(message, ATOLL_LEASE_BIRTH_WANTED);
    uint64_t granted = field(message, ATOLL_LEASE_DURATION_MS);
    uint32_t duration = granted < UINT32_MAX ? (uint32_t)granted : UINT32_MAX; /* 49 days */
    uint64_t interval = field(message, ATOLL_LEASE_INTERVAL_MS);
    if (field(message, ATOLL_LEASE_DEVICE_BOOT) != node->numbers.boot ||
        field(message, ATOLL_LEASE_NUMBER) != node->request) {
        node->stale++;
        return;
    }
    node->round_trip_ms = (uint32_t)(now_ms - node->request_ms);
    interval = interval > INTERVAL_MIN_MS ? interval : INTERVAL_MIN_MS;
    node->interval_ms = (uint32_t)(interval < INTERVAL_MAX_MS ? interval : INTERVAL_MAX_MS);
    node->next_ms = node->request_ms + node->interval_ms;
    if (atoll_cbor_read_flag(&wanted)) {
        node->due |= DUE_BIRTH | DUE_LEASE;
        return;
    }
    node->until_ms = node->request_ms + duration - duration / 20u;
    if (duration > 0u && !node->said_ready) {
        node->said_ready = true;
        node->due |= DUE_STATUS;
    }
}

/* Acknowledgements come in any order; the log deletes from the oldest. */
static void take_ack(atoll_node *node, const atoll_message *message, uint64_t now_ms)
{
    atoll_flashlog *outbox = node->config.outbox;
    atoll_cbor_reader reader = atoll_message_field(message, ATOLL_ACK_NUMBERS);
    uint64_t acked = outbox->acked, whole = 0;
    for (size_t spans = atoll_cbor_read_array(&reader); spans > 0u; spans--) {
        uint64_t first, last;
        atoll_cbor_read_array(&reader);
        first = atoll_cbor_read_uint(&reader);
        last = atoll_cbor_read_uint(&reader);
        first = first > acked ? first : acked + 1u;
        last = last < outbox->next ? last : outbox->next - 1u;
        for (; first <= last && first - acked <= 64u; first++) {
            node->ahead |= UINT64_C(1) << (first - acked - 1u);
        }
    }
    while (whole < 64u && (node->ahead >> whole & 1u) != 0u) {
        whole++;
    }
    if (whole > 0u && atoll_flashlog_acknowledge(outbox, acked + whole) == ATOLL_FLASHLOG_OK) {
        node->ahead = whole < 64u ? node->ahead >> whole : 0u;
        node->overdue_ms = now_ms + ATOLL_NODE_ANSWER_MS;
    }
}

/* Each task is answered, so that the gateway can give it to another device at once. */
static void refuse_tasks(atoll_node *node, const atoll_message *message)
{
    atoll_mqtt_text job = text(message, ATOLL_TASKS_JOB);
    atoll_cbor_reader tasks = atoll_message_field(message, ATOLL_TASKS_TASKS);
    for (size_t count = atoll_cbor_read_array(&tasks); count > 0u; count--) {
        size_t key_size, packed;
        const uint8_t *key;
        uint64_t number;
        atoll_cbor_read_array(&tasks);
        key = atoll_cbor_read_string(&tasks, &key_size);
        number = atoll_cbor_read_uint(&tasks);
        for (unsigned rest = 0; rest < 3u; rest++) {
            atoll_cbor_skip(&tasks);
        }
        packed = atoll_node_pack(node, job,
                                 (atoll_mqtt_text){key, (uint16_t)key_size}, number, true,
                                 TASK_REASON, sizeof TASK_REASON - 1u, 0);
        node->unwanted++;
        atoll_flashlog_append(node->config.outbox, RESULT, node->message, packed, NULL);
    }
}

/* A standing job, as a program; a refusal goes through the outbox as a failed result. */
static void take_program(atoll_node *node, const atoll_message *message)
{
    const atoll_node_plans *plans = &node->config.plans;
    atoll_mqtt_text job = text(message, ATOLL_PROGRAM_JOB), key = text(message, ATOLL_PROGRAM_KEY);
    const char *reason = "this image runs no plans";
    if (plans->program != NULL) {
        reason = plans->program(plans->context, message);
    }
    if (reason != NULL) {
        node->unwanted++;
        atoll_node_result(node, job, key, 0, true, reason, strlen(reason), 0);
    }
}

static void cancel(atoll_node *node, const atoll_message *message)
{
    const atoll_node_plans *plans = &node->config.plans;
    if (plans->program != NULL) {
        plans->cancel(plans->context, text(message, ATOLL_CANCEL_JOB));
    }
}

static void obey(atoll_node *node, const atoll_message *message, uint64_t now_ms)
{
    switch (message->number) {
    case ATOLL_MESSAGE_LEASE:
        take_lease(node, message, now_ms);
        break;
    case ATOLL_MESSAGE_PROBE:
        node->due |= DUE_LEASE;
        break;
    case ATOLL_MESSAGE_ACK:
        take_ack(node, message, now_ms);
        break;
    case ATOLL_MESSAGE_TASKS:
        refuse_tasks(node, message);
        break;
    case ATOLL_MESSAGE_PROGRAM:
        take_program(node, message);
        break;
    case ATOLL_MESSAGE_CANCEL:
        cancel(node, message);
        break;
    case ATOLL_MESSAGE_INVENTORY_ASK:
        node->due |= DUE_INVENTORY;
        break;
    case ATOLL_MESSAGE_SEND_BLOCKS:
    case ATOLL_MESSAGE_BLOCKS:
        node->refused_transfer = field(message, ATOLL_SEND_BLOCKS_TRANSFER);
        node->due |= DUE_TRANSFER_FAILED;
        node->unwanted++;
        break;
    case ATOLL_MESSAGE_MAP: /* its epoch is kept; the streams are our own */
    case ATOLL_MESSAGE_RELEASE:
        break;
    default:
        node->unwanted++;
        break;
    }
}

/* The three fields in front fence: what is lower than seen is refused, what is higher is kept. */
static void take_message(atoll_node *node, const atoll_mqtt_event *event, uint64_t now_ms)
{
    const atoll_numbers *numbers = &node->numbers;
    atoll_message message;
    uint32_t term, lease = 0;
    uint64_t epoch = 0;
    if (atoll_message_open(&message, event->payload, event->payload_size, ATOLL_CBOR_DEPTH_TOLD) !=
        ATOLL_CBOR_OK) {
        node->malformed++;
        return;
    }
    term = (uint32_t)field(&message, 1);
    if (message.number == ATOLL_MESSAGE_MAP) {
        epoch = field(&message, ATOLL_MAP_EPOCH);
    } else if (message.number == ATOLL_MESSAGE_LEASE) {
        lease = (uint32_t)field(&message, ATOLL_LEASE_LEASE);
    }
    if (term < numbers->term || (message.number == ATOLL_MESSAGE_MAP && epoch < numbers->epoch) ||
        (message.number == ATOLL_MESSAGE_LEASE && lease < numbers->lease)) {
        node->stale++;
        return;
    }
    if (atoll_numbers_raise(&node->numbers, term, epoch, lease) == ATOLL_FLASHLOG_OK) {
        obey(node, &message, now_ms);
    }
}

/* --- the client's events --------------------------------------------------------------------- */

static void handle(atoll_node *node, const atoll_mqtt_event *event, uint64_t now_ms)
{
    if (event->kind == ATOLL_MQTT_CONNECTED) {
        node->due = DUE_SUBSCRIBE | DUE_STATUS | DUE_BIRTH;
        node->next_ms = now_ms;
        atoll_flashlog_rewind(node->config.outbox, &node->cursor);
    } else if (event->kind == ATOLL_MQTT_MESSAGE) {
        take_message(node, event, now_ms);
        if (event->packet != 0u) {
            atoll_mqtt_acknowledge(&node->mqtt, event->packet);
        }
    }
}

size_t atoll_node_receive(atoll_node *node, const uint8_t *data, size_t size, uint64_t now_ms)
{
    size_t at = 0, taken = 1;
    while (at < size && taken > 0u) {
        atoll_mqtt_event event;
        taken = atoll_mqtt_receive(&node->mqtt, data + at, size - at, now_ms, &event);
        at += taken;
        handle(node, &event, now_ms);
    }
    pump(node, now_ms);
    return at;
}

atoll_mqtt_kind atoll_node_tick(atoll_node *node, uint64_t now_ms)
{
    atoll_mqtt_event event;
    atoll_mqtt_tick(&node->mqtt, now_ms, &event);
    pump(node, now_ms);
    return event.kind;
}

void atoll_node_opened(atoll_node *node, uint64_t now_ms)
{
    atoll_mqtt_opened(&node->mqtt, now_ms);
}

void atoll_node_closed(atoll_node *node, uint64_t now_ms)
{
    node->said_ready = false;
    atoll_mqtt_closed(&node->mqtt, now_ms);
}

uint64_t atoll_node_wakeup(const atoll_node *node)
{
    uint64_t wakeup = atoll_mqtt_wakeup(&node->mqtt);
    if (atoll_mqtt_is_connected(&node->mqtt)) {
        wakeup = node->next_ms < wakeup ? node->next_ms : wakeup;
        if (node->cursor.sequence > node->config.outbox->acked && node->overdue_ms < wakeup) {
            wakeup = node->overdue_ms;
        }
    }
    return wakeup;
}

size_t atoll_node_output(atoll_node *node, const uint8_t **data)
{
    return atoll_mqtt_output(&node->mqtt, data);
}

void atoll_node_sent(atoll_node *node, size_t size, uint64_t now_ms)
{
    atoll_mqtt_sent(&node->mqtt, size, now_ms);
}
