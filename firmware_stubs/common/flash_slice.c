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

/* A page of the whole at a time, across whose end a port programs nothing. */
static int program_slice(void *context, uint32_t address, const void *data, size_t size)
{
    const atoll_flash_slice *slice = context;
    const atoll_flash *whole = slice->whole;
    const uint8_t *from = data;
    int result = 0;
    while (size > 0u && result == 0) {
        size_t left = whole->page_size - address % whole->page_size;
        size_t piece = size < left ? size : left;
        result = whole->program(whole->context, moved(slice, address), from, piece);
        address += (uint32_t)piece;
        from += piece;
        size -= piece;
    }
    return result;
}

static int erase_slice(void *context, uint32_t page)
{
    const atoll_flash_slice *slice = context;
    uint32_t first = slice->first + page * slice->together;
    for (uint32_t index = 0; index < slice->together; index++) {
        int result = slice->whole->erase(slice->whole->context, first + index);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

uint32_t atoll_flash_together(const atoll_flash *whole, uint32_t bytes)
{
    return (bytes + whole->page_size - 1u) / whole->page_size;
}

uint32_t atoll_flash_slice_start(atoll_flash_slice *slice, const atoll_flash *whole, uint32_t first,
                                 uint16_t count, uint32_t page_bytes)
{
    slice->whole = whole;
    slice->first = first;
    slice->together = atoll_flash_together(whole, page_bytes);
    slice->flash = *whole;
    slice->flash.read = read_slice;
    slice->flash.program = program_slice;
    slice->flash.erase = erase_slice;
    slice->flash.context = slice;
    slice->flash.page_size = slice->together * whole->page_size;
    slice->flash.page_count = count;
    return first + count * slice->together;
}
