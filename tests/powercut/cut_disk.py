"""A disk in memory that loses what was not synced, in every way that a real one may.

It stands behind the device's `Files` interface. A file has what its readers see and what would
survive; between them a list of changes that no sync has covered. A folder has the same for its
names. At a cut (`after_cut`) the changes, and the operation that is under way, reach the disk or do
not, by one of these ways:

    LOST     nothing that was not synced
    KEPT     all of it, but not the operation under way
    PREFIX   the changes in their order, up to a random one, which is torn at a random byte
    SHUFFLED each change on its own: there, torn at both ends, or not there; sizes without bytes
    SECTORS  each sector of 512 bytes of each change on its own
    KILLED   no power cut at all: the process ends, all is there, and still nothing of it is synced

Changes of names follow the same ways, so that a rename is undone unless its folder was synced.
"""

import errno
import os
from random import Random
from typing import Any

LOST, KEPT, PREFIX, SHUFFLED, SECTORS, KILLED = WAYS = (
    "lost",
    "kept",
    "prefix",
    "shuffled",
    "sectors",
    "killed",
)
SECTOR = 512


class PowerCut(BaseException):
    """The power is gone in the middle of an operation; no handler of errors may see it."""


class File:
    """Bytes as read, bytes as synced, and the changes between: (order, offset, bytes), or
    (order, -1, size) where the file was cut off.
    """

    __slots__ = ("changes", "data", "safe")

    def __init__(self, safe: bytes = b"") -> None:
        self.data = bytearray(safe)
        self.safe = safe
        self.changes: list[tuple[int, int, Any]] = []


class Folder:
    """Names as seen, names as synced, and the changes between: (order, name, node or None)."""

    __slots__ = ("changes", "names", "safe")

    def __init__(self) -> None:
        self.names: dict[str, File | Folder] = {}
        self.safe: dict[str, File | Folder] = {}
        self.changes: list[tuple[int, tuple[tuple[str, File | Folder | None], ...]]] = []


class CutDisk:
    """`Files` in memory. `before(disk, apply)` is called at each operation that changes or syncs;
    `cut_at`: the number of the operation in which the power fails.
    """

    def __init__(self, top: Folder | None = None, room: int = 1 << 40) -> None:
        self.top = top or Folder()
        self.room = room
        self.handles: dict[int, File] = {}
        self.next_handle = 3
        self.operations = 0
        self.cut_at = -1
        self.before: Any = None
        self.reads = self.read_bytes = 0
        self.under_way: tuple[Any, ...] | None = None

    # --- the interface ---

    def open(self, path: str, *, create: bool = False) -> int:
        folder, name = self._place(path)
        node = folder.names.get(name)
        if create:
            if node is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            node = File()
            self._rename_entry(folder, ((name, node),))
        if not isinstance(node, File):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.next_handle += 1
        self.handles[self.next_handle] = node
        return self.next_handle

    def append(self, handle, pieces):
        file, data = self.handles[handle], b"".join(pieces)
        self.write_at(file, len(file.data), data)
        return len(data)

    def write_at(self, file: File, offset: int, data: bytes) -> None:
        self._begin(("write", file, offset, data))
        _apply(file.data, offset, data)
        file.changes.append((self.operations, offset, data))

    def read(self, handle, size, offset):
        self.reads += 1
        data = bytes(self.handles[handle].data[offset : offset + size])
        self.read_bytes += len(data)
        return data

    def size(self, handle):
        return len(self.handles[handle].data)

    def truncate(self, handle, size):
        file = self.handles[handle]
        self._begin(("write", file, -1, size))
        _apply(file.data, -1, size)
        file.changes.append((self.operations, -1, size))

    def sync(self, handle):
        self.sync_file(self.handles[handle])

    def sync_file(self, file: File) -> None:
        self._begin(("sync",))
        file.safe, file.changes = bytes(file.data), []

    def close(self, handle):
        del self.handles[handle]

    def rename(self, source, target):
        folder, old = self._place(source)
        other, new = self._place(target)
        assert other is folder, "files are renamed within their folder only"
        self._rename_entry(folder, ((old, None), (new, folder.names[old])))

    def remove(self, path):
        folder, name = self._place(path)
        if name not in folder.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._rename_entry(folder, ((name, None),))

    def make_directory(self, path):
        if self._folder(path) is not None:
            return
        parent = path.rpartition("/")[0]
        self.make_directory(parent)
        folder, name = self._place(path)
        self._rename_entry(folder, ((name, Folder()),))
        self.sync_directory(parent)

    def remove_directory(self, path):
        folder, name = self._place(path)
        inner = folder.names[name]
        if inner.names:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self._rename_entry(folder, ((name, None),))

    def sync_directory(self, path):
        folder = self._folder(path)
        self._begin(("sync",))
        folder.safe, folder.changes = dict(folder.names), []

    def names(self, path):
        folder = self._folder(path)
        return sorted(folder.names) if folder is not None else []

    def free_bytes(self, path):
        return self.room

    # --- inside ---

    def _folder(self, path: str) -> Folder | None:
        node: Any = self.top
        for part in path.split("/"):
            if part:
                node = node.names.get(part) if isinstance(node, Folder) else None
        return node if isinstance(node, Folder) else None

    def _place(self, path: str) -> tuple[Folder, str]:
        parent, _, name = path.rpartition("/")
        folder = self._folder(parent)
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return folder, name

    def _rename_entry(self, folder: Folder, entries: tuple[Any, ...]) -> None:
        self._begin(("names", folder, entries))
        _rename(folder.names, entries)
        folder.changes.append((self.operations, entries))

    def _begin(self, operation: tuple[Any, ...]) -> None:
        self.operations += 1
        self.under_way = operation
        if self.before is not None:
            self.before(self)
        if self.operations == self.cut_at:
            raise PowerCut

    # --- the cut ---

    def after_cut(self, way: str, random: Random) -> "CutDisk":
        """The disk as it is when the power is back; this one is left as it was."""
        fate = _Fate(way, random, self)
        return CutDisk(fate.folder(self.top), self.room)

    def files(self) -> dict[str, File]:
        """Every file by its path."""
        found: dict[str, File] = {}
        stack: list[tuple[str, Folder]] = [("", self.top)]
        while stack:
            path, folder = stack.pop()
            for name, node in folder.names.items():
                if isinstance(node, File):
                    found[f"{path}/{name}"] = node
                else:
                    stack.append((f"{path}/{name}", node))
        return found


