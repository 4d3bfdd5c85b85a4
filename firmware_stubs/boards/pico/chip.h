/* Raspberry Pi Pico: RP2040, Cortex-M0+ at 125 MHz, the second core left asleep in the boot ROM. */
#ifndef ATOLL_CHIP_H
#define ATOLL_CHIP_H

#define ATOLL_CHIP_NAME "pico"
#define ATOLL_CHIP_HZ 125000000u
#define ATOLL_CHIP_IRQS 26
#define ATOLL_CHIP_MPU 1

/* The 64-bit timer of microseconds: alarm 0 is the tick, alarm 1 the watchdog's warning. */
#define ATOLL_CHIP_TICK_IRQ 0
#define ATOLL_CHIP_WATCHDOG_IRQ 1
#define ATOLL_CHIP_RESETS_ITSELF 1 /* atoll_watchdog_reset: more than the core begins anew */

#define ATOLL_CHIP_UART 0x40034000u /* UART0: GPIO 0 sends, GPIO 1 receives */
#define ATOLL_CHIP_UART_HZ ATOLL_CHIP_HZ
#define ATOLL_CHIP_UART_IRQ 20
#define ATOLL_CHIP_UART_FIFO 1 /* 32 bytes: what comes while flash is programmed */

#define ATOLL_CHIP_PAGES 15 /* of the logs on flash, 4 KB each */
#define ATOLL_CHIP_ARENA 65536u /* bytes of RAM for the states of plans */

#endif
