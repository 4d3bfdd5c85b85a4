"""Health to weight: what a board says of itself scales what it is given.

Every measured quantity is a factor in eighths of the capacity; the smallest counts, and all of them
are shown (`atoll devices ID`). 0 empties the device: its storage wears out or its battery ends.
The weight falls after DOWN_REPORTS reports in a row that ask for less and rises after UP_REPORTS
that allow more, at most once in CHANGE_LEAST_S, so that a board at a threshold does not move shards
to and fro. Free storage is no factor: placement puts nothing where it does not fit (room.py).
"""

from typing import NamedTuple

from atoll.wire.messages import UNSTRAINED, Health, Strain

WHOLE = 8
DOWN_REPORTS = 3
UP_REPORTS = 30
CHANGE_LEAST_S = 60.0

# Bits of the firmware's throttling word (`vcgencmd get_throttled`): what holds now, and what has
# happened since the start, sixteen bits higher.
UNDER_VOLTAGE = 1 << 0
FREQUENCY_CAPPED = 1 << 1
THROTTLED = 1 << 2 | 1 << 3
HAPPENED = 0xF << 16

MEMORY_LEAST_BYTES = 32 * 1_048_576
MEMORY_LEAST_SHARE = 0.10
TEMPERATURE_MOST_MC = 80_000
BATTERY_LEAST_PERCENT, BATTERY_END_PERCENT = 20, 5
# Shares of the last minute in which something had to wait; computing at all cores is no waiting.
WAIT_CPU_MOST, WAIT_MEMORY_MOST, WAIT_DISK_MOST = 800, 200, 500
LOAD_MOST = 4_000  # runnable tasks a core, in thousandths: where the kernel has no pressure figures
LOSS_MOST = 200
ROUND_TRIP_MOST_MS = 1_000
SIGNAL_LEAST_DBM = -80
SPEED_HALF, SPEED_QUARTER = 500, 250  # of the board's own best, in thousandths
# eMMC (JEDEC 5.0): life in tenths used, 10 is 90 to 100 %; end of life 2 is a warning.
FLASH_LIFE_END, FLASH_END_WARNS = 10, 2


class Factor(NamedTuple):
    """One quantity: its name, what was measured, the eighths that it allows, and the rule."""

    name: str
    measured: str
    eighths: int
    rule: str

    @property
    def reason(self) -> str:
        """What a person reads where it speaks against the whole weight."""
        return f"{self.name}: {self.measured}"


def factors(health: Health, strain: Strain, memory_bytes: int) -> list[Factor]:
    """All that a board has measured, each with its eighths; what it cannot measure is left out."""
    return [
        *_power(health),
        *_memory(health, strain, memory_bytes),
        *_processor(strain),
        *_storage(strain),
        *_link(health, strain),
    ]


def _power(health: Health) -> list[Factor]:
    found = []
    if health.throttled >= 0:
        found.append(_throttling(health.throttled))
    if health.temperature_mc >= 0:
        hot = health.temperature_mc > TEMPERATURE_MOST_MC
        shown = f"{health.temperature_mc / 1000:.0f} degrees Celsius"
        found.append(Factor("temperature", shown, 4 if hot else WHOLE, "4/8 above 80"))
    if health.battery_percent >= 0:
        left = health.battery_percent
        eighths = 0 if left < BATTERY_END_PERCENT else 2 if left < BATTERY_LEAST_PERCENT else WHOLE
        found.append(Factor("battery", f"{left} %", eighths, "2/8 below 20, emptied below 5"))
    return found


def _throttling(bits: int) -> Factor:
    rule = "2/8 under-voltage, 4/8 throttled, 6/8 frequency capped"
    for mask, eighths, shown in (
        (UNDER_VOLTAGE, 2, "under-voltage"),
        (THROTTLED, 4, "throttled"),
        (FREQUENCY_CAPPED, 6, "frequency capped"),
        (HAPPENED, WHOLE, "not now, but since its start"),
    ):
        if bits & mask:
            return Factor("power", shown, eighths, rule)
    return Factor("power", "good", WHOLE, rule)


