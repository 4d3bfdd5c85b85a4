/* The serial line of an image whose stream goes another way: a console, which says and does not listen. */
#include "board.h"
#include "port.h"

void atoll_serial_received(uint8_t byte)
{
    (void)byte;
}

size_t atoll_board_read(uint8_t *to, size_t size)
{
    (void)to;
    (void)size;
    return 0;
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
    return 0;
}
