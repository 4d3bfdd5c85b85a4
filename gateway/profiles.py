"""Timing by profile: how often a device reports and how long its silence is borne.

A lease lasts five intervals; the device counts it from when it asked, less 5 % for the drift of its
clock, and the gateway takes it back only after the same 5 % twice. Suspicion comes after 1.5
intervals but never before a second: a busy small board must not be suspected for one late packet.
"""

from typing import NamedTuple

LEASE_INTERVALS = 5
DRIFT = 0.05
SUSPECT_INTERVALS = 1.5
SUSPECT_LEAST_S = 1.0
# What an overloaded gateway makes of an interval. A lease then has two and a half of them: it stays
# as long as it is, so that nothing changes about who may act.
STRETCH = 2
LEASE_LEAST_S = 2.0  # below this a busy machine loses leases for want of a time slice


class Profile(NamedTuple):
    """One profile's times in seconds."""

    name: str
    interval_s: float
    out_after_s: float
    orphan_s: float

    @property
    def lease_s(self) -> float:
        """How long a granted lease lasts."""
        return max(LEASE_INTERVALS * self.interval_s, LEASE_LEAST_S)

    @property
    def suspect_s(self) -> float:
        """How long a silence makes a device suspect."""
        return max(SUSPECT_INTERVALS * self.interval_s, SUSPECT_LEAST_S)

    @property
    def expiry_s(self) -> float:
        """How long after its last request the device has certainly stopped to act."""
        return self.lease_s * (1.0 + 2.0 * DRIFT)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("fast", 0.5, 600.0, 30.0),
        Profile("normal", 2.0, 600.0, 30.0),
        Profile("battery", 30.0, 3_600.0, 120.0),
        Profile("metered", 600.0, 86_400.0, 3_600.0),
        Profile("demo", 0.25, 2.0, 10.0),
    )
}
