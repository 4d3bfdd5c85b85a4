#include "console.h"

#include "board.h"

enum { BYTES = 256 };

static uint8_t bytes[BYTES];
static uint32_t head, tail;

void atoll_console_say(const char *text)
{
    for (; *text != 0 && head - tail < (uint32_t)BYTES; text++) {
        bytes[head++ % BYTES] = (uint8_t)*text;
    }
}

void atoll_console_number(uint32_t number)
{
    char digits[11];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0u);
    atoll_console_say(at);
}

void atoll_console_address(const uint8_t address[4])
{
    for (unsigned index = 0; index < 4u; index++) {
        if (index > 0u) {
            atoll_console_say(".");
        }
        atoll_console_number(address[index]);
    }
}

bool atoll_console_serve(void)
{
    while (tail != head && atoll_board_write(bytes + tail % BYTES, 1) == 1u) {
        tail++;
    }
    return tail != head;
}
