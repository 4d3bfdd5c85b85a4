/* The MQTT client in a world of our making: a broker that keeps to the standard
 * behind a stream that breaks, and a broker that does not keep to it at all.
 *
 *     mqtt_world [--lives N] [--streams N] [--seed N]
 *
 * A life: connections that break at any byte, in either direction, sessions
 * that are kept or lost, time-outs. Every QoS 1 message that the client took
 * arrives, in order of its first arrival; every one that the broker holds is
 * delivered. A stream: packets of a broker with damage in them, in pieces of
 * any size. The client says CLOSE or goes on, keeps its counts, and its own
 * bytes stay well-formed throughout. One line of JSON; exit 1 if a promise was
 * broken. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt.h"
#include "random.h"

enum { PIPE_MAX = 8192, MESSAGES = 40, HELD_MAX = 8, RECEIVE = 96, STORE = 300 };

static uint64_t seed, lives, streams, published, delivered, resent, sessions, closes, malformed;
static uint64_t oversized, timeouts, broken_promises;

static void expect(bool claim, const char *what)
{
    if (!claim && broken_promises++ == 0) {
        fprintf(stderr, "not so: %s (seed %" PRIu64 ")\n", what, seed);
    }
}

/* --- a broker of the standard
 * ---------------------------------------------------------------- */

typedef struct pipe {
    uint8_t bytes[PIPE_MAX];
    size_t size;
} pipe;

typedef struct broker {
    pipe in, out;
    bool connected;
    bool session;            /* remembered from an earlier connection */
    bool deaf;               /* answers nothing: the client's time-outs */
    uint32_t seen;           /* the highest message number that arrived */
    uint32_t offered;        /* messages made so far for the client */
    uint16_t held[HELD_MAX]; /* numbers given out and not acknowledged; packet =
                              number */
    size_t held_count;
    bool sent_held;
} broker;

