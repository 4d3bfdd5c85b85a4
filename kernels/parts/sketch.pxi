# Reducer `quantiles`: counts of values in bins whose width depends on the multiset alone.
#
# key(x) orders floats as integers: the magnitude's bits, complemented for negatives, -0 as 0.
# At level L a bin is key >> L (arithmetic), so both signs mirror each other. The level is the
# smallest at which the values seen fall into at most `bins` bins. It never falls as values come,
# and at each moment it is a function of the set seen so far; so cutting and merging in any order
# ends in the same level, bins and counts. At level 0 the quantiles are exact; at level L <= 23
# a value is known within 2^(L - 24) of itself. This is the uniform collapse of UDDSketch
# (Epicoco et al., 2020) on the mantissa-linear mapping of DDSketch (Masson et al., 2019), with no
# logarithm. Infinities and NaN are counted apart. Integers are rounded to float first.

cdef enum:
    FLOAT_KEY_HIGH = 0x7F800000
    FLOAT_KEY_LOW = -0x7F800001
    FINITE_KEY_HIGH = 0x7F7FFFFF
    FINITE_KEY_LOW = -0x7F800000
    SKETCH_LEVELS = 27  # 2^32 keys >> 27 leave 32 bins, and `bins` is 32 or more
    SKETCH_MANY = 512  # values from which on a tally pays
    SKETCH_FLUSH = 1 << 20  # values until its counts go over into the sketch
    TALLY_NONE = I32_MIN  # no key of a finite float

cdef struct sketch:
    uint64_t nan
    uint64_t plus
    uint64_t minus
    uint32_t dtype
    uint32_t bins
    uint32_t shift  # 32 less the bits of a slot's number; there are twice the bins or more
    uint32_t level
    uint32_t used
    uint32_t index_at  # bytes from the struct's start: uint16_t slot[slots], entry + 1 or 0
    uint32_t keys_at  # int32_t key[bins], dense, in no order
    uint32_t counts_at  # uint64_t count[bins]


cdef inline int32_t float_key(float x) noexcept nogil:
    """Order-preserving integer of a float that is not NaN; equal for 0 and -0."""
    cdef uint32_t u = atoll_bits(x)
    cdef uint32_t magnitude = u & BITS_MAGNITUDE
    if (u >> 31) and magnitude:
        return -1 - <int32_t>magnitude
    return <int32_t>magnitude


cdef inline int32_t f32_order(float x) noexcept nogil:
    """Bits of a float such that integers order as floats do: -0 below 0, NaN beyond infinity."""
    cdef int32_t u = <int32_t>atoll_bits(x)
    return u ^ ((u >> 31) & I32_MAX)


cdef inline bint extremes_f32(const float *x, size_t n, float *low, float *high) noexcept nogil:
    """The extremes of n > 0 finite floats, -0 as 0; False where one is not finite."""
    cdef vector least[PARTS]
    cdef vector most[PARTS]
    cdef vector odd[PARTS]
    cdef vector v
    cdef float lane[16]
    cdef float bad = <float>0.0
    cdef size_t i = 0, j
    if AVX2:
        if atoll_extremes(x, n, low, high) >= BITS_INF:
            return False
        low[0] = low[0] + <float>0.0
        high[0] = high[0] + <float>0.0
        return True
    for j in range(<size_t>PARTS):
        least[j] = atoll_splat(x[0])
        most[j] = least[j]
        odd[j] = atoll_splat(<float>0.0)
    while i + 16 <= n:
        for j in range(<size_t>PARTS):
            v = atoll_load(x + i + WIDE * j)
            least[j] = atoll_least(v, least[j])
            most[j] = atoll_most(v, most[j])
            odd[j] = odd[j] + (v - v)
        i = i + 16
    for j in range(<size_t>PARTS):
        atoll_store(lane + WIDE * j, odd[j])
    for j in range(16):
        bad = bad + lane[j]
    for j in range(<size_t>PARTS):
        atoll_store(lane + WIDE * j, least[j])
    low[0] = lane[0]
    for j in range(16):
        low[0] = atoll_lesser(lane[j], low[0])
    for j in range(<size_t>PARTS):
        atoll_store(lane + WIDE * j, most[j])
    high[0] = lane[0]
    for j in range(16):
        high[0] = atoll_greater(lane[j], high[0])
    while i < n:
        bad = bad + (x[i] - x[i])
        low[0] = atoll_lesser(x[i], low[0])
        high[0] = atoll_greater(x[i], high[0])
        i = i + 1
    low[0] = low[0] + <float>0.0
    high[0] = high[0] + <float>0.0
    return bad == <float>0.0


