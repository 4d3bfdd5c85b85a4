"""The ledger: the gateway's records in SQLite, one transaction a batch.

WAL with synchronous=FULL: an acknowledgement lets a device delete its outbox, so a commit must be
on the disk before it is spoken of; a batch shares one sync. One gateway holds a state directory (a
lock on a file in it). The schema has a version; an older gateway refuses a newer ledger rather than
guess. Tables without a rowid where the key is the row's place; STRICT, so that a wrong type is an
error and not a value.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from atoll.gateway import records as r
from atoll.gateway.errors import LedgerError

VERSION = 1

_TABLES: dict[str, tuple[Any, str]] = {
    "setting": (r.SettingSet, "name"),
    "device": (r.DeviceSet, "id"),
    "slot": (r.SlotSet, "number"),
    "dataset": (r.DatasetSet, "name"),
    "shard": (r.ShardSet, "dataset, shard"),
    "stream": (r.StreamSet, "dataset, key"),
    "holding": (r.HoldingSet, "device, dataset, key, first_seq"),
    "put": (r.PutSet, "put_id, dataset, key"),
    "piece": (r.PieceSet, "put_id, dataset, key, piece"),
    "query": (r.QuerySet, "number"),
    "standing": (r.StandingSet, "name"),
    "mark": (r.MarkSet, "job, key"),
    "window": (r.WindowSet, "job, key, sample"),
}
_SQL_TYPES = {int: "INTEGER", str: "TEXT", float: "REAL", bytes: "BLOB"}

# Statements of the records that remove: each takes the record's fields by name.
_REMOVALS: dict[type, tuple[str, ...]] = {
    r.DeviceGone: (
        "DELETE FROM device WHERE id = ?1",
        "DELETE FROM holding WHERE device = ?1",
    ),
    r.SlotsGone: ("DELETE FROM slot WHERE owner = ?1",),
    r.DatasetGone: tuple(
        f"DELETE FROM {table} WHERE {column} = ?1"
        for table, column in (
            ("dataset", "name"),
            ("shard", "dataset"),
            ("stream", "dataset"),
            ("holding", "dataset"),
            ("put", "dataset"),
            ("piece", "dataset"),
        )
    ),
    r.HoldingGone: (
        "DELETE FROM holding WHERE device = ?1 AND dataset = ?2 AND key = ?3 AND first_seq = ?4",
    ),
    r.PieceGone: (
        "DELETE FROM piece WHERE put_id = ?1 AND dataset = ?2 AND key = ?3 AND piece = ?4",
    ),
    r.PutGone: (
        "DELETE FROM put WHERE put_id = ?1 AND dataset = ?2 AND key = ?3",
        "DELETE FROM piece WHERE put_id = ?1 AND dataset = ?2 AND key = ?3",
    ),
    r.QueryGone: (
        "DELETE FROM query WHERE number = ?1 AND job = ?2",
        "DELETE FROM partial WHERE query = ?1",
    ),
    r.StandingGone: (
        "DELETE FROM standing WHERE name = ?1",
        "DELETE FROM mark WHERE job = ?1",
        "DELETE FROM window WHERE job = ?1",
    ),
    r.WindowGone: ("DELETE FROM window WHERE job = ?1 AND key = ?2 AND sample = ?3",),
}
# A query's partials by task, in the order in which they came: the first of a key stays.
_PARTIAL_TABLE = (
    "CREATE TABLE partial (query INTEGER, task INTEGER, data BLOB NOT NULL,"
    " PRIMARY KEY (query, task)) STRICT, WITHOUT ROWID"
)
_PARTIAL_ADD = "INSERT OR IGNORE INTO partial VALUES (?, ?, ?)"


def _columns(record: Any) -> list[tuple[str, str]]:
    hints = record.__annotations__
    return [(name, _SQL_TYPES[hints[name]]) for name in record._fields]


def _create(table: str, record: Any, key: str) -> str:
    columns = ", ".join(f'"{name}" {kind} NOT NULL' for name, kind in _columns(record))
    # A row with a large blob is better in a rowid table; these two hold answers and partials.
    tail = "STRICT" if table in ("query", "window") else "STRICT, WITHOUT ROWID"
    return f'CREATE TABLE "{table}" ({columns}, PRIMARY KEY ({key})) {tail}'


def _upsert(table: str, record: Any) -> str:
    marks = ", ".join("?" for _ in record._fields)
    return f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})'


_UPSERTS = {record: _upsert(table, record) for table, (record, _) in _TABLES.items()}


class Ledger:
    """The ledger of one state directory; `close` releases it."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "ledger.sqlite"
        self._lock = _lock(state_dir)
        self.commits = 0
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._open()
        except sqlite3.Error as error:
            os.close(self._lock)
            raise LedgerError(
                f"ledger {self.path} cannot be opened ({_line(error)}); restore it from a copy,"
                " or move it away to begin anew"
            ) from None
        except LedgerError:
            self._db.close()
            os.close(self._lock)
            raise

    def _open(self) -> None:
        db = self._db
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version > VERSION:
            raise LedgerError(
                f"ledger {self.path} has version {version}, this gateway knows up to {VERSION}:"
                " install the newer atoll"
            )
        if tables and version == 0:
            raise LedgerError(f"{self.path} is a database of something else; give another --state")
        if tables:
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise LedgerError(
                    f"ledger {self.path} is damaged ({_line(verdict)}); restore it from a copy"
                )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if not tables:
            db.execute("BEGIN")
            for table, (record, key) in _TABLES.items():
                db.execute(_create(table, record, key))
            db.execute(_PARTIAL_TABLE)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")

    def load(self) -> list[r.Record]:
        """All rows as records, in an order in which they can be applied."""
        found: list[r.Record] = []
        try:
            for table, (record, _) in _TABLES.items():
                names = ", ".join(f'"{name}"' for name in record._fields)
                found.extend(map(record._make, self._db.execute(f'SELECT {names} FROM "{table}"')))
            open_partials = (
                "SELECT query, task, data FROM partial WHERE query IN"
                " (SELECT number FROM query WHERE state = 'open')"
            )
            found.append(r.PartialsAdded(self._db.execute(open_partials).fetchall()))
        except (sqlite3.Error, TypeError) as error:
            raise LedgerError(
                f"ledger {self.path} cannot be read ({_line(error)}); restore it from a copy"
            ) from None
        return found

    def commit(self, batch: Iterable[r.Record]) -> None:
        """Write records in one transaction, in their order; raises LedgerError and writes nothing
        if it cannot.
        """
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                for record, rows in _grouped(batch):
                    self._write(record, rows)
                db.execute("COMMIT")
            except BaseException:
                db.rollback()
                raise
        except sqlite3.Error as error:
            fatal = not isinstance(error, sqlite3.OperationalError)
            text = f"ledger {self.path} cannot be written: {error}"
            raise LedgerError(text, fatal=fatal) from None
        self.commits += 1

    def _write(self, record: Any, rows: Sequence[Any]) -> None:
        if record is r.PartialsAdded:
            for added in rows:
                self._db.executemany(_PARTIAL_ADD, added.rows)
        elif record in _UPSERTS:
            self._db.executemany(_UPSERTS[record], rows)
        else:
            for row in rows:
                for statement in _REMOVALS[record]:
                    self._db.execute(statement, row[: statement.count("?")])

    def close(self) -> None:
        """Close the database and release the state directory."""
        self._db.close()
        os.close(self._lock)


def _grouped(batch: Iterable[r.Record]) -> Iterable[tuple[type, list[Any]]]:
    """Consecutive records of one class together, so that each group is one executemany."""
    rows: list[Any] = []
    kind: type | None = None
    for record in batch:
        if type(record) is not kind:
            if kind is not None:
                yield kind, rows
            kind, rows = type(record), []
        rows.append(record)
    if kind is not None:
        yield kind, rows


def _line(problem: object) -> str:
    """SQLite's words in one line."""
    return " ".join(str(problem).split())


def _lock(state_dir: Path) -> int:
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"state directory {state_dir} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise LedgerError(f"state directory {state_dir} is in use by another gateway") from None
    return handle
