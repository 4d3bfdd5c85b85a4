/* What the differential test cannot reach: full buffers, empty readers, floats
 * from floats. */
#include <stdio.h>
#include <string.h>

#include "message.h"

static int failed;

static void expect(int claim, const char *what)
{
    if (!claim) {
        failed++;
        fprintf(stderr, "not so: %s\n", what);
    }
}

static void write_some(atoll_cbor_writer *writer)
{
    atoll_cbor_write_array(writer, 3);
    atoll_cbor_write_text(writer, "abc", 3);
    atoll_cbor_write_int(writer, -500);
    atoll_cbor_write_float(writer, 1.5f);
}

/* Of every size that is too small the writer says so, and writes nothing behind
 * the end. */
static void test_full(void)
{
    uint8_t data[16];
    size_t whole;
    atoll_cbor_writer writer;
    atoll_cbor_writer_start(&writer, data, sizeof data);
    write_some(&writer);
    whole = atoll_cbor_writer_finish(&writer);
    expect(whole == 11, "the array is eleven bytes");
    for (size_t size = 0; size < sizeof data; size++) {
        memset(data, 0xEE, sizeof data);
        atoll_cbor_writer_start(&writer, data, size);
        write_some(&writer);
        expect(atoll_cbor_writer_finish(&writer) == (size < whole ? 0u : whole), "it is said");
        for (size_t at = size; at < sizeof data; at++) {
            expect(data[at] == 0xEE, "nothing is written behind the end");
        }
    }
}

/* A reader at its end, or before something of another type, gives zeros and
 * stays inside. */
static void test_empty(void)
{
    static const uint8_t text[] = {0x63, 'a', 'b', 'c'}, cut[] = {0x1B, 0x01};
    atoll_cbor_reader reader = {text, text};
    size_t size = 7;
    expect(atoll_cbor_read_uint(&reader) == 0 && atoll_cbor_read_array(&reader) == 0, "zeros");
    expect(atoll_cbor_read_string(&reader, &size) == text && size == 0, "an empty string");
    atoll_cbor_skip(&reader);
    expect(reader.at == text, "it stays");
    reader = (atoll_cbor_reader){text, text + 2}; /* claims three, has one */
    expect(atoll_cbor_read_string(&reader, &size) == text + 1 && size == 1, "what there is");
    reader = (atoll_cbor_reader){cut, cut + 2};
    atoll_cbor_read_uint(&reader);
    expect(reader.at == cut + 2, "a head without its end");
    reader = (atoll_cbor_reader){text, text + 4};
    expect(atoll_cbor_read_int(&reader) == 0 && !atoll_cbor_read_flag(&reader), "another type");
}

static void test_widen(void)
{
    static const float values[] = {0.0f, -0.0f, 1.0f, -1.5f, 1e-45f, 1.1754942e-38f, 3.4028235e38f};
    for (size_t at = 0; at < sizeof values / sizeof values[0]; at++) {
        double wide = (double)values[at];
        uint64_t bits;
        memcpy(&bits, &wide, sizeof bits);
        expect(atoll_cbor_widen(values[at]) == bits, "the same number, wider");
    }
}

static void test_unknown(void)
{
    atoll_message message;
    expect(atoll_message_form(9) == NULL && atoll_message_form(0) == NULL, "no such message");
    expect(atoll_message_open(&message, (const uint8_t *)"", 0, 4) == ATOLL_CBOR_TRUNCATED, "none");
}

int main(void)
{
    test_full();
    test_empty();
    test_widen();
    test_unknown();
    printf("{\"failed\": %d}\n", failed);
    return failed > 0;
}
