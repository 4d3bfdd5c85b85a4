/* Flash of the RP2040 by the functions of its boot ROM (data sheet, chapters 2.8.3 and 2.6.3): sectors
 * of 4 KB, pages of 256 bytes that may be programmed in parts. Meanwhile flash cannot be read, so what
 * runs then lies in RAM, and no interrupt may come: an erase takes 45 ms, mostly. */
#include <string.h>

#include "board.h"
#include "chip.h"
#include "ssi_rp2040.h"

enum {
    SECTOR = 4096,
    PAGE = 256,
    UNIT = 4,
    PAGES = ATOLL_CHIP_PAGES + 1, /* and one for what is kept beside the logs */
    BLOCK = 65536,
    ERASE_BLOCK = 0xD8, /* for more than a sector, which never comes */
    TABLE_AT = 0x14,    /* of the ROM's functions: a code of two letters and an address, 16 bits each */
    FLASH_START = 0x10000000
};

extern uint8_t atoll_log_start[]; /* from the linker script */

const char atoll_board_flash_is_ram = 0;

static struct rom {
    void (*connect)(void);
    void (*exit_xip)(void);
    void (*erase)(uint32_t at, size_t size, uint32_t block, uint8_t command);
    void (*program)(uint32_t at, const uint8_t *data, size_t size);
    void (*flush_cache)(void);
    void (*enter_xip)(void);
} rom;

static uintptr_t find(char first, char second)
{
    uintptr_t place = TABLE_AT;
    const uint16_t *entry;
    __asm__("" : "+r"(place)); /* the compiler takes what lies so low for no object */
    entry = (const uint16_t *)(uintptr_t)*(const uint16_t *)place;
    while (entry[0] != 0u && entry[0] != ((uint16_t)first | (uint16_t)second << 8)) {
        entry += 2;
    }
    return entry[0] != 0u ? entry[1] : 0u;
}

static void find_all(void)
{
    rom.connect = (void (*)(void))find('I', 'F');
    rom.exit_xip = (void (*)(void))find('E', 'X');
    rom.erase = (void (*)(uint32_t, size_t, uint32_t, uint8_t))find('R', 'E');
    rom.program = (void (*)(uint32_t, const uint8_t *, size_t))find('R', 'P');
    rom.flush_cache = (void (*)(void))find('F', 'C');
    rom.enter_xip = (void (*)(void))find('C', 'X');
}

/* Program a page, or without data erase a sector. In RAM, as is all that it touches. */
__attribute__((section(".ramcode"), noinline, long_call)) static void alter(uint32_t at,
                                                                              const uint8_t *data)
{
    rom.connect();
    rom.exit_xip();
    if (data != NULL) {
        rom.program(at, data, PAGE);
    } else {
        rom.erase(at, SECTOR, BLOCK, ERASE_BLOCK);
    }
    rom.flush_cache();
    rom.enter_xip();
    atoll_ssi_start();
}

static void alter_alone(uint32_t at, const uint8_t *data)
{
    uint32_t before;
    if (rom.connect == NULL) {
        find_all();
    }
    before = atoll_interrupts_off();
    alter((uint32_t)(uintptr_t)atoll_log_start - FLASH_START + at, data);
    atoll_interrupts_restore(before);
}

static int read_flash(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    memcpy(data, atoll_log_start + address, size);
    return 0;
}

/* What of a page is not meant is programmed with ones, which change nothing. */
static int program_flash(void *context, uint32_t address, const void *data, size_t size)
{
    static uint8_t page[PAGE];
    const uint8_t *from = data;
    (void)context;
    while (size > 0u) {
        size_t offset = address % PAGE;
        size_t part = size < PAGE - offset ? size : PAGE - offset;
        memset(page, 0xFF, PAGE);
        memcpy(page + offset, from, part);
        alter_alone(address - (uint32_t)offset, page);
        address += (uint32_t)part;
        from += part;
        size -= part;
    }
    return 0;
}

static int erase_flash(void *context, uint32_t page)
{
    (void)context;
    alter_alone(page * SECTOR, NULL);
    return 0;
}

const atoll_flash *atoll_board_flash(void)
{
    static const atoll_flash flash = {read_flash,       program_flash, erase_flash, NULL, SECTOR,
                                      PAGES,      UNIT};
    return &flash;
}
