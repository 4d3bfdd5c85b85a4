# Checkpoints: what stages with running memory hold, to go on elsewhere from the same sample.


cdef bint memory_valid(plan *p, const operation *op, uint32_t channel) noexcept nogil:
    """Whether a memory taken from a checkpoint keeps within its bounds."""
    cdef const uint32_t *args = <const uint32_t *>plan_at(p, op.args_at)
    cdef const void *state = plan_at(p, op.state_at + channel * op.each)
    if op.code == OP_FIR:
        return (<const line *>state).filled < op.argc
    if op.code == OP_RESAMPLE:
        return resample_memory_valid(<const line *>state, op.argc, args)
    if op.code == OP_MEDIAN:
        return (<const line *>state).filled <= args[0] and (<const line *>state).next < args[0]
    if op.code == OP_DECIMATE:
        return (<const delay *>state).filled < args[0]
    if op.code == OP_NOVELTY:
        return (<const novelty *>state).used <= args[0]
    return True


cdef size_t checkpoint_memory(plan *p, uint32_t k, bint rows) noexcept nogil:
    """Bytes of operation k in that part of a checkpoint: sample stages, or row stages."""
    cdef uint32_t group = op_group(plan_op(p, k).code)
    if group == GROUP_ROWS and rows and op_remembers(plan_op(p, k).code):
        return stage_memory(p, k)
    return stage_memory(p, k) if group == GROUP_SAMPLES and not rows else <size_t>0


cdef size_t plan_checkpoint(plan *p, bint rows, uint8_t *out, size_t room) noexcept nogil:
    """Copy the memories of the sample stages, or of the row stages; their bytes (0: no room).

    A piece's windows may need samples that the next piece starts with: the sample stages are
    saved before those, the row stages when the windows have run.
    """
    cdef size_t used = 0, size
    cdef uint32_t k
    for k in range(p.ops):
        size = checkpoint_memory(p, k, rows)
        if used + size > room:
            return 0
        memcpy(out + used, plan_at(p, plan_op(p, k).state_at), size)
        used = used + size
    return used


cdef uint32_t plan_resume(plan *p, const uint8_t *data, size_t size, uint32_t skip) noexcept nogil:
    """Take a checkpoint (sample stages, then row stages) into a fresh state.

    The first `skip` outputs of the sample stages are dropped: what the stages kept back when the
    stream began. Those outputs belong to windows that the checkpoint's owner has run.
    """
    cdef size_t used = 0, n
    cdef uint32_t k, c
    cdef operation *op
    for k in range(<uint32_t>(2 * p.ops)):
        op = plan_op(p, k % p.ops)
        n = checkpoint_memory(p, k % p.ops, k >= p.ops)
        if n > size - used:
            return STATUS_DAMAGED
        memcpy(plan_at(p, op.state_at), data + used, n)
        used = used + n
        for c in range(p.channels):
            if n > c * op.each and not memory_valid(p, op, c):
                return STATUS_DAMAGED
    if used != size:
        return STATUS_DAMAGED
    if p.window:
        p.skip = skip
    return STATUS_OK
