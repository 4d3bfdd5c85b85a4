/* The orders of standing jobs, on flash: a board samples and computes on after a reset, with or
 * without a gateway.
 *
 * A log of its own. A record is an order as it came (the whole message), or the name of a job that was
 * cancelled. After each change the oldest are deleted until only what is in force is there; what is in
 * force and stands before something that is not is written again behind it first. */
#ifndef ATOLL_ORDERS_H
#define ATOLL_ORDERS_H

#include "flashlog.h"
#include "message.h"
#include "worker.h"

typedef struct atoll_orders {
    atoll_flashlog *log;
    atoll_worker *worker;
    uint8_t *buffer; /* for a record; used within a call */
    size_t buffer_size;
} atoll_orders;

/* Give the worker all orders that are in force. `log` is opened, `buffer` holds any record of it, and
 * all outlives the orders. */
void atoll_orders_start(atoll_orders *orders, atoll_flashlog *log, atoll_worker *worker,
                        uint8_t *buffer, size_t buffer_size);

/* Take a Program message in: why not, or NULL once it is on flash. */
const char *atoll_orders_take(atoll_orders *orders, const atoll_message *message);

/* Forget a job's order. */
void atoll_orders_cancel(atoll_orders *orders, atoll_mqtt_text job);

#endif
