"""Health to weight: what a board says of itself scales what it is given.

The smallest factor counts, in eighths of the capacity. It falls after DOWN_REPORTS reports in a row
that ask for less and rises after UP_REPORTS that allow more, so that a board at a threshold does
not move shards to and fro.
"""

from typing import NamedTuple

from atoll.wire.messages import Health

DOWN_REPORTS = 3
UP_REPORTS = 30

# Bits of the firmware's throttling word (`vcgencmd get_throttled`): what holds now.
UNDER_VOLTAGE = 1 << 0
FREQUENCY_CAPPED = 1 << 1
THROTTLED = 1 << 2 | 1 << 3

IDLE_LEAST_PERMILLE = 100
MEMORY_LEAST_BYTES = 32 * 1_048_576
MEMORY_LEAST_SHARE = 0.10
STORAGE_LEAST_BYTES = 64 * 1_048_576
TEMPERATURE_MOST_MC = 80_000
BATTERY_LEAST_PERCENT = 20


class Factor(NamedTuple):
    """One reason for a weight below the whole: eighths of it, and what a person reads."""

    eighths: int
    reason: str


def factors(health: Health, memory_bytes: int) -> list[Factor]:
    """Everything that speaks against the full weight."""
    found: list[Factor] = []
    bits = max(0, health.throttled)
    if bits & UNDER_VOLTAGE:
        found.append(Factor(2, "under-voltage"))
    if bits & THROTTLED:
        found.append(Factor(4, "throttled"))
    if bits & FREQUENCY_CAPPED:
        found.append(Factor(6, "frequency capped"))
    if health.temperature_mc > TEMPERATURE_MOST_MC:
        found.append(Factor(4, f"{health.temperature_mc / 1000:.0f} degrees Celsius"))
    if (
        0
        <= health.memory_free_bytes
        < min(MEMORY_LEAST_BYTES, int(memory_bytes * MEMORY_LEAST_SHARE) or MEMORY_LEAST_BYTES)
    ):
        found.append(Factor(2, f"{health.memory_free_bytes >> 20} MiB of memory free"))
    if 0 <= health.storage_free_bytes < STORAGE_LEAST_BYTES:
        found.append(Factor(0, f"{health.storage_free_bytes >> 20} MiB of storage free"))
    if 0 <= health.battery_percent < BATTERY_LEAST_PERCENT:
        found.append(Factor(2, f"battery at {health.battery_percent} %"))
    return found


class Gauge:
    """The weight of one device over time; starts at `eighths`."""

    __slots__ = ("_down", "_up", "eighths", "reasons")

    def __init__(self, eighths: int = 8) -> None:
        self.eighths = eighths
        self.reasons: list[str] = []
        self._down = 0
        self._up = 0

    def report(self, health: Health, memory_bytes: int) -> bool:
        """Take a report in; whether the weight changed."""
        found = factors(health, memory_bytes)
        target = min((factor.eighths for factor in found), default=8)
        self.reasons = [factor.reason for factor in found]
        self._down = self._down + 1 if target < self.eighths else 0
        self._up = self._up + 1 if target > self.eighths else 0
        if self._down < DOWN_REPORTS and self._up < UP_REPORTS:
            return False
        self._down = self._up = 0
        self.eighths = target
        return True
