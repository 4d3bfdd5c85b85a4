# cython: boundscheck=False, wraparound=False, cdivision=True
"""Checksums and the well-formedness pass, compiled. The parts in portable/ know nothing of Python."""

include "portable/crc32c.pxi"
include "portable/cbor.pxi"

from libc.stdint cimport uint8_t, uint32_t

DEPTH_CAP = ATOLL_CBOR_DEPTH_CAP

# Below this many bytes, giving up and taking back the interpreter's lock costs more than the work.
cdef enum:
    RELEASE_BYTES = 8192


def crc32c(const uint8_t[::1] data not None, uint32_t crc=0):
    """Continue the CRC-32C `crc` (0 at the start) over `data`."""
    cdef size_t size = <size_t>data.shape[0]
    cdef const uint8_t *start = &data[0] if size > 0 else NULL
    if size < RELEASE_BYTES:
        return atoll_crc32c(crc, start, size)
    with nogil:
        crc = atoll_crc32c(crc, start, size)
    return crc


def check(const uint8_t[::1] data not None, size_t items_max, size_t depth_max):
    """Return (0, size) for one item of strict CBOR, else (reason code, offset)."""
    cdef size_t size = <size_t>data.shape[0]
    cdef size_t offset = 0
    cdef int reason
    if depth_max > ATOLL_CBOR_DEPTH_CAP:
        raise ValueError(f"depth_max is at most {DEPTH_CAP}, not {depth_max}")
    if size == 0:
        return ATOLL_CBOR_TRUNCATED, 0
    reason = atoll_cbor_check(&data[0], size, items_max, depth_max, &offset)
    return reason, offset
