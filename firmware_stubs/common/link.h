/* A reliable link over a serial line: messages in order, each once, until one end is reset.
 *
 * Sans-IO like the MQTT client: bytes and milliseconds in, frames and events out. The other end is
 * `atoll.transport.serial_link`; docs/firmware.md has the protocol. Both ends run the same rules:
 *
 * - HELLO names a session, new at each start, and the one heard from the peer; it is repeated until
 *   the peer has answered with ours. A new session of the peer starts everything anew (RESET).
 * - DATA has a number, and stays here until the peer has acknowledged it. Out of order it is
 *   dropped, and asked for once; unanswered it is sent again, later and later.
 * - As many DATA are under way as the peer granted in its HELLO: its credit, so that a line without
 *   flow control does not run over its buffer. An acknowledgement gives the credit back.
 *
 * What a message means is its kind: of stream bytes, or of the stream's opening and closing. */
#ifndef ATOLL_LINK_H
#define ATOLL_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

enum {
    ATOLL_LINK_FULL = -1, /* the window is full, or there is no peer yet */
    ATOLL_LINK_RANGE = -2 /* more bytes than a message may have */
};

enum {
    ATOLL_LINK_VERSION = 1,
    ATOLL_LINK_HEAD = 4,       /* type, number, acknowledged, kind */
    ATOLL_LINK_DATA_MAX = 128, /* bytes of a message: a lost frame costs 12 ms at 115,200 baud */
    ATOLL_LINK_WINDOW_MAX = 8, /* messages under way: half a round trip of a bridge, 50 ms */
    ATOLL_LINK_HELLO_MS = 200, /* between two HELLOs; doubled up to the next */
    ATOLL_LINK_HELLO_MAX_MS = 2000,
    ATOLL_LINK_RESEND_MS = 250, /* for an acknowledgement: a full window takes 98 ms; doubled */
    ATOLL_LINK_RESEND_MAX_MS = 2000,
    ATOLL_LINK_LINE_MAX = ATOLL_FRAME_EXTENT(ATOLL_LINK_HEAD + ATOLL_LINK_DATA_MAX)
};

/* What a receive buffer has to hold that grants `window` messages: these, the answers to a full
 * window of our own, and a HELLO. */
#define ATOLL_LINK_RING(window)                                                                    \
    ((window) * (unsigned)ATOLL_LINK_LINE_MAX + ATOLL_LINK_WINDOW_MAX * 10u + 20u)

/* Kinds of messages. */
enum {
    ATOLL_LINK_BYTES = 0, /* of the stream */
    ATOLL_LINK_OPEN = 1,  /* device to bridge: open my stream to the broker */
    ATOLL_LINK_UP = 2,    /* bridge to device: it is open */
    ATOLL_LINK_DOWN = 3   /* either: it is closed */
};

typedef struct atoll_link_config {
    uint32_t session; /* not 0, and another one at every start */
    uint8_t window;   /* what the receive ring can hold, in whole messages */
    bool bridge;      /* which end this is: a line that echoes is no peer */
    uint8_t *store;   /* messages under way: `store_count` times ATOLL_LINK_DATA_MAX bytes */
    uint8_t store_count;
} atoll_link_config;

typedef enum atoll_link_kind {
    ATOLL_LINK_NOTHING,
    ATOLL_LINK_READY,  /* there is a peer; it knows of no message and no stream */
    ATOLL_LINK_RESET,  /* there was one: what was under way is lost; READY follows */
    ATOLL_LINK_MESSAGE /* `message`, valid until the next call */
} atoll_link_kind;

typedef struct atoll_link_event {
    atoll_link_kind kind;
    uint8_t message_kind;
    const uint8_t *data;
    size_t size;
} atoll_link_event;

typedef struct atoll_link_slot {
    uint8_t size;
    uint8_t kind;
} atoll_link_slot;

typedef struct atoll_link {
    atoll_link_config config;
    uint32_t peer;  /* its session; 0: not heard of */
    uint8_t credit; /* messages that it lets be under way */
    bool ready;     /* it knows our session */
    bool now_ready; /* READY is to be said */
    bool hello_due;
    bool answer_due; /* an acknowledgement */
    bool gap_due;    /* ... that asks for a message again */
    bool gap_asked;
    bool held;        /* a message was refused: ask for it when there is room */
    uint8_t base;     /* number of the oldest message under way */
    uint8_t count;    /* messages under way */
    uint8_t next;     /* how many of them were sent, counted from the base */
    uint8_t expected; /* number of the next message from the peer */
    uint32_t hello_ms;
    uint32_t resend_ms;
    uint64_t hello_at_ms;
    uint64_t resend_at_ms;
    atoll_link_slot slots[ATOLL_LINK_WINDOW_MAX];
    atoll_frame frame;
    uint8_t received[ATOLL_LINK_HEAD + ATOLL_LINK_DATA_MAX + ATOLL_FRAME_CRC];
    uint32_t resent;  /* messages sent more than once */
    uint32_t refused; /* frames that were sound and made no sense */
} atoll_link;

void atoll_link_start(atoll_link *link, const atoll_link_config *config, uint64_t now_ms);

/* Take bytes until an event comes of them; how many were taken. Call again until no byte is left and
 * no event comes: one frame can bring two. */
size_t atoll_link_receive(atoll_link *link, const uint8_t *data, size_t size, uint64_t now_ms,
                          atoll_link_event *event);

/* The message just given could not be taken (it wants an answer, and there is no room for one): it
 * comes again once `room` is not 0. Until then the peer's credit is used up, and it waits. */
void atoll_link_refuse(atoll_link *link);

/* Queue a message: 0, or a negative number. */
int atoll_link_send(atoll_link *link, uint8_t kind, const void *data, size_t size);

/* Write the next frame to `line`, which has room for ATOLL_LINK_LINE_MAX bytes; 0: there is none. */
size_t atoll_link_output(atoll_link *link, uint8_t *line, uint64_t now_ms);

/* When `output` may have something though nothing else happened; UINT64_MAX: never. */
uint64_t atoll_link_wakeup(const atoll_link *link);

/* How many messages `send` takes now. */
unsigned atoll_link_room(const atoll_link *link);

#endif
