#include "link.h"

#include <string.h>

#include "bytes.h"

enum { HELLO = 1, DATA = 2, ACKNOWLEDGE = 3, GAP = 4 };

static const uint8_t FROM_BRIDGE = 0x80; /* in the type of a frame */

/* HELLO behind its type: version, session, the peer's session, window, whether it is known. */
enum { HELLO_SIZE = 1 + 1 + 4 + 4 + 1 + 1 };

static void start_anew(atoll_link *link)
{
    link->ready = false;
    link->answer_due = false;
    link->gap_due = false;
    link->gap_asked = false;
    link->held = false;
    link->base = 0;
    link->count = 0;
    link->next = 0;
    link->expected = 0;
    link->resend_ms = ATOLL_LINK_RESEND_MS;
}

void atoll_link_start(atoll_link *link, const atoll_link_config *config, uint64_t now_ms)
{
    memset(link, 0, sizeof *link);
    link->config = *config;
    atoll_frame_start(&link->frame, link->received, sizeof link->received);
    start_anew(link);
    link->hello_due = true;
    link->hello_ms = ATOLL_LINK_HELLO_MS;
    link->hello_at_ms = now_ms;
}

/* --- in -------------------------------------------------------------------------------------- */

static void take_hello(atoll_link *link, size_t size, uint64_t now_ms, atoll_link_event *event)
{
    const uint8_t *hello = link->received;
    uint32_t session = size == HELLO_SIZE ? atoll_bytes_le32(hello + 2) : 0u;
    uint32_t heard = size == HELLO_SIZE ? atoll_bytes_le32(hello + 6) : 0u;
    bool knows_us = heard == link->config.session;
    if (session == 0u || hello[1] != ATOLL_LINK_VERSION || hello[10] == 0u) {
        link->refused++;
        return;
    }
    /* One that knew us and has heard of nobody was started anew, whatever its session's number. */
    if (session != link->peer || (link->ready && heard == 0u)) {
        event->kind = link->ready ? ATOLL_LINK_RESET : ATOLL_LINK_NOTHING;
        link->peer = session;
        start_anew(link);
    }
    link->credit = hello[10];
    if (hello[11] == 0u || !knows_us) { /* it waits for our session */
        link->hello_due = true;
        link->hello_at_ms = now_ms;
    }
    if (knows_us && !link->ready) {
        link->ready = true;
        link->now_ready = true;
    }
}

/* Whatever comes from the peer says which messages it has. */
static void take_acknowledged(atoll_link *link, uint8_t acknowledged, uint64_t now_ms)
{
    uint8_t done = (uint8_t)(acknowledged - link->base);
    if (done == 0u || done > link->count) {
        return; /* old news */
    }
    link->base = acknowledged;
    link->count = (uint8_t)(link->count - done);
    link->next = (uint8_t)(link->next > done ? link->next - done : 0);
    memmove(link->slots, link->slots + done, link->count * sizeof link->slots[0]);
    memmove(link->config.store, link->config.store + (size_t)done * ATOLL_LINK_DATA_MAX,
            (size_t)link->count * ATOLL_LINK_DATA_MAX);
    link->resend_at_ms = now_ms + link->resend_ms;
}

static void take_data(atoll_link *link, size_t size, atoll_link_event *event)
{
    link->answer_due = true;
    if (link->received[1] != link->expected) {
        /* Behind us: it was here before. Ahead: one is missing; ask for it, but once. */
        bool ahead = (uint8_t)(link->received[1] - link->expected) < 0x80u;
        link->gap_due = ahead && !link->gap_asked;
        return;
    }
    link->expected++;
    link->held = false;
    link->gap_asked = false;
    event->kind = ATOLL_LINK_MESSAGE;
    event->message_kind = link->received[3];
    event->data = link->received + ATOLL_LINK_HEAD;
    event->size = size - ATOLL_LINK_HEAD;
}

static void take_frame(atoll_link *link, size_t size, uint64_t now_ms, atoll_link_event *event)
{
    uint8_t type = (uint8_t)(link->received[0] ^ (link->config.bridge ? 0 : FROM_BRIDGE));
    if (type == HELLO) {
        take_hello(link, size, now_ms, event);
    } else if (!link->ready || size < ATOLL_LINK_HEAD || type < DATA || type > GAP) {
        link->refused++; /* of a session that is over, or of no session */
    } else {
        link->resend_ms = ATOLL_LINK_RESEND_MS; /* it is there: only silence makes us slower */
        take_acknowledged(link, link->received[2], now_ms);
        if (type == DATA) {
            take_data(link, size, event);
        } else if (type == GAP) {
            link->next = 0;
            link->resent++;
        }
    }
}

