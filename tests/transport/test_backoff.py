"""Delays double to the cap, within their jitter, and start over after a good session."""

import pytest

from atoll.transport.backoff import FIRST_S, STEADY_S, Backoff


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.5), (1.0, 1.0), (0.5, 0.75)])
def test_doubles_to_the_cap(chance, factor):
    backoff = Backoff(1.0)
    delays = [backoff.next_delay(0.0, chance) for _ in range(6)]
    assert delays == pytest.approx([FIRST_S * f * factor for f in (1, 2, 4, 8, 10, 10)])


def test_many_failures_do_not_overflow():
    backoff = Backoff(5.0)
    assert [backoff.next_delay(0.0, 1.0) for _ in range(2_000)][-1] == 5.0


def test_a_session_that_stood_starts_over_and_a_short_one_does_not():
    backoff = Backoff(5.0)
    for _ in range(4):
        backoff.next_delay(0.0, 1.0)
    backoff.came_up(10.0)
    assert backoff.next_delay(10.0 + STEADY_S - 0.1, 1.0) == pytest.approx(FIRST_S * 16)
    backoff.came_up(20.0)
    assert backoff.next_delay(20.0 + STEADY_S, 1.0) == pytest.approx(FIRST_S)
