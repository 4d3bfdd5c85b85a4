"""Pace: moves take a share of a device's time, and so of its link, and no more.

After a step that took t seconds its two devices rest t * (1 / share - 1) before the next one: no
rate of any link has to be known, and a slow link rests longer. A shard with one live copy, or none,
does not wait; all else takes a quarter of the time.
"""

from collections.abc import Iterable

MOVE_SHARE = 0.25
EXPOSED_COPIES = 1  # copies live at which nothing waits
REST_MOST_S = 10.0  # a step that was stuck says nothing of the link
# Bytes a second of a step before any was measured; `atoll explain` says that it is assumed.
RATE_ASSUMED = 4 * 1_048_576
RATE_WEIGHT = 0.2  # of the newest step in the mean
RATE_LEAST_BYTES = 65_536  # a smaller step measures the round trip


class Pace:
    """When each device may take part in the next step, and how fast steps are."""

    def __init__(self) -> None:
        self._rest_until: dict[str, float] = {}
        self._rate = 0.0

    def ready(self, device: str, copies: int, now: float) -> bool:
        """Whether a device may take part in a step for a shard of so many live copies."""
        return copies <= EXPOSED_COPIES or now >= self._rest_until.get(device, 0.0)

    def until(self, device: str) -> float:
        """When a device has rested."""
        return self._rest_until.get(device, 0.0)

    def ended(
        self, devices: Iterable[str], copies: int, began: float, now: float, byte_count: int
    ) -> None:
        """A step for a shard of so many live copies is over; `byte_count` have arrived."""
        took = max(0.0, now - began)
        if took and byte_count >= RATE_LEAST_BYTES:
            rate = byte_count / took
            self._rate += RATE_WEIGHT * (rate - self._rate) if self._rate else rate
        if copies <= EXPOSED_COPIES:
            return
        rest_s = min(took * (1 / MOVE_SHARE - 1), REST_MOST_S)
        for device in devices:
            self._rest_until[device] = max(self.until(device), now + rest_s)

    @property
    def measured(self) -> bool:
        """Whether any step was long enough to measure."""
        return self._rate > 0.0

    @property
    def rate(self) -> float:
        """Bytes a second of one step."""
        return self._rate or float(RATE_ASSUMED)

    def seconds(self, per_device: Iterable[int], total: int, steps: int, steps_max: int) -> float:
        """How long moves take: the busiest device, or all of them through the gateway. `steps` at a
        time with one device, `steps_max` in all.
        """
        busiest = max(per_device, default=0)
        return max(busiest / steps / MOVE_SHARE, total / steps_max) / self.rate
