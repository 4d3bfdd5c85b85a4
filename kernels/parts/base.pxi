# What every part shares: C types, the platform header, dtypes, statuses, kernel codes, and
# float rounding done with integers.
#
# The rules of the portable subset (docs/kernels.md): `cdef ... noexcept nogil` over pointers
# and structs, size_t indices, no Python object, no heap, no exception, no mutable global,
# float literals only under a <float> cast (Cython writes them as double otherwise).

cdef extern from "parts/platform.h" nogil:
    const uint64_t LOW32 "ATOLL_LOW32"
    const uint64_t COUNTS_SIGNS "ATOLL_SIGNS"
    const uint32_t HASH_FACTOR "ATOLL_HASH"
    const int32_t I32_MAX "INT32_MAX"
    const int32_t I32_MIN "INT32_MIN"
    uint64_t atoll_mix(uint64_t x)
    uint32_t atoll_bits(float x)
    float atoll_float(uint32_t u)
    float atoll_lesser(float x, float kept)
    float atoll_greater(float x, float kept)
    uint32_t atoll_mode_enter()
    void atoll_mode_leave(uint32_t old)
    ctypedef float vector "atoll_vector"
    enum:
        SMALL "ATOLL_SMALL"
        SOFT_ROOT "ATOLL_SOFT_ROOT"
        FAST_LANES "ATOLL_FAST_LANES"
        WIDE "ATOLL_WIDE"
        PARTS "ATOLL_PARTS"
        ROOMY "ATOLL_ROOMY"
        RUN "ATOLL_RUN"
        PLANAR "ATOLL_PLANAR"
        TALLY_SLOTS "ATOLL_TALLY_SLOTS"
        TALLY_BLOCK "ATOLL_TALLY_BLOCK"
        POINTS "ATOLL_POINTS"
        COUNTERS "ATOLL_COUNTERS"
        PROTOTYPES "ATOLL_PROTOTYPES"
        EXPONENTS "ATOLL_EXPONENTS"
        AVX2 "ATOLL_AVX2"
    vector atoll_load(const float *x)
    void atoll_store(float *x, vector v)
    vector atoll_splat(float x)
    vector atoll_least(vector v, vector kept)
    vector atoll_most(vector v, vector kept)
    void atoll_expect(const void *x, size_t ahead)
    vector atoll_load_i16(const int16_t *x, int32_t less)
    vector atoll_load_i32(const int32_t *x)
    size_t atoll_exact_sum(const float *x, size_t n, int64_t *total, uint32_t *at)
    uint32_t atoll_span(const float *x, size_t n, uint32_t *high, uint32_t *low)
    int64_t atoll_span_sum(const float *x, size_t n, uint32_t low)
    int64_t atoll_short_dot(const float *x, const float *y, size_t n)
    size_t atoll_span_dot(const float *x, const float *y, size_t n, uint32_t high, uint32_t low,
                          int64_t *over, int64_t *under)
    size_t atoll_every_i16(const int16_t *x, size_t n, size_t step, int32_t *out)
    size_t atoll_every_u32(const uint32_t *x, size_t n, size_t step, uint32_t *out)
    void atoll_deal_u16(const uint16_t *x, size_t channels, size_t n, uint16_t *out, size_t apart)
    void atoll_deal_u32(const uint32_t *x, size_t channels, size_t n, uint32_t *out, size_t apart)
    size_t atoll_rounded(const float *x, size_t n, float by, int32_t *out)
    void atoll_add_wide(int64_t *total, const int32_t *x, size_t n)
    vector atoll_load_part(const float *x, size_t n)
    void atoll_layer_rows(const int16_t *row, size_t each, int16_t *x)
    ctypedef struct output "atoll_output":
        const uint32_t *weight
        int32_t base
        int32_t by
        uint32_t shift
    void atoll_layer_bytes(const float *row, size_t n, float by, int32_t zero, int16_t *x)
    void atoll_layer_pair(const output *o, uint32_t outputs, size_t words, const int16_t *x, int32_t low,
                          int32_t most, int16_t *y)
    void atoll_layer_scores(const int16_t *y, uint32_t outputs, size_t count, float by, float *out)
    void atoll_turn(vector *v)
    vector atoll_root(vector v)
    vector atoll_count(float first)
    vector atoll_side_middle(const vector *x, size_t n, vector *upper)
    uint32_t atoll_side_shares(vector share, vector *term)
    enum:
        MADE_ABS "ATOLL_MADE_ABS"
        MADE_CLIP "ATOLL_MADE_CLIP"
        MADE_SCALE "ATOLL_MADE_SCALE"
        MADE_DIFF "ATOLL_MADE_DIFF"
    uint32_t atoll_made_of_f32(uint32_t how, const float *x, size_t n, float a, float b, float *low,
                               float *high)
    uint32_t atoll_tapered_i16(const int16_t *x, const float *weight, size_t n, float *low, float *high)
    uint32_t atoll_tapered_f32(const float *x, const float *weight, size_t n, float *low, float *high)
    uint32_t atoll_abs_bounds(const int16_t *x, size_t n, int32_t *low, int32_t *high)
    uint32_t atoll_i16_bounds(const int16_t *x, size_t n, uint32_t less, int32_t *low, int32_t *high)
    vector atoll_pick_upto(vector v, vector most, vector yes, vector no)
    uint32_t atoll_rises(const float *p, size_t n, float most)
    ctypedef struct node "atoll_node":
        float most
        uint32_t at
        uint32_t next[2]
    void atoll_walk(const node *tree, const float *value, uint32_t root, uint32_t steps, uint32_t *end)
    uint32_t atoll_leaves(const node *tree, const uint32_t *end, const float *value, uint32_t width,
                          float *sum)
    size_t atoll_switch(const float *x, size_t n, float high, float low, uint32_t *on, float *out)
    size_t atoll_four_i16(const uint8_t *x, size_t apart, size_t count, float *out)
    size_t atoll_four_f32(const uint8_t *x, size_t apart, size_t count, float *out)
    void atoll_near_groups(const float *side, size_t apart, size_t n, const float *point, size_t columns,
                       size_t points, int32_t *best)
    void atoll_group_sums(const float *rows, size_t n, const int32_t *group, size_t columns,
                          size_t groups, const uint32_t *low, int64_t *total)
    uint32_t atoll_extremes(const float *x, size_t n, float *low, float *high)
    float sqrtf(float x)
    uint32_t atoll_length(uint64_t x)
    # Parts of loops by a core's own instructions (cortexm.h): how many samples they did.
    size_t atoll_fast_sum(float *lane, const float *x, size_t n)
    size_t atoll_fast_squares(float *lane, const float *x, size_t n)
    size_t atoll_fast_scale_i32(const int32_t *x, float *out, size_t n, float by, float add)
    size_t atoll_fast_diff_f32(float *x, size_t n)
    size_t atoll_fast_taper(const float *weight, float *x, size_t n)
    size_t atoll_fast_taper_back(const float *weight, float *x, size_t n)
    size_t atoll_fast_biquad(float *state, const void *word, float *x, size_t n)
    size_t atoll_fast_fir(const float *held, const void *tap, size_t taps, float *out, size_t n)
    size_t atoll_fast_bounds_i16(const int16_t *x, size_t n, int16_t *low, int16_t *high)
    size_t atoll_fast_bounds_i32(const int32_t *x, size_t n, int32_t *low, int32_t *high)
    size_t atoll_fast_bounds_f32(const float *x, size_t n, int32_t *low, int32_t *high)
    size_t atoll_fast_sum_i16(const int16_t *x, size_t n, int32_t *total)
    size_t atoll_fast_sum_i32(const int32_t *x, size_t n, int64_t *total)
    size_t atoll_fast_squares_i16(const int16_t *x, size_t n, uint64_t *total)
    size_t atoll_fast_squares_i32(const int32_t *x, size_t n, uint64_t *low, uint64_t *high)
    size_t atoll_fast_abs_f32(float *x, size_t n)
    size_t atoll_fast_abs_i32(int32_t *x, size_t n)
    size_t atoll_fast_clip_i32(int32_t *x, size_t n, int32_t least, int32_t most)
    size_t atoll_fast_diff_i32(int32_t *x, size_t n)
    size_t atoll_fast_widen(const int16_t *x, int32_t *out, size_t n)
    enum:
        USER_SAMPLES "ATOLL_USER_SAMPLES"
        USER_WINDOW "ATOLL_USER_WINDOW"
    bint atoll_user_fits(uint32_t identity, uint32_t kind, uint32_t numbers)
    void atoll_user_samples(const uint32_t *args, float *x, size_t n)
    float atoll_user_window(const uint32_t *args, const float *x, size_t n)
    void *memcpy(void *to, const void *source, size_t n)
    void *memmove(void *to, const void *source, size_t n)
    void *memset(void *to, int value, size_t n)

