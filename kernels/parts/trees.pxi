# Row stage `tree`: an ensemble of decision trees, the sum of a leaf of each.
#
#   head            as all models (models.pxi)
#   link            0 none, 1 probabilities
#   trees, nodes, leaves
#   base            a float for each score
#   roots           for each tree its root's number, and in the top 8 bits the score it adds to
#   nodes           two words each, see below
#   leaves          vectors of a float for each score; where there are none a leaf is one number
#
# A node's first word has the column + 1 in its low 8 bits and the number of the right child above;
# its second is the threshold: column <= threshold goes to the next node, else to the right child.
# Column 0 marks a leaf: the second word is its number, or which vector it is. Children stand
# behind their parents, so a walk ends. Sums run in the order of the trees.

cdef enum:
    TREE_HEAD = 7
    TREE_COLUMNS_MAX = 255
    TREE_NODES_MAX = 8192


cdef struct forest:
    uint32_t columns
    uint32_t scores
    uint32_t trees
    uint32_t nodes
    uint32_t leaves
    const uint32_t *base
    const uint32_t *roots
    const uint32_t *node
    const uint32_t *leaf


cdef forest forest_of(const uint32_t *args) noexcept nogil:
    cdef forest f
    f.columns = args[1]
    f.scores = args[2]
    f.trees = args[4]
    f.nodes = args[5]
    f.leaves = args[6]
    f.base = args + TREE_HEAD
    f.roots = f.base + f.scores
    f.node = f.roots + f.trees
    f.leaf = f.node + 2 * <size_t>f.nodes
    return f


cdef bint node_valid(const forest *f, uint32_t k) noexcept nogil:
    cdef uint32_t name = f.node[2 * k] & 0xFF, right = f.node[2 * k] >> 8, word = f.node[2 * k + 1]
    if name == 0:
        return right == 0 and (word < f.leaves if f.leaves
                               else (word & BITS_MAGNITUDE) < BITS_INF)
    return name <= f.columns and k + 1 < right < f.nodes and (word & BITS_MAGNITUDE) <= BITS_INF


cdef bint tree_valid(uint32_t argc, const uint32_t *args) noexcept nogil:
    cdef forest f
    cdef uint32_t k
    if argc <= TREE_HEAD or not model_head_valid(argc, args) or args[3] > 1:
        return False
    if args[1] > TREE_COLUMNS_MAX or args[4] > TREE_NODES_MAX or args[5] > TREE_NODES_MAX:
        return False
    if args[6] > TREE_NODES_MAX or argc != (TREE_HEAD + args[2] + args[4] + 2 * args[5]
                                            + args[6] * args[2]):
        return False
    f = forest_of(args)
    for k in range(f.trees):
        if (f.roots[k] & 0xFFFFFF) >= f.nodes or f.roots[k] >> 24 >= f.scores:
            return False
    for k in range(f.scores):
        if (f.base[k] & BITS_MAGNITUDE) >= BITS_INF:
            return False
    for k in range(f.nodes):
        if not node_valid(&f, k):
            return False
    for k in range(<uint32_t>(f.leaves * f.scores)):
        if (f.leaf[k] & BITS_MAGNITUDE) >= BITS_INF:
            return False
    return True


cdef void tree_scores(const uint32_t *args, const float *row, float *out) noexcept nogil:
    cdef forest f = forest_of(args)
    cdef uint32_t t, k, s
    for s in range(f.scores):
        out[s] = atoll_float(f.base[s])
    for t in range(f.trees):
        k = f.roots[t] & 0xFFFFFF
        while f.node[2 * k] & 0xFF:
            if row[(f.node[2 * k] & 0xFF) - 1] <= atoll_float(f.node[2 * k + 1]):
                k = k + 1
            else:
                k = f.node[2 * k] >> 8
        if f.leaves == 0:
            s = f.roots[t] >> 24
            out[s] = out[s] + atoll_float(f.node[2 * k + 1])
        else:
            for s in range(f.scores):
                out[s] = out[s] + atoll_float(f.leaf[f.node[2 * k + 1] * f.scores + s])
