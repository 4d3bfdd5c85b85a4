"""The times of a pair fit each other, and numbers that cannot be counted on from are refused."""

import pytest

from atoll.gateway import pairing as pair
from atoll.wire import gateways as wire
from atoll.wire.codec import decode, encode
from atoll.wire.errors import DecodeError

USUAL = (
    wire.Lead(3, 500_000, "a", "b", 9),
    wire.Beat(500_000, "a", 1, 9, 500_000),
    wire.Batch(500_000, "a", 9, 500_000, 499_999, 0, 1, 0xFFFF_FFFF, b"x"),
    wire.Copy(500_000, "a", 1, 9, 500_000, 0, True, 0xFFFF_FFFF, b"x"),
    wire.Heard("b", 1_800_000_000_000_000_000, 1, 9, 500_000, 0, 0, 3, False),
)
FREE = {"version", "crc", "last", "alone"}  # nothing is counted on from these


def test_a_lease_bears_lost_beats_and_a_standby_is_replaced_later_than_a_leader():
    assert pair.LEASE_S >= 5 * pair.BEAT_S
    assert pair.SILENCE_S > pair.LEASE_S + pair.BEAT_S
    assert pair.SILENCE_S == 5.0, "docs/gateway.md says so"
    assert pair.LAG_S < pair.LEASE_S
    assert pair.AGAIN_S < pair.LEASE_S


@pytest.mark.parametrize("message", USUAL, ids=lambda message: type(message).__name__)
def test_the_next_number_fits_the_wire(message):
    assert pair.believable(message) is message
    for name, value in message._asdict().items():
        if name in FREE or not isinstance(value, int):
            continue
        most = pair.NUMBER_MAX if name in ("turn", "number", "beat") else pair.TERM_MAX
        assert pair.believable(message._replace(**{name: most}))
        following = message._replace(**{name: most + 1})
        assert decode(encode(following)) == following, "it can still be said"
        with pytest.raises(DecodeError, match=name):
            pair.believable(following)
