#include "node_say.h"

#include <string.h>

/* Unknown, in the fields of Health and Strain (wire/messages.py). */
enum { HEALTH_FIELDS = 8, HEALTH_BACK = 6, STRAIN_FIELDS = 10, STREAM_FIELDS = 7 };

static const char TRANSFER_REASON[] = "a microcontroller keeps its own streams only";

static size_t add(char *to, size_t at, const void *text, size_t size)
{
    memcpy(to + at, text, size);
    return at + size;
}

/* Decimal, from 16-bit digits: a division of 64 bits would take a small board half a KB. */
static size_t add_number(char *to, size_t at, uint64_t number)
{
    uint16_t parts[] = {(uint16_t)(number >> 48), (uint16_t)(number >> 32), (uint16_t)(number >> 16),
                        (uint16_t)number};
    char digits[20];
    size_t first = sizeof digits, index;
    uint32_t left;
    do {
        uint32_t rest = 0;
        left = 0;
        for (index = 0; index < sizeof parts / sizeof parts[0]; index++) {
            rest = rest << 16 | parts[index];
            parts[index] = (uint16_t)(rest / 10u);
            rest %= 10u;
            left |= parts[index];
        }
        digits[--first] = (char)('0' + (int)rest);
    } while (left > 0u);
    return add(to, at, digits + first, sizeof digits - first);
}

atoll_mqtt_text atoll_node_topic(const atoll_node *node, char *topic, const char *leaf)
{
    size_t at = add(topic, 0, "atoll/v1/", 9);
    at = add(topic, at, node->config.site.data, node->config.site.size);
    at = add(topic, at, "/device/", 8);
    at = add(topic, at, node->config.device.data, node->config.device.size);
    at = add(topic, at, "/", 1);
    at = add(topic, at, leaf, strlen(leaf));
    return (atoll_mqtt_text){topic, (uint16_t)at};
}

atoll_mqtt_text atoll_node_status(const atoll_node *node, char *to, const char *state)
{
    size_t at = add(to, 0, "{\"state\":\"", 10);
    at = add(to, at, state, strlen(state));
    at = add(to, at, "\",\"boot\":", 9);
    at = add_number(to, at, node->numbers.boot);
    at = add(to, at, ",\"epoch\":", 9);
    at = add_number(to, at, node->numbers.epoch);
    at = add(to, at, "}", 1);
    return (atoll_mqtt_text){to, (uint16_t)at};
}

/* --- messages -------------------------------------------------------------------------------- */

static void put_text(atoll_cbor_writer *writer, const atoll_mqtt_text *text)
{
    atoll_cbor_write_text(writer, text->data, text->size);
}

/* The message's number and the three fields that every message of a device begins with. */
static void begin(atoll_node *node, atoll_cbor_writer *writer, unsigned number)
{
    atoll_cbor_writer_start(writer, node->message, sizeof node->message);
    atoll_message_begin(writer, number);
    atoll_cbor_write_uint(writer, 1);
    atoll_cbor_write_uint(writer, node->numbers.boot);
    atoll_cbor_write_uint(writer, 2);
    atoll_cbor_write_uint(writer, node->numbers.epoch);
    atoll_cbor_write_uint(writer, 3);
    atoll_cbor_write_uint(writer, node->numbers.lease);
}

static void put_field(atoll_cbor_writer *writer, unsigned field, uint64_t value)
{
    atoll_cbor_write_uint(writer, field);
    atoll_cbor_write_uint(writer, value);
}

/* The list of sources: one record, or none. */
static void put_source(atoll_cbor_writer *writer, const atoll_node_source *source)
{
    atoll_cbor_write_uint(writer, ATOLL_BIRTH_SOURCES);
    if (source->key.size == 0u) {
        atoll_cbor_write_array(writer, 0);
        return;
    }
    atoll_cbor_write_array(writer, 1);
    atoll_cbor_write_array(writer, STREAM_FIELDS);
    put_text(writer, &source->dataset);
    put_text(writer, &source->key);
    atoll_cbor_write_text(writer, "i16", 3);
    atoll_cbor_write_uint(writer, 1);
    atoll_cbor_write_float(writer, source->rate_hz);
    atoll_cbor_write_float(writer, source->scale);
    put_text(writer, &source->unit);
}

