"""The gateway's ledger under power cuts.

A process runs the real ledger while `file_recorder.c`, loaded before libc, writes down what SQLite
does to its files. The operations are replayed on the simulated disk; at each one the power is cut
in every way, the files that are left are laid out in memory, and the real ledger opens them. It
must hold exactly the batches that were committed, or those and the one under way: the writer has
noted a digest of all rows after each commit, when it would have published.
"""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from cut_disk import KILLED, WAYS, CutDisk, Folder

from atoll.gateway import records as r
from atoll.gateway.errors import LedgerError
from atoll.gateway.ledger import Ledger

HERE = Path(__file__).parent
_ENTRY = struct.Struct("<c3xIQI")
CHECKPOINT_PAGES = 12  # so that a short workload has checkpoints in it
# What SQLite builds anew from the log, and the lock: nothing of either must survive.
SKIPPED = ("ledger.sqlite-shm", "lock")


class Broken(AssertionError):
    """A promise was broken; `kind` is the counter it belongs to."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


class Operation(NamedTuple):
    """One entry of a recording."""

    kind: str
    path: str
    offset: int
    data: bytes


def build_recorder(folder: Path) -> Path:
    """Compile the recorder; its path."""
    path = folder / "file_recorder.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    source = HERE / "file_recorder.c"
    subprocess.run(["gcc", *flags, source, "-o", path, "-ldl"], check=True)
    return path


# --- the workload, in the recorded process ---


def batch(random: Random, turn: int) -> list[r.Record]:
    """Records as a gateway commits them: keys that repeat, blobs, removals."""
    found: list[r.Record] = [r.SettingSet("turn", turn)]
    for _ in range(random.randint(1, 6)):
        number, size = random.randrange(6), random.choice((40, 3_000))
        key, rows = f"k{number}", range(turn * 8, turn * 8 + random.randint(1, 4))
        query = (number, f"q{number}", "open", "rms", "d", 0, "c", turn, 1, 2, "[]", 0, "", b"?")
        found.append(
            random.choice(
                (
                    r.PartialsAdded([(number, row, random.randbytes(size)) for row in rows]),
                    r.QuerySet(*query),
                    r.MarkSet("job", key, turn),
                    r.WindowSet("job", key, turn, random.randbytes(500)),
                    r.WindowGone("job", key, turn - 3),
                    r.HoldingSet("pi", "d", key, turn, turn, 9, 9, 9, 0, 100),
                    r.HoldingGone("pi", "d", key, turn - 2),
                    r.QueryGone(number, f"q{number}"),
                )
            )
        )
    return found


def digest(ledger: Ledger) -> str:
    """A digest of every row of every table."""
    found = hashlib.sha256()
    database = ledger._db
    names = [
        row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type='table'")
    ]
    for name in sorted(names):
        rows = sorted(database.execute(f'SELECT * FROM "{name}"').fetchall())
        found.update(repr((name, rows)).encode())
    return found.hexdigest()


def work(state: Path, seed: int, turns: int, first: int = 1, *, pragma: str = "") -> None:
    """Commit batches, closing and opening the ledger now and then; note each commit. `pragma` is
    for a test: what SQLite is told beyond what the ledger tells it.
    """
    random = Random(seed)
    ledger = Ledger(state)
    mark = os.open(state / "mark", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(mark, digest(ledger).encode())
    for turn in range(first, first + turns):
        if pragma:
            ledger._db.execute(f"PRAGMA {pragma}")
        ledger._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        ledger.commit(batch(random, turn))
        os.write(mark, digest(ledger).encode())
        if random.random() < 0.1:
            ledger.close()
            ledger = Ledger(state)
    ledger.close()
    os.close(mark)


def read_recording(path: Path) -> Iterator[Operation]:
    """The operations of a recording, without those that nothing rests upon."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        kind, length, offset, size = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        name = data[at : at + length].decode()
        at += length
        if name not in SKIPPED and (name != "mark" or kind == b"m"):
            yield Operation(kind.decode(), name, offset, data[at : at + size])
        at += size


