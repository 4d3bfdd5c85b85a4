/* CRC-32C (Castagnoli; RFC 3720 appendix B.4), the checksum of blocks, flash records and frames.
 *
 * The wire's own code steps eight bytes at a time through 8 KB of tables, a sixth of the smallest
 * image; this one steps half a byte through 64 bytes. A test holds the two together. */
#ifndef ATOLL_CRC32C_H
#define ATOLL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue `crc` (0 at the start) over `size` bytes. */
uint32_t atoll_crc32c_update(uint32_t crc, const void *data, size_t size);

#endif
