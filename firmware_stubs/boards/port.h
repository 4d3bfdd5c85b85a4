/* What the parts of a board's port know of each other. */
#ifndef ATOLL_PORT_H
#define ATOLL_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* Provided by the parts. */
void atoll_clock_start(void); /* the board's clocks and pins, first of all */
void atoll_tick_start(void);
void atoll_tick_interrupt(void);
void atoll_uart_start(void);
void atoll_uart_interrupt(void);
bool atoll_uart_put(uint8_t byte); /* false: not now */
void atoll_watchdog_start(void);
void atoll_watchdog_feed(void);
bool atoll_watchdog_bit(void); /* it ended the boot before this one, and no warning of it came */
void atoll_watchdog_reset(void); /* where chip.h has ATOLL_CHIP_RESETS_ITSELF */

/* Provided by the Ethernet part (ethernet.h), in images that have it. */
__attribute__((weak)) void atoll_ethernet_interrupt(void);

/* Provided by the part for samples, in images that have it and where chip.h has ATOLL_CHIP_SAMPLES_IRQ. */
__attribute__((weak)) void atoll_samples_interrupt(void);

/* Provided by serial.c, for the UART's interrupt. */
void atoll_serial_received(uint8_t byte);

/* Provided by start.c: remember where it happened, and reset. */
void atoll_fault_interrupt(void);

/* From the linker script. */
extern uint32_t atoll_stack_bottom[], atoll_stack_top[], atoll_guard_bottom[];

#endif