cdef bint f32_bounds(const float *x, size_t n, int32_t *low, int32_t *high) noexcept nogil:
    """Smallest and largest f32_order; whether there is a NaN, which then is one of them.

    Where there are no vectors of floats, bits are compared faster than floats.
    """
    cdef int32_t least = I32_MAX, most = I32_MIN, key
    cdef float bottom, top
    cdef size_t i
    if WIDE > 1 and extremes_f32(x, n, &bottom, &top):
        low[0] = f32_order(bottom)
        high[0] = f32_order(top)
        return False
    for i in range(atoll_fast_bounds_f32(x, n, &least, &most), n):
        key = f32_order(x[i])
        least = key if key < least else least
        most = key if key > most else most
    low[0] = least
    high[0] = most
    return most > BITS_INF or least < -BITS_INF - 1


cdef inline uint32_t sketch_bits(uint32_t bins) noexcept nogil:
    """Bits of a slot's number: twice the bins or more."""
    return bits_length(bins - 1) + 1


cdef inline uint32_t sketch_slots(uint32_t bins) noexcept nogil:
    return <uint32_t>1 << sketch_bits(bins)


cdef size_t sketch_size(uint32_t bins) noexcept nogil:
    return sizeof(sketch) + 8 * <size_t>bins + 4 * ((bins + 1) & ~<uint32_t>1) + 2 * sketch_slots(bins)


cdef void sketch_init(sketch *s, uint32_t dtype, uint32_t bins) noexcept nogil:
    memset(s, 0, sketch_size(bins))
    s.dtype = dtype
    s.bins = bins
    s.shift = 32 - sketch_bits(bins)
    s.counts_at = sizeof(sketch)
    s.keys_at = s.counts_at + 8 * bins
    s.index_at = s.keys_at + 4 * ((bins + 1) & ~<uint32_t>1)


cdef inline int32_t *sketch_keys(sketch *s) noexcept nogil:
    return <int32_t *>(<uint8_t *>s + s.keys_at)


cdef inline uint64_t *sketch_counts(sketch *s) noexcept nogil:
    return <uint64_t *>(<uint8_t *>s + s.counts_at)


cdef inline uint16_t *sketch_index(sketch *s) noexcept nogil:
    return <uint16_t *>(<uint8_t *>s + s.index_at)


cdef inline uint32_t sketch_find(sketch *s, int32_t key) noexcept nogil:
    """The slot that holds `key`, or the free slot where it belongs (linear probing).

    Top bits of the product: neighbours, which bins mostly are, then lie far apart (Knuth 6.4).
    """
    cdef uint32_t mask = (<uint32_t>1 << (32 - s.shift)) - 1
    cdef uint32_t at = (<uint32_t>key * HASH_FACTOR) >> s.shift
    cdef const uint16_t *index = sketch_index(s)
    cdef const int32_t *keys = sketch_keys(s)
    while index[at] != 0 and keys[index[at] - 1] != key:
        at = (at + 1) & mask
    return at


cdef void sketch_rebuild(sketch *s) noexcept nogil:
    """Index the dense entries anew, adding up entries of equal key."""
    cdef uint32_t n = s.used, i, at
    cdef uint16_t *index = sketch_index(s)
    cdef int32_t *keys = sketch_keys(s)
    cdef uint64_t *counts = sketch_counts(s)
    memset(index, 0, <size_t>2 << (32 - s.shift))
    s.used = 0
    for i in range(n):
        at = sketch_find(s, keys[i])
        if index[at]:
            counts[index[at] - 1] = counts[index[at] - 1] + counts[i]
        else:
            keys[s.used] = keys[i]
            counts[s.used] = counts[i]
            s.used = s.used + 1
            index[at] = <uint16_t>s.used


cdef void sketch_raise(sketch *s, uint32_t level) noexcept nogil:
    """Collapse to `level` or above."""
    cdef uint32_t i, by
    cdef int32_t *keys = sketch_keys(s)
    if level <= s.level:
        return
    by = level - s.level
    for i in range(s.used):
        keys[i] = keys[i] >> by
    s.level = level
    sketch_rebuild(s)


cdef void sketch_insert(sketch *s, int32_t key, uint64_t count) noexcept nogil:
    """Add `count` values of a level-0 key that has no entry yet or may have one."""
    cdef uint32_t at = sketch_find(s, key >> s.level)
    cdef uint16_t *index = sketch_index(s)
    while index[at] == 0 and s.used == s.bins:
        sketch_raise(s, s.level + 1)
        at = sketch_find(s, key >> s.level)
    if index[at] == 0:
        sketch_keys(s)[s.used] = key >> s.level
        sketch_counts(s)[s.used] = 0
        s.used = s.used + 1
        index[at] = <uint16_t>s.used
    sketch_counts(s)[index[at] - 1] = sketch_counts(s)[index[at] - 1] + count


