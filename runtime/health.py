"""What a board can say of itself, read from where Linux puts it; -1 for what this board does not
have.

`root` stands before every path, so that a test can lay out a board of its own.
"""

from os import statvfs

from atoll.runtime.firmware_word import FirmwareWord
from atoll.runtime.strain import StrainReader
from atoll.wire.messages import Health, Strain

# Vendors' names of the first battery.
_BATTERIES = ("BAT0", "BAT1", "battery")
_READ_MAX = 4_096


class DayCount:
    """How much a total has grown within the last 24 hours, to the hour; since the start if that is
    less.
    """

    def __init__(self) -> None:
        self._hours: list[tuple[int, int]] = []  # hour, total at its beginning

    def update(self, total: int, now: float) -> int:
        """Note a total at `now` (seconds); its growth within the last day."""
        hour = int(now // 3_600)
        if not self._hours:
            self._hours.append((hour, 0))
        elif self._hours[-1][0] != hour:
            self._hours.append((hour, total))
        while len(self._hours) > 1 and self._hours[1][0] <= hour - 24:
            self._hours.pop(0)
        return total - self._hours[0][1]


class HealthReader:
    """Reads the board; CPU idle is the share since the last reading. `strain` reads the rest;
    `best` is the kernels' speed as installed; `shared`: other devices run on this machine.
    """

    def __init__(self, store: str, *, root: str = "", best: int = 0, shared: bool = False) -> None:
        self._store = store
        self._root = root
        self._cpu = self._cpu_times()
        self._firmware = FirmwareWord(root)
        self.strain = StrainReader(store, root=root, best=best, shared=shared)
        self.task_us = -1

    def read(self) -> Health:
        """The board now."""
        return Health(
            cpu_idle_permille=self._cpu_idle(),
            memory_free_bytes=self._memory_free(),
            storage_free_bytes=self._storage_free(),
            temperature_mc=self._temperature(),
            throttled=self._firmware.read(),
            task_us=self.task_us,
            round_trip_ms=-1,
            battery_percent=self._battery(),
        )

    def _text(self, path: str) -> str:
        try:
            with open(self._root + path, "rb", buffering=0) as file:
                return file.read(_READ_MAX).decode("ascii", "replace")
        except OSError:
            return ""

    def _number(self, path: str) -> int | None:
        try:
            return int(self._text(path))
        except ValueError:
            return None

    def _cpu_times(self) -> tuple[int, int] | None:
        """Idle and all ticks of all cores."""
        fields = self._text("/proc/stat").partition("\n")[0].split()[1:9]
        if len(fields) < 5 or not all(field.isdecimal() for field in fields):
            return None
        ticks = [int(field) for field in fields]
        return ticks[3] + ticks[4], sum(ticks)

    def _cpu_idle(self) -> int:
        before, self._cpu = self._cpu, self._cpu_times()
        if before is None or self._cpu is None or self._cpu[1] <= before[1]:
            return -1
        share = (self._cpu[0] - before[0]) * 1_000 // (self._cpu[1] - before[1])
        return min(max(share, 0), 1_000)

    def _memory_free(self) -> int:
        for line in self._text("/proc/meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1_024
        return -1

    def _storage_free(self) -> int:
        try:
            status = statvfs(self._store)
        except OSError:
            return -1
        return status.f_bavail * status.f_frsize

    def _temperature(self) -> int:
        """The hottest thermal zone, in millidegrees."""
        hottest = -1
        for zone in range(16):
            value = self._number(f"/sys/class/thermal/thermal_zone{zone}/temp")
            if value is None:
                break
            hottest = max(hottest, value)
        return min(hottest, 300_000)

    def _battery(self) -> int:
        for name in _BATTERIES:
            value = self._number(f"/sys/class/power_supply/{name}/capacity")
            if value is not None:
                return min(max(value, 0), 100)
        return -1


def health_json(health: Health, strain: Strain, members: dict[str, int | str]) -> bytes:
    """Both records for people, without what is not known. No json: it costs a megabyte."""
    fields = health._asdict() | strain._asdict()
    known = {name: value for name, value in fields.items() if value != -1}
    pairs = (f'"{_plain(name)}":{_value(value)}' for name, value in (known | members).items())
    return ("{" + ",".join(pairs) + "}").encode()


def _value(value: int | str) -> str:
    return f'"{_plain(value)}"' if isinstance(value, str) else f"{value:d}"


def _plain(text: str) -> str:
    """Text that needs no escapes."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)