cdef enum:
    DTYPE_NONE = 0
    DTYPE_I16 = 1
    DTYPE_I32 = 2
    DTYPE_F32 = 3

cdef enum:
    STATUS_OK = 0
    STATUS_BAD_PROGRAM = 1
    STATUS_NO_SPACE = 2
    STATUS_DAMAGED = 3
    STATUS_OTHER_PLAN = 4
    STATUS_OTHER_DTYPE = 5
    STATUS_OVERFLOW = 6
    STATUS_ROWS_FULL = 7

cdef enum:
    BITS_NAN = 0x7FC00000
    BITS_INF = 0x7F800000
    BITS_MAGNITUDE = 0x7FFFFFFF


cdef inline uint32_t bits_length(uint64_t x) noexcept nogil:
    """Number of bits of x: 0 for 0, 64 for 2^63 and above."""
    return atoll_length(x)


cdef inline float float_plain(float x) noexcept nogil:
    """x with one bit pattern for NaN (7fc00000), as stored and hashed values must have."""
    if x != x:
        return atoll_float(BITS_NAN)
    return x


cdef inline float float_pick(bint first, float a, float b) noexcept nogil:
    """a where `first` is set, else b, by their bits: compilers then see no branch to compute a in."""
    cdef uint32_t mask = <uint32_t>0 - <uint32_t>first
    return atoll_float((atoll_bits(a) & mask) | (atoll_bits(b) & ~mask))