def record(
    recorder: Path, folder: Path, seed: int, turns: int, *, pragma: str = ""
) -> list[Operation]:
    """Run the workload in a process of its own and give what it did to the disk."""
    state, trace = folder / "live", folder / "trace"
    state.mkdir()
    trace.unlink(missing_ok=True)
    environment = {"LD_PRELOAD": str(recorder), "RECORD_UNDER": str(state), "RECORD_TO": str(trace)}
    command = [sys.executable, __file__, str(state), str(seed), str(turns), pragma]
    subprocess.run(command, check=True, env=os.environ | environment)
    shutil.rmtree(state)
    return list(read_recording(trace))


# --- the cuts ---


class LedgerCampaign:
    """Cuts at every operation of a recording; every so often a second one while it recovers."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = Random(seed)
        self.cuts = self.doubles = 0
        self.allowed: tuple[str, ...] = ()

    def replay(self, operations: list[Operation], disk: CutDisk, *, chance: float = 1.0) -> None:
        """Do the operations again; cut each with this chance. Raises `Broken`."""
        disk.before = lambda disk: self._cut_here(disk, chance)
        marks = [one.data.decode() for one in operations if one.kind == "m"]
        # Before the first mark the ledger is as it was found, which the caller may know.
        for one in operations:
            if one.kind == "m":
                self.allowed = tuple(marks[:2])
                marks.pop(0)
            else:
                _do(disk, one)

    def _cut_here(self, disk: CutDisk, chance: float) -> None:
        for way in WAYS:
            if way != KILLED and self.random.random() < chance:
                self.cuts += 1
                self._check(disk.after_cut(way, self.random), way)

    def _check(self, disk: CutDisk, way: str) -> None:
        state = self.folder / "check"
        lay_out(disk, state)
        try:
            ledger = Ledger(state)
        except LedgerError as error:
            raise Broken("lost", f"after a cut ({way}): {error}") from None
        found = digest(ledger)
        ledger.close()
        shutil.rmtree(state)
        if self.allowed and found not in self.allowed:
            raise Broken("lost", f"after a cut ({way}) other rows than were committed")

    def run_once(self, operations: list[Operation]) -> None:
        """Cut a recording that begins with an empty folder everywhere."""
        self.allowed = ()
        self.replay(operations, CutDisk())

    def cut_again(self, disk: CutDisk, trace: Path, again: Path) -> None:
        """Lay a cut's disk out at `again`, where this process is recorded to `trace`; let the
        ledger recover and work there; cut that.
        """
        fresh = self.folder / "fresh"
        lay_out(disk, fresh)
        fresh.rename(again)
        start = trace.stat().st_size if trace.exists() else 0
        work(again, self.random.randrange(1 << 30), 3, 10_000)
        part = self.folder / "part"
        part.write_bytes(trace.read_bytes()[start:])
        shutil.rmtree(again)
        before = self.cuts
        self.replay(list(read_recording(part)), disk, chance=0.3)
        self.doubles += self.cuts - before

    def run_again(self, operations: list[Operation], trace: Path, again: Path, count: int) -> None:
        """Second cuts after `count` first ones, which are at random places of a recording."""
        for _ in range(count):
            disk = CutDisk()
            for one in operations[: self.random.randrange(len(operations))]:
                if one.kind != "m":
                    _do(disk, one)
            cut = disk.after_cut(self.random.choice(WAYS[:-1]), self.random)
            self.allowed = ()  # `_check` has compared the first cut's rows already
            self.cut_again(cut, trace, again)


def _do(disk: CutDisk, one: Operation) -> None:
    kind, path = one.kind, f"/{one.path}"
    node: Any = disk.top.names.get(one.path)
    if kind == "c":
        disk.close(disk.open(path, create=True))
    elif kind == "w":
        disk.write_at(node, one.offset, one.data)
    elif kind == "t":
        handle = disk.open(path)
        disk.truncate(handle, one.offset)
        disk.close(handle)
    elif kind == "s":
        disk.sync_file(node)
    elif kind == "d":
        disk.sync_directory("/")
    elif kind == "r":
        disk.remove(path)
    else:
        disk.rename(path, f"/{one.data.decode()}")


def lay_out(disk: CutDisk, folder: Path) -> None:
    """Write a simulated disk's files into a real folder."""
    folder.mkdir()
    for name, node in disk.top.names.items():
        assert not isinstance(node, Folder)
        (folder / name).write_bytes(node.data)


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), pragma=sys.argv[4])
