# An open table of 32-bit keys, with counts or without: exact while the different keys are few.
#
# Entries are dense and in no order until they are written; an index of twice as many slots or
# more finds them (linear probing). `distinct` and `top` start with one and go over to a sketch
# at the first key that has no room, so that which of both they hold depends on the set alone.

cdef struct table:
    uint32_t room
    uint32_t slots  # a power of two, at least twice the room
    uint32_t used
    uint32_t index_at  # bytes from the struct's start: uint16_t slot[slots], entry + 1 or 0
    uint32_t keys_at  # uint32_t key[room]
    uint32_t counts_at  # uint64_t count[room]; 0 without counts


cdef size_t table_size(uint32_t room, bint counted) noexcept nogil:
    return (sizeof(table) + (8 if counted else 0) * <size_t>room
            + ((4 * <size_t>room + 2 * <size_t>sketch_slots(room) + 7) & ~<size_t>7))


cdef void table_init(table *s, uint32_t room, bint counted) noexcept nogil:
    memset(s, 0, table_size(room, counted))
    s.room = room
    s.slots = sketch_slots(room)
    if counted:
        s.counts_at = sizeof(table)
    s.keys_at = <uint32_t>(sizeof(table) + (8 if counted else 0) * <size_t>room)
    s.index_at = s.keys_at + 4 * room


cdef inline uint16_t *table_index(const table *s) noexcept nogil:
    return <uint16_t *>(<uint8_t *>s + s.index_at)


cdef inline uint32_t *table_keys(const table *s) noexcept nogil:
    return <uint32_t *>(<uint8_t *>s + s.keys_at)


cdef inline uint64_t *table_counts(const table *s) noexcept nogil:
    return <uint64_t *>(<uint8_t *>s + s.counts_at)


cdef inline uint32_t table_find(const table *s, uint32_t key) noexcept nogil:
    """The slot that holds `key`, or the free slot where it belongs."""
    cdef uint32_t mask = s.slots - 1
    cdef uint32_t at = (key * HASH_FACTOR) >> 7
    cdef const uint16_t *index = table_index(s)
    cdef const uint32_t *keys = table_keys(s)
    at = (at ^ (at >> 13)) & mask
    while index[at] != 0 and keys[index[at] - 1] != key:
        at = (at + 1) & mask
    return at


cdef inline bint table_add(table *s, uint32_t key, uint64_t count) noexcept nogil:
    """Add `count` to the entry of `key`. False, and nothing done, where there is no room."""
    cdef uint32_t at = table_find(s, key)
    cdef uint16_t *index = table_index(s)
    if index[at] == 0:
        if s.used == s.room:
            return False
        table_keys(s)[s.used] = key
        if s.counts_at:
            table_counts(s)[s.used] = 0
        s.used = s.used + 1
        index[at] = <uint16_t>s.used
    if s.counts_at:
        table_counts(s)[index[at] - 1] = table_counts(s)[index[at] - 1] + count
    return True


cdef void table_swap(table *s, uint32_t i, uint32_t j) noexcept nogil:
    cdef uint32_t key = table_keys(s)[i]
    cdef uint64_t count
    table_keys(s)[i] = table_keys(s)[j]
    table_keys(s)[j] = key
    if s.counts_at:
        count = table_counts(s)[i]
        table_counts(s)[i] = table_counts(s)[j]
        table_counts(s)[j] = count


cdef void table_sift(table *s, uint32_t root, uint32_t n) noexcept nogil:
    cdef const uint32_t *keys = table_keys(s)
    cdef uint32_t child = 2 * root + 1
    while child < n:
        if child + 1 < n and keys[child + 1] > keys[child]:
            child = child + 1
        if keys[root] >= keys[child]:
            return
        table_swap(s, root, child)
        root = child
        child = 2 * root + 1


cdef void table_sort(table *s) noexcept nogil:
    """Order the entries by key (heap sort, in place), and index them anew."""
    cdef uint32_t n = s.used, i
    for i in range(n // 2, 0, -1):
        table_sift(s, i - 1, n)
    for i in range(n, 1, -1):
        table_swap(s, 0, i - 1)
        table_sift(s, 0, i - 1)
    memset(table_index(s), 0, 2 * <size_t>s.slots)
    for i in range(n):
        table_index(s)[table_find(s, table_keys(s)[i])] = <uint16_t>(i + 1)


cdef void table_write(table *s, writer *w) noexcept nogil:
    """Entries used, then for each the step from the key before (less one), and its count."""
    cdef uint32_t i, least = 0
    table_sort(s)
    write_count(w, s.used)
    for i in range(s.used):
        write_count(w, table_keys(s)[i] - least)
        least = table_keys(s)[i] + 1
        if s.counts_at:
            write_count(w, table_counts(s)[i])


cdef inline uint32_t value_word(uint32_t dtype, const void *x, size_t i) noexcept nogil:
    """The bits that tell values apart: an integer's, sign-extended, or a float's, -0 as 0."""
    cdef uint32_t u
    if dtype == DTYPE_I16:
        return <uint32_t><int32_t>(<const int16_t *>x)[i]
    u = (<const uint32_t *>x)[i]
    if dtype == DTYPE_F32 and u == <uint32_t>1 << 31:
        return 0
    return u


cdef inline bint word_is_nan(uint32_t dtype, uint32_t u) noexcept nogil:
    return dtype == DTYPE_F32 and (u & BITS_MAGNITUDE) > BITS_INF