cdef inline float float_power(int32_t e) noexcept nogil:
    """2^e for -126 <= e <= 127."""
    return atoll_float(<uint32_t>(e + 127) << 23)


cdef inline int32_t float_exponent(float x) noexcept nogil:
    """floor(log2 |x|) for normal x; -127 for zero and subnormals, 128 for NaN and infinity."""
    return <int32_t>((atoll_bits(x) >> 23) & 0xFF) - 127


cdef float float_round(uint64_t q, int32_t e, bint rest, bint negative) noexcept nogil:
    """The float nearest to (q + rest') 2^e, ties to even; 0 < rest' < 1 where `rest` is set.

    For q of at least 25 bits where `rest` is set, and a result in the normal range.
    """
    cdef uint32_t length = bits_length(q)
    cdef uint32_t drop, kept
    cdef uint64_t half
    if q == 0:
        return <float>0.0
    if length > 24:
        drop = length - 24
        half = <uint64_t>1 << (drop - 1)
        kept = <uint32_t>(q >> drop)
        if (q & half) and (rest or (q & (half - 1)) or (kept & 1)):
            kept = kept + 1
        if kept >> 24:
            kept = kept >> 1
            drop = drop + 1
        e = e + <int32_t>drop
    else:
        kept = <uint32_t>q << (24 - length)
        e = e - <int32_t>(24 - length)
    e = e + 150
    if e > 254:
        kept = BITS_INF
    else:
        kept = (<uint32_t>e << 23) | (kept & 0x7FFFFF)
    if negative:
        kept = kept | (<uint32_t>1 << 31)
    return atoll_float(kept)


cdef inline float float_from_i64(int64_t x) noexcept nogil:
    """The float nearest to x, ties to even."""
    if x < 0:
        return float_round(<uint64_t>0 - <uint64_t>x, 0, False, True)
    return float_round(<uint64_t>x, 0, False, False)


cdef uint64_t divide(uint64_t a, uint64_t n, uint64_t *rest) noexcept nogil:
    """a // n and the remainder; n < 2^63. Small: bit by bit, without the compiler's library."""
    cdef uint64_t left = 0
    cdef uint32_t k
    if not SMALL:
        rest[0] = a % n
        return a // n
    for k in range(64):
        left = (left << 1) | (a >> 63)
        a = a << 1
        if left >= n:
            left = left - n
            a = a | 1
    rest[0] = left
    return a


cdef float float_ratio(int64_t a, uint32_t n) noexcept nogil:
    """The float nearest to a / n, ties to even; n > 0."""
    cdef bint negative = a < 0
    cdef uint64_t m = <uint64_t>a
    cdef uint64_t q, rest
    cdef int32_t shift
    if negative:
        m = <uint64_t>0 - m
    if m == 0:
        return <float>0.0
    if not SMALL and (n & (n - 1)) == 0:
        return float_round(m, 1 - <int32_t>bits_length(n), False, negative)
    # A quotient of 26 bits or more: one for rounding, the remainder decides the rest.
    shift = 27 + <int32_t>bits_length(n) - <int32_t>bits_length(m)
    if shift < 0:
        shift = 0
    q = divide(m << shift, n, &rest)
    return float_round(q, -shift, rest != 0, negative)


