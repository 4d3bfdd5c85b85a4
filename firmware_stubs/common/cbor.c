#include "cbor.h"

#include <string.h>

#include "assume.h"

/* --- reading --------------------------------------------------------------------------------- */

bool atoll_cbor_head_read(atoll_cbor_reader *reader, atoll_cbor_head *head)
{
    size_t width;
    *head = (atoll_cbor_head){0};
    if (reader->at >= reader->end) {
        return false;
    }
    head->major = *reader->at >> 5;
    head->info = *reader->at & 31u;
    head->value = head->info;
    reader->at++;
    if (head->info < 24u) {
        return true;
    }
    width = (size_t)1 << (head->info & 3u);
    head->value = 0;
    for (; width > 0u && reader->at < reader->end; width--) {
        head->value = head->value << 8 | *reader->at++;
    }
    return true;
}

static void pass(atoll_cbor_reader *reader, uint64_t size)
{
    size_t left = (size_t)(reader->end - reader->at);
    reader->at += size < left ? (size_t)size : left;
}

void atoll_cbor_skip(atoll_cbor_reader *reader)
{
    atoll_cbor_head head;
    for (uint64_t items = 1; items > 0u && atoll_cbor_head_read(reader, &head); items--) {
        if (head.major == ATOLL_CBOR_BYTES || head.major == ATOLL_CBOR_TEXT) {
            pass(reader, head.value);
        } else if (head.major == ATOLL_CBOR_ARRAY) {
            items += head.value;
        } else if (head.major == ATOLL_CBOR_MAP) {
            items += 2u * head.value;
        }
    }
}

uint64_t atoll_cbor_read_uint(atoll_cbor_reader *reader)
{
    atoll_cbor_head head;
    atoll_cbor_head_read(reader, &head);
    return head.major == ATOLL_CBOR_UINT ? head.value : 0u;
}

int64_t atoll_cbor_read_int(atoll_cbor_reader *reader)
{
    atoll_cbor_head head;
    atoll_cbor_head_read(reader, &head);
    if (head.major > ATOLL_CBOR_NEGATIVE || head.value > INT64_MAX) {
        return 0;
    }
    return head.major == ATOLL_CBOR_UINT ? (int64_t)head.value : -1 - (int64_t)head.value;
}

bool atoll_cbor_read_flag(atoll_cbor_reader *reader)
{
    atoll_cbor_head head;
    atoll_cbor_head_read(reader, &head);
    return head.major == ATOLL_CBOR_OTHER && head.info == 21u;
}

/* A float of `fraction_bits` and an exponent of `power_bits` as a binary64. */
static uint64_t widened(uint64_t bits, unsigned fraction_bits, unsigned power_bits)
{
    uint64_t sign = bits >> (fraction_bits + power_bits) << 63;
    uint64_t power_most = (UINT64_C(1) << power_bits) - 1u;
    uint64_t power = bits >> fraction_bits & power_most;
    uint64_t fraction = bits & ((UINT64_C(1) << fraction_bits) - 1u);
    uint64_t bias = 1023u - (power_most >> 1);
    if (power == power_most) {
        return sign | UINT64_C(0x7FF) << 52 | fraction << (52u - fraction_bits);
    }
    if (power == 0u) {
        if (fraction == 0u) {
            return sign;
        }
        for (power = 1; (fraction >> fraction_bits) == 0u; power--) { /* subnormal: normalise */
            fraction <<= 1;
        }
        fraction &= (UINT64_C(1) << fraction_bits) - 1u;
    }
    return sign | (power + bias) << 52 | fraction << (52u - fraction_bits);
}

uint64_t atoll_cbor_read_real(atoll_cbor_reader *reader)
{
    atoll_cbor_head head;
    atoll_cbor_head_read(reader, &head);
    if (head.major != ATOLL_CBOR_OTHER || head.info < 25u) {
        return 0;
    }
    return head.info == 25u   ? widened(head.value, 10, 5)
           : head.info == 26u ? widened(head.value, 23, 8)
                              : head.value;
}

size_t atoll_cbor_read_array(atoll_cbor_reader *reader)
{
    atoll_cbor_head head;
    atoll_cbor_head_read(reader, &head);
    return head.major == ATOLL_CBOR_ARRAY ? (size_t)head.value : 0u;
}

const uint8_t *atoll_cbor_read_string(atoll_cbor_reader *reader, size_t *size)
{
    atoll_cbor_head head;
    const uint8_t *start;
    bool is_string = atoll_cbor_head_read(reader, &head) &&
                     (head.major == ATOLL_CBOR_BYTES || head.major == ATOLL_CBOR_TEXT);
    start = reader->at;
    if (is_string) {
        pass(reader, head.value);
    }
    *size = (size_t)(reader->at - start);
    return start;
}

/* --- writing --------------------------------------------------------------------------------- */

void atoll_cbor_writer_start(atoll_cbor_writer *writer, uint8_t *data, size_t size)
{
    *writer = (atoll_cbor_writer){.data = data, .size = size};
}

size_t atoll_cbor_writer_finish(const atoll_cbor_writer *writer)
{
    return writer->used <= writer->size ? writer->used : 0u;
}

