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
    """Sum of products in lanes (lanes.pxi)."""
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
