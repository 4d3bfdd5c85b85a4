"""Every file operation of the device, behind one small interface.

The store, the outbox and the state file touch the disk only through `Files`, so that a test can put
a disk that is full, tears writes or loses what was not synced in its place. The rules they rely on:

- `append` either writes all or raises OSError; after an error the length of the file is unknown;
- what was appended is safe only after `sync` of that file, a new or renamed name only after
`sync_directory`;
- after a failed `sync` nothing unsynced in that file may be believed, and `sync` is not tried again
on it.
"""

import os
from collections.abc import Sequence
from typing import Protocol


class Files(Protocol):
    """What the device asks of a file system. Handles are integers; paths are strings."""

    def open(self, path: str, *, create: bool = False) -> int:
        """Open for reading and appending; `create` makes an empty file and fails if it exists."""
        ...

    def append(self, handle: int, pieces: Sequence[bytes]) -> int:
        """Write all pieces at the end; the number of bytes written."""
        ...

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`; fewer only at the end of the file."""
        ...

    def size(self, handle: int) -> int:
        """Length of the file in bytes."""
        ...

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file off after `size` bytes."""
        ...

    def sync(self, handle: int) -> None:
        """Return once the file's content would survive a power cut."""
        ...

    def close(self, handle: int) -> None:
        """Give the handle back."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Put `source` in the place of `target`, in one step."""
        ...

    def remove(self, path: str) -> None:
        """Delete a file."""
        ...

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, durably; it may exist."""
        ...

    def remove_directory(self, path: str) -> None:
        """Delete an empty directory."""
        ...

    def sync_directory(self, path: str) -> None:
        """Return once the names in a directory would survive a power cut."""
        ...

    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty if there is no such directory."""
        ...

    def free_bytes(self, path: str) -> int:
        """Bytes that an ordinary user may still write there."""
        ...


class SystemFiles:
    """The operating system's files. Private to the user: they hold people's data and a secret."""

    def open(self, path: str, *, create: bool = False) -> int:
        """Open for reading and appending; `create` makes an empty file and fails if it exists."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        if create:
            flags |= os.O_CREAT | os.O_EXCL
        return os.open(path, flags, 0o600)

    def append(self, handle: int, pieces: Sequence[bytes]) -> int:
        """Write all pieces at the end; the number of bytes written."""
        total = sum(map(len, pieces))
        written = os.writev(handle, pieces)
        if written != total:  # a disk that fills up writes short once, then fails
            rest = memoryview(b"".join(pieces))[written:]
            while rest:
                rest = rest[os.write(handle, rest) :]
        return total

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset`; fewer only at the end of the file."""
        return os.pread(handle, size, offset)

    def size(self, handle: int) -> int:
        """Length of the file in bytes."""
        return os.fstat(handle).st_size

    def truncate(self, handle: int, size: int) -> None:
        """Cut the file off after `size` bytes."""
        os.ftruncate(handle, size)

    def sync(self, handle: int) -> None:
        """Return once the file's content would survive a power cut."""
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        """Give the handle back."""
        os.close(handle)

    def rename(self, source: str, target: str) -> None:
        """Put `source` in the place of `target`, in one step."""
        os.rename(source, target)

    def remove(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, durably; it may exist."""
        if os.path.isdir(path):
            return
        parent = os.path.dirname(path) or "."
        self.make_directory(parent)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            # Another process has just made it: two devices that start side by side share parents.
            self.sync_directory(parent)
            return
        try:
            self.sync_directory(parent)
        except OSError:
            os.rmdir(path)  # or the next call would take it for durable
            raise

    def remove_directory(self, path: str) -> None:
        """Delete an empty directory."""
        os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        """Return once the names in a directory would survive a power cut."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty if there is no such directory."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def free_bytes(self, path: str) -> int:
        """Bytes that an ordinary user may still write there."""
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize


def settle_directory(files: Files, path: str) -> None:
    """Make a directory that may exist, and be sure of its name: whoever made it may have been
    killed before the sync. Where the parent may not be read, it is not ours either.
    """
    files.make_directory(path)
    try:
        files.sync_directory(path.rpartition("/")[0] or "/")
    except PermissionError:
        return
