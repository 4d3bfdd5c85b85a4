/* CBOR as the wire speaks it (RFC 8949 section 4.2.1: deterministic), within a small board's bounds.
 *
 * Reading is in two steps. `atoll_cbor_check` decides in one pass, without recursion, whether bytes
 * are one well-formed deterministic item: definite lengths, shortest heads and floats, one NaN,
 * unique sorted keys, UTF-8, no tags, no length claimed that is not there. Only then does a reader
 * walk over the bytes; it trusts them to be well-formed and still never leaves them.
 *
 * A writer keeps its error: write freely, ask once at the end. Floats are handled as bits, so that
 * no arithmetic of doubles is linked in. */
#ifndef ATOLL_CBOR_H
#define ATOLL_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* The largest message; longer ones are refused before they are looked at. */
    ATOLL_CBOR_SIZE_MAX = 1024,
    /* What a microcontroller is told is three deep (message, list, record), what it says five. */
    ATOLL_CBOR_DEPTH_TOLD = 4,
    ATOLL_CBOR_DEPTH_MAX = 5,
    /* Items in a message: a list of 32 shards has 226. */
    ATOLL_CBOR_ITEMS_MAX = 256
};

/* Why bytes are refused: the wire's reasons in its order, negated. */
enum {
    ATOLL_CBOR_OK = 0,
    ATOLL_CBOR_TRUNCATED = -1,
    ATOLL_CBOR_TRAILING = -2,
    ATOLL_CBOR_RESERVED = -3,
    ATOLL_CBOR_INDEFINITE = -4,
    ATOLL_CBOR_NOT_SHORTEST = -5,
    ATOLL_CBOR_TAG = -6,
    ATOLL_CBOR_SIMPLE = -7,
    ATOLL_CBOR_NAN = -8,
    ATOLL_CBOR_UTF8 = -9,
    ATOLL_CBOR_KEY = -10,
    ATOLL_CBOR_ORDER = -11,
    ATOLL_CBOR_DEPTH = -12,
    ATOLL_CBOR_ITEMS = -13,
    ATOLL_CBOR_CLAIM = -14,
    ATOLL_CBOR_SIZE = -15
};

/* Major types (RFC 8949 section 3.1). */
enum {
    ATOLL_CBOR_UINT = 0,
    ATOLL_CBOR_NEGATIVE = 1,
    ATOLL_CBOR_BYTES = 2,
    ATOLL_CBOR_TEXT = 3,
    ATOLL_CBOR_ARRAY = 4,
    ATOLL_CBOR_MAP = 5,
    ATOLL_CBOR_OTHER = 7
};

/* 0, or why not, with the offset of the item's head in *offset (may be NULL). */
int atoll_cbor_check(const uint8_t *data, size_t size, unsigned depth_max, size_t *offset);

/* --- reading, once checked ------------------------------------------------------------------- */

typedef struct atoll_cbor_reader {
    const uint8_t *at;
    const uint8_t *end;
} atoll_cbor_reader;

/* A head: `value` is the integer (of NEGATIVE: -1 - value), the length in bytes, the number of items
 * (of MAP: of pairs), or of OTHER the bits; `info` its low five bits. */
typedef struct atoll_cbor_head {
    uint64_t value;
    uint8_t major;
    uint8_t info;
} atoll_cbor_head;

/* Take the next head; false at the end. Of a string its bytes come next. */
bool atoll_cbor_head_read(atoll_cbor_reader *reader, atoll_cbor_head *head);

/* Take one item and all that is in it. */
void atoll_cbor_skip(atoll_cbor_reader *reader);

/* Take an item that is known to be of this type; of anything else the result is 0, false or empty. */
uint64_t atoll_cbor_read_uint(atoll_cbor_reader *reader);
int64_t atoll_cbor_read_int(atoll_cbor_reader *reader);
bool atoll_cbor_read_flag(atoll_cbor_reader *reader);
uint64_t atoll_cbor_read_real(atoll_cbor_reader *reader); /* the bits of a binary64 */
size_t atoll_cbor_read_array(atoll_cbor_reader *reader);  /* how many items follow */
const uint8_t *atoll_cbor_read_string(atoll_cbor_reader *reader, size_t *size); /* text or bytes */

/* --- writing --------------------------------------------------------------------------------- */

typedef struct atoll_cbor_writer {
    uint8_t *data;
    size_t size;
    size_t used; /* what was asked for; more than `size`: it did not fit */
} atoll_cbor_writer;

void atoll_cbor_writer_start(atoll_cbor_writer *writer, uint8_t *data, size_t size);

/* The size of what was written; 0: it did not fit. */
size_t atoll_cbor_writer_finish(const atoll_cbor_writer *writer);

void atoll_cbor_write_uint(atoll_cbor_writer *writer, uint64_t value);
void atoll_cbor_write_int(atoll_cbor_writer *writer, int64_t value);
void atoll_cbor_write_flag(atoll_cbor_writer *writer, bool value);
void atoll_cbor_write_real(atoll_cbor_writer *writer, uint64_t bits); /* of a binary64 */
void atoll_cbor_write_float(atoll_cbor_writer *writer, float value);
void atoll_cbor_write_text(atoll_cbor_writer *writer, const char *text, size_t size);
void atoll_cbor_write_bytes(atoll_cbor_writer *writer, const void *data, size_t size);
void atoll_cbor_write_array(atoll_cbor_writer *writer, size_t count);
/* Bytes that are whole items already. */
void atoll_cbor_write_items(atoll_cbor_writer *writer, const void *data, size_t size);
void atoll_cbor_write_map(atoll_cbor_writer *writer, size_t pairs);

/* The bits of the binary64 that equals this float. */
uint64_t atoll_cbor_widen(float value);

#endif
