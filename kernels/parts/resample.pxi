# Sample stage `resample`: `up` samples for every `down`, by a polyphase low-pass (R. E. Crochiere,
# L. R. Rabiner, 1983): zeros are thought between the samples, and only what is kept is computed.
#
# Arguments: up, down, then for each phase its taps, that of the oldest sample first. An output comes
# when all its taps lie on samples, so that it does not depend on what stood before the stream.

cdef enum:
    RATIO_MAX = 256
    UP_MAX = 64  # samples made of one: they must fit in a chunk
    RESAMPLE_TAPS_MAX = 6144


cdef inline uint32_t resample_each(uint32_t argc, const uint32_t *args) noexcept nogil:
    """Taps of one phase."""
    return (argc - 2) // args[0]


cdef bint resample_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    return (argc > 2 and 1 <= args[0] <= RATIO_MAX and 1 <= args[1] <= RATIO_MAX
            and args[0] <= UP_MAX * args[1] and argc - 2 <= RESAMPLE_TAPS_MAX
            and (argc - 2) % args[0] == 0)


cdef size_t resample_size(uint32_t argc, const uint32_t *args) noexcept nogil:
    return sizeof(line) + sizeof(float) * <size_t>(resample_each(argc, args) + CHUNK)


cdef bint resample_memory_valid(const line *s, uint32_t argc, const uint32_t *args) noexcept nogil:
    """Whether a memory taken from a checkpoint keeps within its bounds."""
    return s.filled < resample_each(argc, args) and s.next <= args[0] + args[1]


cdef float taps_dot(const float *x, const float *tap, size_t n) noexcept nogil:
    """Sum of products in lanes (window.pxi)."""
    cdef vector part[PARTS]
    cdef float lane[LANES]
    cdef size_t i = 0, j
    for j in range(<size_t>PARTS):
        part[j] = atoll_splat(<float>0.0)
    while i + LANES <= n:
        for j in range(<size_t>PARTS):
            part[j] = part[j] + atoll_load(x + i + WIDE * j) * atoll_load(tap + i + WIDE * j)
        i = i + LANES
    lanes_store(lane, part)
    for j in range(n - i):
        lane[j] = lane[j] + x[i + j] * tap[i + j]
    return lanes_sum(lane)


cdef size_t resample_wide(const float *x, const float *tap, size_t each, const uint32_t *args,
                          size_t whole, uint32_t rest, uint32_t *phase,
                          float *out) noexcept nogil:
    """taps_dot of the next WIDE outputs, their trees side by side; by how much they move on."""
    cdef vector sum[WIDE]
    cdef vector part[PARTS]
    cdef const float *taps
    cdef size_t at = 0, i, j, k, left
    cdef uint32_t turn = phase[0]
    for k in range(<size_t>WIDE):
        taps = tap + turn * each
        for j in range(<size_t>PARTS):
            part[j] = atoll_splat(<float>0.0)
        i = 0
        while i + LANES <= each:
            for j in range(<size_t>PARTS):
                part[j] = part[j] + (atoll_load(x + at + i + WIDE * j)
                                     * atoll_load(taps + i + WIDE * j))
            i = i + LANES
        j = 0
        while i < each:
            left = each - i
            part[j] = part[j] + atoll_load_part(x + at + i, left) * atoll_load_part(taps + i, left)
            i = i + WIDE
            j = j + 1
        sum[k] = lanes_fold(part)
        at = at + whole
        turn = turn + rest
        if turn >= args[0]:
            turn = turn - args[0]
            at = at + 1
    atoll_store(out, turned_sum(sum))
    phase[0] = turn
    return at


cdef size_t resample_f32(line *s, const uint32_t *args, uint32_t argc, float *x,
                         size_t n) noexcept nogil:
    """A chunk in place. s.next: where the next output stands behind the first held, in phases."""
    cdef float *held = &s.value[0].f
    cdef const float *tap = <const float *>(args + 2)
    cdef size_t each = resample_each(argc, args), out = 0, at = s.next // args[0]
    cdef uint32_t phase = s.next % args[0]
    cdef size_t whole = args[1] // args[0]
    cdef uint32_t part = args[1] % args[0]
    memcpy(held + s.filled, x, n * sizeof(float))
    n = n + s.filled
    if WIDE > 1:
        while at + (whole + 1) * WIDE + each <= n:
            at = at + resample_wide(held + at, tap, each, args, whole, part, &phase, x + out)
            out = out + WIDE
    while at + each <= n:
        x[out] = taps_dot(held + at, tap + phase * each, each)
        out = out + 1
        at = at + whole
        phase = phase + part
        if phase >= args[0]:
            phase = phase - args[0]
            at = at + 1
    if at > n:
        s.next = <uint32_t>(at - n) * args[0] + phase
        s.filled = 0
        return out
    s.next = phase
    s.filled = <uint32_t>(n - at)
    memmove(held, held + at, (n - at) * sizeof(float))
    return out
