/* Netduino Plus 2: STM32F405, Cortex-M4F at 168 MHz. */
#ifndef ATOLL_CHIP_H
#define ATOLL_CHIP_H

#define ATOLL_CHIP_NAME "netduinoplus2"
#define ATOLL_CHIP_HZ 168000000u
#define ATOLL_CHIP_IRQS 82
#define ATOLL_CHIP_MPU 1
#define ATOLL_CHIP_FPU 1

#define ATOLL_CHIP_UART 0x40011000u
#define ATOLL_CHIP_UART_HZ 84000000u
#define ATOLL_CHIP_UART_IRQ 37

#define ATOLL_CHIP_ARENA 65536u /* bytes of RAM for the states of plans */

#endif
