# cython: boundscheck=False, wraparound=False, cdivision=True
"""Checksums and the well-formedness pass, compiled. The parts in portable/ know nothing of Python."""

include "portable/crc32c.pxi"
include "portable/cbor.pxi"

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint32_t

DEPTH_CAP = ATOLL_CBOR_DEPTH_CAP

# Below this many bytes, giving up and taking back the interpreter's lock costs more than the work.
cdef enum:
    RELEASE_BYTES = 8192


def crc32c(data not None, uint32_t crc=0):
    """Continue the CRC-32C `crc` (0 at the start) over `data`, an object of contiguous bytes."""
    cdef Py_buffer view
    cdef const uint8_t *start
    cdef size_t size
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)  # a memoryview costs more than a block's head
    start, size = <const uint8_t *>view.buf, <size_t>view.len
    if size < RELEASE_BYTES:
        crc = atoll_crc32c(crc, start, size)
    else:
        with nogil:
            crc = atoll_crc32c(crc, start, size)
    PyBuffer_Release(&view)
    return crc


def check(data not None, size_t items_max, size_t depth_max):
    """Return (0, size) for one item of strict CBOR, else (reason code, offset)."""
    cdef Py_buffer view
    cdef size_t offset = 0
    cdef int reason = ATOLL_CBOR_TRUNCATED
    if depth_max > ATOLL_CBOR_DEPTH_CAP:
        raise ValueError(f"depth_max is at most {DEPTH_CAP}, not {depth_max}")
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len:
        reason = atoll_cbor_check(
            <const uint8_t *>view.buf, <size_t>view.len, items_max, depth_max, &offset
        )
    PyBuffer_Release(&view)
    return reason, offset
