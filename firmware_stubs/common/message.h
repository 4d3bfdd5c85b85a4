/* The wire's messages, checked against the schema before a field is believed, read in place.
 *
 * `atoll_message_open` accepts exactly what `atoll.wire.decode` accepts, within a microcontroller's
 * size, depth and number of items. Versions: fields behind the last one known here are skipped. */
#ifndef ATOLL_MESSAGE_H
#define ATOLL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "cbor.h"
#include "schema.h"

/* Why a message is refused, besides the reasons of cbor.h. */
enum {
    ATOLL_MESSAGE_UNKNOWN = -32, /* no message of the tables */
    ATOLL_MESSAGE_FIELDS = -33,
    ATOLL_MESSAGE_TYPE = -34,
    ATOLL_MESSAGE_RANGE = -35,
    ATOLL_MESSAGE_LENGTH = -36
};

/* A newer version may have added this many fields more than we know; more are no version of ours. */
enum { ATOLL_MESSAGE_GROWTH_MAX = 16 };

typedef struct atoll_message {
    const uint8_t *data;
    size_t size;
    unsigned number;
} atoll_message;

/* Check `data` and point `message` at it: 0, or why not. Nothing is copied. */
int atoll_message_open(atoll_message *message, const uint8_t *data, size_t size,
                       unsigned depth_max);

/* A reader at the value of a field; of a field that an older sender left out it is empty. */
atoll_cbor_reader atoll_message_field(const atoll_message *message, unsigned field);

/* Begin a message of this number; then each field in order: its key, its value. */
void atoll_message_begin(atoll_cbor_writer *writer, unsigned number);

/* The form of a message, NULL if the tables do not have it. */
const atoll_schema_form *atoll_message_form(unsigned number);

#endif