size_t atoll_link_receive(atoll_link *link, const uint8_t *data, size_t size, uint64_t now_ms,
                          atoll_link_event *event)
{
    size_t at = 0;
    *event = (atoll_link_event){.kind = ATOLL_LINK_NOTHING};
    while (at < size && event->kind == ATOLL_LINK_NOTHING && !link->now_ready) {
        size_t frame = atoll_frame_take(&link->frame, data[at++]);
        if (frame > 0u) {
            take_frame(link, frame, now_ms, event);
        }
    }
    if (event->kind == ATOLL_LINK_NOTHING && link->now_ready) {
        link->now_ready = false;
        event->kind = ATOLL_LINK_READY;
    }
    return at;
}

void atoll_link_refuse(atoll_link *link)
{
    link->expected--;
    link->held = true;
    link->gap_asked = true; /* not before there is room */
    link->gap_due = false;
}

/* --- out ------------------------------------------------------------------------------------- */

unsigned atoll_link_room(const atoll_link *link)
{
    unsigned most = link->config.store_count < ATOLL_LINK_WINDOW_MAX ? link->config.store_count
                                                                     : ATOLL_LINK_WINDOW_MAX;
    most = link->credit < most ? link->credit : most;
    return link->ready && link->count < most ? most - link->count : 0u;
}

int atoll_link_send(atoll_link *link, uint8_t kind, const void *data, size_t size)
{
    if (size > ATOLL_LINK_DATA_MAX) {
        return ATOLL_LINK_RANGE;
    }
    if (atoll_link_room(link) == 0u) {
        return ATOLL_LINK_FULL;
    }
    link->slots[link->count] = (atoll_link_slot){.size = (uint8_t)size, .kind = kind};
    if (size > 0u) {
        memcpy(link->config.store + (size_t)link->count * ATOLL_LINK_DATA_MAX, data, size);
    }
    link->count++;
    return 0;
}

static size_t put_hello(atoll_link *link, uint8_t *line, uint64_t now_ms)
{
    uint8_t hello[HELLO_SIZE + ATOLL_FRAME_CRC];
    hello[0] = (uint8_t)(HELLO | (link->config.bridge ? FROM_BRIDGE : 0));
    hello[1] = ATOLL_LINK_VERSION;
    atoll_bytes_put_le32(hello + 2, link->config.session);
    atoll_bytes_put_le32(hello + 6, link->peer);
    hello[10] = link->config.window;
    hello[11] = link->ready ? 1u : 0u;
    link->hello_due = !link->ready;
    link->hello_at_ms = now_ms + link->hello_ms;
    link->hello_ms *= 2u;
    if (link->hello_ms > ATOLL_LINK_HELLO_MAX_MS) {
        link->hello_ms = ATOLL_LINK_HELLO_MAX_MS;
    }
    line[0] = 0; /* what a reset left half said ends here */
    return 1u + atoll_frame_encode(hello, HELLO_SIZE, line + 1);
}

static size_t put_frame(atoll_link *link, uint8_t type, uint8_t index, uint8_t *line)
{
    uint8_t frame[ATOLL_LINK_HEAD + ATOLL_LINK_DATA_MAX + ATOLL_FRAME_CRC];
    size_t size = type == DATA ? link->slots[index].size : 0u;
    frame[0] = (uint8_t)(type | (link->config.bridge ? FROM_BRIDGE : 0));
    frame[1] = (uint8_t)(link->base + index);
    frame[2] = link->expected;
    frame[3] = type == DATA ? link->slots[index].kind : 0u;
    if (size > 0u) {
        memcpy(frame + ATOLL_LINK_HEAD, link->config.store + (size_t)index * ATOLL_LINK_DATA_MAX,
               size);
    }
    link->answer_due = false;
    return atoll_frame_encode(frame, ATOLL_LINK_HEAD + size, line);
}

size_t atoll_link_output(atoll_link *link, uint8_t *line, uint64_t now_ms)
{
    if (link->hello_due && now_ms >= link->hello_at_ms) {
        return put_hello(link, line, now_ms);
    }
    if (!link->ready) {
        return 0;
    }
    if (link->gap_due || (link->held && atoll_link_room(link) > 0u)) {
        link->held = false;
        link->gap_due = false;
        link->gap_asked = true;
        return put_frame(link, GAP, 0, line);
    }
    if (link->count > 0u && link->next > 0u && now_ms >= link->resend_at_ms) {
        link->next = 0; /* no word for a while: the oldest again, and the others behind it */
        link->resent++;
        link->resend_ms *= 2u;
        if (link->resend_ms > ATOLL_LINK_RESEND_MAX_MS) {
            link->resend_ms = ATOLL_LINK_RESEND_MAX_MS;
        }
    }
    if (link->next < link->count) {
        link->resend_at_ms = now_ms + link->resend_ms;
        link->next++;
        return put_frame(link, DATA, (uint8_t)(link->next - 1u), line);
    }
    return link->answer_due ? put_frame(link, ACKNOWLEDGE, 0, line) : 0u;
}

uint64_t atoll_link_wakeup(const atoll_link *link)
{
    if (link->hello_due) {
        return link->hello_at_ms;
    }
    if (link->gap_due || link->answer_due || link->next < link->count) {
        return 0;
    }
    return link->count > 0u ? link->resend_at_ms : UINT64_MAX;
}
