"""Batches that a leader keeps for its standby, without a hole, until they are confirmed."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from atoll.gateway.pairing import AHEAD_MAX, NOWHERE, Place


class Batch(NamedTuple):
    """One transaction of the ledger, packed; the terms of it and of the one before it."""

    number: int
    term: int
    before_term: int
    data: bytes


class Kept:
    """The batches, oldest first; `bytes` in all."""

    def __init__(self) -> None:
        self._rows: deque[Batch] = deque()
        self.bytes = 0

    def add(self, batch: Batch) -> None:
        """The next one."""
        self._rows.append(batch)
        self.bytes += len(batch.data)

    def trim(self, most: int) -> None:
        """Let the oldest go until there are at most so many bytes."""
        while self._rows and self.bytes > most:
            self.bytes -= len(self._rows.popleft().data)

    def confirm(self, number: int) -> None:
        """Batches up to this one are in the other ledger."""
        while self._rows and self._rows[0].number <= number:
            self.bytes -= len(self._rows.popleft().data)

    def follows(self, place: Place) -> bool:
        """Whether a ledger at this place needs only batches that are kept here."""
        if place == NOWHERE or not self._rows or self._rows[0].number > place.number + 1:
            return False
        at = place.number + 1 - self._rows[0].number
        return at < len(self._rows) and self._rows[at].before_term == place.term

    def first(self) -> Iterator[Batch]:
        """As many as a standby takes in at a time."""
        return islice(self._rows, AHEAD_MAX)
