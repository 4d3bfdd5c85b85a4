# Is this one item of deterministic CBOR (RFC 8949 section 4.2.1), within bounds?
#
# The strict subset of the protocol: definite lengths, shortest heads, shortest floats, one NaN, map keys that are
# integers or strings, unique and in bytewise order, UTF-8 checked, no tags (so no bignums), of the simple values only
# false, true and null. A claimed length is compared with what is left before anything else happens.
# One pass, no recursion, no heap: a frame for each open array or map on a stack of fixed depth.
# reference.py is the slow twin; both give the same reason and offset for every input.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef enum:
    ATOLL_CBOR_DEPTH_CAP = 16

cdef enum atoll_cbor_reason:
    ATOLL_CBOR_OK = 0
    ATOLL_CBOR_TRUNCATED = 1
    ATOLL_CBOR_TRAILING = 2
    ATOLL_CBOR_RESERVED = 3
    ATOLL_CBOR_INDEFINITE = 4
    ATOLL_CBOR_NOT_SHORTEST = 5
    ATOLL_CBOR_TAG = 6
    ATOLL_CBOR_SIMPLE = 7
    ATOLL_CBOR_NAN = 8
    ATOLL_CBOR_UTF8 = 9
    ATOLL_CBOR_KEY = 10
    ATOLL_CBOR_ORDER = 11
    ATOLL_CBOR_DEPTH = 12
    ATOLL_CBOR_ITEMS = 13
    ATOLL_CBOR_CLAIM = 14

cdef struct atoll_cbor_frame:
    uint64_t left  # items still to come; of a map: keys and values
    bint is_map
    const uint8_t *key  # the last key's encoding; NULL before the first
    size_t key_size


cdef bint atoll_utf8_valid(const uint8_t *text, size_t size) noexcept nogil:
    # Table 3-7 of the Unicode standard: no overlong form, no surrogate, nothing above U+10FFFF.
    cdef size_t at = 0, more
    cdef uint8_t lead, low, high
    while at < size:
        lead = text[at]
        at += 1
        if lead < 0x80:
            continue
        low = 0x80
        high = 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return False
        if more > size - at:
            return False
        if text[at] < low or text[at] > high:
            return False
        at += 1
        more -= 1
        while more > 0:
            if text[at] & 0xC0 != 0x80:
                return False
            at += 1
            more -= 1
    return True


cdef bint atoll_fits_half(uint32_t bits) noexcept nogil:
    # Can a binary32 (no NaN) be a binary16? `power` is the unbiased exponent.
    cdef int power = <int>(bits >> 23 & 0xFF) - 127
    cdef uint32_t fraction = bits & 0x7FFFFF
    if power == 128 or bits << 1 == 0:
        return True
    if -14 <= power <= 15:
        return fraction & 0x1FFF == 0
    if -24 <= power <= -15:  # a subnormal half: a multiple of 2**-24
        return (fraction | 0x800000) & ((<uint32_t>1 << (-1 - power)) - 1) == 0
    return False


cdef bint atoll_fits_single(uint64_t bits) noexcept nogil:
    # Can a binary64 (no NaN) be a binary32?
    cdef int power = <int>(bits >> 52 & 0x7FF) - 1023
    cdef uint64_t fraction = bits & <uint64_t>0xFFFFFFFFFFFFF
    if power == 1024 or bits << 1 == 0:
        return True
    if -126 <= power <= 127:
        return fraction & 0x1FFFFFFF == 0
    if -149 <= power <= -127:  # a subnormal single: a multiple of 2**-149
        return (fraction | <uint64_t>1 << 52) & ((<uint64_t>1 << (-97 - power)) - 1) == 0
    return False


