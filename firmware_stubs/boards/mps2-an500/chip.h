/* ARM MPS2 with the Cortex-M7 of application note 500. */
#ifndef ATOLL_CHIP_H
#define ATOLL_CHIP_H

#define ATOLL_CHIP_NAME "mps2-an500"
#define ATOLL_CHIP_HZ 25000000u
#define ATOLL_CHIP_IRQS 32
#define ATOLL_CHIP_MPU 1
#define ATOLL_CHIP_FPU 1
#define ATOLL_CHIP_UART 0x40004000u
#define ATOLL_CHIP_UART_HZ ATOLL_CHIP_HZ
#define ATOLL_CHIP_UART_IRQ 0
#define ATOLL_CHIP_WATCHDOG 0x40008000u
#define ATOLL_CHIP_WATCHDOG_HZ ATOLL_CHIP_HZ

#define ATOLL_CHIP_ARENA 65536u /* bytes of RAM for the states of plans */

#endif
