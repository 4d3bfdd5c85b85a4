/* The board's network interface: lwIP over its Ethernet, with an address by DHCP or as given. */
#ifndef ATOLL_INTERFACE_H
#define ATOLL_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "identity.h"

/* Start lwIP. `who`: of the address of a chip that brings none, the same at each boot. `seed`: of
 * ports and sequence numbers, another one at each. False: no such chip. */
bool atoll_interface_start(const atoll_identity_network *network, uint32_t who, uint32_t seed);

/* Pass on what was received, and let lwIP's time pass. True: there may be more. */
bool atoll_interface_serve(uint64_t now_ms);

/* Whether it has an address, and a cable as far as the chip can tell. */
bool atoll_interface_is_ready(void);

uint32_t atoll_interface_random(void);

#endif
