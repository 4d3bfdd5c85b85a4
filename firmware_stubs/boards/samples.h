/* Samples of the board: 16-bit, at a fixed rate, in order. An ADC, or in emulation a recording. */
#ifndef ATOLL_SAMPLES_H
#define ATOLL_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* Begin; called once, after atoll_board_start. */
void atoll_samples_start(float rate_hz);

/* Take up to `count` samples that have come: how many. */
size_t atoll_samples_take(int16_t *to, size_t count);

/* Samples that nobody took in time, since the start; they are missing in front of the next ones. */
uint32_t atoll_samples_lost(void);

#endif
