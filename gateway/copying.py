"""A copy of the leader's ledger on its way to the standby, in numbered parts.

Parts under way are kept until they are confirmed, and no more than so many are.
"""

from atoll.gateway.pairing import Effect, Place, Publish, ReadMore
from atoll.wire import gateways as wire
from atoll.wire._native import crc32c

UNDER_WAY_PARTS = 16  # more would only wait in the broker


class Copying:
    """The copy `number`, of the ledger as it stood at `place`; what is to be done for it."""

    def __init__(self, number: int, place: Place, term: int, leader: str) -> None:
        self.number, self.place = number, place
        self._head = (term, leader, number, *place)
        self._parts: dict[int, tuple[bytes, bool]] = {}
        self._next = 0
        self._reading = True
        self._whole = False

    def read(self, data: bytes, last: bool) -> list[Effect]:
        """The next piece was read: it goes out."""
        part = self._next
        self._parts[part] = (data, last)
        self._next += 1
        self._whole, self._reading = last, False
        return [self._part(part), *self._more()]

    def heard(self, part: int) -> tuple[bool, list[Effect]]:
        """The standby waits for this part: whether it has got on, and what follows."""
        done = [number for number in self._parts if number < part]
        for number in done:
            del self._parts[number]
        return bool(done), self._more()

    def again(self) -> list[Effect]:
        """All that is not confirmed."""
        return [self._part(part) for part in sorted(self._parts)]

    def _part(self, part: int) -> Publish:
        data, last = self._parts[part]
        return Publish(wire.Copy(*self._head, part, last, crc32c(data), data))

    def _more(self) -> list[Effect]:
        if self._whole or self._reading or len(self._parts) >= UNDER_WAY_PARTS:
            return []
        self._reading = True
        return [ReadMore(self.number)]