cdef uint32_t root_floor(uint64_t q) noexcept nogil:
    """floor(sqrt(q)) for q < 2^63: sqrtf for a start, one Newton step, then exact steps of one.

    Small: digit by digit, in base 2 (Woo's abacus algorithm).
    """
    cdef uint64_t r = 0, bit = <uint64_t>1 << 62
    if SMALL:
        while bit:
            if q >= r + bit:
                q = q - r - bit
                r = r + 2 * bit
            r = r >> 1
            bit = bit >> 2
        return <uint32_t>r
    if q == 0:
        return 0
    r = <uint32_t>sqrtf(float_from_i64(<int64_t>q))
    if r == 0:
        r = 1
    if q >> 52:
        r = (r + q // r) >> 1  # else the start is a few steps off at most
    while r * r > q:
        r = r - 1
    while (r + 1) * (r + 1) <= q:
        r = r + 1
    return <uint32_t>r


cdef int64_t float_whole(float x) noexcept nogil:
    """x without its fraction; |x| < 2^62. On small machines by its bits: their compiler calls a library."""
    cdef int32_t e = float_exponent(x) - 23
    cdef int64_t m = (atoll_bits(x) & 0x7FFFFF) | 0x800000
    if WIDE > 1:
        return <int64_t>x
    if e < -23:
        return 0
    m = m << e if e >= 0 else m >> -e
    return -m if atoll_bits(x) >> 31 else m


cdef float float_root_half(uint64_t q, uint32_t by) noexcept nogil:
    """The float nearest to sqrt(q / 2^by), q < 2^62: no division, q only moves to 50 bits or more."""
    cdef uint32_t length = bits_length(q), shift = by & 1, root
    if length == 0:
        return <float>0.0
    if length < 50:
        shift = shift + ((51 - length) & ~<uint32_t>1)
    q = q << shift
    root = root_floor(q)
    return float_round(root, -<int32_t>((shift + by) >> 1), <uint64_t>root * root != q, False)


cdef float float_root_ratio(uint64_t low, uint64_t high, uint32_t n) noexcept nogil:
    """The float nearest to sqrt((low + 2^32 high) / n), ties to even; n > 0, high < 2^62.

    Long division by 32-bit digits of the sum, shifted left by 2k, gives q of 49 bits or more;
    floor(sqrt(q)) then has 25 bits or more and the remainders decide the rounding.
    """
    cdef uint32_t word[4]
    cdef uint32_t length, k = 0, root
    cdef uint64_t top = high + (low >> 32)
    cdef uint64_t q = 0, rest = 0
    cdef int32_t i
    if not SMALL and (n & (n - 1)) == 0 and top >> 30 == 0:
        return float_root_half((top << 32) | (low & LOW32), bits_length(n) - 1)
    word[0] = <uint32_t>low
    word[1] = <uint32_t>top
    word[2] = <uint32_t>(top >> 32)
    word[3] = 0
    length = bits_length(top) + 32
    if top == 0:
        length = bits_length(word[0])
    if length == 0:
        return <float>0.0
    if length < 51 + bits_length(n):
        k = (52 + bits_length(n) - length) >> 1
        wide_shift(word, 2 * k)
    for i in range(3, -1, -1):
        q = (q << 32) | divide((rest << 32) | word[i], n, &rest)
    root = root_floor(q)
    return float_round(root, -<int32_t>k, rest != 0 or <uint64_t>root * root != q, False)


cdef float float_root(float x) noexcept nogil:
    """The float nearest to sqrt(x), as sqrtf gives it; of negative numbers NaN."""
    cdef uint64_t m = atoll_bits(x) & 0x7FFFFF
    cdef int32_t e = float_exponent(x)
    if not SOFT_ROOT:
        return sqrtf(x)
    if e == 128 or not x > <float>0.0:
        return x if x >= <float>0.0 or x != x else atoll_float(BITS_NAN)
    if e == -127:
        e = -126
    else:
        m = m | 0x800000
    e = e - 23
    return float_root_ratio(m << (e & 1), 0, 1) * float_power(e >> 1)


cdef void wide_shift(uint32_t *word, uint32_t by) noexcept nogil:
    """Shift four 32-bit words left by `by` < 96 bits; what leaves the top is lost."""
    cdef int32_t skip = <int32_t>(by >> 5)
    cdef uint32_t r = by & 31
    cdef int32_t i
    cdef uint64_t pair
    for i in range(3, -1, -1):
        pair = 0
        if i >= skip:
            pair = <uint64_t>word[i - skip] << 32
        if i > skip:
            pair = pair | word[i - skip - 1]
        word[i] = <uint32_t>((pair << r) >> 32)
