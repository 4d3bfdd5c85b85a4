/* Ethernet of a board: whole frames without their check sequence, received by polling; an interrupt
 * only ends the idle (`atoll_ethernet_interrupt`). Nothing here waits longer than it takes to move a frame. */
#ifndef ATOLL_ETHERNET_H
#define ATOLL_ETHERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ATOLL_ETHERNET_ADDRESS = 6, ATOLL_ETHERNET_FRAME_MAX = 1514 };

/* Start. `address` is taken where the chip brings none, and says afterwards which one is in use.
 * False: there is no such chip. */
bool atoll_ethernet_start(uint8_t address[ATOLL_ETHERNET_ADDRESS]);

/* Size of the frame that waits; 0: none does, and the next one ends the idle. */
size_t atoll_ethernet_next(void);

/* Take the first `size` bytes of it, and drop the rest: with 0 all of it. */
void atoll_ethernet_take(uint8_t *to, size_t size);

/* False: not now. */
bool atoll_ethernet_send(const uint8_t *frame, size_t size);

/* Whether there is a cable, as far as the chip can tell. */
bool atoll_ethernet_is_up(void);

#endif
