#include "worker.h"

#include <string.h>

#include "atoll_kernels.h"
#include "bytes.h"
#include "crc32c.h"

/* wire/messages.py: what a batch's number begins with. */
#define RUN_SAMPLES (UINT64_C(1) << 62)
enum { RUN_MAX = (1 << 30) - 1, HEAD = 12, KIND_AT = 3, KIND_ROWS = 1 };

static const char ROWS_FULL[] = "the rows of a batch do not fit in a message; end the plan in a reducer";

void atoll_worker_start(atoll_worker *worker, const atoll_worker_port *port, atoll_mqtt_text key,
                        uint32_t dtype, uint64_t *arena, uint32_t arena_size, uint8_t *scratch)
{
    memset(worker, 0, sizeof *worker);
    worker->port = *port;
    worker->key = key;
    worker->dtype = dtype;
    worker->arena = (uint8_t *)arena;
    worker->arena_size = arena_size & ~UINT32_C(7);
    worker->scratch = scratch;
}

/* --- jobs ------------------------------------------------------------------------------------ */

static struct atoll_plan *plan_of(const atoll_worker *worker, const atoll_worker_job *job)
{
    return (struct atoll_plan *)(void *)(worker->arena + job->at);
}

static atoll_mqtt_text name_of(const atoll_worker_job *job)
{
    return (atoll_mqtt_text){job->name, job->name_size};
}

atoll_worker_job *atoll_worker_find(atoll_worker *worker, atoll_mqtt_text name)
{
    for (uint32_t index = 0; index < worker->count; index++) {
        atoll_worker_job *job = &worker->jobs[index];
        if (job->name_size == name.size && memcmp(job->name, name.data, name.size) == 0) {
            return job;
        }
    }
    return NULL;
}

/* A state holds offsets and no pointers, so that those behind it move up. */
static void end_job(atoll_worker *worker, atoll_worker_job *job)
{
    uint32_t end = job->at + job->size, size = job->size, at = job->at;
    memmove(worker->arena + at, worker->arena + end, worker->arena_used - end);
    worker->arena_used -= size;
    for (uint32_t index = 0; index < worker->count; index++) {
        if (worker->jobs[index].at > at) {
            worker->jobs[index].at -= size;
        }
    }
    worker->count--;
    memmove(job, job + 1, (size_t)(&worker->jobs[worker->count] - job) * sizeof *job);
}

bool atoll_worker_cancel(atoll_worker *worker, atoll_mqtt_text name)
{
    atoll_worker_job *job = atoll_worker_find(worker, name);
    if (job == NULL) {
        return false;
    }
    end_job(worker, job);
    return true;
}

/* The first batch of a new run; without a number for it the job stands still. */
static void begin_run(atoll_worker *worker, atoll_worker_job *job)
{
    struct atoll_plan *plan = plan_of(worker, job);
    uint32_t run = worker->port.next_run(worker->port.context);
    if (run == 0u || run > (uint32_t)RUN_MAX) {
        return;
    }
    job->run = run;
    job->start = 0;
    job->fed = 0;
    job->stale = false;
    atoll_plan_reset(plan);
    atoll_plan_locate(plan, 0, worker->key.data, worker->key.size);
}

/* --- orders ---------------------------------------------------------------------------------- */

static size_t add(char *to, size_t at, const char *text)
{
    size_t size = strlen(text);
    memcpy(to + at, text, size);
    return at + size;
}

static size_t add_number(char *to, size_t at, uint32_t number)
{
    char digits[11];
    size_t first = sizeof digits - 1u;
    digits[first] = 0;
    do {
        digits[--first] = (char)('0' + (int)(number % 10u));
        number /= 10u;
    } while (number > 0u);
    return add(to, at, digits + first);
}

static const char *does_not_fit(atoll_worker *worker, size_t size)
{
    size_t at = add(worker->reason, 0, "the plan takes ");
    at = add_number(worker->reason, at, (uint32_t)size);
    at = add(worker->reason, at, " bytes of RAM, and ");
    at = add_number(worker->reason, at, worker->arena_size - worker->arena_used);
    at = add(worker->reason, at, " are free");
    worker->reason[at] = 0;
    return worker->reason;
}

