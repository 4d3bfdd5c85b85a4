"""The share of the link that moves take, and the rate that was measured."""

import pytest

from atoll.gateway.pace import EXPOSED_COPIES, MOVE_SHARE, RATE_ASSUMED, REST_MOST_S, Pace

MANY = EXPOSED_COPIES + 1


def test_a_device_rests_so_that_moves_take_their_share():
    pace = Pace()
    pace.ended(("a", "b"), MANY, 10.0, 11.0, 1 << 20)
    rest_s = 1.0 / MOVE_SHARE - 1.0
    for device in "ab":
        assert not pace.ready(device, MANY, 11.0 + rest_s - 0.01)
        assert pace.ready(device, MANY, 11.0 + rest_s)
    assert pace.ready("c", MANY, 11.0)


def test_who_is_exposed_does_not_wait():
    pace = Pace()
    pace.ended(("a",), MANY, 0.0, 1.0, 1 << 20)
    assert pace.ready("a", EXPOSED_COPIES, 1.0)
    pace.ended(("b",), EXPOSED_COPIES, 0.0, 1.0, 1 << 20)
    assert pace.ready("b", MANY, 1.0)


def test_a_stuck_step_is_not_paid_for_with_hours():
    pace = Pace()
    pace.ended(("a",), MANY, 0.0, 3_600.0, 1 << 20)
    assert pace.ready("a", MANY, 3_600.0 + REST_MOST_S)


def test_the_rate_is_measured_by_steps_of_some_size():
    pace = Pace()
    assert (pace.measured, pace.rate) == (False, RATE_ASSUMED)
    pace.ended(("a",), MANY, 0.0, 1.0, 100)
    assert not pace.measured
    pace.ended(("a",), MANY, 0.0, 2.0, 2_000_000)
    assert (pace.measured, pace.rate) == (True, 1_000_000.0)
    for _ in range(50):
        pace.ended(("a",), MANY, 0.0, 1.0, 3_000_000)
    assert pace.rate == pytest.approx(3_000_000.0, rel=0.01)


def test_seconds_are_the_busiest_devices_or_the_gateways():
    pace = Pace()
    pace.ended(("a",), MANY, 0.0, 1.0, 1_000_000)
    assert pace.seconds([2_000_000, 500_000], 2_500_000, 2, 8) == pytest.approx(4.0)
    assert pace.seconds([], 80_000_000, 2, 8) == pytest.approx(10.0)
    assert pace.seconds([], 0, 2, 8) == 0.0
