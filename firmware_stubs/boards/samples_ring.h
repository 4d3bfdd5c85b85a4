/* A ring that a converter fills by itself, and whoever samples empties: what the ports of ADCs with DMA
 * have in common. The converter counts what it has written; both counts run on over 2**32. */
#ifndef ATOLL_SAMPLES_RING_H
#define ATOLL_SAMPLES_RING_H

#include <stddef.h>
#include <stdint.h>

typedef struct atoll_samples_ring {
    const volatile uint16_t *values;
    uint32_t size;  /* a power of two */
    uint32_t taken; /* conversions, passed over ones included */
    uint32_t step;  /* one in so many conversions is a sample; 0: not started */
    uint32_t lost;  /* samples */
} atoll_samples_ring;

/* Take up to `count` samples of the `come` conversions that were written since the start: how many. */
size_t atoll_samples_ring_take(atoll_samples_ring *ring, uint32_t come, int16_t *to, size_t count);

#endif