/* A program that these kernels cannot run: which one it is that the image was built without. */
static const char *not_ours(atoll_worker *worker, uint32_t code)
{
    const char *name = atoll_kernel_name(code);
    size_t at;
    if (name == NULL) {
        return "the program is not one for these kernels";
    }
    at = add(worker->reason, 0, "this image has no kernel ");
    at = add(worker->reason, at, name);
    worker->reason[at] = 0;
    return worker->reason;
}

/* The words, aligned, at the far end of the arena; NULL: no room even for them. */
static uint32_t *aligned_words(atoll_worker *worker, const atoll_worker_order *order)
{
    uint32_t at = (worker->arena_size - (uint32_t)order->words_size) & ~UINT32_C(7);
    uint32_t *words = (uint32_t *)(void *)(worker->arena + at);
    if (order->words_size > worker->arena_size || at < worker->arena_used) {
        return NULL;
    }
    for (size_t index = 0; index < order->words_size / 4u; index++) {
        words[index] = atoll_bytes_le32(order->words + 4u * index);
    }
    return words;
}

/* Put a state at the end of those that are there: why not, or NULL. */
static const char *place_job(atoll_worker *worker, atoll_worker_job *job,
                             const atoll_worker_order *order)
{
    size_t count = order->words_size / 4u, size, room;
    uint32_t *words = aligned_words(worker, order);
    if (words == NULL) {
        return does_not_fit(worker, order->words_size);
    }
    size = atoll_plan_size(words, count);
    if (size == 0u) {
        return not_ours(worker, atoll_plan_missing(words, count));
    }
    if (words[1] != worker->dtype) {
        return "the program is for samples of another type";
    }
    room = (size_t)((uint8_t *)words - worker->arena) - worker->arena_used;
    if (size > room) {
        return does_not_fit(worker, size + order->words_size);
    }
    job->at = worker->arena_used;
    job->rows_at = (uint32_t)size;
    job->size = (uint32_t)size;
    atoll_plan_init(worker->arena + job->at, room, words, count);
    if (atoll_plan_is_rows(plan_of(worker, job))) {
        if (worker->arena_size - job->at - size < (size_t)ATOLL_WORKER_RESULT_MAX) {
            return does_not_fit(worker, size + (size_t)ATOLL_WORKER_RESULT_MAX);
        }
        job->size += (uint32_t)ATOLL_WORKER_RESULT_MAX;
    }
    worker->arena_used += job->size;
    return NULL;
}

const char *atoll_worker_order_job(atoll_worker *worker, const atoll_worker_order *order)
{
    uint32_t crc = atoll_crc32c_update(0, order->words, order->words_size);
    atoll_worker_job *job = atoll_worker_find(worker, order->job);
    const char *reason;
    if (job != NULL && job->words_crc == crc && job->every == order->every &&
        job->overlap == order->overlap) {
        return NULL;
    }
    if (job != NULL) {
        end_job(worker, job);
    }
    if (order->job.size == 0u || order->job.size > (unsigned)ATOLL_WORKER_NAME_MAX ||
        order->every == 0u || order->overlap > UINT32_MAX / 4u || order->every > UINT32_MAX / 4u ||
        order->words_size % 4u != 0u || order->words_size < 8u) {
        return "the order is outside its bounds";
    }
    if (worker->count == ATOLL_WORKER_JOBS) {
        return "as many jobs as fit run already";
    }
    job = &worker->jobs[worker->count];
    memset(job, 0, sizeof *job);
    reason = place_job(worker, job, order);
    if (reason != NULL) {
        return reason;
    }
    memcpy(job->name, order->job.data, order->job.size);
    job->name_size = (uint8_t)order->job.size;
    job->words_crc = crc;
    job->every = order->every;
    job->overlap = order->overlap;
    job->stale = true; /* it begins with the next sample */
    worker->count++;
    return NULL;
}

/* --- batches --------------------------------------------------------------------------------- */

