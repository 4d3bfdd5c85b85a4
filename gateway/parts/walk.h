/* The probe walk of weighted DxHash: which devices a shard meets, in order.
 *
 * Plain C99 of 32-bit integers: no division, no heap, no state of its own, the same on a
 * microcontroller and in the gateway, whose extension includes this file. gateway/placement.py is
 * the same in Python and says why; tests hold the two together by shared vectors.
 *
 * A table of 2^b slots is two arrays: the owner of each slot, and its threshold (0: nobody's). */

#ifndef ATOLL_WALK_H
#define ATOLL_WALK_H

#include <stdint.h>

#define ATOLL_WALK_GOLDEN UINT32_C(0x9e3779b9)
#define ATOLL_WALK_PROBES_PER_SLOT 16

struct atoll_walk {
    const uint16_t *owner;
    const uint16_t *threshold;
    uint32_t mask; /* slots - 1 */
    uint32_t seed;
    uint32_t base;
    uint32_t step;
    uint32_t left; /* probes */
};

/* The finaliser of MurmurHash3: a bijection of 32 bits. */
static inline uint32_t atoll_walk_mix(uint32_t value)
{
    value ^= value >> 16;
    value *= UINT32_C(0x85ebca6b);
    value ^= value >> 13;
    value *= UINT32_C(0xc2b2ae35);
    return value ^ (value >> 16);
}

/* Begin the walk of the shard at `point`. */
static inline void atoll_walk_begin(struct atoll_walk *walk, uint32_t point)
{
    walk->base = atoll_walk_mix(walk->seed ^ point);
    walk->step = 0;
    walk->left = (walk->mask + 1) * ATOLL_WALK_PROBES_PER_SLOT;
}

/* The next owner that a probe is taken by, -1 after the last probe. An owner may come again. */
static inline int32_t atoll_walk_next(struct atoll_walk *walk)
{
    while (walk->left) {
        uint32_t a, slot, limit;
        walk->left--;
        walk->step += ATOLL_WALK_GOLDEN;
        a = atoll_walk_mix(walk->base + walk->step);
        slot = a & walk->mask;
        limit = walk->threshold[slot];
        if (limit && (atoll_walk_mix(a ^ walk->seed) & 0xffff) < limit)
            return walk->owner[slot];
    }
    return -1;
}

/* The ideal owners of a shard: the first `wanted` in different zones; how many there are.
 * `zone[owner]` is -1 for a device that is not there. */
static inline uint32_t atoll_walk_place(struct atoll_walk *walk, const int32_t *zone,
                                        uint16_t *found, uint32_t wanted)
{
    uint32_t count = 0;
    while (count < wanted) {
        int32_t who = atoll_walk_next(walk);
        uint32_t at = 0;
        if (who < 0)
            break;
        while (at < count && zone[found[at]] != zone[who])
            at++;
        if (zone[who] >= 0 && at == count)
            found[count++] = (uint16_t)who;
    }
    return count;
}

#endif
