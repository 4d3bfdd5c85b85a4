"""Flap damping by table: penalty, half-life, suppression, reuse, steps."""

import pytest

from atoll.gateway.damping import HALF_LIFE_S, REUSE, STEP_S, SUPPRESS, WHOLE, Damper


def test_the_penalty_halves():
    damper = Damper()
    damper.returned(100.0, outside=False)
    assert damper.penalty(100.0) == 1.0
    assert damper.penalty(100.0 + HALF_LIFE_S) == 0.5
    assert damper.penalty(100.0 + 10 * HALF_LIFE_S) == pytest.approx(2.0**-10)


def test_one_return_costs_nothing():
    for outside in (False, True):
        damper = Damper()
        damper.returned(5.0, outside=outside)
        assert (damper.suppressed, damper.eighths, damper.step_at) == (False, WHOLE, float("inf"))


@pytest.mark.parametrize("period_s", [1.0, 10.0, 60.0])
def test_a_device_that_flaps_is_suppressed_until_it_stays(period_s):
    damper, now = Damper(), 0.0
    for _ in range(4):
        now += period_s
        damper.returned(now, outside=False)
    assert damper.suppressed
    assert damper.eighths == WHOLE, "it keeps what it has"
    assert not damper.step(damper.step_at - 0.1)
    assert damper.suppressed
    assert HALF_LIFE_S < damper.step_at - now < 2 * HALF_LIFE_S + 1.0
    assert damper.step(damper.step_at)
    assert not damper.suppressed
    assert damper.step_at == float("inf")


def test_seldom_returns_are_never_suppressed():
    damper = Damper()
    for hour in range(48):
        damper.returned(hour * 3_600.0, outside=False)
        assert not damper.suppressed


def test_who_was_out_more_than_once_gets_its_weight_back_in_quarters():
    damper = Damper()
    damper.returned(0.0, outside=True)
    damper.returned(10.0, outside=True)
    assert damper.eighths == WHOLE, "the penalty has fallen below one"
    damper.returned(20.0, outside=True)
    assert (damper.suppressed, damper.eighths) == (False, 2)
    seen = []
    while damper.step_at < float("inf"):
        at = damper.step_at
        assert damper.step(at)
        seen.append((at - 20.0, damper.eighths))
    assert seen == [(STEP_S, 4), (2 * STEP_S, 6), (3 * STEP_S, 8)]


def test_the_wait_is_bounded():
    damper = Damper()
    for second in range(1_000):
        damper.returned(float(second), outside=False)
    assert damper.step_at - 999.0 <= 4 * HALF_LIFE_S + 1.0
    assert SUPPRESS > REUSE
