# cython: boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, nonecheck=False
"""Placement, compiled: the same plan as placement.py's `slow_plan`, shard for shard.

A gateway of 10,000 devices plans a million shards anew at each loss. The walk is the header that
microcontrollers use; the rest follows placement.py line by line, over columns and not over objects.
Shards whose owners stay give their old tuple back, so that a plan after a loss allocates little.
"""

from cpython.tuple cimport PyTuple_Check, PyTuple_GET_SIZE
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef extern from "Python.h":
    int PyGC_Disable()
    int PyGC_Enable()

cdef extern from "parts/walk.h":
    struct atoll_walk:
        const uint16_t *owner
        const uint16_t *threshold
        uint32_t mask
        uint32_t seed
        uint32_t left
    uint32_t atoll_walk_mix(uint32_t value) nogil
    void atoll_walk_begin(atoll_walk *walk, uint32_t point) nogil
    int32_t atoll_walk_next(atoll_walk *walk) nogil
    uint32_t atoll_walk_place(
        atoll_walk *walk, const int32_t *zone, uint16_t *found, uint32_t wanted
    ) nogil

cdef enum:
    OWNERS_MAX = 16  # of one shard: twice as many as a dataset may have replicas


cdef struct Device:
    int64_t load
    int64_t cap  # -1: it takes nothing
    int64_t limit  # the bytes that fit on it
    int64_t memory  # for a plan
    double share
    int32_t zone  # -1: it is not there
    uint32_t met  # the walk that met it last
    uint8_t open
    uint8_t fresh
    uint8_t active
    uint8_t over  # its bound, or it is to be emptied


def mix(uint32_t value) -> int:
    """The finaliser of MurmurHash3, as `placement.fmix32`."""
    return atoll_walk_mix(value)


def ideal(
    uint32_t seed,
    uint32_t point,
    const uint16_t[::1] owner not None,
    const uint16_t[::1] threshold not None,
    const int32_t[::1] zones not None,
    uint32_t wanted,
) -> tuple:
    """The first `wanted` owners of a walk in different zones; `zones[owner]` is -1 where it is not.

    ValueError for more than OWNERS_MAX or arrays that do not agree.
    """
    cdef uint16_t found[OWNERS_MAX]
    cdef atoll_walk walk
    cdef uint32_t count, at
    _check(owner, threshold)
    if wanted > OWNERS_MAX:
        raise ValueError(f"{wanted} owners of one shard, at most {OWNERS_MAX}")
    for at in range(owner.shape[0]):
        if threshold[at] and owner[at] >= zones.shape[0]:
            raise ValueError(f"slot {at} belongs to owner {owner[at]} of {zones.shape[0]}")
    walk.owner, walk.threshold = &owner[0], &threshold[0]
    walk.mask, walk.seed = <uint32_t>owner.shape[0] - 1, seed
    atoll_walk_begin(&walk, point)
    count = atoll_walk_place(&walk, &zones[0], found, wanted) if zones.shape[0] else 0
    return tuple([found[at] for at in range(count)])


cdef int _check(const uint16_t[::1] owner, const uint16_t[::1] threshold) except -1:
    cdef Py_ssize_t size = owner.shape[0]
    if size == 0 or size & (size - 1) or threshold.shape[0] != size:
        raise ValueError(f"a table of {size} slots and {threshold.shape[0]} thresholds")
    return 0


