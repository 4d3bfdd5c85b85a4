/* Integers in byte strings, without a word on alignment: little-endian on flash and in frames,
 * big-endian in MQTT and CBOR. */
#ifndef ATOLL_BYTES_H
#define ATOLL_BYTES_H

#include <stdint.h>

#include "assume.h"

static inline uint16_t atoll_bytes_le16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t atoll_bytes_le32(const uint8_t *from)
{
    return (uint32_t)atoll_bytes_le16(from) | (uint32_t)atoll_bytes_le16(from + 2) << 16;
}

static inline uint64_t atoll_bytes_le64(const uint8_t *from)
{
    return (uint64_t)atoll_bytes_le32(from) | (uint64_t)atoll_bytes_le32(from + 4) << 32;
}

static inline void atoll_bytes_put_le16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value & 0xFFu);
    to[1] = (uint8_t)(value >> 8);
}

static inline void atoll_bytes_put_le32(uint8_t *to, uint32_t value)
{
    atoll_bytes_put_le16(to, (uint16_t)(value & 0xFFFFu));
    atoll_bytes_put_le16(to + 2, (uint16_t)(value >> 16));
}

static inline void atoll_bytes_put_le64(uint8_t *to, uint64_t value)
{
    atoll_bytes_put_le32(to, (uint32_t)(value & 0xFFFFFFFFu));
    atoll_bytes_put_le32(to + 4, (uint32_t)(value >> 32));
}

static inline uint16_t atoll_bytes_be16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

static inline void atoll_bytes_put_be16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)(value & 0xFFu);
}

#endif
