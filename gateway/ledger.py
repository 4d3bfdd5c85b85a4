"""The ledger: the gateway's records in SQLite, one transaction a batch.

WAL with synchronous=FULL: an acknowledgement lets a device delete its outbox, so a commit must be
on the disk before it is spoken of; a batch shares one sync. One gateway holds a state directory (a
lock on a file in it). The schema has a version; an older gateway refuses a newer ledger rather than
guess.

Every row has a checksum over its table's name and its values, and every table its number of rows
and the sum of their checksums, kept by triggers: SQLite's own check sees broken pages, these see
changed values and lost rows. Tables without a rowid where the key is the row's place; STRICT, so
that a wrong type is an error and not a value.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from atoll.gateway import records as r
from atoll.gateway.errors import LedgerError
from atoll.wire._native import crc32c

VERSION = 4

TABLES: dict[str, tuple[Any, str]] = {
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
    "request": (r.RequestSet, "place"),
}
_SINCE = {"request": 4}  # tables that versions before did not have
_SUMMED_SINCE = 2  # rows have had checksums
# A ledger is never mended by guessing, nor left behind: what a person can do about it.
_WHAT_THEN = "atoll ledger check lists what is wrong, atoll ledger rebuild asks the devices"
# A damaged file's names and texts need not be UTF-8, not even in SQLite's own words about it.
UNREADABLE = (sqlite3.Error, TypeError, OverflowError, UnicodeDecodeError)
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
    " row_crc INTEGER NOT NULL, PRIMARY KEY (query, task)) STRICT, WITHOUT ROWID"
)
_PARTIAL_ADD = "INSERT OR IGNORE INTO partial VALUES (?, ?, ?, ?)"
# Those of a finished query are in its answer.
_OPEN_PARTIALS = (
    "SELECT query, task, data, row_crc FROM partial WHERE query IN"
    " (SELECT number FROM query WHERE state = 'open')"
)
_TOTAL_TABLE = (
    "CREATE TABLE total (name TEXT PRIMARY KEY, rows INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT"
)
_TOTALS = (
    """CREATE TRIGGER "{0}_added" AFTER INSERT ON "{0}" BEGIN
    UPDATE total SET rows = rows + 1, sum = sum + new.row_crc WHERE name = '{0}'; END""",
    """CREATE TRIGGER "{0}_gone" AFTER DELETE ON "{0}" BEGIN
    UPDATE total SET rows = rows - 1, sum = sum - old.row_crc WHERE name = '{0}'; END""",
)


def _columns(record: Any) -> list[tuple[str, str]]:
    hints = record.__annotations__
    return [(name, _SQL_TYPES[hints[name]]) for name in record._fields]


def _create(table: str, record: Any, key: str) -> str:
    columns = ", ".join(f'"{name}" {kind} NOT NULL' for name, kind in _columns(record))
    # A row with a large blob is better in a rowid table; these two hold answers and partials.
    tail = "STRICT" if table in ("query", "window") else "STRICT, WITHOUT ROWID"
    return (
        f'CREATE TABLE "{table}" ({columns}, row_crc INTEGER NOT NULL, PRIMARY KEY ({key})) {tail}'
    )


def _upsert(table: str, record: Any) -> str:
    marks = ", ".join("?" for _ in record._fields)
    return f'INSERT OR REPLACE INTO "{table}" VALUES ({marks}, ?)'


def _plain(value: Any) -> Any:
    """A value as SQLite may give it back: True as 1, 2 in a column of reals as 2.0."""
    if type(value) is float:
        return int(value) if value.is_integer() else value
    return int(value) if type(value) is bool else value


def row_crc(table: str, row: Sequence[Any]) -> int:
    """The checksum of a row: texts and numbers as Python writes them, blobs as they are."""
    found = crc32c(repr((table, *(_plain(v) for v in row if type(v) is not bytes))).encode())
    for value in row:
        if type(value) is bytes:
            found = crc32c(value, found)
    return found


_UPSERTS = {record: (table, _upsert(table, record)) for table, (record, _) in TABLES.items()}


class Ledger:
    """The ledger of one state directory; `close` releases it."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "ledger.sqlite"
        self._lock = lock_state(state_dir)
        self.commits = 0
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._open()
        except UNREADABLE as error:
            os.close(self._lock)
            raise LedgerError(
                f"ledger {self.path} cannot be opened ({one_line(error)}); {_WHAT_THEN}"
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
                raise self._damaged(verdict)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA recursive_triggers = ON")  # or a replaced row would stay in its total
        if version < VERSION:
            self._make_tables(version)

    def _damaged(self, what: object) -> LedgerError:
        return LedgerError(f"ledger {self.path} is damaged ({one_line(what)}); {_WHAT_THEN}")

    def _make_tables(self, version: int) -> None:
        """Make the tables; rows of an older ledger (0: there is none) are taken over: version 1 had
        no checksums, and fields that came later take their defaults.
        """
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        db.execute("DROP TABLE IF EXISTS total")
        db.execute(_TOTAL_TABLE)
        made = {table: _create(table, record, key) for table, (record, key) in TABLES.items()}
        for table, statement in (made | {"partial": _PARTIAL_TABLE}).items():
            rows = self._older_rows(table, version) if version else []
            db.execute(f'DROP TABLE IF EXISTS "{table}"')
            db.execute(statement)
            db.execute("INSERT INTO total VALUES (?, 0, 0)", (table,))
            for trigger in _TOTALS:
                db.execute(trigger.format(table))
            for row in rows:
                marks = ", ".join("?" for _ in row)
                db.execute(
                    f'INSERT INTO "{table}" VALUES ({marks}, ?)', (*row, row_crc(table, row))
                )
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")

    def _older_rows(self, table: str, version: int) -> list[tuple[Any, ...]]:
        """The rows of a table as this version has them."""
        columns, later, summed = layout(self._db, table, version)
        if not columns:
            return []
        rows = []
        for row in self._db.execute(f'SELECT {columns} FROM "{table}"').fetchall():
            if summed and row_crc(table, row[:-1]) != row[-1]:
                raise self._damaged(f"a row of {table} has changed: {one_line(row[:2])[:60]}")
            rows.append((*(row[:-1] if summed else row), *later))
        return rows

    def _checked(self, table: str, names: str) -> list[Any]:
        """All rows of a table, which are as they were written and as many; raises LedgerError."""
        total = 0
        rows = []
        for *row, crc in self._db.execute(f'SELECT {names}, row_crc FROM "{table}"'):
            if row_crc(table, row) != crc:
                raise self._damaged(f"a row of {table} has changed: {one_line(row[:2])[:60]}")
            total += crc
            rows.append(row)
        stated = self._db.execute("SELECT rows, sum FROM total WHERE name = ?", (table,)).fetchone()
        if stated != (len(rows), total):
            raise self._damaged(f"table {table} has {len(rows)} rows, not the ones written")
        return rows

    def verify(self) -> int:
        """Read everything against its checksums; the number of rows. Raises LedgerError."""
        try:
            verdict = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise self._damaged(verdict)
            count = len(self._checked("partial", "query, task, data"))
            for table, (record, _) in TABLES.items():
                count += len(self._checked(table, column_names(record)))
        except UNREADABLE as error:
            raise self._damaged(error) from None
        return count

    def load(self) -> list[r.Record]:
        """All rows as records, in an order in which they can be applied."""
        found: list[r.Record] = []
        try:
            for table, (record, _) in TABLES.items():
                found.extend(map(record._make, self._checked(table, column_names(record))))
            partials = []
            for *row, crc in self._db.execute(_OPEN_PARTIALS):
                if row_crc("partial", row) != crc:
                    raise self._damaged("a partial has changed")
                partials.append((row[0], row[1], row[2]))
            found.append(r.PartialsAdded(partials))
        except UNREADABLE as error:
            raise self._damaged(error) from None
        return found

    def settings(self) -> dict[str, int]:
        """The site's numbers by name. Raises LedgerError."""
        try:
            return dict(self._checked("setting", "name, value"))
        except UNREADABLE as error:
            raise self._damaged(error) from None

    def read_all(self) -> Iterator[r.Record]:
        """All rows as `load` gives them, read one by one as they stood at the first one; commits
        go on meanwhile. Raises LedgerError.
        """
        reader = sqlite3.connect(self.path, isolation_level=None)
        try:
            reader.execute("BEGIN")
            for table, (record, _) in TABLES.items():
                for row in reader.execute(f'SELECT {column_names(record)} FROM "{table}"'):
                    yield record._make(row)
            for row in reader.execute(_OPEN_PARTIALS):
                yield r.PartialsAdded([row[:3]])
        except UNREADABLE as error:
            raise self._damaged(error) from None
        finally:
            reader.close()

    def begin_replacing(self) -> None:
        """From here to `end_replacing` all rows are replaced, in one transaction."""
        self._try(self._empty)

    def _empty(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for table in (*TABLES, "partial"):
            self._db.execute(f'DELETE FROM "{table}"')

    def add(self, batch: Iterable[r.Record]) -> None:
        """Rows of the new content."""
        self._try(lambda: self._write_all(batch))

    def end_replacing(self, *, keep: bool) -> None:
        """Commit the new content, or keep the old."""
        self._try(lambda: self._db.execute("COMMIT" if keep else "ROLLBACK"))
        self.commits += keep

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as error:
            if self._db.in_transaction:
                self._db.rollback()
            if not isinstance(error, sqlite3.Error):
                raise
            fatal = not isinstance(error, sqlite3.OperationalError)
            text = f"ledger {self.path} cannot be written: {error}"
            raise LedgerError(text, fatal=fatal) from None

    def commit(self, batch: Iterable[r.Record]) -> None:
        """Write records in one transaction, in their order; raises LedgerError and writes nothing
        if it cannot.
        """
        self._try(lambda: self._commit(batch))
        self.commits += 1

    def _commit(self, batch: Iterable[r.Record]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._write_all(batch)
        self._db.execute("COMMIT")

    def _write_all(self, batch: Iterable[r.Record]) -> None:
        for record, rows in _grouped(batch):
            self._write(record, rows)

    def _write(self, record: Any, rows: Sequence[Any]) -> None:
        if record is r.PartialsAdded:
            for added in rows:
                summed = [(*row, row_crc("partial", row)) for row in added.rows]
                self._db.executemany(_PARTIAL_ADD, summed)
        elif record in _UPSERTS:
            table, statement = _UPSERTS[record]
            self._db.executemany(statement, [(*row, row_crc(table, row)) for row in rows])
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


def layout(db: sqlite3.Connection, table: str, version: int) -> tuple[str, list[Any], bool]:
    """The columns of a table in a ledger of this version or an older one, its checksums last; the
    values of fields that came later; whether there are checksums. No columns: the table came later.

    Raises sqlite3.DatabaseError where something is missing that the version had.
    """
    there = {column[1] for column in db.execute(f'PRAGMA table_info("{table}")')}
    if not there:
        if version < _SINCE.get(table, 0):
            return "", [], False
        raise sqlite3.DatabaseError(f"there is no table {table}")
    names, defaults = ["query", "task", "data"], dict[str, Any]()
    if table in TABLES:
        names, defaults = TABLES[table][0]._fields, TABLES[table][0]._field_defaults
    summed = version >= _SUMMED_SINCE
    if version == VERSION:
        defaults = {}
    wanted = [name for name in names if name in there or name not in defaults]
    wanted += ["row_crc"] if summed else []
    for name in wanted:
        if name not in there:
            raise sqlite3.DatabaseError(f"table {table} has no column {name}")
    later = [defaults[name] for name in names if name not in there]
    return ", ".join(f'"{name}"' for name in wanted), later, summed


def column_names(record: Any) -> str:
    """The columns of a record's table, for a statement."""
    return ", ".join(f'"{name}"' for name in record._fields)


def one_line(problem: object) -> str:
    """SQLite's words in one line."""
    return " ".join(str(problem).split())


def lock_state(state_dir: Path) -> int:
    """Hold a state directory: one gateway uses it. Close the handle to release it. LedgerError."""
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
