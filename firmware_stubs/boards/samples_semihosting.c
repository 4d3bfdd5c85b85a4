/* A recording on the emulator's host, at its rate: raw little-endian int16, in the file that the
 * semihosting command line names (QEMU: -semihosting-config enable=on,target=native,arg=FILE). From
 * each boot it is read from its beginning; at its end the samples end. Without semihosting the first
 * call faults, so that no image for hardware has this. */
#include <stdbool.h>

#include "board.h"
#include "samples.h"

enum { OPEN = 0x01, READ = 0x06, GET_CMDLINE = 0x15, MODE_RB = 1, NAME_MAX = 256 };


static int file = -1;
static uint32_t hertz_q8; /* samples a second, in 1/256 */
static uint64_t started_ms;
static uint64_t taken;

static int call(int operation, const void *parameters)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static size_t text_size(const char *text)
{
    size_t size = 0;
    while (text[size] != 0) {
        size++;
    }
    return size;
}

void atoll_samples_start(float rate_hz)
{
    static char name[NAME_MAX];
    uintptr_t line[2] = {(uintptr_t)name, sizeof name};
    uintptr_t opened[3];
    if (call(GET_CMDLINE, line) != 0) {
        return;
    }
    opened[0] = (uintptr_t)name;
    opened[1] = MODE_RB;
    opened[2] = text_size(name);
    file = call(OPEN, opened);
    hertz_q8 = (uint32_t)(rate_hz * 256.0f);
    started_ms = atoll_board_now_ms();
}

size_t atoll_samples_take(int16_t *to, size_t count)
{
    uint64_t due = ((atoll_board_now_ms() - started_ms) * hertz_q8 / 1000u) >> 8;
    uintptr_t read[3];
    size_t size;
    if (file < 0 || due <= taken) {
        return 0;
    }
    count = due - taken < count ? (size_t)(due - taken) : count;
    read[0] = (uintptr_t)file;
    read[1] = (uintptr_t)to;
    read[2] = 2u * count;
    size = (2u * count - (size_t)call(READ, read)) / 2u;
    if (size < count) {
        file = -1;
    }
    taken += size;
    return size;
}

uint32_t atoll_samples_lost(void)
{
    return 0; /* a recording waits */
}
