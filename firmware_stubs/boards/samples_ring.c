#include "samples_ring.h"

enum { MARGIN = 64 }; /* what may be overwritten while it is taken */

size_t atoll_samples_ring_take(atoll_samples_ring *ring, uint32_t come, int16_t *to, size_t count)
{
    size_t found = 0;
    if (ring->step == 0u) {
        return 0;
    }
    if (come - ring->taken > ring->size - MARGIN) { /* nobody came in time: the younger half is left */
        uint32_t passed = (come - ring->taken - ring->size / 2u) / ring->step;
        ring->lost += passed;
        ring->taken += passed * ring->step;
    }
    while (found < count && come - ring->taken >= ring->step) {
        to[found++] = (int16_t)ring->values[ring->taken % ring->size];
        ring->taken += ring->step;
    }
    return found;
}
