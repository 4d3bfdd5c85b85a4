"""The throttling word of a Raspberry Pi's firmware: from the kernel, else from `vcgencmd`.

Newer kernels show it in a file. Older ones have a program that asks the firmware; it is run once a
minute, and given up for good where it does not answer within a second.
"""

import os
from select import select
from time import monotonic

SYSFS = "/sys/devices/platform/soc/soc:firmware/get_throttled"
PROGRAMS = ("/usr/bin/vcgencmd", "/opt/vc/bin/vcgencmd")
EVERY_S = 60.0
PATIENCE_S = 1.0
_READ_MAX = 256


class FirmwareWord:
    """Reads the word; `root` stands before every path."""

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._word = -1
        self._asked_at = float("-inf")
        self._silent = False

    def read(self) -> int:
        """The word now, or of the last minute; -1 where there is none."""
        try:
            with open(self._root + SYSFS, "rb", buffering=0) as file:
                return _word(file.read(_READ_MAX).decode("ascii", "replace"))
        except OSError:
            pass
        now = monotonic()
        if not self._silent and now - self._asked_at >= EVERY_S:
            self._asked_at = now
            self._word = self._ask()
        return self._word

    def _ask(self) -> int:
        for path in PROGRAMS:
            if os.access(self._root + path, os.X_OK):
                return _word(self._run(self._root + path).removeprefix("throttled="))
        return -1

    def _run(self, path: str) -> str:
        # posix_spawn: the subprocess module would stay in memory for this.
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, writer, 1)]
            pid = os.posix_spawn(path, [path, "get_throttled"], os.environ, file_actions=actions)
        except OSError:
            os.close(reader)
            return ""
        finally:
            os.close(writer)
        try:
            if not select([reader], [], [], PATIENCE_S)[0]:
                self._silent = True
                os.kill(pid, 9)
                return ""
            return os.read(reader, _READ_MAX).decode("ascii", "replace")
        finally:
            os.close(reader)
            os.waitpid(pid, 0)


def _word(text: str) -> int:
    try:
        return int(text, 16) & 0xFFFFFFFF
    except ValueError:
        return -1
