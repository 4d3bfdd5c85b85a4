"""What weighs on a board beside its health, read from where Linux puts it; -1 for what this board
does not have.

    /proc/pressure/{cpu,memory,io}       share of the last minute in which something waited
    /proc/loadavg                        runnable tasks, where the kernel has no pressure figures
    /sys/fs/ext4/NAME/errors_count       errors since the file system was made
    /sys/dev/block/M:N/../device/...     an eMMC's life time and end of life (JEDEC 5.0)
    /proc/net/wireless                   signal of the first radio

`root` stands before every path, so that a test can lay out a board of its own. On a machine that
several devices share, what the machine waits for says nothing of one of them: such figures are
left out, else the devices would weigh each other down in turn, and shards move for nothing.
"""

import os
import sys
from time import perf_counter

from atoll.runtime.installed import SPEED_SAMPLES
from atoll.wire.messages import Strain

_READ_MAX = 4_096
# The kernels are timed anew this often: a fraction of a millisecond's work a minute.
SPEED_EVERY_S = 60.0
SPEED_ROUNDS = 5
_MOST = 2**32 - 1


class StrainReader:
    """Reads the board that holds the directory `store`. `best`: the kernels' speed as installed;
    `shared`: other devices run on this machine.
    """

    def __init__(self, store: str, *, root: str = "", best: int = 0, shared: bool = False) -> None:
        self._root = root
        self._device = _device_of(store)
        self._best = best
        self._shared = shared
        self._speed = -1
        self._speed_at = float("-inf")

    def read(self, now: float) -> Strain:
        """The board at `now` (monotonic seconds); the link's loss is the core's to say."""
        life, end = self._flash()
        alone = not self._shared
        return Strain(
            load_permille=self._load() if alone else -1,
            wait_cpu_permille=self._waits("cpu") if alone else -1,
            wait_memory_permille=self._waits("memory") if alone else -1,
            wait_disk_permille=self._waits("io") if alone else -1,
            disk_errors=self._disk_errors(),
            flash_life=life,
            flash_end=end,
            loss_permille=-1,
            signal_dbm=self._signal(),
            speed_permille=self._kernel_speed(now) if alone else -1,
        )

    def _text(self, path: str) -> str:
        try:
            with open(self._root + path, "rb", buffering=0) as file:
                return file.read(_READ_MAX).decode("ascii", "replace")
        except OSError:
            return ""

    def _load(self) -> int:
        try:
            load = float(self._text("/proc/loadavg").split()[0])
        except (ValueError, IndexError):
            return -1
        if not 0.0 <= load < 1e6:
            return -1
        return round(load * 1_000 / (os.cpu_count() or 1))

    def _waits(self, what: str) -> int:
        """The share of the last minute in which something waited for it."""
        words = self._text(f"/proc/pressure/{what}").partition("\n")[0].split()
        for word in words[1:] if words[:1] == ["some"] else ():
            if word.startswith("avg60="):
                try:
                    return min(max(round(float(word[6:]) * 10), 0), 1_000)
                except (ValueError, OverflowError):
                    return -1
        return -1

    def _disk_errors(self) -> int:
        try:
            name = os.path.basename(os.readlink(f"{self._root}/sys/dev/block/{self._device}"))
        except OSError:
            return -1
        text = self._text(f"/sys/fs/ext4/{name}/errors_count").strip()
        return min(int(text), _MOST) if text.isdecimal() else -1

    def _flash(self) -> tuple[int, int]:
        """Life used in tenths, the worse of both areas, and the end-of-life state of an eMMC."""
        for up in ("", "/.."):  # a whole disk, or a partition of one
            folder = f"/sys/dev/block/{self._device}{up}/device"
            life = _hexes(self._text(f"{folder}/life_time"))
            if life:
                end = _hexes(self._text(f"{folder}/pre_eol_info"))
                return max(life), max(end, default=-1)
        return -1, -1

    def _signal(self) -> int:
        """dBm of the first radio: the third column, `-56.`."""
        for line in self._text("/proc/net/wireless").splitlines()[2:]:
            words = line.partition(":")[2].split()
            if len(words) > 2:
                try:
                    signal = round(float(words[2]))
                except (ValueError, OverflowError):
                    return -1
                return signal if -255 <= signal < -1 else -1
        return -1

    def _kernel_speed(self, now: float) -> int:
        """Speed in thousandths of the board's own best, once it has computed at all.

        A device that never computes does not load the kernels for this.
        """
        kernels = sys.modules.get("atoll.kernels")
        if kernels is None or now - self._speed_at < SPEED_EVERY_S:
            return self._speed
        self._speed_at = now
        found = speed_of(kernels.Plan("moments"), SPEED_ROUNDS)
        self._best = max(self._best, found)
        self._speed = min(found * 1_000 // max(self._best, 1), 1_000)
        return self._speed


def speed_of(plan: object, rounds: int) -> int:
    """Samples a second through a plan, in the best of `rounds`: others' work is not the board's."""
    samples = bytes(2 * SPEED_SAMPLES)
    least = float("inf")
    for _ in range(rounds):
        began = perf_counter()
        plan.partial(samples, dtype="i16")  # type: ignore[attr-defined]
        least = min(least, perf_counter() - began)
    return round(SPEED_SAMPLES / max(least, 1e-9))


def _hexes(text: str) -> list[int]:
    """Numbers like `0x01 0x0B`; none of them if one is no number of a byte."""
    try:
        found = [int(word, 16) for word in text.split()]
    except ValueError:
        return []
    return found if all(0 <= value <= 255 for value in found) else []


def _device_of(store: str) -> str:
    """Major and minor number of the disk below a directory."""
    try:
        number = os.stat(store).st_dev
    except OSError:
        return "0:0"
    return f"{os.major(number)}:{os.minor(number)}"
