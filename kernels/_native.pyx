# cython: boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, nonecheck=False, infer_types=False
"""The portable kernels as one extension, and the thin layer that Python calls.

The parts are included, not imported: one shared object is smaller in memory, functions inline
across parts, and kernels/portable.py cuts the same functions out of the generated C. Python
objects appear in this file only: it checks buffers, drops the GIL once a call and turns a status
into an exception.
"""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBuffer_Release
from cpython.buffer cimport PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport calloc, free, malloc
from libc.stdint cimport (
    int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

from atoll.kernels.errors import KernelError

include "parts/base.pxi"
include "parts/codec.pxi"
include "parts/limbs.pxi"
include "parts/powers.pxi"
include "parts/sketch.pxi"
include "parts/extrema.pxi"
include "parts/histogram.pxi"
include "parts/table.pxi"
include "parts/distinct.pxi"
include "parts/hitters.pxi"
include "parts/gram.pxi"
include "parts/vectors.pxi"
include "parts/counts.pxi"
include "parts/lanes.pxi"
include "parts/window.pxi"
include "parts/central.pxi"
include "parts/detrend.pxi"
include "parts/samples.pxi"
include "parts/filters.pxi"
include "parts/memory.pxi"
include "parts/spectrum.pxi"
include "parts/logarithm.pxi"
include "parts/psd.pxi"
include "parts/peaks.pxi"
include "parts/readings.pxi"
include "parts/resample.pxi"
include "parts/phases.pxi"
include "parts/trend.pxi"
include "parts/models.pxi"
include "parts/trees.pxi"
include "parts/network.pxi"
include "parts/detectors.pxi"
include "parts/operations.pxi"
include "parts/program.pxi"
include "parts/rows.pxi"
include "parts/reducers.pxi"
include "parts/crowds.pxi"
include "parts/woods.pxi"
include "parts/many.pxi"
include "parts/transforms.pxi"
include "parts/sides.pxi"
include "parts/spectra.pxi"
include "parts/watches.pxi"
include "parts/glances.pxi"
include "parts/feed.pxi"
include "parts/first.pxi"
include "parts/stands.pxi"
include "parts/interpreter.pxi"
include "parts/checkpoint.pxi"

cdef extern from "parts/platform.h":
    bint atoll_user_add(const void *kernel)

# A state is at most this large: a window of WINDOW_MAX floats, its frame, and 64 sketches.
DEF_STATE_MAX = 64 * 1024 * 1024

cdef dict MESSAGES = {
    STATUS_BAD_PROGRAM: "the program is not valid for this version of the kernels",
    STATUS_NO_SPACE: "the partial does not fit in its buffer",
    STATUS_DAMAGED: "the partial is damaged: its bytes are not what any plan writes",
    STATUS_OTHER_PLAN: "the partial belongs to another plan",
    STATUS_OTHER_DTYPE: "the partial belongs to streams of another dtype",
    STATUS_OVERFLOW: "the partials' counts or sums are beyond 2^63 samples",
    STATUS_ROWS_FULL: "the rows do not fit in their buffer",
}


cdef object failure(uint32_t status):
    return KernelError(MESSAGES.get(status, f"status {status}"))


def add_user(capsule) -> None:
    """Let plans name the kernel of this capsule (users.py)."""
    if not atoll_user_add(PyCapsule_GetPointer(capsule, b"atoll.kernel.1")):
        raise KernelError("too many users' kernels in this process")


def state_size(words: bytes) -> int:
    """Bytes of state that a program needs; 0 where it is not valid."""
    return plan_size(<const uint32_t *><const char *>words, len(words) // 4)


def memory_sizes(words: bytes) -> list[int]:
    """Bytes of memory of each operation of a program, all its instances; KernelError if invalid."""
    cdef const uint32_t *program = <const uint32_t *>PyBytes_AS_STRING(words)
    cdef plan head
    cdef operation ops[OPS_MAX]
    cdef uint32_t status = plan_measure(program, <size_t>len(words) // 4, &head)
    if status != STATUS_OK:
        raise failure(status)
    plan_states(&head, program, ops, NULL)
    return [ops[k].each * op_copies(&head, ops[k].code) for k in range(head.ops)]


cdef class Machine:
    """One program with its state: push samples, take the partial, absorb partials."""

    cdef void *state
    cdef size_t size
    cdef readonly uint32_t dtype

    def __cinit__(self, bytes words):
        cdef const uint32_t *program = <const uint32_t *>PyBytes_AS_STRING(words)
        cdef size_t n = <size_t>len(words) // 4
        cdef uint32_t status
        self.size = plan_size(program, n)
        if self.size == 0 or self.size > DEF_STATE_MAX:
            raise failure(STATUS_BAD_PROGRAM)
        self.state = calloc(1, self.size)
        if self.state == NULL:
            raise MemoryError
        status = plan_init(self.state, self.size, program, n)
        if status != STATUS_OK:
            raise failure(status)
        self.dtype = (<plan *>self.state).dtype

    def __dealloc__(self):
        free(self.state)

    @property
    def units(self) -> int:
        """Windows run so far; samples taken where there is no window."""
        return (<plan *>self.state).units

    def locate(self, uint64_t at, bytes key, uint32_t rest=0) -> None:
        """Say where the next sample stands: its index in the stream of this key (a prefix).

        rest: where resampled samples stand between two, in parts of `up`.
        """
        cdef size_t n = min(<size_t>len(key), <size_t>KEY_BYTES)
        plan_locate(<plan *>self.state, at, <const uint8_t *>PyBytes_AS_STRING(key), n)
        (<plan *>self.state).rest = rest % (<plan *>self.state).up

    def push(self, samples, Py_ssize_t start, Py_ssize_t count, Py_ssize_t windows) -> bytes:
        """Run samples[start:start + count]; the rows of up to `windows` windows as f32 bytes."""
        cdef plan *p = <plan *>self.state
        cdef Py_buffer view
        cdef uint32_t status
        cdef size_t room = 0
        cdef bytes rows = b""
        cdef float *out = NULL
        cdef const uint8_t *data
        cdef Py_ssize_t frame
        if p.reducers == 0:
            room = <size_t>windows * p.width
            rows = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(room * 4))
            out = <float *>PyBytes_AS_STRING(rows)
        PyObject_GetBuffer(samples, &view, PyBUF_SIMPLE)
        try:
            frame = <Py_ssize_t>(dtype_size(p.dtype) * p.channels)
            if start < 0 or count < 0 or (start + count) * frame > view.len:
                raise KernelError("samples end before the range that was asked for")
            data = <const uint8_t *>view.buf + start * frame
            if count and <size_t>data % dtype_size(p.dtype):
                raise KernelError("samples are not aligned to their size; pass a copy")
            with nogil:
                p.rows = 0
                status = plan_push(p, data, <size_t>count, out, room)
        finally:
            PyBuffer_Release(&view)
        if status != STATUS_OK:
            raise failure(status)
        return rows[:4 * p.rows * p.width] if p.reducers == 0 else b""

    def reset(self) -> None:
        """Begin a stream anew."""
        plan_reset(<plan *>self.state)

    def renew(self) -> None:
        """Begin a new partial where the last one ended; windows and filters go on."""
        plan_renew(<plan *>self.state)

    def checkpoint(self, bint rows) -> bytes:
        """The sample stages' memories; with `rows` the row stages'."""
        cdef plan *p = <plan *>self.state
        cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>self.size)
        cdef size_t used = plan_checkpoint(p, rows, <uint8_t *>PyBytes_AS_STRING(out), self.size)
        return out[:used]

    def resume(self, bytes checkpoint, uint32_t skip) -> None:
        """Take both parts of a checkpoint; the stages' first `skip` outputs are dropped."""
        cdef uint32_t status = plan_resume(
            <plan *>self.state,
            <const uint8_t *>PyBytes_AS_STRING(checkpoint),
            <size_t>len(checkpoint),
            skip,
        )
        if status != STATUS_OK:
            raise KernelError("the checkpoint is damaged: it does not fit the plan's stages")

    def partial(self) -> bytes:
        """The reducers' states, trimmed."""
        cdef plan *p = <plan *>self.state
        # A trimmed state is at most 5/4 of its memory (8 bytes of count may take 10).
        cdef size_t room = 2 * self.size + 64, used = 0
        cdef uint8_t *out = <uint8_t *>malloc(room)
        cdef uint32_t status
        if out == NULL:
            raise MemoryError
        try:
            with nogil:
                status = plan_partial(p, out, room, &used)
            if status != STATUS_OK:
                raise failure(status)
            return PyBytes_FromStringAndSize(<char *>out, <Py_ssize_t>used)
        finally:
            free(out)

    def absorb(self, bytes partial) -> None:
        """Add a partial of the same plan; after an error this machine must not be used on."""
        cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(partial)
        cdef size_t n = <size_t>len(partial)
        cdef uint32_t status
        with nogil:
            status = plan_absorb(<plan *>self.state, data, n)
        if status != STATUS_OK:
            raise failure(status)
