# Exact sums: a signed number in chunks of 32 bits, each held in 64 so that carries may wait.
#
# Value = sum of chunk[k] 2^(32 k) in units that the owner fixes (1 for integers, 2^(-149 p) for
# the p-th power of a float). Up to LIMBS_PENDING additions of pieces below 2^32 in magnitude
# may happen before limbs_settle. This is Neal's small superaccumulator (R. M. Neal, "Fast exact
# summation using small and large superaccumulators", 2015), for powers of binary32 as well.

cdef enum:
    LIMBS_PENDING = 1 << 29


cdef bint limbs_settle(int64_t *chunk, uint32_t n) noexcept nogil:
    """Carry, so that all chunks but the top one lie in [0, 2^32). False: the top overflowed."""
    cdef uint32_t k
    cdef int64_t carry = 0
    for k in range(<uint32_t>(n - 1)):
        carry = carry + chunk[k]
        chunk[k] = <int64_t>(<uint64_t>carry & LOW32)
        carry = carry >> 32
    chunk[n - 1] = chunk[n - 1] + carry
    return I32_MIN <= chunk[n - 1] <= I32_MAX


cdef inline void limbs_add_i64(int64_t *chunk, int64_t value) noexcept nogil:
    chunk[0] = chunk[0] + <int64_t>(<uint64_t>value & LOW32)
    chunk[1] = chunk[1] + (value >> 32)


cdef inline void limbs_add_u64(int64_t *chunk, uint64_t value) noexcept nogil:
    chunk[0] = chunk[0] + <int64_t>(value & LOW32)
    chunk[1] = chunk[1] + <int64_t>(value >> 32)


cdef inline uint32_t limbs_byte(const int64_t *chunk, uint32_t k) noexcept nogil:
    return <uint32_t>(<uint64_t>chunk[k >> 2] >> (8 * (k & 3))) & 0xFF


cdef void limbs_write(writer *w, int64_t *chunk, uint32_t n) noexcept nogil:
    """Length, zero bytes below, bytes: the shortest two's complement form. Needs settled chunks."""
    cdef uint32_t first = 0, end = 4 * n, k
    cdef uint32_t sign = 0
    if chunk[n - 1] < 0:
        sign = 0xFF
    while end > 0 and limbs_byte(chunk, end - 1) == sign:
        end = end - 1
    while first < end and limbs_byte(chunk, first) == 0:
        first = first + 1
    if end == 0 or (limbs_byte(chunk, end - 1) ^ sign) & 0x80:
        end = end + 1
    if sign == 0 and first + 1 >= end and limbs_byte(chunk, first) == 0:
        write_count(w, 0)
        return
    write_count(w, end - first)
    write_count(w, first)
    for k in range(first, end):
        write_byte(w, limbs_byte(chunk, k))


cdef void limbs_read(reader *r, int64_t *chunk, uint32_t n) noexcept nogil:
    """Add a written number to settled chunks, and settle them."""
    cdef uint32_t length = read_bounded(r, 4 * n)
    cdef uint32_t first, k, byte = 0, before = 0
    if length == 0:
        return
    first = read_bounded(r, 4 * n - length)
    for k in range(first, first + length):
        before = byte
        byte = read_byte(r)
        if k == first and byte == 0:
            r.status = STATUS_DAMAGED
        chunk[k >> 2] = chunk[k >> 2] + (<int64_t>byte << (8 * (k & 3)))
    if length > 1 and ((byte == 0 and before < 0x80) or (byte == 0xFF and before >= 0x80)):
        r.status = STATUS_DAMAGED
    if byte & 0x80:
        k = first + length
        if k == 4 * n:
            chunk[n - 1] = chunk[n - 1] - (<int64_t>1 << 32)
        else:
            chunk[k >> 2] = chunk[k >> 2] - (<int64_t>1 << (8 * (k & 3)))
    if not limbs_settle(chunk, n) and r.status == STATUS_OK:
        r.status = STATUS_OVERFLOW