def _memory(health: Health, strain: Strain, memory_bytes: int) -> list[Factor]:
    found = []
    free = health.memory_free_bytes
    if free >= 0:
        least = min(
            MEMORY_LEAST_BYTES, int(memory_bytes * MEMORY_LEAST_SHARE) or MEMORY_LEAST_BYTES
        )
        shown, rule = f"{free >> 20} MiB free", f"2/8 below {least >> 20} MiB"
        found.append(Factor("memory", shown, 2 if free < least else WHOLE, rule))
    found += _share("memory waits", strain.wait_memory_permille, WAIT_MEMORY_MOST, 4)
    return found


def _processor(strain: Strain) -> list[Factor]:
    found = _share("processor waits", strain.wait_cpu_permille, WAIT_CPU_MOST, 4)
    if not found and strain.load_permille >= 0:
        shown = f"{strain.load_permille / 1000:.1f} a core"
        eighths = 4 if strain.load_permille > LOAD_MOST else WHOLE
        found.append(Factor("load", shown, eighths, f"4/8 above {LOAD_MOST // 1000}"))
    if strain.speed_permille >= 0:
        speed = strain.speed_permille
        eighths = 2 if speed < SPEED_QUARTER else 4 if speed < SPEED_HALF else WHOLE
        shown = f"{speed / 10:.0f} % of its best"
        found.append(Factor("kernel speed", shown, eighths, "4/8 below 50 %, 2/8 below 25 %"))
    return found


def _storage(strain: Strain) -> list[Factor]:
    found = _share("disk waits", strain.wait_disk_permille, WAIT_DISK_MOST, 6)
    for name, value, ends, rule in (
        ("disk errors", strain.disk_errors, 1, "emptied at the first"),
        ("flash life", strain.flash_life, FLASH_LIFE_END, "emptied from 10, 90 % used"),
        ("flash end", strain.flash_end, FLASH_END_WARNS, "emptied from 2, its warning"),
    ):
        if value >= 0:
            found.append(Factor(name, str(value), 0 if value >= ends else WHOLE, rule))
    return found


def _link(health: Health, strain: Strain) -> list[Factor]:
    found = _share("link loss", strain.loss_permille, LOSS_MOST, 4)
    if health.round_trip_ms >= 0:
        far = health.round_trip_ms > ROUND_TRIP_MOST_MS
        shown = f"{health.round_trip_ms} ms"
        found.append(Factor("round trip", shown, 4 if far else WHOLE, "4/8 above 1 s"))
    if strain.signal_dbm != -1:
        weak = strain.signal_dbm < SIGNAL_LEAST_DBM
        shown, rule = f"{strain.signal_dbm} dBm", f"4/8 below {SIGNAL_LEAST_DBM}"
        found.append(Factor("signal", shown, 4 if weak else WHOLE, rule))
    return found


def _share(name: str, permille: int, most: int, eighths: int) -> list[Factor]:
    """A share in permille that counts against a board above `most`; nothing if it is not known."""
    if permille < 0:
        return []
    rule = f"{eighths}/8 above {most // 10} %"
    return [Factor(name, f"{permille / 10:.0f} %", eighths if permille > most else WHOLE, rule)]


class Gauge:
    """The weight of one device over time; starts at `eighths`."""

    __slots__ = ("_changed", "_down", "_of", "_target", "_up", "eighths", "factors")

    def __init__(self, eighths: int = WHOLE) -> None:
        self.eighths = eighths
        self.factors: list[Factor] = []
        self._down = 0
        self._up = 0
        self._changed = float("-inf")
        self._target = WHOLE  # what `factors` say
        self._of: tuple[Health, Strain, int] | None = None  # what `factors` follow from

    @property
    def reasons(self) -> list[str]:
        """What speaks against the whole weight now."""
        return [factor.reason for factor in self.factors if factor.eighths < WHOLE]

    def report(
        self, health: Health, strain: Strain = UNSTRAINED, *, memory_bytes: int, now: float
    ) -> bool:
        """Take a report in; whether the weight changed."""
        if self._of != (health, strain, memory_bytes):
            self._of = (health, strain, memory_bytes)
            self.factors = factors(health, strain, memory_bytes)
            self._target = min((factor.eighths for factor in self.factors), default=WHOLE)
        target = self._target
        self._down = self._down + 1 if target < self.eighths else 0
        self._up = self._up + 1 if target > self.eighths else 0
        if self._down < DOWN_REPORTS and self._up < UP_REPORTS:
            return False
        if target and now - self._changed < CHANGE_LEAST_S:
            return False
        self._down = self._up = 0
        self._changed = now
        self.eighths = target
        return True
