/* A log in RAM that a reset leaves alone, for boards whose flash cannot be written here: MPS2 has
 * none, and QEMU's LM3S6965 and STM32F405 ignore what is programmed. A power cut loses it. */
#include <string.h>

#include "board.h"

/* Small ones: what asks for a larger page takes some of them together. A page of numbers, orders,
 * results and receipts is 256, 1,024, 1,024 and 512 bytes then. */
enum { PAGE = 256, PAGES = 3 + 4 * 4 + 5 * 4 + 2 };

static uint8_t bytes[PAGES * PAGE] __attribute__((section(".noinit")));

const char atoll_board_flash_is_ram = 1;

static int read_ram(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    memcpy(data, bytes + address, size);
    return 0;
}

static int program_ram(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context;
    memcpy(bytes + address, data, size);
    return 0;
}

static int erase_ram(void *context, uint32_t page)
{
    (void)context;
    memset(bytes + (size_t)page * PAGE, 0xFF, PAGE);
    return 0;
}

const atoll_flash *atoll_board_flash(void)
{
    static const atoll_flash flash = {read_ram, program_ram, erase_ram, NULL, PAGE, PAGES, 4};
    return &flash;
}
