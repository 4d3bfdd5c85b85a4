"""The outbox: results on disk until the gateway says that they are in its ledger.

    DIR/outbox/<number>.out      records of head, then the encoded `Partials` message, padded to 8
    bytes

Numbers come from the core (boot number, then a counter), so that they grow across boots with
nothing stored for it. A file whose messages are all acknowledged is deleted; an acknowledgement
itself is not written, since a message that is sent twice is merged once. Results of standing jobs
are synced before they are published: the samples may be gone when they are missed. Results of
queries are written without a sync: whoever asked still holds the task and has it computed again
from the same blocks, so a sync would buy wear and nothing else. In the usual case they are
acknowledged and cut off before the system writes them back at all.
"""

import struct
from typing import NamedTuple

from atoll.runtime.errors import Refused, StoreError
from atoll.runtime.files import Files
from atoll.wire._native import crc32c

# What a site can be away for: at 10 results a second of 100 bytes, 18 hours.
OUTBOX_BYTES_MAX = 64 * 1_048_576
# Bounds the memory of the index (about 200 bytes each).
MESSAGES_MAX = 16_384
FILE_BYTES = 1_048_576
# A file that holds nothing unacknowledged is cut back once it is larger than this.
SLACK_BYTES = 65_536

_HEAD = struct.Struct("<4sIIQ")  # magic, CRC-32C of the rest, length, number
_MAGIC = b"ATO1"


class Entry(NamedTuple):
    """Where a message's record begins; `length` is the message's."""

    file: int
    offset: int
    length: int


class _File:
    __slots__ = ("handle", "live", "path", "size")

    def __init__(self, path: str, handle: int) -> None:
        self.path = path
        self.handle = handle
        self.size = 0
        self.live: set[int] = set()


class Outbox:
    """Unacknowledged messages. One thread uses it."""

    def __init__(
        self,
        root: str,
        files: Files,
        *,
        bytes_max: int = OUTBOX_BYTES_MAX,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self._files = files
        self._path = f"{root}/outbox"
        self._bytes_max = bytes_max
        self._file_bytes = file_bytes
        self._entries: dict[int, Entry] = {}
        self._open: dict[int, _File] = {}
        self._active = 0
        self._unsynced = False
        self._new_name = False
        self.torn = 0
        self.bytes_written = 0
        files.make_directory(self._path)
        for name in files.names(self._path):
            self._recover(name)

    def _recover(self, name: str) -> None:
        stem, _, kind = name.partition(".")
        if kind != "out":
            return
        path = f"{self._path}/{name}"
        try:
            number = int(stem, 16)
            handle = self._files.open(path)
            size = self._files.size(handle)
            found = _File(path, handle)
            self._scan(number, found, size)
            if found.size < size:
                self.torn += 1
                self._files.truncate(handle, found.size)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None
        self._open[number] = found
        self._active = max(self._active, number)
        if not found.live:
            self._remove(number)

    def _scan(self, number: int, found: _File, size: int) -> None:
        offset = 0
        while offset + _HEAD.size <= size:
            head = self._files.read(found.handle, _HEAD.size, offset)
            magic, crc, length, message = _HEAD.unpack(head)
            body = self._files.read(found.handle, min(length, size), offset + _HEAD.size)
            if magic != _MAGIC or len(body) != length or _crc(head, body) != crc:
                break
            self._entries[message] = Entry(number, offset, length)
            found.live.add(message)
            offset += _padded(_HEAD.size + length)
        found.size = min(offset, size)

    def __len__(self) -> int:
        return len(self._entries)

    def numbers(self) -> list[int]:
        """Unacknowledged numbers, oldest first."""
        return sorted(self._entries)

    @property
    def size_bytes(self) -> int:
        """Bytes that the outbox takes on disk."""
        return sum(one.size for one in self._open.values())

    def append(self, number: int, message: bytes) -> None:
        """Write a message at the end. Raises `Refused` when full or when the disk is."""
        size = _padded(_HEAD.size + len(message))
        if len(self) >= MESSAGES_MAX or self.size_bytes + size > self._bytes_max:
            raise Refused(f"outbox full: {len(self)} messages, {self.size_bytes} bytes")
        try:
            file_number, found = self._writable(len(message))
            offset = found.size
            head = _HEAD.pack(_MAGIC, 0, len(message), number)
            head = _MAGIC + _crc(head, message).to_bytes(4, "little") + head[8:]
            total = _HEAD.size + len(message)
            padding = bytes(_padded(total) - total)
            try:
                found.size += self._files.append(found.handle, (head, message, padding))
            except OSError:
                self._files.truncate(found.handle, offset)
                raise
        except OSError as error:
            raise Refused(f"outbox: {error.strerror or error}") from None
        self.bytes_written += found.size - offset
        self._unsynced = True
        self._entries[number] = Entry(file_number, offset, len(message))
        found.live.add(number)

    def _writable(self, size: int) -> tuple[int, _File]:
        found = self._open.get(self._active)
        if found is not None and found.size + size <= self._file_bytes:
            return self._active, found
        if found is not None:
            self.sync()
            if not found.live:
                self._remove(self._active)
        self._active += 1
        path = f"{self._path}/{self._active:08x}.out"
        fresh = self._open[self._active] = _File(path, self._files.open(path, create=True))
        self._new_name = True
        return self._active, fresh

    def sync(self) -> None:
        """Return once all that was appended would survive a power cut. Raises OSError."""
        if not self._unsynced:
            return
        found = self._open.get(self._active)
        if found is not None:
            self._files.sync(found.handle)
        if self._new_name:
            self._files.sync_directory(self._path)
            self._new_name = False
        self._unsynced = False

    def read(self, number: int) -> bytes | None:
        """A message by its number; None if it is acknowledged, damaged or cannot be read."""
        entry = self._entries.get(number)
        if entry is None:
            return None
        try:
            size = _HEAD.size + entry.length
            record = self._files.read(self._open[entry.file].handle, size, entry.offset)
        except OSError:
            return None
        head, body = record[: _HEAD.size], record[_HEAD.size :]
        whole = len(body) == entry.length and _crc(head, body).to_bytes(4, "little") == head[4:8]
        return body if whole else None

    def settle(self, first: int, last: int) -> int:
        """Forget acknowledged messages `first` to `last`; how many there were."""
        if last - first < len(self._entries):
            numbers = [one for one in range(first, last + 1) if one in self._entries]
        else:
            numbers = [one for one in self._entries if first <= one <= last]
        for number in numbers:
            entry = self._entries.pop(number)
            found = self._open[entry.file]
            found.live.discard(number)
            if not found.live:
                self._clear(entry.file, found)
        return len(numbers)

    def _clear(self, number: int, found: _File) -> None:
        """Nothing in this file is waiting any more."""
        if number != self._active:
            self._remove(number)
        elif found.size > SLACK_BYTES:
            self._files.truncate(found.handle, 0)
            found.size = 0

    def _remove(self, number: int) -> None:
        found = self._open.pop(number)
        self._files.close(found.handle)
        self._files.remove(found.path)

    def close(self) -> None:
        """Sync and give the files back."""
        self.sync()
        for found in self._open.values():
            if not found.live and found.size:
                self._files.truncate(found.handle, 0)
            self._files.close(found.handle)
        self._open.clear()


def _crc(head: bytes, body: bytes) -> int:
    return crc32c(body, crc32c(head[8:]))


def _padded(size: int) -> int:
    return (size + 7) & ~7
