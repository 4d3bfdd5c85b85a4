"""Files on a disk that fills up, or that fails when told to."""

import errno
import os

from atoll.runtime.files import SystemFiles


class FailingDisk(SystemFiles):
    """`room`: bytes that still fit (None: no end); `sync_fails`: every sync raises; `torn`: a write
    that does not fit leaves what fits.
    """

    def __init__(self, room=None):
        self.room = room
        self.sync_fails = False
        self.truncate_fails = False
        self.syncs = 0

    def append(self, handle, pieces):
        total = sum(map(len, pieces))
        if self.room is not None:
            if total > self.room:
                super().append(handle, [b"".join(pieces)[: self.room]])
                self.room = 0
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= total
        return super().append(handle, pieces)

    def truncate(self, handle, size):
        if self.truncate_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().truncate(handle, size)

    def sync(self, handle):
        self.syncs += 1
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(handle)

    def free_bytes(self, path):
        return super().free_bytes(path) if self.room is None else self.room
