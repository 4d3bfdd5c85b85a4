"""The device's shard store against SQLite and a plain file, each with the same syncs, and how long
10 GB of shards take to open.

    make bench-store        or: .venv/bin/python benchmarks/store.py [--gb 10] [--folder DIR]

Throughput: the same encoded blocks go into the store (`stage`, `commit`), into a table of SQLite
(WAL, synchronous=FULL, a transaction a commit) and behind each other into a file (`fdatasync`), in
turns within one run; a commit after every block, and after every 16. Rates are medians over the
rounds. A plain file checks nothing and finds nothing again: it is what the disk can do.

Opening: real segments with real indexes, written by the store itself; first with the files out of
the page cache, then again; once after a clean end and once as after SIGKILL, when the segments that
were written to (one a shard) have no index and are scanned. Writes build/bench/store.json:
`mb_per_s`, `over_sqlite`, `over_plain_file` (medians over the rows), `open_s` (the slowest of the
four), `open_gb`, and a row each.
"""

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atoll.cli.progress import Progress
from atoll.runtime.files import SystemFiles
from atoll.runtime.store import Store
from atoll.wire.block import Block, encode_block
from atoll.wire.messages import StreamInfo

OUTPUT = Path("build/bench/store.json")
SIZES = (4_096, 61_440)  # bytes of samples in a block
COMMITS = (1, 16)  # blocks between syncs
ROUNDS = 5
ROUND_BYTES = {1: 4 * 1_048_576, 16: 24 * 1_048_576}  # of blocks, by blocks between syncs
ROUND_BLOCKS_MAX = 256
OPEN_SHARDS = 64
OPEN_STREAMS = 256
OPEN_LIMIT_S = 2.0
NOW_MS = 1_700_000_000_000


class NoSyncs(SystemFiles):
    """For filling a disk that is synced once at the end."""

    def sync(self, handle: int) -> None:
        """Nothing now."""

    def sync_directory(self, path: str) -> None:
        """Nothing now."""


def block(stream: int, seq: int, data: bytes, shards: int = 1) -> bytes:
    """An encoded block of 16-bit samples."""
    info = StreamInfo("bench", f"stream-{stream}", "i16", 1, 12_000.0, 1.0, "g")
    count = len(data) // 2
    place = stream % shards, seq, seq * count, count
    return encode_block(Block(info, *place, 1, 0, NOW_MS, 0, seq == 0, data))


# --- throughput ----------------------------------------------------------------------------------


@contextmanager
def into_store(folder: Path) -> Iterator[Callable[[Sequence[bytes]], None]]:
    """What writes blocks and returns once they are synced."""
    store = Store(str(folder / "store"), SystemFiles())

    def write(blocks: Sequence[bytes]) -> None:
        for one in blocks:
            store.stage(one, NOW_MS)
        done = store.commit()
        assert len(done.added) == len(blocks)

    yield write
    store.close()


