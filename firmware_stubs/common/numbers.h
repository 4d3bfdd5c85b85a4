/* The numbers that fence a device, and must never go back: kept in a flash log of their own.
 *
 * A higher number is on flash before it is acted upon; `raise` says OK only then. */
#ifndef ATOLL_NUMBERS_H
#define ATOLL_NUMBERS_H

#include <stdint.h>

#include "flashlog.h"

typedef struct atoll_numbers {
    atoll_flashlog *log;
    uint32_t boot;  /* of this device: one higher at each start */
    uint32_t term;  /* the highest gateway term seen */
    uint64_t epoch; /* of the newest map */
    uint32_t lease; /* epoch of the newest lease */
    uint32_t run;   /* of samples: the last one that was given */
} atoll_numbers;

/* Read the numbers of the last boot, and write this one's: 0, or an error of the log. Boots and runs
 * have numbers above `floor`. */
int atoll_numbers_start(atoll_numbers *numbers, atoll_flashlog *log, uint32_t floor);

/* Raise what is higher than before: 0, or an error of the log, and nothing is raised. */
int atoll_numbers_raise(atoll_numbers *numbers, uint32_t term, uint64_t epoch, uint32_t lease);

/* The next run of samples, higher than all before; 0: the log refused it. */
uint32_t atoll_numbers_next_run(atoll_numbers *numbers);

#endif
