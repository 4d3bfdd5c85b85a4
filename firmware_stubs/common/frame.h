/* Frames on a serial line: COBS (Cheshire and Baker, 1999), a CRC-32C, a zero byte behind each.
 *
 * A zero occurs nowhere else, so that a receiver is in step again at the next one, whatever noise or
 * a reset did to the frame before. A frame that is too long, empty or damaged is dropped and
 * counted. */
#ifndef ATOLL_FRAME_H
#define ATOLL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ATOLL_FRAME_CRC = 4 };

/* The bytes on the line of a frame of `size` bytes, at most. */
#define ATOLL_FRAME_EXTENT(size) ((size) + ATOLL_FRAME_CRC + ((size) + ATOLL_FRAME_CRC) / 254u + 2u)

/* Write the frame of `size` bytes, which lie at the start of `data` with four bytes of room behind
 * them, to `line`; the size on the line. */
size_t atoll_frame_encode(uint8_t *data, size_t size, uint8_t *line);

typedef struct atoll_frame {
    uint8_t *data; /* the caller's, for frame and CRC */
    size_t size;
    size_t used;
    uint8_t left; /* bytes until the next code */
    bool zero;    /* a zero belongs behind them */
    bool spoilt;
    uint32_t dropped;
} atoll_frame;

void atoll_frame_start(atoll_frame *frame, uint8_t *data, size_t size);

/* Take one byte: the size of the frame that it completed, without its CRC; else 0. The frame is in
 * `data` until the next byte is taken. */
size_t atoll_frame_take(atoll_frame *frame, uint8_t byte);

#endif
