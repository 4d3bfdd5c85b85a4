/* Receipts for machines without Python: the golden vectors of golden.py, what the kernels make of
 * them, and the hash of receipt.py. receipt_c.py writes the tables that stand above this text in
 * atoll_receipts.c. The tests hold both against each other.
 *
 * Vectors are made as they are needed, so that a receipt takes the largest state and little more. */
#include <string.h>

#ifdef ATOLL_RECEIPT_PAUSE
void ATOLL_RECEIPT_PAUSE(void);
#endif

struct golden {
    uint32_t word; /* of xorshift32 */
    uint32_t dtype;
    uint32_t wanted; /* NOISE, EXTREME or WIDE */
    uint32_t at;
};

static uint32_t next(struct golden *self)
{
    self->word ^= self->word << 13;
    self->word ^= self->word >> 17;
    self->word ^= self->word << 5;
    return self->word;
}

/* The upper bits of a word, with their sign. */
static int32_t upper(uint32_t word, uint32_t bits)
{
    return (int32_t)word >> (32u - bits);
}

/* Four uniform parts of a quarter of the range: near a bell. */
static int32_t bell(struct golden *self, uint32_t bits)
{
    int32_t sum = 0;
    uint32_t k;
    for (k = 0; k < 4u; k++) {
        sum += upper(next(self), bits) >> 2;
    }
    return sum;
}

static int32_t integer(struct golden *self, uint32_t bits)
{
    uint32_t word = next(self);
    if (self->wanted == (uint32_t)EXTREME) {
        return (bits == 16u ? extremes_i16 : extremes_i32)[word % EXTREMES_INTEGER];
    }
    if (self->wanted == (uint32_t)WIDE) {
        return upper(word, bits) >> (next(self) % bits);
    }
    return bell(self, bits) >> 1;
}

static uint32_t float_bits(struct golden *self)
{
    uint32_t word = next(self);
    uint32_t bits;
    float number;
    if (self->wanted == (uint32_t)EXTREME) {
        return self->at < SAMPLES / 4u * 3u ? extremes_f32[word % EXTREMES_F32]
                                            : special_f32[word % SPECIAL_F32];
    }
    if (self->wanted == (uint32_t)WIDE) {
        return (word & 0x807FFFFFu) | (67u + next(self) % 121u) << 23;
    }
    number = (float)bell(self, 24u) * (1.0f / 1048576.0f); /* exact */
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static void fill(struct golden *self, uint8_t *to, uint32_t count)
{
    uint32_t size = self->dtype == (uint32_t)ATOLL_DTYPE_I16 ? 2u : 4u;
    for (; count > 0u; count--, to += size, self->at++) {
        if (self->dtype == (uint32_t)ATOLL_DTYPE_F32) {
            uint32_t bits = float_bits(self);
            memcpy(to, &bits, size);
        } else {
            int32_t value = integer(self, 8u * size); /* its lower bytes come first */
            memcpy(to, &value, size);
        }
    }
}

/* FNV-1a, 64 bit. */
static uint64_t fnv1a(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *byte = data;
    for (; size > 0u; size--, byte++) {
        hash = (hash ^ *byte) * UINT64_C(0x100000001B3);
    }
    return hash;
}

/* Bytes that `count` samples and the rows they may complete take. */
static size_t piece_bytes(const struct program *program, uint32_t count, uint32_t width)
{
    size_t samples = (size_t)count * (program->words[1] == (uint32_t)ATOLL_DTYPE_I16 ? 2u : 4u);
    size_t rows = program->rows ? (size_t)count / program->step + 1u : 0u;
    return samples + rows * width * sizeof(float);
}

/* The states, and those of twice as much by merging. */
static uint32_t hash_partials(struct atoll_plan *plan, uint8_t *out, size_t room, uint64_t *hash)
{
    uint32_t merged;
    for (merged = 0; merged < 2u; merged++) {
        size_t used = 0;
        uint32_t status = atoll_plan_partial(plan, out, room, &used);
        if (status != (uint32_t)ATOLL_STATUS_OK) {
            return status;
        }
        *hash = fnv1a(*hash, out + HEAD, used - HEAD);
        status = merged == 0u ? atoll_plan_absorb(plan, out, used) : status;
        if (status != (uint32_t)ATOLL_STATUS_OK) {
            return status;
        }
    }
    return ATOLL_STATUS_OK;
}

/* One plan over one vector, in pieces as large as `room` bytes behind the state allow. */
static uint32_t run(const struct program *program, struct golden *vector, struct atoll_plan *plan,
                    uint8_t *out, size_t room, uint64_t *hash)
{
    uint32_t width = 0, piece = SAMPLES, count;
    (void)atoll_plan_take_rows(plan, &width);
    while (piece > 0u && piece_bytes(program, piece, width) > room) {
        piece /= 2u;
    }
    if (piece == 0u) {
        return ATOLL_STATUS_NO_SPACE;
    }
    while (vector->at < SAMPLES) {
#ifdef ATOLL_RECEIPT_PAUSE
        ATOLL_RECEIPT_PAUSE(); /* a slow board feeds its watchdog */
#endif
        size_t rows_bytes = piece_bytes(program, piece, width) - piece_bytes(program, piece, 0);
        uint32_t status;
        count = SAMPLES - vector->at < piece ? SAMPLES - vector->at : piece;
        fill(vector, out + rows_bytes, count);
        status = atoll_plan_push(plan, out + rows_bytes, count / program->channels,
                                 (float *)(void *)out, rows_bytes / sizeof(float));
        if (status != (uint32_t)ATOLL_STATUS_OK) {
            return status;
        }
        if (program->rows) {
            count = atoll_plan_take_rows(plan, &width);
            *hash = fnv1a(*hash, out, (size_t)count * width * sizeof(float));
        }
    }
    return program->rows ? (uint32_t)ATOLL_STATUS_OK : hash_partials(plan, out, room, hash);
}

uint32_t atoll_receipt(uint32_t number, uint64_t *memory, size_t size, uint64_t *hash)
{
    const struct program *program = programs + kernels[number].first;
    const struct program *end = program + kernels[number].count;
    uint8_t *bytes = (uint8_t *)memory;
    *hash = UINT64_C(0xCBF29CE484222325);
    for (; program < end; program++) {
        size_t state = (atoll_plan_size(program->words, program->count) + 7u) / 8u * 8u;
        uint32_t wanted;
        if (state == 0u || state > size) {
            return state == 0u ? (uint32_t)ATOLL_STATUS_BAD_PROGRAM
                               : (uint32_t)ATOLL_STATUS_NO_SPACE;
        }
        for (wanted = 0; wanted < (uint32_t)CASES; wanted++) {
            struct golden vector = {seeds[wanted], program->words[1], wanted, 0};
            struct atoll_plan *plan = (struct atoll_plan *)(void *)memory;
            uint32_t status = atoll_plan_init(memory, state, program->words, program->count);
            if (status == (uint32_t)ATOLL_STATUS_OK) {
                status = run(program, &vector, plan, bytes + state, size - state, hash);
            }
            if (status != (uint32_t)ATOLL_STATUS_OK) {
                return status;
            }
        }
    }
    return ATOLL_STATUS_OK;
}
