/* Ethernet controller of the LM3S6965 (data sheet, chapter 15). */
#include <string.h>

#include "chip.h"
#include "cortexm.h"
#include "ethernet.h"
#include "port.h"

#define AT(offset) ATOLL_REGISTER(ATOLL_CHIP_ETHERNET + (offset))
#define STATE AT(0x00u) /* writing acknowledges */
#define MASK AT(0x04u)
#define RX_CONTROL AT(0x08u)
#define TX_CONTROL AT(0x0Cu)
#define DATA AT(0x10u)
#define ADDRESS_LOW AT(0x14u)
#define ADDRESS_HIGH AT(0x18u)
#define PACKETS AT(0x34u)
#define TX_REQUEST AT(0x38u)
#define CLOCKS ATOLL_REGISTER(0x400FE108u)

/* In front of a received frame stands how long all of it is: with these two bytes, and with its check
 * sequence behind it. */
enum { LENGTH = 2, FCS = 4, HEADER = 14, RX = 1 };

static size_t waiting;  /* all bytes of the frame whose length was read */
static uint8_t head[2]; /* and its first two, which came with that */

/* The chip's address registers are empty after a reset, but an emulator fills them. */
static void choose_address(uint8_t address[ATOLL_ETHERNET_ADDRESS])
{
    uint32_t low = ADDRESS_LOW, high = ADDRESS_HIGH & 0xFFFFu;
    if (low == 0u && high == 0u) {
        memcpy(&low, address, sizeof low);
        ADDRESS_LOW = low;
        ADDRESS_HIGH = (uint32_t)(address[4] | address[5] << 8);
        return;
    }
    memcpy(address, &low, sizeof low);
    address[4] = (uint8_t)high;
    address[5] = (uint8_t)(high >> 8);
}

bool atoll_ethernet_start(uint8_t address[ATOLL_ETHERNET_ADDRESS])
{
    waiting = 0;
    CLOCKS |= 1u << 30 | 1u << 28;
    (void)CLOCKS; /* the controller answers three cycles later */
    (void)CLOCKS;
    RX_CONTROL = 1u << 4; /* empty */
    choose_address(address);
    TX_CONTROL = 0x17; /* on, padded, with a check sequence, both ways at once */
    RX_CONTROL = 1u << 3 | 1u; /* on, damaged frames are dropped */
    STATE = 0x7F;
    MASK = RX;
    atoll_nvic_enable(ATOLL_CHIP_ETHERNET_IRQ);
    return true;
}

void atoll_ethernet_interrupt(void)
{
    MASK = 0;
}

size_t atoll_ethernet_next(void)
{
    while (waiting == 0u) {
        uint32_t word;
        if ((PACKETS & 0x3Fu) == 0u) {
            STATE = RX;
            MASK = RX;
            return 0;
        }
        word = DATA;
        waiting = word & 0xFFFFu;
        head[0] = (uint8_t)(word >> 16);
        head[1] = (uint8_t)(word >> 24);
        if (waiting <= (size_t)(LENGTH + FCS)) {
            atoll_ethernet_take(NULL, 0);
        }
    }
    return waiting - LENGTH - FCS;
}

void atoll_ethernet_take(uint8_t *to, size_t size)
{
    if (size > 0u) {
        memcpy(to, head, size < sizeof head ? size : sizeof head);
    }
    for (size_t at = 4; at < waiting; at += 4u) {
        uint32_t word = DATA;
        size_t place = at - LENGTH;
        if (place < size) {
            memcpy(to + place, &word, size - place < 4u ? size - place : 4u);
        }
    }
    waiting = 0;
}

bool atoll_ethernet_send(const uint8_t *frame, size_t size)
{
    if ((TX_REQUEST & 1u) != 0u || size < (size_t)HEADER) {
        return false;
    }
    DATA = (uint32_t)(size - HEADER) | (uint32_t)frame[0] << 16 | (uint32_t)frame[1] << 24;
    for (size_t at = 2; at < size; at += 4u) {
        uint32_t word = 0;
        memcpy(&word, frame + at, size - at < 4u ? size - at : 4u);
        DATA = word;
    }
    TX_REQUEST = 1;
    return true;
}

/* Its PHY could tell by the MII, which QEMU has not: a cable that is gone is found by TCP and MQTT. */
bool atoll_ethernet_is_up(void)
{
    return true;
}
