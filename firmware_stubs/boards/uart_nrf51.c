/* UART of the nRF51 (reference manual, chapter 29). */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define UART(offset) ATOLL_REGISTER(ATOLL_CHIP_UART + (offset))
#define STARTRX UART(0x000)
#define STARTTX UART(0x008)
#define RXDRDY UART(0x108)
#define TXDRDY UART(0x11C)
#define INTENSET UART(0x304)
#define ENABLE UART(0x500)
#define PSELTXD UART(0x50C)
#define PSELRXD UART(0x514)
#define RXD UART(0x518)
#define TXD UART(0x51C)
#define BAUDRATE UART(0x524)
#define PIN_CNF(pin) ATOLL_REGISTER(0x50000700u + 4u * (pin))

enum { BAUD_115200 = 0x01D7E000 };

static bool sending;

void atoll_uart_start(void)
{
    PIN_CNF(ATOLL_CHIP_UART_TX_PIN) = 1; /* output */
    PIN_CNF(ATOLL_CHIP_UART_RX_PIN) = 0; /* input */
    PSELTXD = ATOLL_CHIP_UART_TX_PIN;
    PSELRXD = ATOLL_CHIP_UART_RX_PIN;
    BAUDRATE = BAUD_115200;
    ENABLE = 4;
    INTENSET = 1u << 2; /* RXDRDY */
    STARTTX = 1;
    STARTRX = 1;
    atoll_nvic_enable(ATOLL_CHIP_UART_IRQ);
}

void atoll_uart_interrupt(void)
{
    while (RXDRDY != 0u) {
        RXDRDY = 0;
        atoll_serial_received((uint8_t)(RXD & 0xFFu));
    }
}

/* TXDRDY says that the last byte is gone; before the first one it never comes. */
bool atoll_uart_put(uint8_t byte)
{
    if (sending && TXDRDY == 0u) {
        return false;
    }
    TXDRDY = 0;
    TXD = byte;
    sending = true;
    return true;
}
