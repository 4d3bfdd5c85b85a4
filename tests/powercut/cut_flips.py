"""Rot: flipped bits, files cut short, blocks swapped; all is noticed, nothing answers wrongly.

A device's disk is filled by the workload of cut_device.py and closed. Then, each time on a fresh
copy, something happens to one file, and everything is opened and read:

- a block or a message is as it was written, or it is not given out;
- what is missing was noticed: counted at the opening or at the read, or the opening was refused.

The ledger is treated the same way: closed, damaged, opened and read in full.

The secret is left out: any text is a secret, and a wrong one is the broker's to refuse. Index files
are in: one that is damaged is ignored, and what it would have said is found by a scan.
"""

import shutil
from pathlib import Path
from random import Random

from cut_device import OUTBOX_FILE_BYTES, ROOT, SEGMENT_BYTES, World
from cut_disk import CutDisk, File, Folder
from cut_ledger import work

from atoll.gateway.errors import LedgerError
from atoll.gateway.ledger import Ledger
from atoll.runtime.errors import Missing, StoreError
from atoll.runtime.outbox import Outbox
from atoll.runtime.state import load
from atoll.runtime.store import Store

BLOCK_SIZES = (1, 16, 64, 512)


class Flips:
    """One filled disk, and rot in copies of it."""

    def __init__(self, seed: int, steps: int = 60) -> None:
        self.random = random = Random(seed)
        world = World(CutDisk(), random)
        world.start()
        for _ in range(steps):
            world.step()
        world._commit()
        world.store.close()
        world.outbox.close()
        world.disk.under_way = None
        self.top = world.disk.top
        self.state = load(world.disk, ROOT)
        store = Store(ROOT, world.disk, segment_bytes=SEGMENT_BYTES, reserve_bytes=0)
        self.blocks = dict(_stored(store))
        outbox = Outbox(ROOT, world.disk, file_bytes=OUTBOX_FILE_BYTES)
        self.messages = {number: outbox.read(number) for number in outbox.numbers()}
        assert (outbox.damaged, outbox.unclean, store.recovered.damaged) == (0, False, 0)
        self.flips = self.noticed = 0

    def flip(self) -> str:
        """Damage a copy, open it, read it all; what is wrong with it, empty if nothing is."""
        disk = CutDisk(_copied(self.top))
        files = sorted(disk.files().items())
        path, kind = self._damage([(p, f) for p, f in files if not p.endswith("secret") and f.data])
        self.flips += 1
        try:
            if load(disk, ROOT) != self.state:
                return f"{kind} in {path}: another state"
            store = Store(ROOT, disk, segment_bytes=SEGMENT_BYTES, reserve_bytes=0)
            outbox = Outbox(ROOT, disk, file_bytes=OUTBOX_FILE_BYTES)
        except StoreError:
            self.noticed += 1
            return ""
        found = dict(_stored(store))
        wrong = [key for key, data in found.items() if self.blocks.get(key) != data]
        sent = {number: outbox.read(number) for number in outbox.numbers()}
        wrong += [
            n for n, data in sent.items() if data is not None and self.messages.get(n) != data
        ]
        if wrong:
            return f"{kind} in {path}: another {wrong[0]}"
        recovered = store.recovered
        seen_store = recovered.torn + recovered.damaged + store.damaged_reads
        seen_outbox = outbox.torn + outbox.damaged + outbox.unclean
        self.noticed += bool(seen_store or seen_outbox)
        if len(found) < len(self.blocks) and not seen_store:
            return f"{kind} in {path}: blocks are missing, and nobody said so"
        if len(sent) < len(self.messages) and not seen_outbox:
            return f"{kind} in {path}: messages are missing, and nobody said so"
        return ""

    def _damage(self, files: list[tuple[str, File]]) -> tuple[str, str]:
        path, file = self.random.choice(files)
        other_path, other = self.random.choice(files)
        kind = damage(self.random, file.data, other.data)
        return (path if kind != SWAPPED else f"{path}, {other_path}"), kind


FLIPPED, SHORTENED, SWAPPED = "flipped bits", "a lost end", "swapped blocks"


def damage(random: Random, data: bytearray, other: bytearray) -> str:
    """Rot in `data`, or blocks swapped between the two; what it was."""
    chance = random.random()
    if chance < 0.6:
        for _ in range(random.choice((1, 1, 1, 2, 8))):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        return FLIPPED
    if chance < 0.8:
        del data[random.randrange(len(data)) :]
        return SHORTENED
    size = random.choice(BLOCK_SIZES)
    one = random.randrange(len(data)) // size * size
    two = random.randrange(len(other)) // size * size
    held, taken = bytes(data[one : one + size]), bytes(other[two : two + size])
    size = min(len(held), len(taken))
    data[one : one + size], other[two : two + size] = taken[:size], held[:size]
    return SWAPPED


class LedgerFlips:
    """One ledger that was closed, and rot in copies of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.state = folder / "flips"
        shutil.rmtree(self.state, ignore_errors=True)
        work(self.state, seed, 20)
        self.path = self.state / "ledger.sqlite"
        self.data = self.path.read_bytes()
        ledger = Ledger(self.state)
        self.rows = ledger.load()
        self.count = ledger.verify()
        ledger.close()
        self.flips = self.noticed = 0

    def flip(self) -> str:
        """Damage a copy, open it, read it all; what is wrong with it, empty if nothing is."""
        data = bytearray(self.data)
        kind = damage(self.random, data, data)
        for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
            (self.state / name).unlink(missing_ok=True)
        self.path.write_bytes(data)
        self.flips += 1
        try:
            ledger = Ledger(self.state)
        except LedgerError:
            self.noticed += 1
            return ""
        try:
            rows = ledger.load()
            same = ledger.verify() == self.count and rows == self.rows
        except LedgerError:
            self.noticed += 1
            return ""
        finally:
            ledger.close()
        return "" if same else f"ledger: {kind} changed what is read, and nobody said so"


def _stored(store):
    for held in store.streams():
        for run in held.runs:
            for seq in range(run.first_seq, run.last_seq + 1):
                try:
                    yield (held.info.key, seq), store.block("d", held.info.key, seq)
                except Missing:
                    continue


def _copied(folder: Folder) -> Folder:
    new = Folder()
    for name, node in folder.names.items():
        new.names[name] = _copied(node) if isinstance(node, Folder) else File(bytes(node.data))
    new.safe = dict(new.names)
    return new