cdef void sketch_other(sketch *s, float x) noexcept nogil:
    """A value that is not in an entry of its own yet, or is not finite."""
    cdef uint32_t u = atoll_bits(x)
    if (u & BITS_MAGNITUDE) >= BITS_INF:
        if (u & BITS_MAGNITUDE) > BITS_INF:
            s.nan = s.nan + 1
        elif u >> 31:
            s.minus = s.minus + 1
        else:
            s.plus = s.plus + 1
        return
    sketch_insert(s, float_key(x), 1)


cdef inline void sketch_one(sketch *s, float x) noexcept nogil:
    """The first slot mostly is the one; NaN and infinities, whose keys are no bin's, never."""
    cdef int32_t key
    cdef uint32_t entry
    if SMALL:
        sketch_other(s, x)
        return
    key = float_key(x) >> s.level
    entry = sketch_index(s)[(<uint32_t>key * HASH_FACTOR) >> s.shift]
    if entry and sketch_keys(s)[entry - 1] == key and (atoll_bits(x) & BITS_MAGNITUDE) < BITS_INF:
        sketch_counts(s)[entry - 1] = sketch_counts(s)[entry - 1] + 1
    else:
        sketch_other(s, x)


cdef struct tally_of_keys:
    int32_t key[TALLY_SLOTS]
    uint32_t count[TALLY_SLOTS]
    uint32_t level


cdef void tally_flush(sketch *s, tally_of_keys *t) noexcept nogil:
    """Counts into the sketch, whose level may have risen since: a bin lies whole in its later one."""
    cdef size_t i
    for i in range(<size_t>TALLY_SLOTS):
        if t.count[i]:
            sketch_insert(s, <int32_t>(<uint32_t>t.key[i] << t.level), t.count[i])
        t.key[i] = TALLY_NONE
        t.count[i] = 0
    t.level = s.level


cdef void tally_other(sketch *s, tally_of_keys *t, size_t slot, int32_t key) noexcept nogil:
    """A key whose slot holds another one, or none."""
    if t.count[slot]:
        sketch_insert(s, <int32_t>(<uint32_t>t.key[slot] << t.level), t.count[slot])
    t.key[slot] = key
    t.count[slot] = 1


cdef void tally_keys(sketch *s, tally_of_keys *t, const int32_t *key, size_t n) noexcept nogil:
    """Keys of the tally's level. Neighbours, which bins mostly are, have slots of their own."""
    cdef size_t i, slot
    cdef uint32_t sign
    for i in range(n):
        sign = <uint32_t>(key[i] >> 31)
        slot = (((<uint32_t>key[i] ^ sign) << 1) ^ (sign & 1)) & (TALLY_SLOTS - 1)
        if t.key[slot] == key[i]:
            t.count[slot] = t.count[slot] + 1
        else:
            tally_other(s, t, slot, key[i])


cdef size_t sketch_floats(uint32_t dtype, const void *x, size_t n, float *out) noexcept nogil:
    """Up to TALLY_BLOCK values as float; how many."""
    cdef size_t i
    if n > TALLY_BLOCK:
        n = TALLY_BLOCK
    if dtype == DTYPE_I16:
        for i in range(n):
            out[i] = <float>(<const int16_t *>x)[i]
    elif dtype == DTYPE_I32:
        for i in range(n):
            out[i] = <float>(<const int32_t *>x)[i]
    else:
        memcpy(out, x, n * sizeof(float))
    return n


cdef void sketch_many(sketch *s, const void *x, size_t n) noexcept nogil:
    """Counts values by their bin of the level there is, and enters bins and not values.

    A block goes value by value where one is not finite, and while the sketch has few bins, so that
    the level has mostly risen as far as it will before the tally begins.
    """
    cdef tally_of_keys t
    cdef float value[TALLY_BLOCK]
    cdef int32_t key[TALLY_BLOCK]
    cdef size_t i, m, at = 0, wide = 2 if s.dtype == DTYPE_I16 else 4
    cdef uint32_t worst
    memset(t.count, 0, sizeof(t.count))
    tally_flush(s, &t)
    while at < n:
        m = sketch_floats(s.dtype, <const uint8_t *>x + at * wide, n - at, value)
        worst = 0
        for i in range(m):
            key[i] = float_key(value[i]) >> t.level
            worst = (atoll_bits(value[i]) & BITS_MAGNITUDE if
                     (atoll_bits(value[i]) & BITS_MAGNITUDE) > worst else worst)
        if worst >= BITS_INF or 2 * s.used < s.bins:
            for i in range(m):
                sketch_one(s, value[i])
        else:
            tally_keys(s, &t, key, m)
        at = at + m
        if s.level != t.level or at % SKETCH_FLUSH < m:
            tally_flush(s, &t)
    tally_flush(s, &t)


