# CRC-32C (Castagnoli, RFC 3720 appendix B.4; reflected polynomial 0x82F63B78), eight bytes a step
# ("slicing by 8", Kounavis and Berry, 2008). The tables are constants in crc32c_tables.h.

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "portable/crc32c_tables.h" nogil:
    const uint32_t ATOLL_CRC32C_TABLES[8][256]


cdef uint32_t atoll_crc32c(uint32_t crc, const uint8_t *data, size_t size) noexcept nogil:
    cdef uint32_t low, high
    crc = ~crc
    while size >= 8:
        # Bytes are put together one by one: no assumption on alignment or byte order.
        low = crc ^ (
            <uint32_t>data[0] | <uint32_t>data[1] << 8 | <uint32_t>data[2] << 16
            | <uint32_t>data[3] << 24
        )
        high = (
            <uint32_t>data[4] | <uint32_t>data[5] << 8 | <uint32_t>data[6] << 16
            | <uint32_t>data[7] << 24
        )
        crc = (
            ATOLL_CRC32C_TABLES[7][low & 0xFF]
            ^ ATOLL_CRC32C_TABLES[6][low >> 8 & 0xFF]
            ^ ATOLL_CRC32C_TABLES[5][low >> 16 & 0xFF]
            ^ ATOLL_CRC32C_TABLES[4][low >> 24]
            ^ ATOLL_CRC32C_TABLES[3][high & 0xFF]
            ^ ATOLL_CRC32C_TABLES[2][high >> 8 & 0xFF]
            ^ ATOLL_CRC32C_TABLES[1][high >> 16 & 0xFF]
            ^ ATOLL_CRC32C_TABLES[0][high >> 24]
        )
        data += 8
        size -= 8
    while size > 0:
        crc = ATOLL_CRC32C_TABLES[0][(crc ^ data[0]) & 0xFF] ^ crc >> 8
        data += 1
        size -= 1
    return ~crc
