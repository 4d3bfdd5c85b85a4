#include "interface.h"

#include <string.h>

#include "board.h"
#include "console.h"
#include "ethernet.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

enum {
    MTU = TCP_MSS + 40,   /* what is sent; a larger frame than our buffers is none of ours */
    FRAMES = 8,           /* at a time: a flood leaves time for the node and its samples */
    SEND_TRIES = 1000,    /* while the chip sends the frame before; at 10 Mbit/s half a millisecond */
    LOOK_AT_CABLE_MS = 100
};

static struct {
    struct netif netif;
    struct dhcp dhcp;
    uint64_t look_ms;
    uint32_t random;
    bool had_address;
} own;

/* lwIP's clock, and its dice. */
u32_t sys_now(void)
{
    return (u32_t)atoll_board_now_ms();
}

uint32_t atoll_interface_random(void)
{
    own.random ^= own.random << 13; /* xorshift32 (Marsaglia 2003) */
    own.random ^= own.random >> 17;
    own.random ^= own.random << 5;
    return own.random;
}

/* --- frames ---------------------------------------------------------------------------------- */

static err_t send_frame(struct netif *netif, struct pbuf *frame)
{
    struct pbuf *whole = frame;
    bool sent = false;
    (void)netif;
    if (frame->next != NULL) {
        whole = pbuf_clone(PBUF_RAW, PBUF_RAM, frame);
        if (whole == NULL) {
            return ERR_MEM;
        }
    }
    for (unsigned tries = 0; !sent && tries < SEND_TRIES; tries++) {
        sent = atoll_ethernet_send(whole->payload, whole->len);
    }
    if (whole != frame) {
        pbuf_free(whole);
    }
    return sent ? ERR_OK : ERR_IF;
}

/* A frame for which there is no buffer is lost; TCP sends it again. */
static void take_frame(size_t size)
{
    struct pbuf *frame = NULL;
    if (size <= (size_t)PBUF_POOL_BUFSIZE) {
        frame = pbuf_alloc(PBUF_RAW, (u16_t)size, PBUF_POOL);
    }
    if (frame == NULL || frame->next != NULL) {
        atoll_ethernet_take(NULL, 0);
    } else {
        atoll_ethernet_take(frame->payload, size);
        if (own.netif.input(frame, &own.netif) == ERR_OK) {
            return;
        }
    }
    if (frame != NULL) {
        pbuf_free(frame);
    }
}

/* --- life ------------------------------------------------------------------------------------ */

static err_t prepare(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->mtu = MTU;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

static ip4_addr_t address_of(const uint8_t *bytes)
{
    ip4_addr_t address;
    memcpy(&address.addr, bytes, sizeof address.addr); /* both in the order of the network */
    return address;
}

bool atoll_interface_start(const atoll_identity_network *network, uint32_t who, uint32_t seed)
{
    ip4_addr_t address = address_of(network->address), mask = address_of(network->mask);
    ip4_addr_t router = address_of(network->router);
    /* Where the chip has no address of its own: a local one, by which boards differ. */
    uint8_t chip[ATOLL_ETHERNET_ADDRESS] = {2, 'A'};
    own.random = seed != 0u ? seed : 1u;
    memcpy(chip + 2, &who, sizeof who);
    if (!atoll_ethernet_start(chip)) {
        return false;
    }
    lwip_init();
    netif_add(&own.netif, &address, &mask, &router, NULL, prepare, ethernet_input);
    own.netif.hwaddr_len = ATOLL_ETHERNET_ADDRESS;
    memcpy(own.netif.hwaddr, chip, sizeof chip);
    netif_set_default(&own.netif);
    netif_set_up(&own.netif);
    if (ip4_addr_isany_val(address)) {
        dhcp_set_struct(&own.netif, &own.dhcp);
        dhcp_start(&own.netif);
    }
    return true;
}

bool atoll_interface_is_ready(void)
{
    return netif_is_link_up(&own.netif) && !ip4_addr_isany_val(*netif_ip4_addr(&own.netif));
}

static void look_at_cable(void)
{
    bool up = atoll_ethernet_is_up();
    if (up && !netif_is_link_up(&own.netif)) {
        atoll_console_say("link up\n");
        netif_set_link_up(&own.netif);
    } else if (!up && netif_is_link_up(&own.netif)) {
        atoll_console_say("link down\n");
        netif_set_link_down(&own.netif);
    }
}

static void tell_address(void)
{
    const ip4_addr_t *address = netif_ip4_addr(&own.netif);
    bool has = !ip4_addr_isany_val(*address);
    if (has && !own.had_address) {
        atoll_console_say("address ");
        atoll_console_address((const uint8_t *)&address->addr);
        atoll_console_say("\n");
    }
    own.had_address = has;
}

bool atoll_interface_serve(uint64_t now_ms)
{
    unsigned count = 0;
    if (now_ms >= own.look_ms) {
        own.look_ms = now_ms + LOOK_AT_CABLE_MS;
        look_at_cable();
    }
    for (; count < FRAMES; count++) {
        size_t size = atoll_ethernet_next();
        if (size == 0u) {
            break;
        }
        take_frame(size);
    }
    sys_check_timeouts();
    tell_address();
    return count == FRAMES;
}
