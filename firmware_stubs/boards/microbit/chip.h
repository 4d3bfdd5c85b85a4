/* BBC micro:bit: nRF51822, Cortex-M0. No MPU: the stack at the bottom of RAM overflows out of it. */
#ifndef ATOLL_CHIP_H
#define ATOLL_CHIP_H

#define ATOLL_CHIP_NAME "microbit"
#define ATOLL_CHIP_HZ 16000000u
#define ATOLL_CHIP_IRQS 32
#define ATOLL_CHIP_TICK_IRQ 8

#define ATOLL_CHIP_UART 0x40002000u
#define ATOLL_CHIP_UART_IRQ 2
#define ATOLL_CHIP_UART_TX_PIN 24u
#define ATOLL_CHIP_UART_RX_PIN 25u

#define ATOLL_CHIP_SAMPLES_IRQ 7
#define ATOLL_CHIP_SAMPLES 16 /* at a time: RAM is dear */
#define ATOLL_CHIP_UNDER_WAY 2 /* messages to the bridge */

#define ATOLL_CHIP_PAGES 12 /* of the logs on flash */
#define ATOLL_CHIP_ARENA 3008u /* bytes of RAM for the states of plans */

#endif
