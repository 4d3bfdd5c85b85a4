/* Standing jobs over the board's own samples: batch by batch through the kernels, as a Linux board
 * runs them over stored blocks, to the same bytes.
 *
 * Without a heap: the states of all jobs lie side by side in the caller's arena, and a job that does
 * not fit is refused with both sizes. A batch is numbered by run and sample (docs/wire.md, Program):
 * a job's run ends at a reset, where samples were lost, and where its results found no room. Runs are
 * numbered by the caller, who keeps the last number where a reset does not reach it. */
#ifndef ATOLL_WORKER_H
#define ATOLL_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mqtt.h"

#ifndef ATOLL_WORKER_JOBS
#define ATOLL_WORKER_JOBS 4
#endif

enum {
    ATOLL_WORKER_NAME_MAX = 64,
    ATOLL_WORKER_RESULT_MAX = 768 /* what a message bears besides its names */
};

/* What the worker needs of the node. */
typedef struct atoll_worker_port {
    void *context;
    /* Keep a batch's partial, or the reason of a failure: 0, or negative and it is not kept. */
    int (*keep)(void *context, atoll_mqtt_text job, uint64_t number, bool failed, const void *data,
                size_t size);
    /* A number above all it ever gave, on flash; 0: there is none to be had now. */
    uint32_t (*next_run)(void *context);
} atoll_worker_port;

typedef struct atoll_worker_job {
    char name[ATOLL_WORKER_NAME_MAX];
    uint8_t name_size;
    bool waits; /* its batch is whole, and there was no room for it */
    bool stale; /* samples passed it by: it begins a new run */
    uint32_t words_crc;
    uint32_t every;   /* samples from one batch to the next */
    uint32_t overlap; /* samples that a batch takes beyond them */
    uint32_t run;
    uint32_t start; /* first sample of the batch in its run */
    uint32_t fed;   /* samples of the run so far */
    uint32_t at;    /* of its state in the arena, in bytes */
    uint32_t size;  /* of its state, and its rows behind it */
    uint32_t rows_at;
    uint32_t rows; /* of a batch that is whole, and floats in each */
    uint32_t width;
    uint64_t order; /* the caller's: where its order is kept */
} atoll_worker_job;

typedef struct atoll_worker {
    atoll_worker_port port;
    atoll_mqtt_text key; /* of the stream */
    uint32_t dtype;
    uint8_t *arena; /* 8-aligned */
    uint32_t arena_size;
    uint32_t arena_used;
    uint8_t *scratch; /* ATOLL_WORKER_RESULT_MAX bytes, used within a call */
    uint32_t count;
    uint32_t kept;    /* batches */
    uint32_t dropped; /* samples that passed a job by */
    atoll_worker_job jobs[ATOLL_WORKER_JOBS];
    char reason[96];
} atoll_worker;

typedef struct atoll_worker_order {
    atoll_mqtt_text job;
    uint32_t every;
    uint32_t overlap;
    const uint8_t *words; /* little-endian, of any alignment */
    size_t words_size;
} atoll_worker_order;

/* `arena` is 8-aligned; all that is given outlives the worker. */
void atoll_worker_start(atoll_worker *worker, const atoll_worker_port *port, atoll_mqtt_text key,
                        uint32_t dtype, uint64_t *arena, uint32_t arena_size, uint8_t *scratch);

/* Begin a job, or nothing if it runs as it is; why it cannot, or NULL. Another order of the same name
 * takes the place of the first. */
const char *atoll_worker_order_job(atoll_worker *worker, const atoll_worker_order *order);

/* The job of this name, or NULL. */
atoll_worker_job *atoll_worker_find(atoll_worker *worker, atoll_mqtt_text name);

/* End a job; whether there was one. */
bool atoll_worker_cancel(atoll_worker *worker, atoll_mqtt_text name);

/* Run samples of the stream's dtype through all jobs. */
void atoll_worker_push(atoll_worker *worker, const void *samples, size_t count);

/* Samples were lost in front of the next ones. */
void atoll_worker_gap(atoll_worker *worker);

#endif
