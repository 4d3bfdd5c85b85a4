"""The slot table of weighted DxHash: who owns which part of the probe space.

The table has S = 2^b slots. A device of weight w owns n = ceil(w/Q) of them, each to the same part:
the threshold is round(65535 w / (n Q)). Slots are chosen once, at admission, and published; removal
frees exactly what was owned; a changed weight changes thresholds only.

Growth doubles S by mirroring: slot s is copied to s + S. A probe's low bits decide as before, so no
placement changes. The copies are `lent`: a device admitted later (it owns 2n slots of the doubled
table) takes lent ones where no free one is left, and only placements that go to it change. Source:
DxHash (arXiv 2107.07930), weighted variant.
"""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

QUANTUM = 25  # weight of one whole slot; a device of capacity 1.0 has weight 100 and owns four
WEIGHT_MAX = 65_535  # it travels as 16 bits
# room for a fleet of weight 25,600 before the first doubling, at 64 probes an owner for four boards
SLOTS_FIRST = 1_024
SLOTS_MAX = 1 << 20  # 16-bit devices of full weight never need more; stops a runaway
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

    def __init__(self, size: int = SLOTS_FIRST, first: int = SLOTS_FIRST) -> None:
        self.first = first  # the size before any doubling
        self.owner = array("i", [FREE]) * size
        self.threshold = array("H", [0]) * size
        self.lent = bytearray(size)
        self.quota: dict[int, int] = {}
        self.active: set[int] = set()  # owners that a probe can meet

    @classmethod
    def from_slots(cls, size: int, slots: Iterable[Slot], quota: dict[int, int]) -> "SlotTable":
        """The table as it was published; `quota` gives each owner's n."""
        table = cls(size, min(size, SLOTS_FIRST))
        table.quota.update(quota)
        for number, owner, threshold, lent in slots:
            table.owner[number] = owner
            table.threshold[number] = threshold
            table.lent[number] = lent
            if threshold:
                table.active.add(owner)
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

    def owned(self, owner: int) -> list[int]:
        """The slots of one device, in order."""
        return [number for number, who in enumerate(self.owner) if who == owner]

    def admit(self, owner: int, weight: int) -> None:
        """Give a new device its slots; the table doubles where there are too few."""
        weight = max(1, min(weight, WEIGHT_MAX))
        quota = -(-weight // QUANTUM)
        while (taken := self._choose(quota * (self.size // self.first))) is None:
            self.mirror()
        self.quota[owner] = quota
        for number in taken:
            self.owner[number] = owner
            self.lent[number] = 0
        self.set_weight(owner, weight)

    def set_weight(self, owner: int, weight: int) -> None:
        """Change how much of its slots a device owns; not more than at its admission."""
        room = self.quota[owner] * QUANTUM
        threshold = (65_535 * max(0, min(weight, room)) + room // 2) // room
        for number in self.owned(owner):
            self.threshold[number] = threshold
        if threshold:
            self.active.add(owner)
        else:
            self.active.discard(owner)

    def remove(self, owner: int) -> None:
        """Free what a device owns, lent copies too."""
        self.quota.pop(owner, None)
        self.active.discard(owner)
        for number in self.owned(owner):
            self.owner[number] = FREE
            self.threshold[number] = 0
            self.lent[number] = 0

    def mirror(self) -> None:
        """Double the table; no probe's outcome changes."""
        if self.size * 2 > SLOTS_MAX:
            raise ValueError(f"the slot table is full at {self.size} slots")
        old = self.size
        self.owner.extend(self.owner[:])
        self.threshold.extend(self.threshold[:])
        self.lent = self.lent + bytearray(int(who != FREE) for who in self.owner[:old])

    def _choose(self, count: int) -> list[int] | None:
        """`count` slots: the first free ones, then lent ones, from whom has most of them left."""
        chosen = [number for number, who in enumerate(self.owner) if who == FREE][:count]
        if len(chosen) == count:
            return chosen
        lent: dict[int, list[int]] = {}
        for number in range(self.size - 1, -1, -1):
            if self.lent[number]:
                lent.setdefault(self.owner[number], []).append(number)
        while len(chosen) < count and lent:
            victim = min(lent, key=lambda who: (-len(lent[who]), who))
            chosen.append(lent[victim].pop())
            if not lent[victim]:
                del lent[victim]
        return chosen if len(chosen) == count else None
