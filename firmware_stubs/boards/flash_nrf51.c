/* Flash of the nRF51 by its controller (reference manual, chapter 6): pages of 1 KB, words of 4
 * bytes; an erase stops the core for 21 ms. */
#include <string.h>

#include "board.h"
#include "bytes.h"
#include "chip.h"
#include "cortexm.h"

#define READY ATOLL_REGISTER(0x4001E400u)
#define CONFIG ATOLL_REGISTER(0x4001E504u)
#define ERASEPAGE ATOLL_REGISTER(0x4001E508u)

enum { PAGE = 1024, PAGES = ATOLL_CHIP_PAGES + 1, READ_ONLY = 0, WRITE = 1, ERASE = 2 };

extern uint32_t atoll_log_start[]; /* from the linker script */

const char atoll_board_flash_is_ram = 0;

static void set_mode(uint32_t mode)
{
    CONFIG = mode;
    while (READY == 0u) {
    }
}

static int read_flash(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    memcpy(data, (const uint8_t *)atoll_log_start + address, size);
    return 0;
}

static int program_flash(void *context, uint32_t address, const void *data, size_t size)
{
    const uint8_t *from = data;
    volatile uint32_t *to = atoll_log_start + address / 4u;
    (void)context;
    set_mode(WRITE);
    for (size_t at = 0; at < size; at += 4u) {
        *to++ = atoll_bytes_le32(from + at);
        while (READY == 0u) {
        }
    }
    set_mode(READ_ONLY);
    return 0;
}

static int erase_flash(void *context, uint32_t page)
{
    (void)context;
    set_mode(ERASE);
    ERASEPAGE = (uint32_t)(uintptr_t)atoll_log_start + page * PAGE;
    while (READY == 0u) {
    }
    set_mode(READ_ONLY);
    return 0;
}

const atoll_flash *atoll_board_flash(void)
{
    static const atoll_flash flash = {read_flash, program_flash, erase_flash, NULL, PAGE, PAGES, 4};
    return &flash;
}
