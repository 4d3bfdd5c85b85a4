"""Looking a ledger through: everything that is wrong with it, one finding each, nothing changed.

The gateway's own start stops at the first damage that it meets; a person who has to decide between
a copy and a rebuild wants to see all of it. Four passes: SQLite's own check of its pages, the
checksum of every row, the totals of every table, and what the tables say of each other. A running
gateway is not disturbed: all reads are one snapshot of its last commit.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from atoll.gateway import records as r
from atoll.gateway.catalog import PINNED, pinned_shard, shard_of
from atoll.gateway.ledger import TABLES, UNREADABLE, VERSION, layout, one_line, row_crc

PAGES_LISTED_MAX = 20  # of SQLite's own findings: a torn file has one for each of its pages
FINDINGS_MAX = 1_000  # more tell a person nothing


class Finding(NamedTuple):
    """One thing that is wrong: in which table ("": the file), and what."""

    table: str
    text: str

    def __str__(self) -> str:
        return f"{self.table}: {self.text}" if self.table else self.text


class Report(NamedTuple):
    """What a check found; `version` -1: no ledger could be read. `rows` by table."""

    path: Path
    version: int
    rows: dict[str, int]
    findings: list[Finding]

    @property
    def whole(self) -> bool:
        """Whether a gateway can work with it."""
        return not self.findings


def check_ledger(state_dir: Path) -> Report:
    """Look through the ledger of a state directory."""
    path = state_dir / "ledger.sqlite"
    if not path.is_file():
        return Report(path, -1, {}, [Finding("", "there is no ledger here")])
    rows: dict[str, int] = {}
    findings: list[Finding] = []
    version = -1
    try:
        db = sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        return Report(path, -1, {}, [Finding("", f"cannot be opened: {one_line(error)}")])
    try:
        db.execute("BEGIN")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        findings += _file(db, version)
        if 0 < version <= VERSION:
            tables = _read(db, version, rows, findings)
            findings += _bounded(_related(tables))
    except UNREADABLE as error:
        findings.append(Finding("", f"cannot be read: {one_line(error)}"))
    finally:
        db.close()
    return Report(path, version, rows, findings[:FINDINGS_MAX])


def _file(db: sqlite3.Connection, version: int) -> list[Finding]:
    if version > VERSION:
        return [Finding("", f"version {version}, this atoll knows up to {VERSION}")]
    verdicts = db.execute(f"PRAGMA integrity_check({PAGES_LISTED_MAX})").fetchall()
    found = [Finding("", one_line(text)) for (text,) in verdicts if text != "ok"]
    if version == 0:
        found.append(Finding("", "this is no ledger, or one whose making was not finished"))
    return found


# --- rows against their checksums, tables against their totals ---


def _read(
    db: sqlite3.Connection, version: int, rows: dict[str, int], findings: list[Finding]
) -> dict[str, list[Any]]:
    """The sound rows of each table as records; what is not goes to `findings`."""
    tables: dict[str, list[Any]] = {}
    for table in (*TABLES, "partial"):
        sound: list[list[Any]] = []
        try:
            columns, later, summed = layout(db, table, version)
            total = 0
            count = 0
            for row in db.execute(f'SELECT {columns} FROM "{table}"') if columns else ():
                values = list(row[:-1]) if summed else list(row)
                count += 1
                if summed and row_crc(table, values) != row[-1]:
                    what = f"a row is not what was written: {one_line(values[:2])[:80]}"
                    findings.append(Finding(table, what))
                    continue
                total += row[-1] if summed else 0
                sound.append([*values, *later])
            rows[table] = count
            if summed and len(sound) == count:
                findings += _total(db, table, count, total)
        except UNREADABLE as error:
            findings.append(Finding(table, f"cannot be read: {one_line(error)}"))
        if table == "partial":  # their bytes are checked by now and not needed any more
            tables[table] = [(query, task) for query, task, _ in sound]
        else:
            tables[table] = [TABLES[table][0](*values) for values in sound]
    return tables


def _total(db: sqlite3.Connection, table: str, count: int, total: int) -> list[Finding]:
    stated = db.execute("SELECT rows, sum FROM total WHERE name = ?", (table,)).fetchone()
    if stated == (count, total):
        return []
    was = "not counted at all" if stated is None else f"written were {stated[0]} rows"
    return [Finding(table, f"{count} rows are there, {was}; or the sum of their checksums differs")]


# --- what tables say of each other ---


def _bounded(findings: Iterator[Finding]) -> list[Finding]:
    found = []
    for finding in findings:
        found.append(finding)
        if len(found) >= FINDINGS_MAX:
            break
    return found


def _related(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    yield from _settings(tables)
    yield from _devices(tables)
    yield from _data(tables)
    yield from _holdings(tables)
    yield from _puts(tables)
    yield from _jobs(tables)


def _settings(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    settings = {row.name: row.value for row in tables["setting"]}
    for name in ("term", "seed"):
        if name not in settings:
            yield Finding("setting", f"{name} is missing")
    highest = max((row.epoch for row in tables["shard"]), default=0)
    if highest > settings.get("epoch", 0):
        yield Finding(
            "setting", f"epoch {settings.get('epoch', 0)} is below a shard's epoch {highest}"
        )
    last = max((row.number for row in tables["query"]), default=0)
    if last > settings.get("job", 0):
        yield Finding("setting", f"job {settings.get('job', 0)} is below query {last}")


def _devices(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    numbers: dict[int, str] = {}
    for row in tables["device"]:
        if row.number in numbers:
            yield Finding("device", f"{row.id} and {numbers[row.number]} have number {row.number}")
        numbers[row.number] = row.id
        if (problem := _json(row.receipts, dict)) is not None:
            yield Finding("device", f"{row.id}: receipts {problem}")
    size = next((row.value for row in tables["setting"] if row.name == "slots"), 0)
    for slot in tables["slot"]:
        if slot.number >= size:
            yield Finding("slot", f"slot {slot.number} lies beyond the table's {size}")
        if slot.owner not in numbers:
            yield Finding("slot", f"slot {slot.number} belongs to owner {slot.owner}, a nobody")


def _data(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    datasets = {row.name: row for row in tables["dataset"]}
    shards = {(row.dataset, row.shard) for row in tables["shard"]}
    for row in tables["shard"]:
        if row.dataset not in datasets:
            yield Finding("shard", f"{row.dataset}/{row.shard} is of no dataset")
    known = {row.id for row in tables["device"]}
    for row in tables["shard"]:
        for device in filter(None, row.owners.split(",")):
            if device not in known:
                yield Finding("shard", f"{row.dataset}/{row.shard} is owned by {device}, a nobody")
    for row in tables["stream"]:
        name = f"{row.dataset}/{row.key}"
        dataset = datasets.get(row.dataset)
        if dataset is None:
            yield Finding("stream", f"{name} is of no dataset")
            continue
        live = row.shard >= PINNED
        meant = pinned_shard(row.key) if live else shard_of(row.key, dataset.shards)
        if row.shard != meant:
            yield Finding("stream", f"{name} lies in shard {row.shard}, its key says {meant}")
        if (row.dataset, row.shard) not in shards:
            yield Finding("stream", f"{name} lies in shard {row.shard}, which is not there")
        if (problem := _json(row.anchors, (list, dict))) is not None:
            yield Finding("stream", f"{name}: anchors {problem}")


def _holdings(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    devices = {row.id for row in tables["device"]}
    streams = {(row.dataset, row.key) for row in tables["stream"]}
    before: r.HoldingSet | None = None
    for row in sorted(tables["holding"]):
        name = f"{row.device} {row.dataset}/{row.key} from block {row.first_seq}"
        if row.device not in devices:
            yield Finding("holding", f"{name}: no such device")
        if (row.dataset, row.key) not in streams:
            yield Finding("holding", f"{name}: no such stream")
        if row.last_seq < row.first_seq:
            yield Finding("holding", f"{name}: ends at block {row.last_seq}")
        if before is not None and before[:3] == row[:3] and before.last_seq >= row.first_seq:
            yield Finding("holding", f"{name}: overlaps the run before it")
        before = row


def _puts(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    streams = {(row.dataset, row.key) for row in tables["stream"]}
    for row in tables["piece"]:
        if (row.dataset, row.key) not in streams:
            yield Finding("piece", f"{row.dataset}/{row.key} piece {row.piece}: no such stream")


def _jobs(tables: dict[str, list[Any]]) -> Iterator[Finding]:
    datasets = {row.name for row in tables["dataset"]}
    queries = {row.number for row in tables["query"]}
    for row in tables["query"]:
        if row.state != "open":
            continue
        if row.dataset not in datasets:
            yield Finding("query", f"{row.job} is open over {row.dataset}, which is not there")
        if (problem := _json(row.cuts, list)) is not None:
            yield Finding("query", f"{row.job}: cuts {problem}")
        yield from _plan("query", row.job, row.plan)
    strays = _counted(query for query, _ in tables["partial"] if query not in queries)
    for query, count in strays.items():
        yield Finding("partial", f"{count} partials of query {query}, which is not there")
    jobs = {row.name: row for row in tables["standing"]}
    for row in jobs.values():
        if row.dataset not in datasets:
            yield Finding("standing", f"{row.name} is over {row.dataset}, which is not there")
        yield from _plan("standing", row.name, row.plan)
    for table in ("mark", "window"):
        for row in tables[table]:
            if row.job not in jobs:
                yield Finding(table, f"{row.job} {row.key}: no such standing job")


def _plan(table: str, name: str, text: str) -> Iterator[Finding]:
    from atoll.gateway.errors import RequestError
    from atoll.gateway.requests import parse_plan

    try:
        parse_plan(text)
    except RequestError as error:
        yield Finding(table, f"{name}: its plan cannot be read: {one_line(error)}")


def _counted(items: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts


def _json(text: str, kind: type | tuple[type, ...]) -> str | None:
    """Why a text is no JSON of this kind; None if it is."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"cannot be read: {error}"
    return None if isinstance(value, kind) else "are of another kind"