cdef int atoll_cbor_float(uint8_t info, uint64_t bits) noexcept nogil:
    # Simple values and floats, by the low five bits of the head.
    if info == 25:
        if bits & 0x7C00 == 0x7C00 and bits & 0x3FF != 0 and bits != 0x7E00:
            return ATOLL_CBOR_NAN
        return ATOLL_CBOR_OK
    if info == 26:
        if bits & <uint64_t>0x7F800000 == <uint64_t>0x7F800000 and bits & 0x7FFFFF != 0:
            return ATOLL_CBOR_NAN
        return ATOLL_CBOR_NOT_SHORTEST if atoll_fits_half(<uint32_t>bits) else ATOLL_CBOR_OK
    if info == 27:
        if bits >> 52 & 0x7FF == 0x7FF and bits & <uint64_t>0xFFFFFFFFFFFFF != 0:
            return ATOLL_CBOR_NAN
        return ATOLL_CBOR_NOT_SHORTEST if atoll_fits_single(bits) else ATOLL_CBOR_OK
    if 20 <= info <= 22:
        return ATOLL_CBOR_OK
    return ATOLL_CBOR_SIMPLE


cdef int atoll_cbor_check(
    const uint8_t *data, size_t size, size_t items_max, size_t depth_max, size_t *offset
) noexcept nogil:
    # 0, or why not with the offset of the item's head in *offset. depth_max is at most ATOLL_CBOR_DEPTH_CAP.
    cdef atoll_cbor_frame stack[ATOLL_CBOR_DEPTH_CAP]
    cdef atoll_cbor_frame *top
    cdef size_t depth = 0, at = 0, start, items = 0, width, common
    cdef uint8_t major, info
    cdef uint64_t value
    cdef bint is_key
    cdef int reason, order
    while True:
        start = at
        offset[0] = start
        if at >= size:
            return ATOLL_CBOR_TRUNCATED
        items += 1
        if items > items_max:
            return ATOLL_CBOR_ITEMS
        major = data[at] >> 5
        info = data[at] & 31
        at += 1
        value = info
        if info >= 28:
            if info == 31 and major != 0 and major != 1 and major != 6:
                return ATOLL_CBOR_INDEFINITE
            return ATOLL_CBOR_RESERVED
        if info >= 24:
            width = <size_t>1 << (info - 24)
            if width > size - at:
                return ATOLL_CBOR_TRUNCATED
            value = 0
            while width > 0:
                value = value << 8 | data[at]
                at += 1
                width -= 1
        if major == 6:
            return ATOLL_CBOR_TAG
        if major == 7:
            reason = atoll_cbor_float(info, value)
            if reason != ATOLL_CBOR_OK:
                return reason
        elif (
            (info == 24 and value < 24) or (info == 25 and value <= 0xFF)
            or (info == 26 and value <= 0xFFFF) or (info == 27 and value <= <uint64_t>0xFFFFFFFF)
        ):
            return ATOLL_CBOR_NOT_SHORTEST
        is_key = depth > 0 and stack[depth - 1].is_map and stack[depth - 1].left & 1 == 0
        if is_key and major > 3:
            return ATOLL_CBOR_KEY
        if major == 2 or major == 3:
            if value > size - at:
                return ATOLL_CBOR_CLAIM
            if major == 3 and not atoll_utf8_valid(data + at, <size_t>value):
                return ATOLL_CBOR_UTF8
            at += <size_t>value
        elif major == 4 or major == 5:
            # Each item takes a byte at least.
            if value > (size - at) >> (major - 4):
                return ATOLL_CBOR_CLAIM
            value <<= major - 4
            if value > items_max - items:
                return ATOLL_CBOR_ITEMS
            if depth >= depth_max:
                return ATOLL_CBOR_DEPTH
            stack[depth].left = value
            stack[depth].is_map = major == 5
            stack[depth].key = NULL
            stack[depth].key_size = 0
            depth += 1
            if value > 0:
                continue
            depth -= 1
        if is_key:
            top = &stack[depth - 1]
            if top.key != NULL:
                common = top.key_size if top.key_size < at - start else at - start
                order = memcmp(top.key, data + start, common)
                if order > 0 or (order == 0 and top.key_size >= at - start):
                    return ATOLL_CBOR_ORDER
            top.key = data + start
            top.key_size = at - start
        # The item is complete, and with it every array or map whose last it was.
        while depth > 0:
            stack[depth - 1].left -= 1
            if stack[depth - 1].left > 0:
                break
            depth -= 1
        if depth == 0:
            offset[0] = at
            return ATOLL_CBOR_OK if at == size else ATOLL_CBOR_TRAILING
