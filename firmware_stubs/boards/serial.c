/* The receive ring between the UART's interrupt and the application. */
#include "board.h"
#include "link.h"
#include "port.h"

/* A power of two that holds what a window of two messages needs. */
enum { RING = 512 };

typedef char ring_is_large_enough[RING >= ATOLL_LINK_RING(2u) ? 1 : -1];

static uint8_t ring[RING];
static volatile uint32_t head, tail, overruns; /* head: the interrupt's; tail: the reader's */

void atoll_serial_received(uint8_t byte)
{
    if (head - tail < (uint32_t)RING) {
        ring[head % RING] = byte;
        head++;
    } else {
        overruns++;
    }
}

size_t atoll_board_read(uint8_t *to, size_t size)
{
    size_t count = 0;
    while (count < size && tail != head) {
        to[count++] = ring[tail % RING];
        tail++;
    }
    return count;
}

size_t atoll_board_write(const uint8_t *from, size_t size)
{
    size_t count = 0;
    while (count < size && atoll_uart_put(from[count])) {
        count++;
    }
    return count;
}

uint32_t atoll_board_overruns(void)
{
    return overruns;
}