cdef class Planning:
    """One planning over many shards: their columns, and the devices' loads as they become.

    `Planning(loads, alive)` reads the shards and drops owners that are not alive; `total`, `largest`
    and `placements` are what the devices' bounds follow from; `place` gives the plan.
    """

    cdef list rows
    cdef Py_ssize_t count
    cdef Py_ssize_t devices
    cdef uint32_t *point
    cdef int64_t *load
    cdef int64_t *memory
    cdef uint8_t *wanted
    cdef uint8_t *owners
    cdef uint8_t *changed
    cdef uint16_t *owner
    cdef Device *device
    cdef const uint16_t[::1] slot_owner  # kept, as the walk points into them
    cdef const uint16_t[::1] slot_threshold
    cdef atoll_walk walk
    cdef uint32_t walks
    cdef uint32_t active
    cdef readonly object total
    cdef readonly object once
    cdef readonly int64_t largest
    cdef readonly int64_t placements

    def __cinit__(self, list loads not None, const uint8_t[::1] alive not None):
        self.rows = loads
        self.count = len(loads)
        self.devices = alive.shape[0]
        self.point = <uint32_t *>_calloc(self.count, sizeof(uint32_t))
        self.load = <int64_t *>_calloc(self.count, sizeof(int64_t))
        self.memory = <int64_t *>_calloc(self.count, sizeof(int64_t))
        self.wanted = <uint8_t *>_calloc(self.count, 1)
        self.owners = <uint8_t *>_calloc(self.count, 1)
        self.changed = <uint8_t *>_calloc(self.count, 1)
        self.owner = <uint16_t *>_calloc(self.count * OWNERS_MAX, sizeof(uint16_t))
        self.device = <Device *>_calloc(self.devices, sizeof(Device))
        self._read(alive)

    def __dealloc__(self):
        free(self.point)
        free(self.load)
        free(self.memory)
        free(self.wanted)
        free(self.owners)
        free(self.changed)
        free(self.owner)
        free(self.device)

    cdef int _read(self, const uint8_t[::1] alive) except -1:
        cdef Py_ssize_t at, kept, number
        cdef tuple row, owners
        cdef object one
        cdef int64_t load
        cdef uint64_t low = 0, high = 0, before, once_low = 0, once_high = 0
        self.largest = self.placements = 0
        for at in range(self.count):
            one = self.rows[at]
            if not PyTuple_Check(one) or PyTuple_GET_SIZE(one) < 4:
                raise TypeError(f"shard {at} is no Load")
            row = <tuple>one
            load = row[1]
            if load < 0 or row[2] > OWNERS_MAX:
                raise ValueError(f"shard {at}: {load} bytes on {row[2]} devices")
            self.point[at] = row[0]
            self.load[at] = load
            self.wanted[at] = row[2]
            if PyTuple_GET_SIZE(row) > 4:
                self.memory[at] = row[4]
            before = once_low
            once_low += <uint64_t>load
            once_high += once_low < before
            self.placements += self.wanted[at]
            self.largest = max(self.largest, load)
            before = low
            low += <uint64_t>load * self.wanted[at]
            high += low < before
            owners = <tuple?>row[3]
            if len(owners) > OWNERS_MAX:
                raise ValueError(f"shard {at}: {len(owners)} owners, at most {OWNERS_MAX}")
            kept = 0
            for one in owners:
                number = one
                if 0 <= number < self.devices and alive[number]:
                    self.owner[at * OWNERS_MAX + kept] = <uint16_t>number
                    kept += 1
                    self.device[number].load += load
            self.owners[at] = <uint8_t>kept
            self.changed[at] = kept != len(owners)
        self.total = (<object>high << 64) + low
        self.once = (<object>once_high << 64) + once_low
        return 0

    def place(
        self,
        uint32_t seed,
        const uint16_t[::1] owner not None,
        const uint16_t[::1] threshold not None,
        devices,
        Py_ssize_t settle=0,
    ) -> list:
        """Owners for every shard. `devices`: (number, zone, open, fresh, share, cap, limit, memory)
        of each that is alive; cap -1 and share 0 where it is to be emptied. `settle`: so many
        placements may go home.
        """
        cdef Py_ssize_t at, number
        cdef Device *one
        cdef bint fresh = False
        _check(owner, threshold)
        for at in range(self.devices):
            self.device[at].zone = self.device[at].cap = -1
        for number, zone, is_open, is_fresh, share, cap, limit, memory in devices:
            one = &self.device[number]
            one.zone, one.open, one.fresh, one.share, one.cap = zone, is_open, is_fresh, share, cap
            one.limit, one.memory = limit, memory
            fresh = fresh or one.fresh
        self.slot_owner, self.slot_threshold = owner, threshold
        self.walk.owner, self.walk.threshold = &owner[0], &threshold[0]
        self.walk.mask, self.walk.seed = <uint32_t>owner.shape[0] - 1, seed
        self.active = 0
        for at in range(owner.shape[0]):
            if threshold[at]:
                if owner[at] >= self.devices:
                    raise ValueError(f"slot {at} belongs to owner {owner[at]} of {self.devices}")
                if not self.device[owner[at]].active:
                    self.device[owner[at]].active = 1
                    self.active += 1
        with nogil:
            self._place(fresh, settle)
        return self._result()

    cdef void _place(self, bint fresh, Py_ssize_t settle) noexcept nogil:
        cdef Py_ssize_t at
        cdef int have
        for have in range(OWNERS_MAX):  # the most exposed first
            for at in range(self.count):
                if self.owners[at] == have < self.wanted[at] and self.changed[at] < 2:
                    self._fill(at)
        if fresh:
            for at in range(self.count):
                self._pull(at)
        for at in range(self.count):
            if settle <= 0:
                break
            settle -= self._go_home(at)
        if self._any_over():
            for at in range(self.count):
                if self._is_over(at):
                    self._shed(at)

    cdef list _result(self):
        cdef list result = [None] * self.count
        cdef list names = list(range(self.devices))
        cdef Py_ssize_t at
        cdef uint16_t *mine
        PyGC_Disable()  # a million small tuples of integers, and no cycle among them
        try:
            for at in range(self.count):
                if not self.changed[at]:
                    result[at] = (<tuple>self.rows[at])[3]
                    continue
                mine = self.owner + at * OWNERS_MAX
                if self.owners[at] == 3:
                    result[at] = (names[mine[0]], names[mine[1]], names[mine[2]])
                elif self.owners[at] == 2:
                    result[at] = (names[mine[0]], names[mine[1]])
                else:
                    result[at] = tuple([names[mine[number]] for number in range(self.owners[at])])
        finally:
            PyGC_Enable()
        return result

    # --- as in placement.py ---

    cdef inline void _begin(self, Py_ssize_t at) noexcept nogil:
        self.walks += 1
        atoll_walk_begin(&self.walk, self.point[at])
        self.walk.left = self.walk.left if self.active else 0

    cdef inline int32_t _probe(self, uint32_t *left) noexcept nogil:
        """The next owner of the walk that it has not met yet; -1: there is none."""
        cdef int32_t who
        while left[0]:
            who = atoll_walk_next(&self.walk)
            if who < 0:
                return -1
            if self.device[who].met != self.walks:
                self.device[who].met = self.walks
                left[0] -= 1
                return who
        return -1

    cdef inline bint _fits(self, int32_t who, Py_ssize_t at) noexcept nogil:
        return (
            self.device[who].cap >= 0
            and self.device[who].open
            and self.device[who].load + self.load[at] <= self.device[who].cap
            and self.memory[at] <= self.device[who].memory
        )

    cdef inline bint _bears(self, int32_t who, Py_ssize_t at) noexcept nogil:
        """Whether a shard fits at all, be it above the bound."""
        return (
            self.device[who].load + self.load[at] <= self.device[who].limit
            and self.memory[at] <= self.device[who].memory
        )

    cdef inline bint _owns(self, Py_ssize_t at, int32_t who) noexcept nogil:
        cdef int number
        for number in range(self.owners[at]):
            if self.owner[at * OWNERS_MAX + number] == who:
                return True
        return False

    cdef inline bint _zone_used(self, Py_ssize_t at, int32_t zone, int32_t but) noexcept nogil:
        """Whether an owner other than `but` is in this zone."""
        cdef int number
        cdef int32_t who
        for number in range(self.owners[at]):
            who = self.owner[at * OWNERS_MAX + number]
            if who != but and self.device[who].zone == zone:
                return True
        return False

    cdef inline void _take(self, Py_ssize_t at, int32_t who) noexcept nogil:
        self.owner[at * OWNERS_MAX + self.owners[at]] = <uint16_t>who
        self.owners[at] += 1
        self.changed[at] = 2  # and looked at: a shard is filled once
        self.device[who].load += self.load[at]

    cdef inline void _swap(self, Py_ssize_t at, int32_t out, int32_t who) noexcept nogil:
        cdef int number
        for number in range(self.owners[at]):
            if self.owner[at * OWNERS_MAX + number] == out:
                self.owner[at * OWNERS_MAX + number] = <uint16_t>who
        self.device[out].load -= self.load[at]
        self.device[who].load += self.load[at]
        self.changed[at] = 2

    cdef void _fill(self, Py_ssize_t at) noexcept nogil:
        cdef uint32_t left = self.active
        cdef int32_t who
        self._begin(at)
        while self.owners[at] < self.wanted[at]:
            who = self._probe(&left)
            if who < 0:
                break
            if self.device[who].zone < 0 or self._owns(at, who):
                continue
            if self._zone_used(at, self.device[who].zone, -1):
                continue
            if self._fits(who, at):
                self._take(at, who)
        while self.owners[at] < self.wanted[at]:
            who = self._least(at, -1, True)
            if who < 0:
                break
            self._take(at, who)

    cdef int32_t _least(self, Py_ssize_t at, int32_t but, bint by_share) noexcept nogil:
        """The least loaded open device that is no owner, in an unused zone if there is one."""
        cdef int32_t best = -1, who
        cdef bint used, best_used = True
        cdef double load, least = 0.0
        for who in range(<int32_t>self.devices):
            if self.device[who].cap < 0 or not self.device[who].open or self._owns(at, who):
                continue
            if not self._bears(who, at):
                continue
            used = self._zone_used(at, self.device[who].zone, but)
            load = <double>self.device[who].load
            if by_share:
                load = load / self.device[who].share if self.device[who].share > 0 else INFINITY
            if best < 0 or used < best_used or (used == best_used and load < least):
                best, best_used, least = who, used, load
        return best

    cdef int _ideal(self, Py_ssize_t at, int32_t *ideal) noexcept nogil:
        """The shard's ideal owners; how many."""
        cdef uint32_t left = self.active
        cdef int count = 0, number
        cdef int32_t who
        cdef bint clash
        self._begin(at)
        while count < self.wanted[at]:
            who = self._probe(&left)
            if who < 0:
                break
            clash = self.device[who].zone < 0
            for number in range(count):
                clash = clash or self.device[ideal[number]].zone == self.device[who].zone
            if not clash:
                ideal[count] = who
                count += 1
        return count

    cdef void _pull(self, Py_ssize_t at) noexcept nogil:
        cdef int32_t ideal[OWNERS_MAX]
        cdef int count, number
        cdef int32_t who, out
        if self.owners[at] < self.wanted[at]:
            return
        count = self._ideal(at, ideal)
        for number in range(count):
            who = ideal[number]
            if not self.device[who].fresh or self._owns(at, who) or self.device[who].cap < 0:
                continue
            if self._above_share(who, self.load[at]) or not self._bears(who, at):
                continue
            out = self._oddest(at, who, ideal, count)
            if out >= 0 and not self._zone_used(at, self.device[who].zone, out):
                self._swap(at, out, who)

    cdef inline bint _above_share(self, int32_t who, int64_t load) noexcept nogil:
        cdef double after = <double>(self.device[who].load + load)
        return after > self.device[who].share and self.device[who].load > 0

    cdef int32_t _oddest(
        self, Py_ssize_t at, int32_t newcomer, const int32_t *ideal, int count
    ) noexcept nogil:
        """The owner in whose place a newcomer is the greatest gain."""
        cdef int32_t best = -1, who
        cdef int number, other
        cdef int64_t rank, best_rank = 0
        cdef bint odd
        for number in range(self.owners[at]):
            who = self.owner[at * OWNERS_MAX + number]
            if self.device[who].fresh:
                continue
            odd = True
            for other in range(count):
                odd = odd and ideal[other] != who
            rank = 2 * (self.device[who].zone == self.device[newcomer].zone) + odd
            if best < 0 or rank > best_rank or (
                rank == best_rank and self.device[who].load > self.device[best].load
            ):
                best, best_rank = who, rank
        return best

    cdef int _go_home(self, Py_ssize_t at) noexcept nogil:
        """Move a placement that differs from the ideal home, where there is room below the share;
        how many moved.
        """
        cdef int32_t ideal[OWNERS_MAX]
        cdef int count, number
        cdef int32_t who, out
        if self.owners[at] < self.wanted[at]:
            return 0
        count = self._ideal(at, ideal)
        for number in range(count):
            who = ideal[number]
            if self._owns(at, who) or not self._fits(who, at):
                continue
            if <double>(self.device[who].load + self.load[at]) > self.device[who].share:
                continue
            out = self._odd(at, who, ideal, count)
            if out >= 0:
                self._swap(at, out, who)
                return 1
        return 0

    cdef int32_t _odd(
        self, Py_ssize_t at, int32_t newcomer, const int32_t *ideal, int count
    ) noexcept nogil:
        """The most loaded owner that is not the ideal's, in whose place a newcomer's zone is free."""
        cdef int32_t best = -1, who
        cdef int number, other
        cdef bint odd
        for number in range(self.owners[at]):
            who = self.owner[at * OWNERS_MAX + number]
            odd = not self._zone_used(at, self.device[newcomer].zone, who)
            for other in range(count):
                odd = odd and ideal[other] != who
            if odd and (best < 0 or self.device[who].load > self.device[best].load):
                best = who
        return best

    cdef bint _any_over(self) noexcept nogil:
        cdef Py_ssize_t who
        cdef bint found = False
        for who in range(self.devices):
            # A cap of -1 is below any load.
            if self.device[who].zone >= 0 and self.device[who].load > self.device[who].cap:
                found = self.device[who].over = True
        return found

    cdef bint _is_over(self, Py_ssize_t at) noexcept nogil:
        cdef int number
        for number in range(self.owners[at]):
            if self.device[self.owner[at * OWNERS_MAX + number]].over:
                return True
        return False

    cdef void _shed(self, Py_ssize_t at) noexcept nogil:
        cdef uint16_t before[OWNERS_MAX]
        cdef int number, count = self.owners[at]
        cdef int32_t out, who
        cdef uint32_t left
        for number in range(count):
            before[number] = self.owner[at * OWNERS_MAX + number]
        for number in range(count):
            out = before[number]
            if self.device[out].cap >= 0 and self.device[out].load <= self.device[out].cap:
                continue
            left = self.active
            self._begin(at)
            while True:
                who = self._probe(&left)
                if who < 0:
                    break
                if self._owns(at, who) or not self._fits(who, at):
                    continue
                if not self._zone_used(at, self.device[who].zone, out):
                    self._swap(at, out, who)
                    break
            if who < 0 and self.device[out].cap < 0:
                who = self._least(at, out, False)
                if who >= 0:
                    self._swap(at, out, who)

    def overrides(self) -> int:
        """How many placements of the last plan differ from the ideal."""
        cdef Py_ssize_t at
        cdef int64_t count = 0
        with nogil:
            for at in range(self.count):
                count += self._odd_owners(at)
        return count

    cdef int _odd_owners(self, Py_ssize_t at) noexcept nogil:
        cdef int32_t ideal[OWNERS_MAX]
        cdef int count = self._ideal(at, ideal), number, other, odd = 0
        cdef bint differs
        for number in range(self.owners[at]):
            differs = True
            for other in range(count):
                differs = differs and ideal[other] != self.owner[at * OWNERS_MAX + number]
            odd += differs
        return odd


cdef void *_calloc(Py_ssize_t count, size_t size) except NULL:
    cdef void *memory = calloc(max(count, 1), size)
    if memory == NULL:
        raise MemoryError()
    return memory
