/* SMSC LAN9118 (data sheet, revision 1.5), by polled 32-bit accesses. */
#include "ethernet.h"

#include <string.h>

#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define AT(offset) ATOLL_REGISTER(ATOLL_CHIP_ETHERNET + (offset))
#define RX_DATA AT(0x00u)
#define TX_DATA AT(0x20u)
#define RX_STATUS AT(0x40u)
#define IRQ_CFG AT(0x54u)
#define INT_STS AT(0x58u)
#define INT_EN AT(0x5Cu)
#define BYTE_TEST AT(0x64u)
#define FIFO_INT AT(0x68u)
#define TX_CFG AT(0x70u)
#define HW_CFG AT(0x74u)
#define RX_FIFO_INF AT(0x7Cu)
#define TX_FIFO_INF AT(0x80u)
#define MAC_COMMAND AT(0xA4u)
#define MAC_DATA AT(0xA8u)
#define AFC_CFG AT(0xACu)

/* Registers behind MAC_COMMAND, and those of the PHY behind them. */
enum { MAC_CR = 1, MAC_HIGH = 2, MAC_LOW = 3, MII_ACCESS = 6, MII_DATA = 7 };
enum { PHY_CONTROL = 0, PHY_STATUS = 1 };

enum { TRIES = 100000, FCS = 4, RX_LEVEL = 1 << 3 };

static size_t waiting; /* bytes of the frame whose status was read */

static bool mac_is_idle(void)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        if ((MAC_COMMAND & 1u << 31) == 0u) {
            return true;
        }
    }
    return false;
}

static uint32_t mac_read(uint32_t number)
{
    MAC_COMMAND = 1u << 31 | 1u << 30 | number;
    return mac_is_idle() ? MAC_DATA : 0u;
}

static void mac_write(uint32_t number, uint32_t value)
{
    MAC_DATA = value;
    MAC_COMMAND = 1u << 31 | number;
    mac_is_idle();
}

static uint32_t phy_access(uint32_t number, bool write)
{
    return 1u << 11 | number << 6 | (write ? 2u : 0u) | 1u; /* the PHY inside is number 1 */
}

static bool phy_is_idle(void)
{
    for (unsigned tries = 0; tries < TRIES / 100; tries++) {
        if ((mac_read(MII_ACCESS) & 1u) == 0u) {
            return true;
        }
    }
    return false;
}

static bool reset(void)
{
    HW_CFG = 1;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        if (BYTE_TEST == 0x87654321u && (HW_CFG & 1u) == 0u) {
            return true;
        }
    }
    return false;
}

/* The chip has read its own address from an EEPROM, or has none. */
static void choose_address(uint8_t address[ATOLL_ETHERNET_ADDRESS])
{
    uint32_t low = mac_read(MAC_LOW), high = mac_read(MAC_HIGH) & 0xFFFFu;
    if ((low == 0u && high == 0u) || (low == UINT32_MAX && high == 0xFFFFu)) {
        memcpy(&low, address, sizeof low);
        high = (uint32_t)(address[4] | address[5] << 8);
        mac_write(MAC_LOW, low);
        mac_write(MAC_HIGH, high);
        return;
    }
    memcpy(address, &low, sizeof low);
    address[4] = (uint8_t)high;
    address[5] = (uint8_t)(high >> 8);
}

bool atoll_ethernet_start(uint8_t address[ATOLL_ETHERNET_ADDRESS])
{
    waiting = 0;
    if (!reset()) {
        return false;
    }
    HW_CFG = 1u << 20 | 5u << 16; /* 5 KB to send from */
    AFC_CFG = 0x006E3740u;        /* as the data sheet proposes */
    choose_address(address);
    if (phy_is_idle()) {
        mac_write(MII_DATA, 0x1200); /* negotiate */
        mac_write(MII_ACCESS, phy_access(PHY_CONTROL, true));
        phy_is_idle();
    }
    TX_CFG = 1u << 2 | 1u << 1; /* on; what became of frames is not read */
    mac_write(MAC_CR, 1u << 3 | 1u << 2);
    FIFO_INT = 0;
    IRQ_CFG = 1u << 8 | 1u << 4 | 1u; /* push-pull, high */
    INT_STS = UINT32_MAX;
    INT_EN = RX_LEVEL;
    atoll_nvic_enable(ATOLL_CHIP_ETHERNET_IRQ);
    return true;
}

void atoll_ethernet_interrupt(void)
{
    INT_EN = 0;
}

size_t atoll_ethernet_next(void)
{
    while (waiting == 0u) {
        uint32_t status;
        if ((RX_FIFO_INF >> 16 & 0xFFu) == 0u) {
            INT_STS = RX_LEVEL;
            INT_EN = RX_LEVEL;
            return 0;
        }
        status = RX_STATUS;
        waiting = status >> 16 & 0x3FFFu;
        if ((status & 1u << 15) != 0u || waiting <= (size_t)FCS) {
            atoll_ethernet_take(NULL, 0);
        }
    }
    return waiting - FCS;
}

void atoll_ethernet_take(uint8_t *to, size_t size)
{
    for (size_t at = 0; at < waiting; at += 4u) {
        uint32_t word = RX_DATA;
        if (at < size) {
            memcpy(to + at, &word, size - at < 4u ? size - at : 4u);
        }
    }
    waiting = 0;
}

bool atoll_ethernet_send(const uint8_t *frame, size_t size)
{
    if ((TX_FIFO_INF & 0xFFFFu) < size + 16u) {
        return false;
    }
    TX_DATA = 1u << 13 | 1u << 12 | (uint32_t)size; /* a whole frame */
    TX_DATA = (uint32_t)size << 16 | (uint32_t)size;
    for (size_t at = 0; at < size; at += 4u) {
        uint32_t word = 0;
        memcpy(&word, frame + at, size - at < 4u ? size - at : 4u);
        TX_DATA = word;
    }
    return true;
}

bool atoll_ethernet_is_up(void)
{
    mac_write(MII_ACCESS, phy_access(PHY_STATUS, false));
    return phy_is_idle() && (mac_read(MII_DATA) & 1u << 2) != 0u;
}