static void put_receipts(atoll_cbor_writer *writer, const atoll_node_receipts *receipts)
{
    atoll_cbor_write_uint(writer, ATOLL_BIRTH_RECEIPTS);
    atoll_cbor_write_array(writer, receipts->count);
    for (uint32_t index = 0; index < receipts->count; index++) {
        uint8_t digest[8];
        for (unsigned byte = 0; byte < sizeof digest; byte++) {
            digest[byte] = (uint8_t)(receipts->digests[index] >> (56u - 8u * byte));
        }
        atoll_cbor_write_array(writer, 2);
        atoll_cbor_write_text(writer, receipts->names[index], strlen(receipts->names[index]));
        atoll_cbor_write_bytes(writer, digest, sizeof digest);
    }
}

static size_t birth_with(atoll_node *node, const atoll_node_receipts *receipts)
{
    const atoll_node_config *config = &node->config;
    atoll_cbor_writer writer;
    begin(node, &writer, ATOLL_MESSAGE_BIRTH);
    put_field(&writer, ATOLL_BIRTH_PROTOCOL, ATOLL_SCHEMA_PROTOCOL);
    atoll_cbor_write_uint(&writer, ATOLL_BIRTH_SOFTWARE);
    put_text(&writer, &config->software);
    atoll_cbor_write_uint(&writer, ATOLL_BIRTH_ZONE);
    put_text(&writer, &config->zone);
    atoll_cbor_write_uint(&writer, ATOLL_BIRTH_CAPACITY);
    atoll_cbor_write_float(&writer, config->capacity);
    atoll_cbor_write_uint(&writer, ATOLL_BIRTH_PROFILE);
    put_text(&writer, &config->profile);
    put_field(&writer, ATOLL_BIRTH_CORES, 1);
    put_field(&writer, ATOLL_BIRTH_MEMORY_BYTES, config->memory_bytes);
    put_field(&writer, ATOLL_BIRTH_STORAGE_BYTES, config->storage_bytes);
    put_field(&writer, ATOLL_BIRTH_MESSAGE_MAX, ATOLL_NODE_MESSAGE_MAX);
    put_receipts(&writer, receipts);
    put_source(&writer, &config->source);
    atoll_cbor_write_uint(&writer, ATOLL_BIRTH_PROGRAMS);
    atoll_cbor_write_flag(&writer, config->plans.program != NULL);
    put_field(&writer, ATOLL_BIRTH_SPEED, 0);
    atoll_cbor_write_uint(&writer, ATOLL_BIRTH_FELL);
    put_text(&writer, &config->fell);
    return atoll_cbor_writer_finish(&writer);
}

size_t atoll_node_birth(atoll_node *node)
{
    static const atoll_node_receipts none = {NULL, NULL, 0};
    size_t size = birth_with(node, &node->config.receipts);
    return size > 0u ? size : birth_with(node, &none); /* better unknown than unborn */
}

size_t atoll_node_lease_request(atoll_node *node, uint64_t now_ms)
{
    atoll_cbor_writer writer;
    uint64_t backlog = atoll_flashlog_backlog(node->config.outbox);
    begin(node, &writer, ATOLL_MESSAGE_LEASE_REQUEST);
    put_field(&writer, ATOLL_LEASE_REQUEST_NUMBER, node->request);
    put_field(&writer, ATOLL_LEASE_REQUEST_MONO_MS, now_ms);
    put_field(&writer, ATOLL_LEASE_REQUEST_STORED_BYTES, 0);
    put_field(&writer, ATOLL_LEASE_REQUEST_BACKLOG, backlog < UINT32_MAX ? backlog : UINT32_MAX);
    atoll_cbor_write_uint(&writer, ATOLL_LEASE_REQUEST_HEALTH);
    atoll_cbor_write_array(&writer, HEALTH_FIELDS);
    for (unsigned field = 0; field < HEALTH_FIELDS; field++) {
        bool known = field == HEALTH_BACK && node->round_trip_ms != UINT32_MAX;
        atoll_cbor_write_int(&writer, known ? (int64_t)node->round_trip_ms : -1);
    }
    atoll_cbor_write_uint(&writer, ATOLL_LEASE_REQUEST_STRAIN);
    atoll_cbor_write_array(&writer, STRAIN_FIELDS);
    for (unsigned field = 0; field < STRAIN_FIELDS; field++)
        atoll_cbor_write_int(&writer, -1);
    return atoll_cbor_writer_finish(&writer);
}

