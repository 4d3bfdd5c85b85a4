"""The throttling word of a Raspberry Pi's firmware: from the kernel, else from `vcgencmd`.

Raspberry Pi's kernels show it in a file. Debian's have a voltage monitor instead: its alarm is the
word's under-voltage. Older systems have a program that asks the firmware; it is run once a minute,
and given up for good where it does not answer within a second.
"""

import os
from select import select
from time import monotonic

from atoll.runtime.sysfs import names, read_text

SYSFS = "/sys/devices/platform/soc/soc:firmware/get_throttled"
HWMON = "/sys/class/hwmon"
# Bit 0 of the word: under-voltage now; bit 16: since the start.
UNDER_VOLTAGE = 0x1_0001
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
        alarm = self._alarm()
        if alarm:
            return UNDER_VOLTAGE if alarm == "1" else 0
        now = monotonic()
        if not self._silent and now - self._asked_at >= EVERY_S:
            self._asked_at = now
            self._word = self._ask()
        return self._word

    def _alarm(self) -> str:
        """What the voltage monitor says of the last two seconds; empty where there is none."""
        for entry in names(self._root + HWMON, "hwmon"):
            folder = f"{self._root}{HWMON}/{entry}"
            if read_text(f"{folder}/name") == "rpi_volt":
                return read_text(f"{folder}/in0_lcrit_alarm")
        return ""

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
