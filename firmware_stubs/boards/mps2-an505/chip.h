/* ARM MPS2+ with the Cortex-M33 of application note 505, all of it in the secure world. */
#ifndef ATOLL_CHIP_H
#define ATOLL_CHIP_H

#define ATOLL_CHIP_NAME "mps2-an505"
#define ATOLL_CHIP_HZ 20000000u
#define ATOLL_CHIP_IRQS 96
#define ATOLL_CHIP_STACK_LIMIT 1
#define ATOLL_CHIP_FPU 1

#define ATOLL_CHIP_UART 0x50200000u
#define ATOLL_CHIP_UART_HZ ATOLL_CHIP_HZ
#define ATOLL_CHIP_UART_IRQ 32
#define ATOLL_CHIP_WATCHDOG 0x50081000u
#define ATOLL_CHIP_WATCHDOG_HZ ATOLL_CHIP_HZ
#define ATOLL_CHIP_ETHERNET 0x42000000u
#define ATOLL_CHIP_ETHERNET_IRQ 48

#define ATOLL_CHIP_ARENA 65536u /* bytes of RAM for the states of plans */

#endif
