/* The device's end of the serial link, driven over a pipe by a test that is the
 * line, the clock and the other end.
 *
 * A request: milliseconds (32 bits, little-endian), a new session (32 bits; 0:
 * go on), the number of messages to send and each with kind, size (8 bits each)
 * and bytes, then the size (16 bits) of what came from the line, and that. The
 * answer: how many messages were taken, the events with kind, message kind,
 * size and bytes, then size and bytes for the line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "link.h"

enum { EVENTS_MAX = 255, OUT_MAX = 16384 };

static uint8_t store[ATOLL_LINK_WINDOW_MAX * ATOLL_LINK_DATA_MAX];
static uint8_t answer[2 + EVENTS_MAX * (3 + ATOLL_LINK_DATA_MAX) + 2 + OUT_MAX];
static size_t used;
static atoll_link link;
static unsigned refuse_each, messages;

static void need(void *to, size_t size)
{
    if (size > 0 && fread(to, 1, size, stdin) != size) {
        exit(feof(stdin) ? 0 : 2);
    }
}

static void put(const void *bytes, size_t size)
{
    if (size > 0) {
        memcpy(answer + used, bytes, size);
        used += size;
    }
}

static uint8_t send_all(uint8_t count)
{
    uint8_t taken = 0;
    for (; count > 0; count--) {
        uint8_t head[2], data[255];
        need(head, 2);
        need(data, head[1]);
        taken = (uint8_t)(taken + (atoll_link_send(&link, head[0], data, head[1]) == 0));
    }
    return taken;
}

static uint8_t receive_all(const uint8_t *data, size_t size, uint64_t now)
{
    atoll_link_event event = {ATOLL_LINK_MESSAGE, 0, NULL, 0};
    uint8_t events = 0;
    for (size_t at = 0; at < size || event.kind != ATOLL_LINK_NOTHING;) {
        at += atoll_link_receive(&link, data + at, size - at, now, &event);
        if (event.kind == ATOLL_LINK_MESSAGE && refuse_each > 0 && ++messages % refuse_each == 0) {
            atoll_link_refuse(&link);
        } else if (event.kind != ATOLL_LINK_NOTHING) {
            uint8_t head[3] = {(uint8_t)event.kind, event.message_kind, (uint8_t)event.size};
            put(head, 3);
            put(event.data, event.size);
            events++;
        }
    }
    return events;
}

int main(int argc, char **argv)
{
    uint8_t window = argc > 1 ? (uint8_t)atoi(argv[1]) : 4;
    refuse_each = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
    for (;;) {
        uint8_t head[9], size[2], *data;
        uint32_t now, session;
        size_t out_at, line;
        need(head, sizeof head);
        now = atoll_bytes_le32(head);
        session = atoll_bytes_le32(head + 4);
        if (session != 0) {
            atoll_link_config config = {.session = session,
                                        .window = window,
                                        .store = store,
                                        .store_count = ATOLL_LINK_WINDOW_MAX};
            atoll_link_start(&link, &config, now);
        }
        answer[0] = send_all(head[8]);
        used = 2;
        need(size, 2);
        data = malloc(atoll_bytes_le16(size) + 1u);
        need(data, atoll_bytes_le16(size));
        answer[1] = receive_all(data, atoll_bytes_le16(size), now);
        free(data);
        out_at = used;
        used += 2;
        while (used + ATOLL_LINK_LINE_MAX < sizeof answer &&
               (line = atoll_link_output(&link, answer + used, now)) > 0) {
            used += line;
        }
        atoll_bytes_put_le16(answer + out_at, (uint16_t)(used - out_at - 2));
        fwrite(answer, 1, used, stdout);
        fflush(stdout);
    }
}
