#include "orders.h"

#include <string.h>

enum { ORDER = 1, CANCELLED = 2 };

static atoll_mqtt_text text_of(const atoll_message *message, unsigned field)
{
    atoll_cbor_reader reader = atoll_message_field(message, field);
    size_t size;
    const uint8_t *data = atoll_cbor_read_string(&reader, &size);
    return (atoll_mqtt_text){data, (uint16_t)size};
}

static uint32_t number_of(const atoll_message *message, unsigned field)
{
    atoll_cbor_reader reader = atoll_message_field(message, field);
    return (uint32_t)atoll_cbor_read_uint(&reader);
}

static const char *enter(atoll_orders *orders, const atoll_message *message)
{
    atoll_cbor_reader words = atoll_message_field(message, ATOLL_PROGRAM_WORDS);
    atoll_worker_order order = {.job = text_of(message, ATOLL_PROGRAM_JOB),
                                .every = number_of(message, ATOLL_PROGRAM_EVERY),
                                .overlap = number_of(message, ATOLL_PROGRAM_OVERLAP)};
    atoll_mqtt_text key = text_of(message, ATOLL_PROGRAM_KEY);
    const atoll_mqtt_text *own = &orders->worker->key;
    order.words = atoll_cbor_read_string(&words, &order.words_size);
    if (key.size != own->size || memcmp(key.data, own->data, own->size) != 0) {
        return "the board samples no such stream";
    }
    return atoll_worker_order_job(orders->worker, &order);
}

/* --- the log --------------------------------------------------------------------------------- */

static bool in_force(const atoll_orders *orders, uint64_t sequence)
{
    for (uint32_t index = 0; index < orders->worker->count; index++) {
        if (orders->worker->jobs[index].order == sequence) {
            return true;
        }
    }
    return false;
}

static void moved(atoll_orders *orders, uint64_t before, uint64_t after)
{
    for (uint32_t index = 0; index < orders->worker->count; index++) {
        if (orders->worker->jobs[index].order == before) {
            orders->worker->jobs[index].order = after;
        }
    }
}

/* Delete the oldest record, behind a copy of it if it is in force. */
static bool delete_oldest(atoll_orders *orders)
{
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    uint64_t copy;
    atoll_flashlog_rewind(orders->log, &cursor);
    if (atoll_flashlog_next(orders->log, &cursor, &record, orders->buffer, orders->buffer_size) !=
        1) {
        return false;
    }
    if (record.kind == ORDER && in_force(orders, record.sequence)) {
        if (atoll_flashlog_append(orders->log, ORDER, orders->buffer, record.size, &copy) !=
            ATOLL_FLASHLOG_OK) {
            return false;
        }
        moved(orders, record.sequence, copy);
    }
    return atoll_flashlog_acknowledge(orders->log, record.sequence) == ATOLL_FLASHLOG_OK;
}

/* Leave nothing but what is in force: a log that is full of the past has no room for copies. */
static void settle(atoll_orders *orders)
{
    uint64_t tries = atoll_flashlog_backlog(orders->log);
    while (atoll_flashlog_backlog(orders->log) > orders->worker->count && tries > 0u &&
           delete_oldest(orders)) {
        tries--;
    }
}

static bool append(atoll_orders *orders, uint8_t kind, const void *data, size_t size,
                   uint64_t *sequence)
{
    return atoll_flashlog_append(orders->log, kind, data, size, sequence) == ATOLL_FLASHLOG_OK;
}

/* --- orders ---------------------------------------------------------------------------------- */

static void replay(atoll_orders *orders, const atoll_flashlog_record *record)
{
    atoll_message message;
    atoll_worker_job *job;
    if (record->kind == CANCELLED) {
        atoll_worker_cancel(orders->worker,
                            (atoll_mqtt_text){orders->buffer, (uint16_t)record->size});
    } else if (record->kind == ORDER &&
               atoll_message_open(&message, orders->buffer, record->size, ATOLL_CBOR_DEPTH_TOLD) ==
                   ATOLL_CBOR_OK &&
               message.number == ATOLL_MESSAGE_PROGRAM && enter(orders, &message) == NULL) {
        job = atoll_worker_find(orders->worker, text_of(&message, ATOLL_PROGRAM_JOB));
        job->order = record->sequence;
    }
}

void atoll_orders_start(atoll_orders *orders, atoll_flashlog *log, atoll_worker *worker,
                        uint8_t *buffer, size_t buffer_size)
{
    atoll_flashlog_cursor cursor;
    atoll_flashlog_record record;
    *orders = (atoll_orders){log, worker, buffer, buffer_size};
    atoll_flashlog_rewind(log, &cursor);
    while (atoll_flashlog_next(log, &cursor, &record, buffer, buffer_size) == 1) {
        replay(orders, &record);
    }
}

const char *atoll_orders_take(atoll_orders *orders, const atoll_message *message)
{
    atoll_mqtt_text name = text_of(message, ATOLL_PROGRAM_JOB);
    atoll_worker_job *job = atoll_worker_find(orders->worker, name);
    bool known = job != NULL;
    const char *reason = enter(orders, message);
    job = atoll_worker_find(orders->worker, name);
    if (job == NULL) {
        if (known) { /* the new order took its place, and does not fit */
            append(orders, CANCELLED, name.data, name.size, NULL);
            settle(orders);
        }
        return reason;
    }
    if (reason != NULL || job->order != 0u) {
        return reason; /* or it is here already: a new one has no record yet */
    }
    if (!append(orders, ORDER, message->data, message->size, &job->order)) {
        atoll_worker_cancel(orders->worker, name);
        return "the order does not fit on flash beside the others";
    }
    settle(orders);
    return NULL;
}

void atoll_orders_cancel(atoll_orders *orders, atoll_mqtt_text job)
{
    if (atoll_worker_cancel(orders->worker, job)) {
        append(orders, CANCELLED, job.data, job.size, NULL);
        settle(orders);
    }
}
