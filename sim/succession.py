"""Whose history counts, of two gateways: what the checker takes for the truth, and when it changes.

A gateway that begins to lead must have every batch that anything said to a device or a client stood
on, and no other gateway may have led under its term. What the one before had committed beyond that
was never said: it is taken out of the checker's memory, as it is out of the site's. A batch that a
standby commits must be the one that its leader had committed in that place.
"""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from atoll.gateway import records as r
from atoll.gateway.pairing import Place
from atoll.gateway.rows import pack
from atoll.sim.checker import Checker
from atoll.sim.world import Violation

if TYPE_CHECKING:
    from atoll.sim.pair_ledger import PairLedger

Undo = Callable[[], object]
NOWHERE = Place(0, 0)


class Succession:
    """Who leads, by the turns won; `said` is the last batch that something said stands on."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.leader = ""
        self.term = 0
        self.said = 0
        self.turns = 0
        self._began = False  # the leader has committed something, its term before all
        self._overtaken: dict[str, int] = {}  # by name: the term of a turn that was won and passed
        self._batches: dict[Place, int] = {}
        self._undo: deque[tuple[int, list[Undo]]] = deque()  # of batches beyond `said`

    def leads(self, name: str, term: int, ledger: "PairLedger") -> None:
        """A gateway won its turn: I5. Where a later one was won before it heard of its own, it has
        to find that out before it serves.
        """
        place = ledger.place
        self._overtaken.pop(name, None)
        # Killed before it committed anything, it has not led: it may win that very term once more,
        # from a broker that has forgotten the turn.
        again = name == self.leader and term == self.term and not self._began
        if term <= self.term and not again:
            self._overtaken[name] = term
            return
        if self.leader not in ("", name):
            self.turns += 1
            if place.number < self.said:
                text = (
                    f"{name} leads with batch {place.number}, {self.leader} has said what stands on"
                    f" batch {self.said} (I5)"
                )
                raise Violation("lost", name, text)
            if place not in self._batches:
                raise Violation("wrong", name, f"{name} leads from {place}, nobody's batch (I2)")
            self._roll_back(place.number)
        self.leader, self.term, self._began = name, term, False
        self.checker.ledger = ledger
        self.checker.books.follow(ledger)

    def serves(self, name: str) -> None:
        """A gateway that won its turn takes it for the last one: I4."""
        term = self._overtaken.get(name)
        if term is not None:
            text = f"{name} leads under term {term}, {self.leader} led under {self.term} (I4)"
            raise Violation("double_owners", name, text)

    def committing(self, name: str, place: Place, records: list[Any]) -> None:
        """A leader commits; only the history that counts is the checker's."""
        if name != self.leader:
            return
        self._began = True
        undo = self._undo_of(records)
        if place != NOWHERE:
            self._batches[place] = crc32(pack(records))
            self._undo.append((place.number, undo))
        self.checker.committing(records)

    def followed(self, name: str, place: Place, records: list[Any]) -> None:
        """A standby commits a batch: I2."""
        if self._batches.get(place) != crc32(pack(records)):
            raise Violation("wrong", name, f"{name} commits {place}, which is no leader's (I2)")

    def standing_on(self, name: str, number: int) -> None:
        """Something is said that stands on this batch."""
        if name == self.leader:
            self.said = max(self.said, number)
            while self._undo and self._undo[0][0] <= self.said:
                self._undo.popleft()

    def _roll_back(self, number: int) -> None:
        while self._undo and self._undo[-1][0] > number:
            for undo in reversed(self._undo.pop()[1]):
                undo()
        self._undo.clear()

    # --- what a commit changes in the checker's memory, taken back ---

    def _undo_of(self, records: Iterable[Any]) -> list[Undo]:
        checker, found = self.checker, list[Undo]()
        for record in records:
            kind = type(record)
            if kind is r.PieceSet:
                found.append(_put_back(checker._places, record[:4]))
                found.append(self._content_back((record.dataset, record.key), record.first_sample))
            elif kind is r.QuerySet and record.state == "open":
                found.append(_put_back(checker.queries, record.job))
            elif kind is r.PartialsAdded:
                for number, task, _ in record.rows:
                    merged = checker._merged.setdefault(number, set())
                    if task not in merged:
                        found.append(partial(merged.discard, task))
            elif kind is r.WindowSet:
                found.append(_put_back(checker._windows, record[:3]))
            elif kind is r.StandingGone:
                found += [
                    _put_back(checker._windows, key)
                    for key in checker._windows
                    if key[0] == record.name
                ]
                if record.name not in checker.stopped:
                    found.append(partial(checker.stopped.discard, record.name))
        return found

    def _content_back(self, name: tuple[str, str], first: int) -> Undo:
        put_back = _put_back(self.checker.content.setdefault(name, {}), first)

        def undo() -> None:
            put_back()
            self.checker._order.pop(name, None)

        return undo


def _put_back(table: dict[Any, Any], key: Any) -> Undo:
    """To set a key as it is now."""
    if key in table:
        return partial(table.__setitem__, key, table[key])
    return partial(table.pop, key, None)
