"""The gateway's ledger in memory: rows by key, the fold of the records committed.

It stands for gateway/ledger.py, without SQLite's time; tests hold both to the same rows.
"""

from collections.abc import Iterable
from typing import Any

from atoll.gateway import records as r

# How many of a record's first fields are its key, in the order in which rows are applied.
KEYS: dict[Any, int] = {
    r.SettingSet: 1,
    r.DeviceSet: 1,
    r.SlotSet: 1,
    r.DatasetSet: 1,
    r.ShardSet: 2,
    r.StreamSet: 2,
    r.HoldingSet: 4,
    r.PutSet: 3,
    r.PieceSet: 4,
    r.QuerySet: 1,
    r.StandingSet: 1,
    r.MarkSet: 2,
    r.WindowSet: 3,
    r.RequestSet: 1,
}
# A record that removes: the tables it removes from, and which of their fields its own must equal.
REMOVALS: dict[Any, list[tuple[Any, tuple[int, ...]]]] = {
    r.DeviceGone: [(r.DeviceSet, (0,)), (r.HoldingSet, (0,))],
    r.SlotsGone: [(r.SlotSet, (1,))],
    r.DatasetGone: [
        (r.DatasetSet, (0,)),
        (r.ShardSet, (0,)),
        (r.StreamSet, (0,)),
        (r.HoldingSet, (1,)),
        (r.PutSet, (1,)),
        (r.PieceSet, (1,)),
    ],
    r.HoldingGone: [(r.HoldingSet, (0, 1, 2, 3))],
    r.PieceGone: [(r.PieceSet, (0, 1, 2, 3))],
    r.PutGone: [(r.PutSet, (0, 1, 2)), (r.PieceSet, (0, 1, 2))],
    r.QueryGone: [(r.QuerySet, (0,))],
    r.StandingGone: [(r.StandingSet, (0,)), (r.MarkSet, (0,)), (r.WindowSet, (0,))],
    r.WindowGone: [(r.WindowSet, (0, 1, 2))],
}


class MemoryLedger:
    """Rows by table and key; what is committed outlives the gateway."""

    def __init__(self) -> None:
        self.tables: dict[Any, dict[Any, Any]] = {record: {} for record in KEYS}
        self.partials: dict[int, dict[int, bytes]] = {}  # by number of the query and task
        self.commits = 0

    def commit(self, records: Iterable[Any]) -> None:
        """Apply records in their order."""
        self.commits += 1
        for record in records:
            kind = type(record)
            size = KEYS.get(kind)
            if size is not None:
                self.tables[kind][record[:size]] = record
            elif kind is r.PartialsAdded:
                for number, task, data in record.rows:
                    self.partials.setdefault(number, {}).setdefault(task, data)
            else:
                self._remove(record)

    def _remove(self, record: Any) -> None:
        for table, fields in REMOVALS[type(record)]:
            rows, wanted = self.tables[table], record[: len(fields)]
            if fields == tuple(range(KEYS[table])):
                rows.pop(wanted, None)
                continue
            for key in [k for k, row in rows.items() if tuple(row[f] for f in fields) == wanted]:
                del rows[key]
        if type(record) is r.QueryGone:
            self.partials.pop(record.number, None)

    def load(self) -> list[Any]:
        """All rows in an order in which they can be applied, as the real ledger gives them."""
        found = [row for rows in self.tables.values() for _, row in sorted(rows.items())]
        opened = {q.number for q in self.tables[r.QuerySet].values() if q.state == "open"}
        return [*found, r.PartialsAdded([row for row in self.partial_rows() if row[0] in opened])]

    def partial_rows(self) -> list[tuple[int, int, bytes]]:
        """Query, task and partial, of all queries that are not forgotten."""
        return [
            (number, task, data)
            for number, tasks in sorted(self.partials.items())
            for task, data in sorted(tasks.items())
        ]
