"""The times of the profiles fit each other."""

import pytest

from atoll.gateway.profiles import PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_a_lease_outlasts_suspicion_and_expires_before_out(name):
    profile = PROFILES[name]
    assert profile.interval_s < profile.suspect_s < profile.lease_s < profile.expiry_s
    assert profile.out_after_s >= 2.0
