"""Flap damping: a device that comes and goes is not trusted with more until it has stayed.

Each return from the dead adds one to a penalty that halves in HALF_LIFE_S. At SUPPRESS the device
keeps what it has and serves, but is given no shard that it does not have, until the penalty is down
to REUSE; only a shard that nobody else can have comes to it all the same (goals.py). Whoever
returns from outside (its shards were placed elsewhere meanwhile) with a penalty from before gets
its weight back in quarters, one in STEP_S. After the shape of BGP route flap damping (RFC 2439).
"""

from math import exp2, log2

HALF_LIFE_S = 900.0
SUPPRESS = 3.0
REUSE = 1.0
STEP_S = 60.0
STEP_EIGHTHS = 2
WHOLE = 8
# No more is remembered of a device that flaps for days: it is reused four half-lives later at most.
PENALTY_MAX = 16.0


class Damper:
    """The penalty of one device. Times are seconds on any clock that does not go back."""

    __slots__ = ("_at", "_penalty", "eighths", "step_at", "suppressed")

    def __init__(self) -> None:
        self._penalty = 0.0
        self._at = 0.0
        self.suppressed = False
        self.eighths = WHOLE
        self.step_at = float("inf")  # when `step` has something to do

    def penalty(self, now: float) -> float:
        """What is left of it."""
        return self._penalty * exp2((self._at - now) / HALF_LIFE_S)

    def returned(self, now: float, *, outside: bool) -> None:
        """The device is back from the dead, or (`outside`) after its shards went elsewhere."""
        before = self.penalty(now)
        self._penalty, self._at = min(before + 1.0, PENALTY_MAX), now
        if outside and (before >= REUSE or self.suppressed):
            self.eighths = STEP_EIGHTHS
        if self._penalty >= SUPPRESS - 1e-9:
            self.suppressed = True
        if self.suppressed:
            # A moment later, so that rounding does not leave it a hair above.
            self.step_at = now + HALF_LIFE_S * log2(self._penalty / REUSE) + 1e-3
        elif self.eighths < WHOLE:
            self.step_at = now + STEP_S

    def step(self, now: float) -> bool:
        """Do what is due; whether anything has changed."""
        if now < self.step_at:
            return False
        if self.suppressed:
            self.suppressed = False
        else:
            self.eighths = min(WHOLE, self.eighths + STEP_EIGHTHS)
        self.step_at = now + STEP_S if self.eighths < WHOLE else float("inf")
        return True
