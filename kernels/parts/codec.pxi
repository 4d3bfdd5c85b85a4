# Bytes of a partial: a writer and a reader with a sticky status.
#
# Integers are LEB128 (shortest form only); big sums are two's complement bytes without the zero
# bytes at the bottom and the sign bytes at the top. Equal states so have equal bytes. A reader
# never reads past its end: after the first fault it returns zeros and keeps the status.

cdef struct writer:
    uint8_t *data
    size_t room
    size_t used
    uint32_t status

cdef struct reader:
    const uint8_t *data
    size_t size
    size_t at
    uint32_t status


cdef inline void write_byte(writer *w, uint32_t value) noexcept nogil:
    if w.used < w.room:
        w.data[w.used] = <uint8_t>value
        w.used = w.used + 1
    else:
        w.status = STATUS_NO_SPACE


cdef void write_count(writer *w, uint64_t value) noexcept nogil:
    while value >> 7:
        write_byte(w, <uint32_t>(value & 0x7F) | 0x80)
        value = value >> 7
    write_byte(w, <uint32_t>value)


cdef void write_u32(writer *w, uint32_t value) noexcept nogil:
    cdef uint32_t i
    for i in range(4):
        write_byte(w, (value >> (8 * i)) & 0xFF)


cdef inline uint32_t read_byte(reader *r) noexcept nogil:
    cdef uint32_t value = 0
    if r.status == STATUS_OK and r.at < r.size:
        value = r.data[r.at]
        r.at = r.at + 1
    elif r.status == STATUS_OK:
        r.status = STATUS_DAMAGED
    return value


cdef uint64_t read_count(reader *r) noexcept nogil:
    cdef uint64_t value = 0
    cdef uint32_t shift = 0, byte = 0x80
    while byte & 0x80:
        byte = read_byte(r)
        if shift == 63 and byte > 1:
            r.status = STATUS_DAMAGED
            return 0
        value = value | (<uint64_t>(byte & 0x7F) << shift)
        if shift and byte == 0:
            r.status = STATUS_DAMAGED
        shift = shift + 7
    return value


cdef uint32_t read_bounded(reader *r, uint32_t limit) noexcept nogil:
    """A count that may be at most `limit`."""
    cdef uint64_t value = read_count(r)
    if value > limit:
        r.status = STATUS_DAMAGED
        return 0
    return <uint32_t>value


cdef uint32_t read_u32(reader *r) noexcept nogil:
    cdef uint32_t i, value = 0
    for i in range(4):
        value = value | (read_byte(r) << (8 * i))
    return value


cdef void count_add(uint64_t *total, uint64_t more, reader *r) noexcept nogil:
    """total += more; a sum beyond 2^63 marks the reader (no honest count comes near)."""
    if more >> 63 or (total[0] + more) >> 63:
        if r.status == STATUS_OK:
            r.status = STATUS_OVERFLOW
        return
    total[0] = total[0] + more


cdef void counts_write(writer *w, const uint64_t *counts, size_t n) noexcept nogil:
    """n counts; a zero is followed by how many more zeros follow."""
    cdef size_t k = 0, run
    while k < n:
        write_count(w, counts[k])
        if counts[k]:
            k = k + 1
        else:
            run = k + 1
            while run < n and counts[run] == 0:
                run = run + 1
            write_count(w, run - k - 1)
            k = run


cdef void counts_read(reader *r, uint64_t *counts, size_t n) noexcept nogil:
    """Add n written counts."""
    cdef size_t k = 0
    cdef uint64_t count
    cdef bint zeros = False
    while k < n and r.status == STATUS_OK:
        count = read_count(r)
        if count:
            count_add(&counts[k], count, r)
            zeros = False
            k = k + 1
        elif zeros:
            r.status = STATUS_DAMAGED
        else:
            zeros = True
            k = k + 1 + read_bounded(r, <uint32_t>(n - k - 1))
