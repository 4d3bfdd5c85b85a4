"""What is on the disks once everything has ended: the ledger and each device's store, read without
a site.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from crash_oracle import Book, Found

from atoll.gateway.errors import LedgerError
from atoll.gateway.ledger import Ledger
from atoll.runtime.files import SystemFiles
from atoll.runtime.store import Store
from atoll.wire.block import decode_block

COPIES = 2
DTYPES = {"i16": "<i2", "i32": "<i4", "f32": "<f4"}


def check_disks(folder: Path, devices: list[str], books: list[Book]) -> Found:
    """The ledger is whole; each acknowledged sample is on two disks, once, with the same bytes."""
    problems = check_ledger(folder / "gateway")
    copies: dict[tuple[str, str], dict[int, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    wanted = {book.dataset for book in books}
    for name in devices:
        store = Store(str(folder / name), SystemFiles())
        if store.recovered.torn or store.recovered.damaged:
            problems.append(("wrong", f"{name}: {store.recovered} after an orderly end"))
        for held in store.streams():
            if held.info.dataset not in wanted:
                continue
            for run in held.runs:
                for seq in range(run.first_seq, run.last_seq + 1):
                    block = store.block(held.info.dataset, held.info.key, seq)
                    copies[held.info.dataset, held.info.key][seq].append(block)
        store.close()
    for book in books:
        for key in book.streams:
            problems += check_stream(book, key, copies[book.dataset, key])
    return problems


def read_stream(root: Path, dataset: str, key: str) -> tuple[np.ndarray, list[int]]:
    """A stream's samples as one device has them, from 0 on, and where gap-free runs begin."""
    store = Store(str(root), SystemFiles())
    pieces, anchors, end = [], [], 0
    for held in store.streams(dataset):
        for run in held.runs if held.info.key == key else ():
            for seq in range(run.first_seq, run.last_seq + 1):
                block = decode_block(store.block(dataset, key, seq))
                if block.first_sample != end:
                    raise ValueError(f"{dataset}/{key}: block {seq} does not begin at {end}")
                if block.gap or not seq:
                    anchors.append(end)
                end += block.sample_count
                pieces.append(np.frombuffer(block.data, DTYPES[block.info.dtype]))
    store.close()
    return np.concatenate(pieces) if pieces else np.empty(0, "i2"), anchors


def check_stream(book: Book, key: str, blocks: dict[int, list[bytes]]) -> Found:
    """One stream's blocks, as all disks have them."""
    where = f"{book.dataset}/{key}"
    problems: Found = []
    pieces = []
    for seq in sorted(blocks):
        found = blocks[seq]
        if len(found) < COPIES:
            problems.append(("lost", f"{where}: block {seq} is on {len(found)} disks"))
        if len(set(found)) > 1:
            problems.append(("wrong", f"{where}: block {seq} differs between disks"))
        block = decode_block(found[0])
        pieces.append(np.frombuffer(block.data, DTYPES[block.info.dtype]))
    samples = np.concatenate(pieces) if pieces else np.empty(0, "i2")
    return problems + book.compare_samples(key, samples)


def check_ledger(state: Path) -> Found:
    """Every row against its checksum."""
    try:
        ledger = Ledger(state)
    except LedgerError as error:
        return [("wrong", str(error))]
    try:
        ledger.verify()
    except LedgerError as error:
        return [("wrong", str(error))]
    finally:
        ledger.close()
    return []
