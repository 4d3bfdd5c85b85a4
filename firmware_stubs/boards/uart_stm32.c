/* USART of the STM32F4 (RM0090, chapter 30). */
#include "chip.h"
#include "cortexm.h"
#include "port.h"

#define STATUS ATOLL_REGISTER(ATOLL_CHIP_UART + 0x00u)
#define DATA ATOLL_REGISTER(ATOLL_CHIP_UART + 0x04u)
#define BAUD ATOLL_REGISTER(ATOLL_CHIP_UART + 0x08u)
#define CONTROL1 ATOLL_REGISTER(ATOLL_CHIP_UART + 0x0Cu)

enum { RX_NOT_EMPTY = 1 << 5, TX_EMPTY = 1 << 7 };

void atoll_uart_start(void)
{
    BAUD = ATOLL_CHIP_UART_HZ / 115200u;
    CONTROL1 = 1u << 13 | RX_NOT_EMPTY | 1u << 3 | 1u << 2; /* on, interrupt, both ways */
    atoll_nvic_enable(ATOLL_CHIP_UART_IRQ);
}

void atoll_uart_interrupt(void)
{
    while ((STATUS & RX_NOT_EMPTY) != 0u) {
        atoll_serial_received((uint8_t)(DATA & 0xFFu));
    }
}

bool atoll_uart_put(uint8_t byte)
{
    if ((STATUS & TX_EMPTY) == 0u) {
        return false;
    }
    DATA = byte;
    return true;
}
