/* The C codec's verdict on messages from standard input, for comparison with
 * the Python codec's.
 *
 *     cbor_cases DEPTH <cases >verdicts
 *
 * A case: its size (16 bits, little-endian), its bytes. A verdict: the reason
 * (8 bits, signed), the offset that the well-formedness pass named, the size of
 * what follows (16 bits each), and of an accepted message its fields read and
 * written anew. Each case lies in a block of its own, so that the sanitizer
 * sees a read of one byte too many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "message.h"

enum { CASE_MAX = 2048 };

static void copy_value(atoll_cbor_reader *from, atoll_cbor_writer *to,
                       const atoll_schema_shape *shape);

static void copy_fields(atoll_cbor_reader *from, atoll_cbor_writer *to,
                        const atoll_schema_form *form)
{
    for (unsigned field = 0; field < form->count; field++) {
        copy_value(from, to, &atoll_schema_shapes[atoll_schema_fields[form->first + field]]);
    }
}

static void copy_array(atoll_cbor_reader *from, atoll_cbor_writer *to,
                       const atoll_schema_shape *shape)
{
    size_t count = atoll_cbor_read_array(from);
    atoll_cbor_write_array(to, count);
    if (shape->kind == ATOLL_SCHEMA_RECORD) {
        copy_fields(from, to, &atoll_schema_forms[shape->item]);
        return;
    }
    for (; count > 0; count--) {
        copy_value(from, to, &atoll_schema_shapes[shape->item]);
    }
}

static void copy_value(atoll_cbor_reader *from, atoll_cbor_writer *to,
                       const atoll_schema_shape *shape)
{
    const uint8_t *string;
    size_t size;
    switch (shape->kind) {
    case ATOLL_SCHEMA_UINT:
        atoll_cbor_write_uint(to, atoll_cbor_read_uint(from));
        break;
    case ATOLL_SCHEMA_INT:
        atoll_cbor_write_int(to, atoll_cbor_read_int(from));
        break;
    case ATOLL_SCHEMA_REAL:
        atoll_cbor_write_real(to, atoll_cbor_read_real(from));
        break;
    case ATOLL_SCHEMA_FLAG:
        atoll_cbor_write_flag(to, atoll_cbor_read_flag(from));
        break;
    case ATOLL_SCHEMA_TEXT:
        string = atoll_cbor_read_string(from, &size);
        atoll_cbor_write_text(to, (const char *)string, size);
        break;
    case ATOLL_SCHEMA_BYTES:
        string = atoll_cbor_read_string(from, &size);
        atoll_cbor_write_bytes(to, string, size);
        break;
    default:
        copy_array(from, to, shape);
        break;
    }
}

static size_t copy_message(const atoll_message *message, uint8_t *to)
{
    const atoll_schema_form *form = atoll_message_form(message->number);
    atoll_cbor_writer writer;
    atoll_cbor_writer_start(&writer, to, CASE_MAX);
    atoll_message_begin(&writer, message->number);
    for (unsigned field = 1; field <= form->count; field++) {
        atoll_cbor_reader reader = atoll_message_field(message, field);
        atoll_cbor_write_uint(&writer, field);
        copy_value(&reader, &writer,
                   &atoll_schema_shapes[atoll_schema_fields[form->first + field - 1u]]);
    }
    return atoll_cbor_writer_finish(&writer);
}

static void judge(const uint8_t *data, size_t size, unsigned depth)
{
    static uint8_t answer[5 + CASE_MAX];
    atoll_message message;
    size_t offset = 0, copied = 0;
    int reason = atoll_message_open(&message, data, size, depth);
    atoll_cbor_check(data, size, depth, &offset);
    if (reason == ATOLL_CBOR_OK) {
        copied = copy_message(&message, answer + 5);
    }
    answer[0] = (uint8_t)(reason & 0xFF);
    atoll_bytes_put_le16(answer + 1, (uint16_t)offset);
    atoll_bytes_put_le16(answer + 3, (uint16_t)copied);
    fwrite(answer, 1, 5 + copied, stdout);
}

int main(int argc, char **argv)
{
    unsigned depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : ATOLL_CBOR_DEPTH_TOLD;
    uint8_t head[2];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        size_t size = atoll_bytes_le16(head);
        uint8_t *data = malloc(size > 0 ? size : 1);
        if (data == NULL || size > CASE_MAX || fread(data, 1, size, stdin) != size) {
            return 2;
        }
        judge(data, size, depth);
        free(data);
    }
    return 0;
}
