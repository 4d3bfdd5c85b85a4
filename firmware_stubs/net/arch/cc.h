/* lwIP's view of the compiler: C99 with GCC, newlib's headers. */
#ifndef ATOLL_LWIP_CC_H
#define ATOLL_LWIP_CC_H

#include <stdint.h>

/* A claim of lwIP that does not hold is a fault: its place is kept, and the board resets itself. */
#define LWIP_PLATFORM_ASSERT(message) __builtin_trap()
#define LWIP_PLATFORM_DIAG(message)                                                                \
    do {                                                                                           \
    } while (0)

/* Ports and sequence numbers; seeded before lwIP starts. */
uint32_t atoll_interface_random(void);
#define LWIP_RAND() atoll_interface_random()

#endif