class _Fate:
    """What one cut does to each change."""

    def __init__(self, way: str, random: Random, disk: CutDisk) -> None:
        self.way = way
        self.random = random
        self.under_way = disk.under_way or ("none",)
        self.now = disk.operations
        self.until = self._prefix_end(disk.top) if way == PREFIX else 0
        self.known: dict[int, File] = {}

    def _prefix_end(self, top: Folder) -> int:
        orders = [self.now]
        stack: list[Any] = [top]
        while stack:
            node = stack.pop()
            orders += [change[0] for change in node.changes]
            if isinstance(node, Folder):
                stack += node.names.values()
        return self.random.choice(orders)

    def folder(self, old: Folder) -> Folder:
        new = Folder()
        if self.way == KILLED:
            names, safe = dict(old.names), dict(old.safe)
            made = {id(n): self._node(n) for n in [*names.values(), *safe.values()]}
            for _, entries in old.changes:
                made |= {id(n): self._node(n) for _, n in entries if n is not None}
            new.names = {name: made[id(node)] for name, node in names.items()}
            new.safe = {name: made[id(node)] for name, node in safe.items()}
            new.changes = [
                (0, tuple((name, node and made[id(node)]) for name, node in entries))
                for _, entries in old.changes
            ]
            return new
        names = dict(old.safe)
        for order, entries in self._changes(old, "names"):
            if self._name_survives(order):
                _rename(names, entries)
        new.names = {name: self._node(node) for name, node in names.items()}
        new.safe = dict(new.names)
        return new

    def _changes(self, node: Any, kind: str) -> list[Any]:
        """A node's changes and, if it is this node's, the operation under way."""
        operation = self.under_way
        if operation[0] != kind or operation[1] is not node or self.way == KEPT:
            return node.changes
        return [*node.changes, (self.now, *operation[2:])]

    def _name_survives(self, order: int) -> bool:
        if self.way == PREFIX:
            return order <= self.until and (order < self.now or self.random.random() < 0.5)
        return self.way == KEPT or (self.way != LOST and self.random.random() < 0.5)

    def _node(self, node: File | Folder) -> File | Folder:
        if isinstance(node, Folder):
            return self.folder(node)
        made = self.known.get(id(node))
        if made is None:
            made = self.known[id(node)] = self._file(node)
        return made

    def _file(self, old: File) -> File:
        if self.way == KILLED:
            new = File(old.safe)
            new.data = bytearray(old.data)
            new.changes = [(0, offset, data) for _, offset, data in old.changes]
            return new
        data = bytearray(old.safe)
        for order, offset, what in self._changes(old, "write"):
            self._write(data, order, offset, what)
        return File(bytes(data))

    def _write(self, data: bytearray, order: int, offset: int, what: Any) -> None:
        random, way = self.random, self.way
        if way == LOST or (way == PREFIX and order > self.until):
            return
        if way == KEPT or (way == PREFIX and order < self.until) or offset < 0:
            if way in (KEPT, PREFIX) or random.random() < 0.5:
                _apply(data, offset, what)
        elif way == PREFIX:
            _apply(data, offset, what[: random.randint(0, len(what))])
        elif way == SHUFFLED:
            self._tear(data, offset, what)
        else:
            first = offset - offset % SECTOR
            for start in range(first, offset + len(what), SECTOR):
                low, high = max(offset, start), min(offset + len(what), start + SECTOR)
                if random.random() < 0.6:
                    _apply(data, low, what[low - offset : high - offset])

    def _tear(self, data: bytearray, offset: int, what: bytes) -> None:
        chance, size = self.random.random(), len(what)
        if chance < 0.3:
            _apply(data, offset, what)
        elif chance < 0.6:
            low = self.random.randint(0, size)
            high = self.random.randint(low, size)
            _apply(data, offset + low, what[low:high])
        elif chance < 0.7:  # the new size without the bytes
            _apply(data, offset, bytes(self.random.randint(0, size)))


def _apply(data: bytearray, offset: int, what: Any) -> None:
    if offset < 0:
        del data[what:]
        data.extend(bytes(what - len(data)))
        return
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(what)] = what


def _rename(names: dict[str, Any], entries: tuple[tuple[str, Any], ...]) -> None:
    for name, node in entries:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node
