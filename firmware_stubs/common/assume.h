/* What the common code takes for granted about compiler and machine, checked at compile time. */
#ifndef ATOLL_ASSUME_H
#define ATOLL_ASSUME_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define ATOLL_ASSUME(name, claim) typedef char atoll_assume_##name[(claim) ? 1 : -1]

ATOLL_ASSUME(bytes_of_8_bits, CHAR_BIT == 8);
ATOLL_ASSUME(int_of_32_bits_at_least, sizeof(int) >= 4);
ATOLL_ASSUME(size_of_32_bits_at_least, sizeof(size_t) >= 4);
ATOLL_ASSUME(binary32, sizeof(float) == 4);
ATOLL_ASSUME(binary64, sizeof(double) == 8);
ATOLL_ASSUME(arithmetic_shift, (-3 >> 1) == -2);

#endif
