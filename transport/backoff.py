"""How long to wait before the next attempt: doubling from a tenth of a second to a cap, with
jitter.

Jitter keeps a fleet that lost its broker together from coming back together ("full jitter" wastes
attempts at the start, so half of the interval is fixed). Attempts that follow a session which stood
for a while start over.
"""

FIRST_S = 0.1
# A session that stood this long was a good one; shorter ones are part of the same trouble.
STEADY_S = 5.0


class Backoff:
    """Delays between attempts; chance (0 to 1) and times are arguments."""

    def __init__(self, cap_s: float) -> None:
        self._cap_s = cap_s
        self._failures = 0
        self._up_since: float | None = None

    def came_up(self, now: float) -> None:
        """The session stands."""
        self._up_since = now

    def next_delay(self, now: float, chance: float) -> float:
        """The session ended, or the attempt failed: seconds until the next."""
        if self._up_since is not None and now - self._up_since >= STEADY_S:
            self._failures = 0
        self._up_since = None
        delay_s = min(self._cap_s, FIRST_S * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return delay_s * (0.5 + 0.5 * chance)
