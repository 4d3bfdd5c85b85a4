"""A ledger in memory that is copied, and replaced by a copy: what two gateways ask of theirs."""

from collections.abc import Iterable, Iterator
from typing import Any

from atoll.gateway import records as r
from atoll.gateway.pairing import Place
from atoll.sim.ledger import MemoryLedger


class PairLedger(MemoryLedger):
    """Rows by table and key; a copy that is not whole yet is apart, and gone with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._new: MemoryLedger | None = None

    def settings(self) -> dict[str, int]:
        """The rows of SettingSet."""
        return {row.name: row.value for row in self.tables[r.SettingSet].values()}

    @property
    def place(self) -> Place:
        """Its last batch, and the term of that; zeros: it has no place."""
        found = self.settings()
        return Place(found.get("place", 0), found.get("place_term", 0))

    def read_all(self) -> Iterator[Any]:
        """All rows as they are now, finished queries' partials among them."""
        rows = [row for table in self.tables.values() for _, row in sorted(table.items())]
        partials = [r.PartialsAdded([row]) for row in self.partial_rows()]
        return iter([*rows, *partials])

    def begin_replacing(self) -> None:
        """A copy comes in."""
        self._new = MemoryLedger()

    def add(self, batch: Iterable[Any]) -> None:
        """Rows of it."""
        assert self._new is not None
        self._new.commit(batch)

    def end_replacing(self, *, keep: bool) -> None:
        """It is whole, or given up."""
        new, self._new = self._new, None
        if keep and new is not None:
            self.tables, self.partials = new.tables, new.partials

    def power_lost(self) -> None:
        """The process is gone."""
        self._new = None
