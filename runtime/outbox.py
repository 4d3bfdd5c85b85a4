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

A file that is full, and the last one at a clean end, ends with a seal: one that was cut off just
behind a record is whole by itself, but for the seal. A file that failed a write or a sync is never
written again. What opening finds is synced first: a process that was killed may have left it
unsynced, and from then on it counts as kept.
"""

import struct
from typing import NamedTuple

from atoll.runtime.errors import Refused, StoreError
from atoll.runtime.files import Files
from atoll.wire._native import crc32c
from atoll.wire.limits import OBJECT_BYTES_MAX

# What a site can be away for: at 10 results a second of 100 bytes, 18 hours.
OUTBOX_BYTES_MAX = 64 * 1_048_576
# Bounds the memory of the index (about 200 bytes each).
MESSAGES_MAX = 16_384
FILE_BYTES = 1_048_576
# A file that holds nothing unacknowledged is cut back once it is larger than this.
SLACK_BYTES = 65_536

_HEAD = struct.Struct("<4sIIQ")  # magic, CRC-32C of the rest, length, number
_MAGIC = b"ATO1"
_SEAL = 2**64 - 1  # the number of a record that is no message


class Entry(NamedTuple):
    """Where a message's record begins; `length` is the message's."""

    file: int
    offset: int
    length: int


class _File:
    __slots__ = ("broken", "handle", "live", "path", "sealed", "size")

    def __init__(self, path: str, handle: int) -> None:
        self.path = path
        self.handle = handle
        self.size = 0
        self.broken = False  # not to be written again
        self.sealed = False  # its last record is a seal
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
        self._unsynced: list[int] = []
        self._failed: dict[int, str] = {}
        self._new_name = False
        self.torn = 0
        self.damaged = 0
        self.unclean = False  # the last process did not end by itself
        self.bytes_written = 0
        files.make_directory(self._path)
        for name in files.names(self._path):
            self.damaged += self.unclean  # of all files only the last may end without a seal
            self._recover(name)
        if self._open:
            files.sync_directory(self._path)

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
            self._scan(number, found, self._files.read(handle, size, 0))
            if found.size < size:
                self.torn += 1
                self._files.truncate(handle, found.size)
            if found.live:
                self._files.sync(handle)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from None
        self._open[number] = found
        self._active = max(self._active, number)
        self.unclean = not found.sealed
        if not found.live:
            self._remove(number)

    def _scan(self, number: int, found: _File, data: bytes) -> None:
        """Enter the whole records of a file; a damaged one is passed over."""
        offset = 0
        while 0 <= offset <= len(data) - _HEAD.size:
            message, length = _record(data, offset)
            if length < 0:
                offset = data.find(_MAGIC, offset + 1)
                continue
            if offset > found.size:
                self.damaged += 1
            found.sealed = message == _SEAL
            if not found.sealed:
                self._entries[message] = Entry(number, offset, length)
                found.live.add(message)
            offset = found.size = _padded(offset + _HEAD.size + length)

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
            self._write(found, number, message)
        except OSError as error:
            raise Refused(f"outbox: {error.strerror or error}") from None
        self.bytes_written += found.size - offset
        self._unsynced.append(number)
        self._entries[number] = Entry(file_number, offset, len(message))
        found.live.add(number)

    def _write(self, found: _File, number: int, message: bytes) -> None:
        """One record at a file's end. Raises OSError, the file then as it was, or broken."""
        head = _HEAD.pack(_MAGIC, 0, len(message), number)
        head = _MAGIC + _crc(head, message).to_bytes(4, "little") + head[8:]
        total = _HEAD.size + len(message)
        padding = bytes(_padded(total) - total)
        offset = found.size
        try:
            found.size += self._files.append(found.handle, (head, message, padding))
        except OSError:
            self._cut_back(found, offset)
            raise
        found.sealed = number == _SEAL

    def _seal(self, found: _File) -> None:
        """Say that this is the file's end; on a full disk it goes without."""
        if found.broken or found.sealed:
            return
        try:
            self._write(found, _SEAL, b"")
        except OSError:
            found.sealed = False

    def _cut_back(self, found: _File, size: int) -> None:
        try:
            self._files.truncate(found.handle, size)
            found.size = size
        except OSError:
            found.broken = True

    def _writable(self, size: int) -> tuple[int, _File]:
        found = self._open.get(self._active)
        if found is not None and not found.broken and found.size + size <= self._file_bytes:
            return self._active, found
        if found is not None:
            self._seal(found)
            self._sync_active()
            if not found.live:
                self._remove(self._active)
        self._active += 1
        path = f"{self._path}/{self._active:08x}.out"
        fresh = self._open[self._active] = _File(path, self._files.open(path, create=True))
        self._new_name = True
        return self._active, fresh

    def sync(self) -> dict[int, str]:
        """Return once what was appended would survive a power cut; the numbers for which that
        failed, with the reason.
        """
        self._sync_active()
        failed, self._failed = self._failed, {}
        return failed

    def _sync_active(self) -> None:
        numbers, self._unsynced = self._unsynced, []
        found = self._open.get(self._active)
        if not numbers or found is None:
            return
        try:
            self._files.sync(found.handle)
            if self._new_name:
                self._files.sync_directory(self._path)
                self._new_name = False
        except OSError as error:
            found.broken = True
            reason = f"outbox: sync failed: {error.strerror or error}"
            self._failed.update(dict.fromkeys(numbers, reason))

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
        elif found.size > SLACK_BYTES and not found.broken:
            self._cut_back(found, 0)

    def _remove(self, number: int) -> None:
        found = self._open.pop(number)
        try:
            self._files.close(found.handle)
            self._files.remove(found.path)
        except OSError:
            pass  # found again at the next start, sent again, merged once

    def close(self) -> None:
        """Sync and give the files back."""
        self._sync_active()
        for number, found in list(self._open.items()):
            if found.live:
                self._seal(found)
                self._files.close(found.handle)
            else:
                self._remove(number)
        self._open.clear()


def _record(data: bytes, offset: int) -> tuple[int, int]:
    """Number and length of the message whose record begins here; the length is -1 if none does."""
    magic, crc, length, number = _HEAD.unpack_from(data, offset)
    start = offset + _HEAD.size
    # Without its padding the next record would not begin where it is looked for.
    if magic != _MAGIC or length > OBJECT_BYTES_MAX or _padded(start + length) > len(data):
        return 0, -1
    whole = _crc(data[offset:start], data[start : start + length]) == crc
    return (number, length) if whole else (0, -1)


def _crc(head: bytes, body: bytes) -> int:
    return crc32c(body, crc32c(head[8:]))


def _padded(size: int) -> int:
    return (size + 7) & ~7
