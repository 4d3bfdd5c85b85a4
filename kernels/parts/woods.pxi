# Trees over many rows, where there is room: WIDE rows walk down a tree side by side, each a step in turn, so
# that none waits for the comparison of another, and no branch has to be guessed.

cdef enum:
    WOOD_NODES = 2048  # of a forest, at most, for that
    WOOD_COLUMNS = 64


cdef void wood_plant(const forest *f, node *tree, uint16_t *depth) noexcept nogil:
    """The nodes with the places of their values among those of WIDE rows, and how far each stands above
    its lowest leaf. A leaf leads to itself: its place, 0, holds NaN, which is above nothing."""
    cdef uint32_t k = f.nodes, right
    while k:
        k = k - 1
        tree[k].most = atoll_float(f.node[2 * k + 1])
        tree[k].at = WIDE * (f.node[2 * k] & 0xFF)
        tree[k].next[0] = <uint32_t>sizeof(node) * k
        tree[k].next[1] = <uint32_t>sizeof(node) * k
        depth[k] = 0
        if tree[k].at:
            right = f.node[2 * k] >> 8
            tree[k].next[0] = <uint32_t>sizeof(node) * right
            tree[k].next[1] = <uint32_t>sizeof(node) * (k + 1)
            depth[k] = <uint16_t>(1 + (depth[k + 1] if depth[k + 1] > depth[right] else depth[right]))


cdef void wood_leaves(const forest *f, const node *tree, const uint32_t *end, uint32_t root, float *sum,
                      uint32_t wide) noexcept nogil:
    """What a tree's leaves add to the scores of WIDE rows, which stand `wide` floats apart."""
    cdef const float *value = <const float *>f.leaf
    cdef uint32_t r, s, word
    if f.leaves and f.scores <= 4 and atoll_leaves(tree, end, value, f.scores, sum):
        return
    for r in range(<uint32_t>WIDE):
        word = atoll_bits(tree[end[r] // <uint32_t>sizeof(node)].most)
        if f.leaves == 0:
            s = wide * r + (root >> 24)
            sum[s] = sum[s] + atoll_float(word)
            continue
        for s in range(f.scores):
            sum[wide * r + s] = sum[wide * r + s] + value[word * f.scores + s]


cdef void wood_nan(const float *side, size_t columns, size_t count, uint32_t width,
                   float *scores) noexcept nogil:
    """NaN into the scores of rows that hold one."""
    cdef size_t r, j
    cdef uint32_t s
    if not some_nan(side, columns * WIDE):
        return
    for r in range(count):
        for j in range(columns):
            if side[WIDE * j + r] != side[WIDE * j + r]:
                for s in range(width):
                    scores[width * r + s] = atoll_float(BITS_NAN)


cdef void wood_scores(const uint32_t *args, uint32_t dtype, const uint8_t *x, size_t apart, size_t count,
                      float *scores) noexcept nogil:
    """tree_scores of many rows; NaN where a row holds one."""
    cdef node tree[WOOD_NODES]
    cdef uint16_t depth[WOOD_NODES]
    cdef float side[WIDE * (WOOD_COLUMNS + 1)]
    cdef float sum[WIDE * MODEL_OUTPUTS_MAX]
    cdef uint32_t end[WIDE]
    cdef forest f = forest_of(args)
    cdef size_t at = 0, m, r
    cdef uint32_t t, s, root, wide = f.scores if f.scores > 4 else <uint32_t>4
    wood_plant(&f, tree, depth)
    memset(sum, 0, sizeof(sum))
    while at < count:
        m = count - at if count - at < WIDE else <size_t>WIDE
        atoll_store(side, atoll_splat(atoll_float(BITS_NAN)))
        columns_many(dtype, x + at * apart, apart, m, f.columns, side + WIDE)
        for r in range(<size_t>WIDE):
            memcpy(sum + wide * r, f.base, f.scores * sizeof(float))
        for t in range(f.trees):
            root = f.roots[t] & 0xFFFFFF
            atoll_walk(tree, side, <uint32_t>sizeof(node) * root, depth[root], end)
            wood_leaves(&f, tree, end, f.roots[t], sum, wide)
        for r in range(m):
            for s in range(f.scores):
                scores[f.scores * r + s] = sum[wide * r + s]
        wood_nan(side + WIDE, f.columns, m, f.scores, scores)
        scores = scores + f.scores * m
        at = at + m
