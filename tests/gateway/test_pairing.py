"""The times of a pair fit each other."""

from atoll.gateway import pairing as pair


def test_a_lease_bears_lost_beats_and_a_standby_is_replaced_later_than_a_leader():
    assert pair.LEASE_S >= 5 * pair.BEAT_S
    assert pair.SILENCE_S > pair.LEASE_S + pair.BEAT_S
    assert pair.SILENCE_S == 5.0, "docs/gateway.md says so"
    assert pair.LAG_S < pair.LEASE_S
    assert pair.AGAIN_S < pair.LEASE_S
