/* LM3S6965 (Stellaris, Cortex-M3) at the 12.5 MHz that it has after a reset in QEMU. */
#ifndef ATOLL_CHIP_H
#define ATOLL_CHIP_H

#define ATOLL_CHIP_NAME "lm3s6965evb"
#define ATOLL_CHIP_HZ 12500000u
#define ATOLL_CHIP_IRQS 44
#define ATOLL_CHIP_MPU 1

#define ATOLL_CHIP_UART 0x4000C000u
#define ATOLL_CHIP_UART_HZ ATOLL_CHIP_HZ
#define ATOLL_CHIP_UART_IRQ 5
#define ATOLL_CHIP_WATCHDOG 0x40000000u
#define ATOLL_CHIP_WATCHDOG_HZ ATOLL_CHIP_HZ
#define ATOLL_CHIP_WATCHDOG_IRQ 18
#define ATOLL_CHIP_ETHERNET 0x40048000u
#define ATOLL_CHIP_ETHERNET_IRQ 42

#define ATOLL_CHIP_ARENA 6144u /* bytes of RAM for the states of plans */

#endif