static void pipe_put(pipe *to, const void *bytes, size_t size)
{
    expect(size <= PIPE_MAX - to->size, "a pipe is wide enough");
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void pipe_take(pipe *from, size_t size)
{
    from->size -= size;
    memmove(from->bytes, from->bytes + size, from->size);
}

/* The size of the first packet, its head's size in *head; 0: it is not all
 * there. */
static size_t packet_size(const pipe *from, size_t *head)
{
    size_t length = 0, at = 1;
    do {
        if (at >= from->size || at > 4) {
            return 0;
        }
        length |= (size_t)(from->bytes[at] & 0x7F) << (7 * (at - 1));
    } while ((from->bytes[at++] & 0x80) != 0);
    *head = at;
    return at + length <= from->size ? at + length : 0;
}

static void take_connect(broker *it, const uint8_t *packet, size_t head)
{
    uint8_t answer[4] = {0x20, 2, 0, 0};
    bool clean = (packet[head + 7] & 2) != 0;
    expect(!it->connected && memcmp(packet + head, "\0\4MQTT\4", 7) == 0, "CONNECT comes first");
    it->session = it->session && !clean;
    sessions += it->session;
    if (!it->session) {
        it->held_count = 0;
    }
    answer[2] = it->session;
    it->connected = true;
    it->sent_held = false;
    it->session = !clean;
    pipe_put(&it->out, answer, sizeof answer);
}

/* "m" and the message's number, 32 bits, then filling that follows from it. */
static void take_publish(broker *it, const uint8_t *packet, size_t head, size_t size)
{
    uint8_t answer[4] = {0x40, 2, 0, 0};
    uint32_t number;
    size_t at = head + 2 + 1 + 2;
    expect((packet[0] & 6) == 2 && packet[head + 1] == 1 && packet[head + 2] == 'm', "ours");
    memcpy(&number, packet + at, 4);
    for (at += 4; at < size; at++) {
        expect(packet[at] == (uint8_t)(number + at), "the payload is whole");
    }
    expect(number <= it->seen + 1, "messages arrive in the order of the first time");
    resent += number <= it->seen;
    it->seen = number > it->seen ? number : it->seen;
    memcpy(answer + 2, packet + head + 3, 2);
    pipe_put(&it->out, answer, sizeof answer);
}

static void take_puback(broker *it, const uint8_t *packet)
{
    uint16_t id = (uint16_t)(packet[2] << 8 | packet[3]);
    for (size_t at = 0; at < it->held_count; at++) {
        if (it->held[at] == id) {
            memmove(it->held + at, it->held + at + 1, (it->held_count - at - 1) * sizeof *it->held);
            it->held_count--;
            return;
        }
    }
    expect(false, "a PUBACK answers a message");
}

static void broker_take(broker *it)
{
    size_t head = 0, size;
    while ((size = packet_size(&it->in, &head)) > 0) {
        const uint8_t *packet = it->in.bytes;
        uint8_t suback[5] = {0x90, 3, packet[head], packet[head + 1], 1};
        expect(it->connected || packet[0] == 0x10, "nothing before CONNECT");
        switch (it->deaf ? 0 : packet[0] & 0xF0) {
        case 0x10:
            take_connect(it, packet, head);
            break;
        case 0x30:
            take_publish(it, packet, head, size);
            break;
        case 0x40:
            take_puback(it, packet);
            break;
        case 0x80:
            expect(packet[0] == 0x82, "SUBSCRIBE has its flags");
            pipe_put(&it->out, suback, sizeof suback);
            break;
        case 0xC0:
            expect(size == 2, "PINGREQ is empty");
            pipe_put(&it->out, "\xD0", 2);
            break;
        default:
            expect(it->deaf || packet[0] == 0xE0, "a packet that a client may send");
            break;
        }
        pipe_take(&it->in, size);
    }
}

static void send_held(broker *it, size_t index, bool again)
{
    uint8_t packet[] = {(uint8_t)(again ? 0x3A : 0x32), 7, 0, 1, 't', 0, 0, 0, 0};
    packet[5] = packet[7] = (uint8_t)(it->held[index] >> 8);
    packet[6] = packet[8] = (uint8_t)it->held[index];
    pipe_put(&it->out, packet, sizeof packet);
}

static void broker_offer(broker *it)
{
    if (!it->connected || it->deaf) {
        return;
    }
    for (size_t at = 0; !it->sent_held && at < it->held_count; at++) {
        send_held(it, at, true);
    }
    it->sent_held = true;
    if (it->held_count < HELD_MAX && it->offered < MESSAGES) {
        it->held[it->held_count++] = (uint16_t)++it->offered;
        send_held(it, it->held_count - 1, false);
    }
}

/* --- a life
 * ----------------------------------------------------------------------------------
 */

typedef struct life {
    atoll_mqtt mqtt;
    broker broker;
    uint8_t *receive, *store;
    uint64_t now, random;
    bool open, stopped;
    uint32_t made;     /* messages that the client took */
    uint32_t answered; /* PUBLISHED events */
    uint32_t heard;    /* the highest number delivered */
    bool clean;
} life;

static void cut(life *it)
{
    it->open = false;
    it->broker.connected = false;
    it->broker.in.size = it->broker.out.size = 0;
    if (random_below(&it->random, 8) == 0) {
        it->broker.session = false; /* the broker was restarted and has forgotten */
        it->broker.held_count = 0;
    }
    atoll_mqtt_closed(&it->mqtt, it->now);
}

static void handle(life *it, const atoll_mqtt_event *event)
{
    uint16_t number;
    switch (event->kind) {
    case ATOLL_MQTT_OPEN:
        it->open = random_below(&it->random, 4) > 0;
        if (it->open) {
            it->broker.deaf = random_below(&it->random, 12) == 0;
            atoll_mqtt_opened(&it->mqtt, it->now);
        } else {
            atoll_mqtt_closed(&it->mqtt, it->now);
        }
        break;
    case ATOLL_MQTT_CLOSE:
        closes++;
        cut(it);
        break;
    case ATOLL_MQTT_CONNECTED:
        if (!event->session) {
            atoll_mqtt_subscribe(&it->mqtt, (atoll_mqtt_text){"t/#", 3}, 1);
        }
        break;
    case ATOLL_MQTT_MESSAGE:
        number = (uint16_t)(event->payload[0] << 8 | event->payload[1]);
        expect(event->topic_size == 1 && event->payload_size == 2, "a message as it was sent");
        expect(event->packet == number, "the packet's number");
        it->heard = number > it->heard ? number : it->heard;
        delivered++;
        expect(atoll_mqtt_acknowledge(&it->mqtt, event->packet), "there is room to answer");
        break;
    case ATOLL_MQTT_PUBLISHED:
        it->answered++;
        break;
    default:
        break;
    }
}

static void move_bytes(life *it)
{
    atoll_mqtt_event event;
    const uint8_t *data;
    size_t some = atoll_mqtt_output(&it->mqtt, &data);
    if (some > 0 && it->open) {
        some = 1 + random_below(&it->random, (uint32_t)some);
        pipe_put(&it->broker.in, data, some);
        atoll_mqtt_sent(&it->mqtt, some, it->now);
        broker_take(&it->broker);
    }
    if (it->broker.out.size > 0 && it->open) {
        some = 1 + random_below(&it->random, (uint32_t)it->broker.out.size);
        some = atoll_mqtt_receive(&it->mqtt, it->broker.out.bytes, some, it->now, &event);
        pipe_take(&it->broker.out, some);
        handle(it, &event);
    }
}

static void make_message(life *it)
{
    uint8_t payload[80];
    uint32_t number = it->made + 1;
    size_t size = 4 + random_below(&it->random, 70);
    int result;
    for (size_t at = 0; at < size; at++) {
        payload[at] = (uint8_t)(number + at + 7); /* as it will lie behind its head of 7 bytes */
    }
    memcpy(payload, &number, 4);
    result = atoll_mqtt_publish(&it->mqtt, (atoll_mqtt_text){"m", 1}, payload, size, 1, false);
    expect(result > 0 || result == ATOLL_MQTT_FULL, "a message is taken, or waits");
    it->made += result > 0;
}

static void live(life *it)
{
    atoll_mqtt_event event;
    bool over = it->made == MESSAGES;
    it->now += random_below(&it->random, 20);
    if (random_below(&it->random, 3) == 0 && it->made < MESSAGES) {
        make_message(it);
    }
    if (random_below(&it->random, 5) == 0) {
        broker_offer(&it->broker);
    }
    move_bytes(it);
    if (it->open && random_below(&it->random, over ? 2000 : 60) == 0) {
        cut(it);
    }
    if (random_below(&it->random, 10) == 0 && atoll_mqtt_wakeup(&it->mqtt) != UINT64_MAX) {
        uint64_t wakeup = atoll_mqtt_wakeup(&it->mqtt);
        it->now = wakeup > it->now ? wakeup : it->now;
    }
    atoll_mqtt_tick(&it->mqtt, it->now, &event);
    handle(it, &event);
}

static atoll_mqtt_config configure(life *it)
{
    return (atoll_mqtt_config){.client = {"client", 6},
                               .will_topic = {"will", 4},
                               .will = {"gone", 4},
                               .user = {"user", 4},
                               .password = {"secret", 6},
                               .will_qos = 1,
                               .clean = it->clean,
                               .keep_alive_s = 2,
                               .receive = it->receive,
                               .receive_size = RECEIVE,
                               .store = it->store,
                               .store_size = STORE,
                               .seed = (uint32_t)it->random};
}

static void begin(life *it)
{
    atoll_mqtt_config config;
    memset(it, 0, sizeof *it);
    it->random = random_next(&seed);
    it->clean = random_below(&it->random, 2) == 0;
    it->receive = malloc(RECEIVE);
    it->store = malloc(STORE);
    config = configure(it);
    atoll_mqtt_start(&it->mqtt, &config, 0);
}

static void end(life *it)
{
    malformed += it->mqtt.malformed;
    oversized += it->mqtt.oversized;
    timeouts += it->mqtt.timeouts;
    free(it->receive);
    free(it->store);
}

static void run_life(void)
{
    static life it;
    uint32_t steps = 0;
    begin(&it);
    while ((it.answered < MESSAGES || it.broker.offered < MESSAGES || it.broker.held_count > 0) &&
           steps < 200000) {
        live(&it);
        steps++;
    }
    expect(it.made == MESSAGES && it.answered == MESSAGES, "every message is acknowledged");
    expect(it.broker.seen == MESSAGES, "every message arrived");
    expect(it.heard > 0 && it.broker.held_count == 0, "what the broker held is delivered");
    expect(it.mqtt.malformed == 0, "nothing of the standard is refused");
    published += it.made;
    lives++;
    end(&it);
}

/* --- a broker that falls silent
 * -------------------------------------------------------------- */

/* Send all, to nobody; the first byte of the last packet. */
static uint8_t drain(life *it)
{
    const uint8_t *data;
    uint8_t first = 0;
    size_t size;
    while ((size = atoll_mqtt_output(&it->mqtt, &data)) > 0) {
        first = data[0];
        atoll_mqtt_sent(&it->mqtt, size, it->now);
    }
    return first;
}

/* Jump from wakeup to wakeup: PINGREQ after half the keep-alive, CLOSE when an
 * answer is overdue. */
static void run_silence(bool asks)
{
    static life it;
    atoll_mqtt_event event;
    uint64_t asked;
    begin(&it);
    atoll_mqtt_tick(&it.mqtt, 0, &event);
    atoll_mqtt_opened(&it.mqtt, 0);
    drain(&it);
    it.now = 5;
    atoll_mqtt_receive(&it.mqtt, (const uint8_t *)"\x20\x02\x00\x00", 4, it.now, &event);
    expect(event.kind == ATOLL_MQTT_CONNECTED, "connected");
    if (asks) {
        make_message(&it);
        expect((drain(&it) & 0xF0) == 0x30, "a message is out");
    }
    asked = it.now + (asks ? 0 : 1000 - 5);
    for (int wakeups = 0; wakeups < 8 && event.kind != ATOLL_MQTT_CLOSE; wakeups++) {
        it.now = atoll_mqtt_wakeup(&it.mqtt);
        atoll_mqtt_tick(&it.mqtt, it.now, &event);
        if (wakeups == 0) {
            expect(it.now <= 1005 && drain(&it) == 0xC0, "it pings");
        }
    }
    expect(event.kind == ATOLL_MQTT_CLOSE, "a silent broker is left");
    expect(it.now == asked + ATOLL_MQTT_ANSWER_MS, "when its answer is overdue");
    end(&it);
}

/* --- a broker that is none
 * ------------------------------------------------------------------- */

static size_t invent(uint64_t *random, uint8_t *to)
{
    static const char *const packets[] = {
        "\x20\x02\x00\x00",    "\x20\x02\x01\x00",      "\xD0\x00\x00\x00",
        "\x40\x02\x00\x01",    "\x90\x03\x00\x02\x01",  "\x32\x07\x00\x01t\x00\x05xy",
        "\x30\x05\x00\x01txy", "\x31\x82\x01\x00\x01t", "\x33\x82\x02\x00\x01t\x00\x09"};
    static const size_t sizes[] = {4, 4, 2, 4, 5, 9, 7, 6, 8};
    size_t kind = random_below(random, 9), size = sizes[kind];
    memcpy(to, packets[kind], size);
    if (kind >= 7) { /* larger than the receive buffer: fill up to the length it claims */
        size_t whole = 3 + (size_t)(to[1] & 0x7F) + (size_t)to[2] * 128;
        memset(to + size, 'z', whole - size);
        size = whole;
    }
    if (random_below(random, 6) == 0) {
        to[random_below(random, (uint32_t)size)] ^= (uint8_t)(1u << random_below(random, 8));
    }
    if (random_below(random, 20) == 0) {
        to[random_below(random, (uint32_t)size)] = (uint8_t)random_next(random);
    }
    return size;
}

static void run_stream(void)
{
    static life it;
    atoll_mqtt_event event;
    uint32_t before;
    begin(&it);
    atoll_mqtt_tick(&it.mqtt, 0, &event);
    atoll_mqtt_opened(&it.mqtt, 0);
    for (int count = 0; count < 40; count++) {
        uint8_t packet[512];
        size_t at = 0, size = count == 0 ? 4 : invent(&it.random, packet);
        const uint8_t *data;
        if (count == 0) {
            memcpy(packet, "\x20\x02\x00\x00", 4);
        }
        before = it.mqtt.malformed;
        while (at < size) {
            size_t some = 1 + random_below(&it.random, (uint32_t)(size - at));
            uint8_t *piece = malloc(some); /* so that a read behind it is seen */
            size_t taken;
            memcpy(piece, packet + at, some);
            taken = atoll_mqtt_receive(&it.mqtt, piece, some, it.now, &event);
            expect(taken <= some, "no more is taken than there is");
            if (event.kind == ATOLL_MQTT_MESSAGE) {
                const uint8_t *end_ = event.payload + event.payload_size;
                expect(event.topic >= it.receive && end_ <= it.receive + RECEIVE, "inside");
                if (event.packet != 0) {
                    expect(atoll_mqtt_acknowledge(&it.mqtt, event.packet), "room to answer");
                }
            }
            free(piece);
            at += taken;
            while ((taken = atoll_mqtt_output(&it.mqtt, &data)) > 0) {
                pipe_put(&it.broker.in, data, taken);
                atoll_mqtt_sent(&it.mqtt, taken, it.now);
            }
            it.broker.in.size = 0;
        }
        if (random_below(&it.random, 4) == 0) {
            make_message(&it);
        }
        atoll_mqtt_tick(&it.mqtt, it.now, &event);
        expect((it.mqtt.malformed > before) <= (event.kind == ATOLL_MQTT_CLOSE), "CLOSE follows");
        if (event.kind == ATOLL_MQTT_CLOSE) {
            atoll_mqtt_closed(&it.mqtt, it.now);
            it.now += ATOLL_MQTT_BACKOFF_MAX_MS;
            atoll_mqtt_tick(&it.mqtt, it.now, &event);
            expect(event.kind == ATOLL_MQTT_OPEN, "it tries again");
            atoll_mqtt_opened(&it.mqtt, it.now);
            count = 0;
            if (random_below(&it.random, 4) == 0) {
                break;
            }
        }
    }
    streams++;
    end(&it);
}

static uint64_t number_after(int argc, char **argv, const char *name, uint64_t fallback)
{
    for (int at = 1; at + 1 < argc; at++) {
        if (strcmp(argv[at], name) == 0) {
            return strtoull(argv[at + 1], NULL, 10);
        }
    }
    return fallback;
}

int main(int argc, char **argv)
{
    uint64_t lives_wanted = number_after(argc, argv, "--lives", 500);
    uint64_t streams_wanted = number_after(argc, argv, "--streams", 20000);
    seed = number_after(argc, argv, "--seed", 1);
    run_silence(true);
    run_silence(false);
    while (lives < lives_wanted && broken_promises == 0) {
        run_life();
    }
    while (streams < streams_wanted && broken_promises == 0) {
        run_stream();
    }
    printf("{\"lives\": %" PRIu64 ", \"published\": %" PRIu64 ", \"resent\": %" PRIu64
           ", \"delivered\": %" PRIu64 ", \"sessions\": %" PRIu64 ", \"closes\": %" PRIu64
           ", \"timeouts\": %" PRIu64 ", \"streams\": %" PRIu64 ", \"malformed\": %" PRIu64
           ", \"oversized\": %" PRIu64 ", \"broken\": %" PRIu64 "}\n",
           lives, published, resent, delivered, sessions, closes, timeouts, streams, malformed,
           oversized, broken_promises);
    return broken_promises > 0;
}
