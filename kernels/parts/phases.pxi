# The outputs of `resample`, where there is room many at a time: phase by phase. Outputs of one phase
# have the same taps, and stand on samples `down` apart; with those side by side (and so all that are
# so far from each other) a vector holds as many outputs, each with the sums in lanes of its own taps.

cdef enum:
    PHASE_TAPS = 1024  # taps of a phase, at most, for that
    PHASE_TURNS = 2 * WIDE  # outputs of one phase at a time; after `up` outputs the phases come again


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


cdef inline void phase_lane(const float *apart, const uint32_t *where, const float *tap, size_t each, size_t j,
                            vector *sum) noexcept nogil:
    """Lane j of PHASE_TURNS outputs."""
    cdef vector h
    cdef size_t k = j
    sum[0] = atoll_splat(<float>0.0)
    sum[1] = sum[0]
    while k < each:
        h = atoll_splat(tap[k])
        sum[0] = sum[0] + atoll_load(apart + where[k]) * h
        sum[1] = sum[1] + atoll_load(apart + where[k] + WIDE) * h
        k = k + LANES


cdef inline void phase_lanes(const float *apart, const uint32_t *where, const float *tap, size_t each, size_t j,
                             vector *sum) noexcept nogil:
    """Lanes j, j + 4, j + 8 and j + 12: lanes_sum down to four."""
    cdef vector a[2]
    cdef vector b[2]
    cdef size_t i
    phase_lane(apart, where, tap, each, j, sum)
    phase_lane(apart, where, tap, each, j + 8, a)
    for i in range(2):
        sum[i] = sum[i] + a[i]
    phase_lane(apart, where, tap, each, j + 4, a)
    phase_lane(apart, where, tap, each, j + 12, b)
    for i in range(2):
        sum[i] = sum[i] + (a[i] + b[i])


cdef void phase_dots(const float *apart, const uint32_t *where, const float *tap, size_t each,
                     float *out) noexcept nogil:
    """taps_dot of PHASE_TURNS outputs of one phase."""
    cdef vector a[2]
    cdef vector b[2]
    cdef vector c[2]
    cdef size_t i
    phase_lanes(apart, where, tap, each, 0, a)
    phase_lanes(apart, where, tap, each, 2, b)
    for i in range(2):
        c[i] = a[i] + b[i]
    phase_lanes(apart, where, tap, each, 1, a)
    phase_lanes(apart, where, tap, each, 3, b)
    for i in range(2):
        atoll_store(out + WIDE * i, c[i] + (a[i] + b[i]))


cdef size_t phases_turns(const float *held, size_t n, const uint32_t *args, size_t each, uint32_t phase,
                         float *out) noexcept nogil:
    """Whole turns of outputs from n samples on, the first of this phase; how many turns."""
    cdef float apart[RUN + PHASE_TAPS + 2 * RATIO_MAX]
    cdef uint32_t where[PHASE_TAPS + 2 * RATIO_MAX]
    cdef uint32_t ahead[UP_MAX + 1]
    cdef float dot[PHASE_TURNS]
    cdef const float *tap = <const float *>(args + 2)
    cdef uint32_t up = args[0], down = args[1], turn = phase, o
    cdef size_t stride, count, i, k, t
    if each > PHASE_TAPS or up > UP_MAX:
        return 0
    ahead[0] = 0
    for o in range(up):
        ahead[o + 1] = ahead[o] + (turn + down) // up
        turn = (turn + down) % up
    if n < ahead[up - 1] + each + (PHASE_TURNS - 1) * <size_t>down:
        return 0
    count = (n - ahead[up - 1] - each) // down + 1
    count = count & ~<size_t>(PHASE_TURNS - 1)
    stride = n // down + 1
    for k in range(down):
        i = k
        t = k * stride
        while i < n:
            apart[t] = held[i]
            t = t + 1
            i = i + down
    for k in range(ahead[up - 1] + each):
        where[k] = <uint32_t>(k % down * stride + k // down)
    t = 0
    while t < count:
        turn = phase
        for o in range(up):
            phase_dots(apart + t, where + ahead[o], tap + turn * each, each, dot)
            for k in range(<size_t>PHASE_TURNS):
                out[(t + k) * up + o] = dot[k] + <float>0.0  # lanes begin at 0: no sum of them is -0
            turn = (turn + down) % up
        t = t + PHASE_TURNS
    return count


cdef size_t resample_run(line *s, float *held, const uint32_t *args, uint32_t argc, float *x,
                         size_t n) noexcept nogil:
    """Outputs of n samples, those of before among them. s.next: where the next stands behind the first
    of them, in phases."""
    cdef const float *tap = <const float *>(args + 2)
    cdef size_t each = resample_each(argc, args), out = 0, at = s.next // args[0], turns
    cdef uint32_t phase = s.next % args[0]
    cdef size_t whole = args[1] // args[0]
    cdef uint32_t part = args[1] % args[0]
    if ROOMY and WIDE > 1 and at < n:
        turns = phases_turns(held + at, n - at, args, each, phase, x)
        at = at + turns * args[1]
        out = turns * args[0]
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
    memmove(&s.value[0].f, held + at, (n - at) * sizeof(float))
    return out


cdef size_t resample_many(line *s, const uint32_t *args, uint32_t argc, float *x, size_t n) noexcept nogil:
    """n <= RUN samples in place: more than the memory holds."""
    cdef float held[RUN + RESAMPLE_TAPS_MAX]
    memcpy(held, &s.value[0].f, s.filled * sizeof(float))
    memcpy(held + s.filled, x, n * sizeof(float))
    return resample_run(s, held, args, argc, x, s.filled + n)


cdef size_t resample_f32(line *s, const uint32_t *args, uint32_t argc, float *x,
                         size_t n) noexcept nogil:
    """A chunk in place."""
    cdef float *held = &s.value[0].f
    memcpy(held + s.filled, x, n * sizeof(float))
    return resample_run(s, held, args, argc, x, s.filled + n)
