/* A board without a driver for its ADC yet: it samples nothing. */
#include "samples.h"

void atoll_samples_start(float rate_hz)
{
    (void)rate_hz;
}

size_t atoll_samples_take(int16_t *to, size_t count)
{
    (void)to;
    (void)count;
    return 0;
}

uint32_t atoll_samples_lost(void)
{
    return 0;
}
