/* The stream over Ethernet: a TCP connection of lwIP's, without a bridge. lwIP's callbacks only note
 * what happened; the node hears of it in `serve`.
 *
 * A connection that the node gives up is reset, not closed: nothing of it is wanted any more, and the
 * broker publishes the will at once. */
#include <string.h>

#include "console.h"
#include "crc32c.h"
#include "interface.h"
#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "stream.h"

enum {
    CONNECT_MS = 10000, /* for a broker's SYN: three tries */
    KEEP_IDLE_MS = 20000, /* a host that is gone is found in half a minute, ... */
    KEEP_INTERVAL_MS = 3000,
    KEEP_TRIES = 4 /* ... though MQTT has nothing to ask */
};

static struct {
    atoll_node *node;
    atoll_identity_network network;
    struct tcp_pcb *connection;
    size_t rest_size;
    uint8_t rest[TCP_WND]; /* what the node has not taken yet; lwIP's few buffers are free at once */
    bool wanted;       /* the node has asked for a stream */
    bool open;         /* ... and has been told that it is there */
    bool connected;    /* noted by callbacks */
    const char *ended; /* ... why it is over; NULL: it is not */
    uint64_t give_up_ms;
} own;

/* --- lwIP's callbacks ------------------------------------------------------------------------ */

static err_t on_connected(void *context, struct tcp_pcb *connection, err_t result)
{
    (void)context;
    (void)connection;
    own.connected = result == ERR_OK;
    return ERR_OK;
}

static err_t on_received(void *context, struct tcp_pcb *connection, struct pbuf *data, err_t result)
{
    (void)context;
    (void)connection;
    (void)result;
    if (data == NULL) {
        own.ended = "closed by the broker";
        return ERR_OK;
    }
    if (data->tot_len > sizeof own.rest - own.rest_size) {
        own.ended = "more than the window"; /* which lwIP does not let pass */
    } else {
        pbuf_copy_partial(data, own.rest + own.rest_size, data->tot_len, 0);
        own.rest_size += data->tot_len;
    }
    pbuf_free(data);
    return ERR_OK;
}

/* The connection is gone when this is called. */
static void on_error(void *context, err_t reason)
{
    (void)context;
    own.connection = NULL;
    if (own.open) {
        own.ended = reason == ERR_RST ? "reset by the broker" : "lost";
    } else {
        own.ended = reason == ERR_RST ? "refused" : "no answer";
    }
}

/* --- its life -------------------------------------------------------------------------------- */

static void say(const char *what)
{
    atoll_console_say("broker ");
    atoll_console_address(own.network.broker);
    atoll_console_say(":");
    atoll_console_number(own.network.port);
    atoll_console_say(": ");
    atoll_console_say(what);
    atoll_console_say("\n");
}

static void drop(void)
{
    if (own.connection != NULL) {
        tcp_arg(own.connection, NULL);
        tcp_err(own.connection, NULL); /* an abort would call it */
        tcp_recv(own.connection, NULL);
        tcp_abort(own.connection);
        own.connection = NULL;
    }
}

static void end(const char *why, uint64_t now)
{
    say(why);
    drop();
    own.rest_size = 0;
    own.wanted = false;
    own.open = false;
    own.connected = false;
    own.ended = NULL;
    atoll_node_closed(own.node, now);
}

static void connect_broker(uint64_t now)
{
    ip_addr_t broker;
    memcpy(&broker.addr, own.network.broker, sizeof broker.addr);
    own.connected = false;
    own.ended = NULL;
    own.give_up_ms = now + CONNECT_MS;
    own.connection = tcp_new();
    if (own.connection == NULL) {
        own.ended = "no room for a connection";
        return;
    }
    ip_set_option(own.connection, SOF_KEEPALIVE);
    own.connection->keep_idle = KEEP_IDLE_MS;
    own.connection->keep_intvl = KEEP_INTERVAL_MS;
    own.connection->keep_cnt = KEEP_TRIES;
    tcp_nagle_disable(own.connection);
    tcp_err(own.connection, on_error);
    tcp_recv(own.connection, on_received);
    if (tcp_connect(own.connection, &broker, own.network.port, on_connected) != ERR_OK) {
        own.ended = "no way there";
    }
}

void atoll_stream_start(atoll_node *node, const atoll_identity *identity, uint64_t now)
{
    uint32_t site = atoll_crc32c_update(0, identity->site.data, identity->site.size);
    uint32_t who = atoll_crc32c_update(site, identity->device.data, identity->device.size);
    uint32_t seed = atoll_crc32c_update(node->numbers.boot, identity->device.data,
                                        identity->device.size);
    own.node = node;
    own.network = identity->network;
    (void)now;
    if (own.network.port == 0u) {
        atoll_console_say("the identity block names no broker\n");
    } else if (!atoll_interface_start(&own.network, who, seed)) {
        own.network.port = 0;
        atoll_console_say("the Ethernet chip does not answer\n");
    }
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* The node takes all that it has answers for; the rest waits, and shuts the window. */
static void take(uint64_t now)
{
    size_t taken = atoll_node_receive(own.node, own.rest, own.rest_size, now);
    own.rest_size -= taken;
    memmove(own.rest, own.rest + taken, own.rest_size);
    if (own.connection != NULL) {
        tcp_recved(own.connection, (u16_t)taken);
    }
}

static void give(uint64_t now)
{
    const uint8_t *data;
    size_t size;
    while ((size = atoll_node_output(own.node, &data)) > 0u) {
        size_t room = tcp_sndbuf(own.connection);
        size = size < room ? size : room;
        if (size == 0u || tcp_write(own.connection, data, (u16_t)size,
                                    TCP_WRITE_FLAG_COPY | TCP_WRITE_FLAG_MORE) != ERR_OK) {
            break;
        }
        atoll_node_sent(own.node, size, now);
    }
    tcp_output(own.connection);
}

static void follow(atoll_mqtt_kind wanted, uint64_t now)
{
    if (wanted == ATOLL_MQTT_OPEN) {
        own.wanted = true;
    } else if (wanted == ATOLL_MQTT_CLOSE) {
        end("given up", now);
    }
}

static void advance(uint64_t now)
{
    if (own.wanted && own.connection == NULL && own.ended == NULL && atoll_interface_is_ready()) {
        connect_broker(now);
    }
    if (own.connected && !own.open) {
        say("connected");
        own.open = true;
        atoll_node_opened(own.node, now);
    }
    if (own.open && own.rest_size > 0u) {
        take(now);
    } else if (own.connection != NULL && !own.open && now >= own.give_up_ms) {
        own.ended = "no answer";
    }
    follow(atoll_node_tick(own.node, now), now);
    if (own.ended != NULL) {
        end(own.ended, now);
    } else if (own.open) {
        give(now);
    }
}

bool atoll_stream_serve(uint64_t now)
{
    bool busy = atoll_console_serve();
    if (own.network.port == 0u) {
        return busy;
    }
    busy = atoll_interface_serve(now) || busy;
    advance(now);
    return busy;
}
