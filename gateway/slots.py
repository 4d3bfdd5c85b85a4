"""The slot table of weighted DxHash: who owns which part of the probe space.

The table has S = 2^b slots. A device of weight w owns n = ceil(w/Q) of them, each to the same part:
the threshold is round(65535 w / (n Q)). Slots are chosen once, at admission, and published; removal
frees exactly what was owned; a changed weight changes thresholds only.

Growth doubles S by mirroring: slot s is copied to s + S. A probe's low bits decide as before, so no
placement changes. What a device owns beyond its n is `lent`: one admitted later takes free slots,
then lent ones from whoever has most of them for its n, so many that it owns as much for its n as
the others do on average, and only placements that go to it change. Once nothing is lent, everybody
owns n slots and the table doubles again: a fleet of any growth keeps shares by weight, and needs as
many slots as its quotas sum up to. Source: DxHash (arXiv 2107.07930), weighted variant.
"""

import heapq
from array import array
from collections.abc import Iterable
from typing import NamedTuple

QUANTUM = 25  # weight of one whole slot; a device of capacity 1.0 has weight 100 and owns four
WEIGHT_MAX = 65_535  # it travels as 16 bits
# room for a fleet of weight 25,600 before the first doubling, at 64 probes an owner for four boards
SLOTS_FIRST = 1_024
SLOTS_MAX = 1 << 20  # 65,536 devices of capacity 4 on average; stops a runaway
FREE = -1


class Slot(NamedTuple):
    """One slot as it is published: number, owner's index (FREE: nobody), threshold, whether it may
    be handed out.
    """

    number: int
    owner: int
    threshold: int
    lent: bool


class SlotTable:
    """The slots and who owns them; owners are small integers given by the caller."""

    def __init__(self, size: int = SLOTS_FIRST) -> None:
        self.owner = array("i", [FREE]) * size
        self.threshold = array("H", [0]) * size
        self.lent = bytearray(size)
        self.quota: dict[int, int] = {}
        self.active: set[int] = set()  # owners that a probe can meet
        self._index()

    @classmethod
    def from_slots(cls, size: int, slots: Iterable[Slot], quota: dict[int, int]) -> "SlotTable":
        """The table as it was published; `quota` gives each owner's n."""
        table = cls(size)
        table.quota.update(quota)
        for number, owner, threshold, lent in slots:
            table.owner[number] = owner
            table.threshold[number] = threshold
            table.lent[number] = lent
            if threshold:
                table.active.add(owner)
        table._index()
        return table

    @property
    def size(self) -> int:
        """S, a power of two."""
        return len(self.owner)

    def slots(self) -> list[Slot]:
        """All owned slots, for publication and for the ledger."""
        return [
            Slot(number, owner, self.threshold[number], bool(self.lent[number]))
            for number, owner in enumerate(self.owner)
            if owner != FREE
        ]

    def slots_of(self, owner: int) -> list[Slot]:
        """The slots of one device, for the ledger."""
        return [
            Slot(number, owner, self.threshold[number], bool(self.lent[number]))
            for number in self.owned(owner)
        ]

    def owned(self, owner: int) -> list[int]:
        """The slots of one device, in order."""
        return sorted(self._owned.get(owner, ()))

    def admit(self, owner: int, weight: int) -> bool:
        """Give a new device its slots; whether the table had to double first."""
        weight = max(1, min(weight, WEIGHT_MAX))
        quota = -(-weight // QUANTUM)
        doubled = False
        while len(self._free) + self._lent_count < quota:
            self.mirror()
            doubled = True
        taken = self._choose(max(quota, self._fair(quota)))
        self.quota[owner] = quota
        self._owned[owner] = set(taken)
        for at, number in enumerate(taken):
            self.owner[number] = owner
            self.lent[number] = at >= quota
        self._lend(owner, taken[quota:])
        self.set_weight(owner, weight)
        return doubled

    def set_weight(self, owner: int, weight: int) -> None:
        """Change how much of its slots a device owns; not more than at its admission."""
        room = self.quota[owner] * QUANTUM
        threshold = (65_535 * max(0, min(weight, room)) + room // 2) // room
        for number in self._owned[owner]:
            self.threshold[number] = threshold
        if threshold:
            self.active.add(owner)
        else:
            self.active.discard(owner)

    def remove(self, owner: int) -> None:
        """Free what a device owns, lent slots too."""
        self.quota.pop(owner, None)
        self.active.discard(owner)
        self._lent_count -= len(self._lent.pop(owner, ()))
        for number in self._owned.pop(owner, ()):
            self.owner[number] = FREE
            self.threshold[number] = 0
            self.lent[number] = 0
            heapq.heappush(self._free, number)

    def mirror(self) -> None:
        """Double the table; no probe's outcome changes."""
        if self.size * 2 > SLOTS_MAX:
            raise ValueError(f"the slot table is full at {self.size} slots")
        old = self.size
        self.owner.extend(self.owner[:])
        self.threshold.extend(self.threshold[:])
        self.lent = self.lent + bytearray(int(who != FREE) for who in self.owner[:old])
        self._index()

    # --- who can give ---

    def _index(self) -> None:
        """Derive from the slots: whose they are, which are free and which are lent."""
        self._owned: dict[int, set[int]] = {}
        self._lent: dict[int, list[int]] = {}
        self._free: list[int] = []
        self._givers: list[tuple[float, int, int]] = []  # a heap; see `_lend`
        self._lent_count = 0
        lent: dict[int, list[int]] = {}
        for number, who in enumerate(self.owner):
            if who == FREE:
                self._free.append(number)
                continue
            self._owned.setdefault(who, set()).add(number)
            if self.lent[number]:
                lent.setdefault(who, []).append(number)
        for who, numbers in lent.items():
            self._lend(who, numbers)

    def _lend(self, owner: int, numbers: list[int]) -> None:
        if numbers:
            self._lent[owner] = sorted(numbers)  # the same whether kept or restored
            self._lent_count += len(numbers)
            self._offer(owner)

    def _offer(self, owner: int) -> None:
        """Say what an owner has to give; its older entries are void."""
        count = len(self._lent[owner])
        heapq.heappush(self._givers, (-count / self.quota[owner], owner, count))

    def _fair(self, quota: int) -> int:
        """What a device of this quota owns if it is to own as much as the others."""
        quotas = sum(self.quota.values())
        owned = self.size - len(self._free)
        share = round(quota * owned / quotas) if quotas else quota
        return min(share, len(self._free) + self._lent_count)

    def _choose(self, count: int) -> list[int]:
        """`count` slots: the first free ones, then lent ones, from whom has most for its quota."""
        chosen = [heapq.heappop(self._free) for _ in range(min(count, len(self._free)))]
        while len(chosen) < count:
            _, victim, had = heapq.heappop(self._givers)
            mine = self._lent.get(victim, [])
            if len(mine) != had:
                continue
            number = mine.pop()
            self._lent_count -= 1
            self._owned[victim].discard(number)
            chosen.append(number)
            if mine:
                self._offer(victim)
            else:
                del self._lent[victim]
        return chosen
