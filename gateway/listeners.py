"""Which process listens on a port: what the kernel says of it (`/proc`)."""

import contextlib
import os
from pathlib import Path

PROC = Path("/proc")
_LISTENS = "0A"  # the state of a row of /proc/net/tcp


def listens(pid: int, port: int, *, proc: Path = PROC) -> bool:
    """Whether process `pid` itself holds a TCP socket that listens on `port`, in this network
    namespace. That something answers there does not say who it is.
    """
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not sockets:
        return False
    with contextlib.suppress(OSError):  # it has ended
        for entry in (proc / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.readlink(entry) in sockets:
                    return True
    return False


def _inodes(port: int, proc: Path) -> list[str]:
    """Of all sockets that listen on a port, at whatever address."""
    found = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):  # a kernel without IPv6
            for line in (proc / "self/net" / name).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                    found.append(words[9])
    return found
