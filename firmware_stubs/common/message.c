#include "message.h"

static int check_record(atoll_cbor_reader *reader, const atoll_schema_form *form);

const atoll_schema_form *atoll_message_form(unsigned number)
{
    for (unsigned at = ATOLL_SCHEMA_RECORDS; at < ATOLL_SCHEMA_FORMS; at++) {
        if (atoll_schema_forms[at].number == number) {
            return &atoll_schema_forms[at];
        }
    }
    return NULL;
}

static int check_int(const atoll_cbor_head *head, const atoll_schema_shape *shape)
{
    if (head->major > ATOLL_CBOR_NEGATIVE) {
        return ATOLL_MESSAGE_TYPE;
    }
    if (head->major == ATOLL_CBOR_UINT) {
        return head->value <= shape->most ? ATOLL_CBOR_OK : ATOLL_MESSAGE_RANGE;
    }
    return shape->least < 0 && head->value <= (uint64_t)(-1 - shape->least) ? ATOLL_CBOR_OK
                                                                            : ATOLL_MESSAGE_RANGE;
}

static int check_real(const atoll_cbor_head *head)
{
    uint64_t power = head->info == 25u   ? head->value >> 10 & 0x1Fu
                     : head->info == 26u ? head->value >> 23 & 0xFFu
                                         : head->value >> 52 & 0x7FFu;
    uint64_t most = head->info == 25u ? 0x1Fu : head->info == 26u ? 0xFFu : 0x7FFu;
    if (head->major != ATOLL_CBOR_OTHER || head->info < 25u) {
        return ATOLL_MESSAGE_TYPE;
    }
    return power != most ? ATOLL_CBOR_OK : ATOLL_MESSAGE_RANGE;
}

static int check_string(atoll_cbor_reader *reader, const atoll_cbor_head *head, unsigned major,
                        const atoll_schema_shape *shape)
{
    if (head->major != major) {
        return ATOLL_MESSAGE_TYPE;
    }
    if (head->value > shape->most || head->value < (uint64_t)shape->least) {
        return ATOLL_MESSAGE_LENGTH;
    }
    reader->at += (size_t)head->value;
    return ATOLL_CBOR_OK;
}

/* Recursion is as deep as the schema, five, and no deeper than the bytes, which were checked. */
static int check_value(atoll_cbor_reader *reader, const atoll_schema_shape *shape)
{
    atoll_cbor_reader before = *reader;
    atoll_cbor_head head;
    int reason = ATOLL_CBOR_OK;
    atoll_cbor_head_read(reader, &head);
    switch (shape->kind) {
    case ATOLL_SCHEMA_UINT:
    case ATOLL_SCHEMA_INT:
        return check_int(&head, shape);
    case ATOLL_SCHEMA_REAL:
        return check_real(&head);
    case ATOLL_SCHEMA_FLAG:
        return head.major == ATOLL_CBOR_OTHER && (head.info == 20u || head.info == 21u)
                   ? ATOLL_CBOR_OK
                   : ATOLL_MESSAGE_TYPE;
    case ATOLL_SCHEMA_TEXT:
        return check_string(reader, &head, ATOLL_CBOR_TEXT, shape);
    case ATOLL_SCHEMA_BYTES:
        return check_string(reader, &head, ATOLL_CBOR_BYTES, shape);
    case ATOLL_SCHEMA_RECORD:
        *reader = before;
        return check_record(reader, &atoll_schema_forms[shape->item]);
    default:
        break;
    }
    if (head.major != ATOLL_CBOR_ARRAY) {
        return ATOLL_MESSAGE_TYPE;
    }
    if (head.value > shape->most) {
        return ATOLL_MESSAGE_LENGTH;
    }
    for (uint64_t left = head.value; left > 0u && reason == ATOLL_CBOR_OK; left--) {
        reason = check_value(reader, &atoll_schema_shapes[shape->item]);
    }
    return reason;
}