static size_t put_count(uint8_t *to, uint32_t value)
{
    size_t size = 0;
    while (value > 0x7Fu) {
        to[size++] = (uint8_t)((value & 0x7Fu) | 0x80u);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

/* A partial of rows (kernels/rows.py): head, then the run of windows with its key and place. */
static size_t put_rows(const atoll_worker *worker, const atoll_worker_job *job, uint8_t *out,
                       size_t room)
{
    size_t size = 4u * (size_t)job->rows * job->width, at = HEAD;
    out[KIND_AT] = KIND_ROWS;
    if (job->rows == 0u) {
        return at;
    }
    if (at + worker->key.size + 15u + size > room) {
        return 0;
    }
    at += put_count(out + at, worker->key.size);
    memcpy(out + at, worker->key.data, worker->key.size);
    at += worker->key.size;
    at += put_count(out + at, job->start);
    at += put_count(out + at, job->rows);
    memcpy(out + at, worker->arena + job->at + job->rows_at, size);
    return at + size;
}

/* The batch's bytes in the scratch; 0: they do not fit. */
static size_t put_partial(atoll_worker *worker, const atoll_worker_job *job)
{
    struct atoll_plan *plan = plan_of(worker, job);
    size_t used = 0;
    uint32_t status =
        atoll_plan_partial(plan, worker->scratch, (size_t)ATOLL_WORKER_RESULT_MAX, &used);
    if (status != ATOLL_STATUS_OK) {
        return 0;
    }
    if (atoll_plan_is_rows(plan)) {
        return put_rows(worker, job, worker->scratch, (size_t)ATOLL_WORKER_RESULT_MAX);
    }
    return used;
}

/* Hand the whole batch over: false, and it waits, while there is no room for it. */
static bool hand_over(atoll_worker *worker, atoll_worker_job *job)
{
    static const char large[] = "the partial of a batch does not fit in a message";
    uint64_t number = RUN_SAMPLES | (uint64_t)job->run << 32 | job->start;
    size_t size;
    const void *data;
    int kept;
    if (!job->waits) {
        job->rows = atoll_plan_take_rows(plan_of(worker, job), &job->width);
    }
    size = put_partial(worker, job);
    data = size > 0u ? (const void *)worker->scratch : (const void *)large;
    kept = worker->port.keep(worker->port.context, name_of(job), number, size == 0u, data,
                                 size > 0u ? size : sizeof large - 1u);
    job->waits = kept != 0;
    if (job->waits) {
        return false;
    }
    worker->kept++;
    job->start += job->every;
    atoll_plan_renew(plan_of(worker, job));
    if (job->start > UINT32_MAX / 2u) {
        job->stale = true; /* sample numbers of a run have 32 bits */
    }
    return true;
}

/* Feed one job; true: it goes on, false: it cannot and ends. */
static bool feed(atoll_worker *worker, atoll_worker_job *job, const uint8_t *samples, size_t count)
{
    size_t width = worker->dtype == (uint32_t)ATOLL_DTYPE_I16 ? 2u : 4u;
    while (count > 0u) {
        uint32_t missing, status;
        size_t taken;
        if (job->waits && !hand_over(worker, job)) {
            break;
        }
        if (job->stale) {
            begin_run(worker, job);
        }
        if (job->stale) {
            break;
        }
        missing = job->start + job->every + job->overlap - job->fed;
        taken = missing < count ? missing : count;
        status = atoll_plan_push(plan_of(worker, job), samples, taken,
                                 (float *)(void *)(worker->arena + job->at + job->rows_at),
                                 (job->size - job->rows_at) / 4u);
        if (status != ATOLL_STATUS_OK) {
            return false;
        }
        job->fed += (uint32_t)taken;
        samples += width * taken;
        count -= taken;
        if (taken == missing) {
            hand_over(worker, job);
        }
    }
    if (count > 0u) {
        job->stale = true;
        worker->dropped += (uint32_t)count;
    }
    return true;
}

void atoll_worker_push(atoll_worker *worker, const void *samples, size_t count)
{
    for (uint32_t index = 0; index < worker->count;) {
        atoll_worker_job *job = &worker->jobs[index];
        if (feed(worker, job, samples, count)) {
            index++;
        } else if (worker->port.keep(worker->port.context, name_of(job), 0, true, ROWS_FULL,
                                     sizeof ROWS_FULL - 1u) == 0) {
            end_job(worker, job);
        } else {
            job->stale = true; /* it says so when there is room */
            index++;
        }
    }
}

void atoll_worker_gap(atoll_worker *worker)
{
    for (uint32_t index = 0; index < worker->count; index++) {
        worker->jobs[index].stale = true;
    }
}
