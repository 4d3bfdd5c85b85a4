/* PrimeCell UART PL011 (ARM DDI 0183): without its FIFO a byte, an interrupt; with it (chip.h), when
 * there are some, or when no more came for a while. */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define DATA ATOLL_REGISTER(ATOLL_CHIP_UART + 0x00u)
#define FLAGS ATOLL_REGISTER(ATOLL_CHIP_UART + 0x18u)
#define IBRD ATOLL_REGISTER(ATOLL_CHIP_UART + 0x24u)
#define FBRD ATOLL_REGISTER(ATOLL_CHIP_UART + 0x28u)
#define LINE ATOLL_REGISTER(ATOLL_CHIP_UART + 0x2Cu)
#define CONTROL ATOLL_REGISTER(ATOLL_CHIP_UART + 0x30u)
#define MASK ATOLL_REGISTER(ATOLL_CHIP_UART + 0x38u)
#define CLEAR ATOLL_REGISTER(ATOLL_CHIP_UART + 0x44u)

#ifdef ATOLL_CHIP_UART_FIFO
enum { WITH_FIFO = 1 << 4, RX_INTERRUPT = 1 << 4 | 1 << 6 };
#else
enum { WITH_FIFO = 0, RX_INTERRUPT = 1 << 4 };
#endif

enum { RX_EMPTY = 1 << 4, TX_FULL = 1 << 5, FIFO = 32 };

void atoll_uart_start(void)
{
    uint32_t divisor = ATOLL_CHIP_UART_HZ * 4u / 115200u; /* in 64ths of 16 clocks */
    CONTROL = 0;
    IBRD = divisor / 64u;
    FBRD = divisor % 64u;
    LINE = 3u << 5 | (uint32_t)WITH_FIFO; /* 8 bits */
    MASK = RX_INTERRUPT;
    CONTROL = 0x301; /* on, both ways */
    /* A byte that lay there before a reset which left the UART alone (QEMU's does) would never raise
     * an interrupt, and let no other in. */
    for (uint32_t left = FIFO; left > 0u && (FLAGS & RX_EMPTY) == 0u; left--) {
        (void)DATA;
    }
    atoll_nvic_enable(ATOLL_CHIP_UART_IRQ);
}

void atoll_uart_interrupt(void)
{
    CLEAR = RX_INTERRUPT;
    while ((FLAGS & RX_EMPTY) == 0u) {
        atoll_serial_received((uint8_t)(DATA & 0xFFu));
    }
}

bool atoll_uart_put(uint8_t byte)
{
    if ((FLAGS & TX_FULL) != 0u) {
        return false;
    }
    DATA = byte;
    return true;
}