static const atoll_schema_shape *field_shape(const atoll_schema_form *form, unsigned field)
{
    return &atoll_schema_shapes[atoll_schema_fields[form->first + field]];
}

static int check_record(atoll_cbor_reader *reader, const atoll_schema_form *form)
{
    atoll_cbor_head head;
    int reason = ATOLL_CBOR_OK;
    atoll_cbor_head_read(reader, &head);
    if (head.major != ATOLL_CBOR_ARRAY) {
        return ATOLL_MESSAGE_TYPE;
    }
    if (head.value != form->count) {
        return ATOLL_MESSAGE_FIELDS;
    }
    for (unsigned field = 0; field < form->count && reason == ATOLL_CBOR_OK; field++) {
        reason = check_value(reader, field_shape(form, field));
    }
    return reason;
}

/* The pairs behind key 0. Keys are in order, so that a key is the next one, or one is left out. */
static int check_fields(atoll_cbor_reader *reader, const atoll_schema_form *form, uint64_t pairs)
{
    unsigned next = 1, unknown = 0;
    for (; pairs > 0u; pairs--) {
        atoll_cbor_head key;
        int reason = ATOLL_CBOR_OK;
        atoll_cbor_head_read(reader, &key);
        if (key.major != ATOLL_CBOR_UINT) {
            return ATOLL_MESSAGE_FIELDS;
        }
        if (key.value > form->count) {
            unknown++;
            atoll_cbor_skip(reader);
            continue;
        }
        if (key.value > next && next <= form->required) {
            return ATOLL_MESSAGE_FIELDS;
        }
        reason = check_value(reader, field_shape(form, (unsigned)key.value - 1u));
        if (reason != ATOLL_CBOR_OK) {
            return reason;
        }
        next = (unsigned)key.value + 1u;
    }
    return next <= form->required || unknown > form->count + (unsigned)ATOLL_MESSAGE_GROWTH_MAX
               ? ATOLL_MESSAGE_FIELDS
               : ATOLL_CBOR_OK;
}

int atoll_message_open(atoll_message *message, const uint8_t *data, size_t size, unsigned depth_max)
{
    const atoll_schema_form *form;
    atoll_cbor_reader reader = {data, data + size};
    atoll_cbor_head map, key, number;
    int reason = atoll_cbor_check(data, size, depth_max, NULL);
    *message = (atoll_message){.data = data, .size = size};
    if (reason != ATOLL_CBOR_OK) {
        return reason;
    }
    atoll_cbor_head_read(&reader, &map);
    atoll_cbor_head_read(&reader, &key);
    atoll_cbor_head_read(&reader, &number);
    if (map.major != ATOLL_CBOR_MAP || map.value == 0u || key.major != ATOLL_CBOR_UINT ||
        key.value != 0u || number.major != ATOLL_CBOR_UINT || number.value > UINT8_MAX) {
        return ATOLL_MESSAGE_UNKNOWN;
    }
    form = atoll_message_form((unsigned)number.value);
    if (form == NULL) {
        return ATOLL_MESSAGE_UNKNOWN;
    }
    message->number = form->number;
    return check_fields(&reader, form, map.value - 1u);
}

atoll_cbor_reader atoll_message_field(const atoll_message *message, unsigned field)
{
    atoll_cbor_reader reader = {message->data, message->data + message->size};
    atoll_cbor_head head;
    atoll_cbor_head_read(&reader, &head);
    for (uint64_t pairs = head.value; pairs > 0u; pairs--) {
        if (atoll_cbor_read_uint(&reader) == field) {
            return reader;
        }
        atoll_cbor_skip(&reader);
    }
    reader.at = reader.end;
    return reader;
}

void atoll_message_begin(atoll_cbor_writer *writer, unsigned number)
{
    const atoll_schema_form *form = atoll_message_form(number);
    atoll_cbor_write_map(writer, (form != NULL ? form->count : 0u) + 1u);
    atoll_cbor_write_uint(writer, 0);
    atoll_cbor_write_uint(writer, number);
}
