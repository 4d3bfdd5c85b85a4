#include "flash_slice.h"

static uint32_t moved(const atoll_flash_slice *slice, uint32_t address)
{
    return slice->first * slice->whole->page_size + address;
}

static int read_slice(void *context, uint32_t address, void *data, size_t size)
{
    const atoll_flash_slice *slice = context;
    return slice->whole->read(slice->whole->context, moved(slice, address), data, size);
}

static int program_slice(void *context, uint32_t address, const void *data, size_t size)
{
    const atoll_flash_slice *slice = context;
    return slice->whole->program(slice->whole->context, moved(slice, address), data, size);
}

static int erase_slice(void *context, uint32_t page)
{
    const atoll_flash_slice *slice = context;
    return slice->whole->erase(slice->whole->context, slice->first + page);
}

void atoll_flash_slice_start(atoll_flash_slice *slice, const atoll_flash *whole, uint32_t first,
                             uint16_t count)
{
    slice->flash = *whole;
    slice->flash.read = read_slice;
    slice->flash.program = program_slice;
    slice->flash.erase = erase_slice;
    slice->flash.context = slice;
    slice->flash.page_count = count;
    slice->whole = whole;
    slice->first = first;
}