size_t atoll_node_inventory(atoll_node *node)
{
    atoll_cbor_writer writer;
    begin(node, &writer, ATOLL_MESSAGE_HELD);
    atoll_cbor_write_uint(&writer, ATOLL_HELD_INVENTORY);
    atoll_cbor_write_flag(&writer, true);
    atoll_cbor_write_uint(&writer, ATOLL_HELD_MORE);
    atoll_cbor_write_flag(&writer, false);
    atoll_cbor_write_uint(&writer, ATOLL_HELD_STREAMS);
    atoll_cbor_write_array(&writer, 0);
    return atoll_cbor_writer_finish(&writer);
}

size_t atoll_node_transfer_failed(atoll_node *node)
{
    atoll_cbor_writer writer;
    begin(node, &writer, ATOLL_MESSAGE_TRANSFER_FAILED);
    put_field(&writer, ATOLL_TRANSFER_FAILED_TRANSFER, node->refused_transfer);
    atoll_cbor_write_uint(&writer, ATOLL_TRANSFER_FAILED_REASON);
    atoll_cbor_write_text(&writer, TRANSFER_REASON, sizeof TRANSFER_REASON - 1u);
    return atoll_cbor_writer_finish(&writer);
}

/* How many bytes of an outbox record are the job's name. */
static size_t job_size(const uint8_t *record, size_t size)
{
    atoll_cbor_reader reader = {record, record + size};
    atoll_cbor_skip(&reader);
    return (size_t)(reader.at - record);
}

size_t atoll_node_partials(atoll_node *node, atoll_flashlog_cursor *cursor)
{
    /* Behind the message's head, which grows from the front of the buffer over what was read: the
     * job's name, which stands once, and the results. */
    uint8_t *data = node->message + ATOLL_NODE_PARTIALS_HEAD;
    size_t room = (size_t)ATOLL_NODE_MESSAGE_MAX - ATOLL_NODE_PARTIALS_HEAD, used = 0, job = 0;
    atoll_flashlog *outbox = node->config.outbox;
    uint64_t first = 0;
    uint32_t count = 0;
    atoll_cbor_writer writer;
    while (cursor->sequence < outbox->acked + (uint64_t)ATOLL_NODE_WINDOW) {
        atoll_flashlog_cursor ahead = *cursor;
        atoll_flashlog_record record;
        uint8_t *at = data + used;
        if (atoll_flashlog_next(outbox, &ahead, &record, at, room - used) != 1) {
            break;
        }
        if (count == 0u) {
            first = record.sequence;
        } else if (node->config.plans.program == NULL || record.sequence != first + count ||
                   record.size <= job || memcmp(data, at, job) != 0) {
            break;
        }
        memmove(at, at + job, record.size - job);
        used += record.size - job;
        job = job_size(data, used);
        *cursor = ahead;
        count++;
    }
    if (count == 0u) {
        return 0;
    }
    begin(node, &writer, ATOLL_MESSAGE_PARTIALS);
    put_field(&writer, ATOLL_PARTIALS_NUMBER, first);
    atoll_cbor_write_uint(&writer, ATOLL_PARTIALS_JOB);
    atoll_cbor_write_items(&writer, data, job);
    atoll_cbor_write_uint(&writer, ATOLL_PARTIALS_RESULTS);
    atoll_cbor_write_array(&writer, count);
    atoll_cbor_write_items(&writer, data + job, used - job);
    return atoll_cbor_writer_finish(&writer);
}

size_t atoll_node_pack(atoll_node *node, atoll_mqtt_text job, atoll_mqtt_text key, uint64_t task,
                       bool failed, const void *data, size_t size, uint32_t elapsed_us)
{
    atoll_cbor_writer writer;
    atoll_cbor_writer_start(&writer, node->message, sizeof node->message);
    put_text(&writer, &job);
    atoll_cbor_write_array(&writer, 5);
    put_text(&writer, &key);
    atoll_cbor_write_uint(&writer, task);
    atoll_cbor_write_flag(&writer, failed);
    atoll_cbor_write_bytes(&writer, data, size);
    atoll_cbor_write_uint(&writer, elapsed_us);
    return atoll_cbor_writer_finish(&writer);
}
