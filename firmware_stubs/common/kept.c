#include "kept.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

enum { CHUNK = 32 }; /* the widest program unit, and so a multiple of every other */

static uint32_t crc_of(const uint8_t *key, const void *data, size_t size)
{
    return atoll_crc32c_update(atoll_crc32c_update(0, key, ATOLL_KEPT_KEY), data, size);
}

static bool fits(const atoll_flash *flash, size_t size)
{
    return size <= flash->page_size && ATOLL_KEPT_MORE <= flash->page_size - size;
}

bool atoll_kept_read(const atoll_flash *flash, uint32_t page, const uint8_t *key, void *data,
                     size_t size)
{
    uint32_t start = page * flash->page_size;
    uint8_t found[ATOLL_KEPT_KEY];
    uint8_t crc[4];
    return fits(flash, size) && flash->read(flash->context, start, found, sizeof found) == 0 &&
           memcmp(found, key, sizeof found) == 0 &&
           flash->read(flash->context, start + ATOLL_KEPT_KEY, data, size) == 0 &&
           flash->read(flash->context, start + ATOLL_KEPT_KEY + (uint32_t)size, crc, 4) == 0 &&
           atoll_bytes_le32(crc) == crc_of(key, data, size);
}

/* A byte of key, data and CRC in a row, and of what fills the last chunk. */
static uint8_t byte_at(size_t at, const uint8_t *key, const uint8_t *data, size_t size,
                       const uint8_t *crc)
{
    if (at < ATOLL_KEPT_KEY) {
        return key[at];
    }
    at -= ATOLL_KEPT_KEY;
    if (at < size) {
        return data[at];
    }
    return at - size < 4u ? crc[at - size] : 0xFFu;
}

bool atoll_kept_write(const atoll_flash *flash, uint32_t page, const uint8_t *key,
                      const void *data, size_t size)
{
    uint32_t start = page * flash->page_size;
    uint8_t chunk[CHUNK];
    uint8_t crc[4];
    atoll_bytes_put_le32(crc, crc_of(key, data, size));
    if (!fits(flash, size) || flash->erase(flash->context, page) != 0) {
        return false;
    }
    for (size_t at = 0; at < ATOLL_KEPT_KEY + size + sizeof crc; at += CHUNK) {
        for (size_t index = 0; index < CHUNK; index++) {
            chunk[index] = byte_at(at + index, key, data, size, crc);
        }
        if (flash->program(flash->context, start + (uint32_t)at, chunk, CHUNK) != 0) {
            return false;
        }
    }
    return true;
}