cdef void sketch_push(sketch *s, const void *x, size_t n) noexcept nogil:
    cdef size_t i
    if ROOMY and s.dtype == DTYPE_I16 and COUNTS_LEAST <= n <= COUNTS_MOST:
        sketch_counts_i16(s, <const int16_t *>x, n)
        return
    if ROOMY and n >= SKETCH_MANY:
        sketch_many(s, x, n)
        return
    if s.dtype == DTYPE_I16:
        for i in range(n):
            sketch_one(s, <float>(<const int16_t *>x)[i])
    elif s.dtype == DTYPE_I32:
        for i in range(n):
            sketch_one(s, <float>(<const int32_t *>x)[i])
    else:
        for i in range(n):
            sketch_one(s, (<const float *>x)[i])


cdef inline void sketch_swap(sketch *s, uint32_t i, uint32_t j) noexcept nogil:
    cdef int32_t key = sketch_keys(s)[i]
    cdef uint64_t count = sketch_counts(s)[i]
    sketch_keys(s)[i] = sketch_keys(s)[j]
    sketch_counts(s)[i] = sketch_counts(s)[j]
    sketch_keys(s)[j] = key
    sketch_counts(s)[j] = count


cdef void sketch_sift(sketch *s, uint32_t root, uint32_t n) noexcept nogil:
    cdef const int32_t *keys = sketch_keys(s)
    cdef uint32_t child = 2 * root + 1
    while child < n:
        if child + 1 < n and keys[child + 1] > keys[child]:
            child = child + 1
        if keys[root] >= keys[child]:
            return
        sketch_swap(s, root, child)
        root = child
        child = 2 * root + 1


cdef void sketch_sort(sketch *s) noexcept nogil:
    """Order the entries by key (heap sort, in place), and index them anew."""
    cdef uint32_t n = s.used, i
    for i in range(n // 2, 0, -1):
        sketch_sift(s, i - 1, n)
    for i in range(n, 1, -1):
        sketch_swap(s, 0, i - 1)
        sketch_sift(s, 0, i - 1)
    sketch_rebuild(s)


cdef void sketch_write(sketch *s, writer *w) noexcept nogil:
    """NaN, +inf, -inf, level, bins used; the first key zigzag, then differences less one; counts."""
    cdef uint32_t i
    cdef int64_t key, before = 0
    cdef int32_t *keys = sketch_keys(s)
    sketch_sort(s)
    write_count(w, s.nan)
    write_count(w, s.plus)
    write_count(w, s.minus)
    write_count(w, s.level)
    write_count(w, s.used)
    for i in range(s.used):
        key = keys[i]
        if i == 0:
            write_count(w, <uint64_t>((2 * key) ^ (key >> 63)))
        else:
            write_count(w, <uint64_t>(key - before - 1))
        before = key
        write_count(w, sketch_counts(s)[i])


cdef void sketch_read(sketch *s, reader *r) noexcept nogil:
    """Merge: the higher of both levels, the union of the bins, then as pushing would."""
    cdef uint32_t level, used, i
    cdef int64_t key = 0, low, high
    cdef uint64_t step, count, total = 0
    count_add(&s.nan, read_count(r), r)
    count_add(&s.plus, read_count(r), r)
    count_add(&s.minus, read_count(r), r)
    level = read_bounded(r, SKETCH_LEVELS)
    used = read_bounded(r, s.bins)
    if r.status != STATUS_OK:
        return
    low = <int64_t>FINITE_KEY_LOW >> level
    high = <int64_t>FINITE_KEY_HIGH >> level
    sketch_raise(s, level)
    for i in range(s.used):
        total = total + sketch_counts(s)[i]
    for i in range(used):
        step = read_count(r)
        if step >> 33:
            r.status = STATUS_DAMAGED
        if i == 0:
            key = <int64_t>(step >> 1) ^ -<int64_t>(step & 1)
        else:
            key = key + 1 + <int64_t>step
        count = read_count(r)
        if count == 0 or key < low or key > high:
            r.status = STATUS_DAMAGED
        count_add(&total, count, r)
        if r.status != STATUS_OK:
            return
        sketch_insert(s, <int32_t>((<uint64_t>key & LOW32) << level), count)