static void put(atoll_cbor_writer *writer, const void *data, size_t size)
{
    if (writer->used <= writer->size && size <= writer->size - writer->used) {
        if (size > 0u) {
            memmove(writer->data + writer->used, data,
                    size); /* `data` may lie in the same buffer */
        }
        writer->used += size;
    } else {
        writer->used = SIZE_MAX;
    }
}

/* `info` < 24 in the head itself, else 24 to 27: `value` in 1, 2, 4 or 8 bytes behind it. */
static void put_head(atoll_cbor_writer *writer, unsigned major, unsigned info, uint64_t value)
{
    uint8_t head[9];
    size_t width = info < 24u ? 0u : (size_t)1 << (info - 24u);
    head[0] = (uint8_t)(major << 5 | info);
    for (size_t at = width; at > 0u; at--) {
        head[at] = (uint8_t)(value & 0xFFu);
        value >>= 8;
    }
    put(writer, head, width + 1u);
}

static void put_number(atoll_cbor_writer *writer, unsigned major, uint64_t value)
{
    unsigned info = value < 24u           ? (unsigned)value
                    : value <= UINT8_MAX  ? 24u
                    : value <= UINT16_MAX ? 25u
                    : value <= UINT32_MAX ? 26u
                                          : 27u;
    put_head(writer, major, info, value);
}

void atoll_cbor_write_uint(atoll_cbor_writer *writer, uint64_t value)
{
    put_number(writer, ATOLL_CBOR_UINT, value);
}

void atoll_cbor_write_int(atoll_cbor_writer *writer, int64_t value)
{
    if (value < 0) {
        put_number(writer, ATOLL_CBOR_NEGATIVE, (uint64_t)(-1 - value));
    } else {
        put_number(writer, ATOLL_CBOR_UINT, (uint64_t)value);
    }
}

void atoll_cbor_write_flag(atoll_cbor_writer *writer, bool value)
{
    put_head(writer, ATOLL_CBOR_OTHER, value ? 21u : 20u, 0);
}

/* The same number in a narrower format, if it is one there: every format widens to one binary64, so
 * that what was cut off is told by widening it again. */
static bool narrowed(uint64_t bits, unsigned fraction_bits, unsigned power_bits, uint64_t *narrow)
{
    uint64_t sign = bits >> 63 << (fraction_bits + power_bits);
    int power_most = (1 << power_bits) - 1;
    int power = (int)(bits >> 52 & 0x7FFu) - 1023 + (power_most >> 1);
    uint64_t fraction = bits & UINT64_C(0xFFFFFFFFFFFFF);
    if ((bits >> 52 & 0x7FFu) == 0x7FFu) {
        power = power_most;
    } else if (power <= 0 && bits << 1 != 0u) { /* subnormal there, or nothing */
        unsigned shift = (unsigned)(1 - power);
        fraction = shift > 52u ? 0u : (fraction | UINT64_C(1) << 52) >> shift;
        power = 0;
    }
    if (power >= power_most && (bits >> 52 & 0x7FFu) != 0x7FFu) {
        return false;
    }
    if (bits << 1 == 0u) {
        power = 0;
    }
    *narrow = sign | (uint64_t)power << fraction_bits | fraction >> (52u - fraction_bits);
    return widened(*narrow, fraction_bits, power_bits) == bits;
}

void atoll_cbor_write_real(atoll_cbor_writer *writer, uint64_t bits)
{
    uint64_t narrow;
    if ((bits & UINT64_C(0x7FFFFFFFFFFFFFFF)) > UINT64_C(0x7FF) << 52) {
        put_head(writer, ATOLL_CBOR_OTHER, 25, 0x7E00u); /* the one NaN */
    } else if (narrowed(bits, 10, 5, &narrow)) {
        put_head(writer, ATOLL_CBOR_OTHER, 25, narrow);
    } else if (narrowed(bits, 23, 8, &narrow)) {
        put_head(writer, ATOLL_CBOR_OTHER, 26, narrow);
    } else {
        put_head(writer, ATOLL_CBOR_OTHER, 27, bits);
    }
}

uint64_t atoll_cbor_widen(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return widened(bits, 23, 8);
}

void atoll_cbor_write_float(atoll_cbor_writer *writer, float value)
{
    atoll_cbor_write_real(writer, atoll_cbor_widen(value));
}

void atoll_cbor_write_text(atoll_cbor_writer *writer, const char *text, size_t size)
{
    put_number(writer, ATOLL_CBOR_TEXT, size);
    put(writer, text, size);
}

void atoll_cbor_write_bytes(atoll_cbor_writer *writer, const void *data, size_t size)
{
    put_number(writer, ATOLL_CBOR_BYTES, size);
    put(writer, data, size);
}

void atoll_cbor_write_array(atoll_cbor_writer *writer, size_t count)
{
    put_number(writer, ATOLL_CBOR_ARRAY, count);
}

void atoll_cbor_write_map(atoll_cbor_writer *writer, size_t pairs)
{
    put_number(writer, ATOLL_CBOR_MAP, pairs);
}

void atoll_cbor_write_items(atoll_cbor_writer *writer, const void *data, size_t size)
{
    put(writer, data, size);
}
