/* UART of the Cortex-M System Design Kit (ARM DDI 0479, section 4.5). */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define DATA ATOLL_REGISTER(ATOLL_CHIP_UART + 0x0u)
#define STATE ATOLL_REGISTER(ATOLL_CHIP_UART + 0x4u)
#define CTRL ATOLL_REGISTER(ATOLL_CHIP_UART + 0x8u)
#define INTCLEAR ATOLL_REGISTER(ATOLL_CHIP_UART + 0xCu)
#define BAUDDIV ATOLL_REGISTER(ATOLL_CHIP_UART + 0x10u)

enum { TX_FULL = 1, RX_FULL = 2, TX_ON = 1, RX_ON = 2, RX_INTERRUPT = 8 };

void atoll_uart_start(void)
{
    BAUDDIV = ATOLL_CHIP_UART_HZ / 115200u;
    CTRL = TX_ON | RX_ON | RX_INTERRUPT;
    atoll_nvic_enable(ATOLL_CHIP_UART_IRQ);
}

void atoll_uart_interrupt(void)
{
    INTCLEAR = RX_FULL;
    while ((STATE & RX_FULL) != 0u) {
        atoll_serial_received((uint8_t)DATA);
    }
}

bool atoll_uart_put(uint8_t byte)
{
    if ((STATE & TX_FULL) != 0u) {
        return false;
    }
    DATA = byte;
    return true;
}