@contextmanager
def into_sqlite(folder: Path) -> Iterator[Callable[[Sequence[bytes]], None]]:
    """The same into a table, by the number of the block."""
    database = sqlite3.connect(folder / "blocks.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE block (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")

    def write(blocks: Sequence[bytes]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO block (data) VALUES (?)", [(one,) for one in blocks])
        database.execute("COMMIT")

    yield write
    database.close()


@contextmanager
def into_file(folder: Path) -> Iterator[Callable[[Sequence[bytes]], None]]:
    """The same behind each other in a file."""
    handle = os.open(folder / "blocks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(blocks: Sequence[bytes]) -> None:
        os.writev(handle, blocks)
        os.fdatasync(handle)

    yield write
    os.close(handle)


PLACES = {"store": into_store, "sqlite": into_sqlite, "plain file": into_file}


def throughput(folder: Path, size: int, every: int) -> dict[str, Any]:
    """Rates of the three on blocks of one size with a sync after every so many, in MB/s."""
    count = min(ROUND_BLOCKS_MAX, ROUND_BYTES[every] // size) // every * every
    data = os.urandom(size)
    rates: dict[str, list[float]] = {name: [] for name in PLACES}
    where = folder / f"{size}-{every}"
    where.mkdir()
    with (
        into_store(where) as store,
        into_sqlite(where) as sqlite,
        into_file(where) as plain,
    ):
        writers = dict(zip(PLACES, (store, sqlite, plain), strict=True))
        for turn in range(ROUNDS + 1):
            blocks = [block(0, turn * count + n, data) for n in range(count)]
            for name, write in writers.items():
                began_s = time.perf_counter()
                for at in range(0, count, every):
                    write(blocks[at : at + every])
                if turn:  # the first round makes files and tables
                    rates[name].append(count * size / (time.perf_counter() - began_s) / 1e6)
    shutil.rmtree(where)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "block_bytes": size,
        "blocks_a_sync": every,
        **{f"{name.replace(' ', '_')}_mb_s": round(rate, 2) for name, rate in middle.items()},
        "over_sqlite": round(middle["store"] / middle["sqlite"], 2),
        "over_plain_file": round(middle["store"] / middle["plain file"], 2),
    }


# --- opening -------------------------------------------------------------------------------------


def fill(root: Path, total: int) -> None:
    """Write so many bytes of blocks, of many streams in turn, and close in order."""
    store = Store(str(root), NoSyncs())
    data = os.urandom(SIZES[-1])
    rounds = -(-total // (OPEN_STREAMS * len(data)))
    with Progress("writing", "B") as progress:
        for seq in range(rounds):
            for stream in range(OPEN_STREAMS):
                store.stage(block(stream, seq, data, OPEN_SHARDS), NOW_MS)
            store.commit()
            progress((seq + 1) * OPEN_STREAMS * len(data), rounds * OPEN_STREAMS * len(data))
    store.close()
    os.sync()


def forget_pages(root: Path) -> None:
    """Put the files out of the page cache."""
    for path in root.rglob("*.*"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def as_killed(root: Path) -> None:
    """The last segment of each shard was being written: it has no index yet."""
    for shard in (root / "shards" / "bench").iterdir():
        max(shard.glob("*.idx")).unlink()


def opening(root: Path, how: str, blocks: int) -> Iterator[dict[str, Any]]:
    """Seconds to open, from the disk and then from memory."""
    for pages in ("from the disk", "again"):
        if pages == "from the disk":
            forget_pages(root)
        began_s = time.perf_counter()
        store = Store(str(root), SystemFiles())
        seconds = time.perf_counter() - began_s
        if store.recovered.blocks != blocks or store.recovered.damaged or store.recovered.torn:
            raise SystemExit(f"bench-store: opening found {store.recovered}, not {blocks} blocks")
        store._handles.close_all()  # not `close`, which would write the missing indexes
        yield {"opened": f"{how}, {pages}", "seconds": round(seconds, 3), "blocks": blocks}


def measure_opening(root: Path, gigabytes: float) -> list[dict[str, Any]]:
    """All four openings of one store."""
    free = shutil.disk_usage(root.parent).free
    if free < gigabytes * 1.2e9:
        raise SystemExit(f"bench-store: {root.parent} has {free / 1e9:.1f} GB free; give --folder")
    fill(root, int(gigabytes * 1e9))
    store = Store(str(root), SystemFiles())
    blocks = store.recovered.blocks
    store.close()
    rows = list(opening(root, "ended in order", blocks))
    as_killed(root)
    rows += opening(root, "killed", blocks)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--gb", type=float, default=10.0, help="size of the store to open (10)")
    parser.add_argument("--folder", type=Path, help="on which disk (the one of temporary files)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        rows = [throughput(folder, size, every) for size in SIZES for every in COMMITS]
        print(f"{'block':>7} {'a sync':>7} {'store':>11} {'sqlite':>11} {'plain file':>11}")
        for row in rows:
            rates = "".join(
                f" {row[key]:>6.1f} MB/s"
                for key in ("store_mb_s", "sqlite_mb_s", "plain_file_mb_s")
            )
            print(
                f"{row['block_bytes']:>7} {row['blocks_a_sync']:>7}{rates}   "
                f"{row['over_sqlite']:.2f} of sqlite, {row['over_plain_file']:.2f} of the file"
            )
        opened = measure_opening(folder / "large", options.gb)
    for row in opened:
        print(f"{options.gb:g} GB, {row['blocks']:,} blocks, {row['opened']}: {row['seconds']} s")
    slowest = max(row["seconds"] for row in opened)
    result = {
        "mb_per_s": statistics.median(row["store_mb_s"] for row in rows),
        "over_sqlite": round(statistics.median(row["over_sqlite"] for row in rows), 2),
        "over_plain_file": round(statistics.median(row["over_plain_file"] for row in rows), 2),
        "open_s": slowest,
        "open_gb": options.gb,
        "rows": rows + opened,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if slowest < OPEN_LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
