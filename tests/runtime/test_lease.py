import pytest

from atoll.runtime.lease import DRIFT_MARGIN, LOSS_WINDOW, REQUESTS_KEPT, LeaseClock
from atoll.wire.messages import Lease


def lease(number, *, boot=7, duration_ms=10_000, interval_ms=2_000, birth_wanted=False):
    return Lease(1, 1, 1, boot, number, duration_ms, interval_ms, birth_wanted)


def test_it_counts_from_when_the_request_was_sent():
    clock = LeaseClock("normal")
    number = clock.request(100.0)
    assert clock.grant(lease(number), 7, 104.0) == ""
    assert clock.holds(109.4)
    assert not clock.holds(100.0 + 10 * (1 - DRIFT_MARGIN))
    assert clock.round_trip_ms == 4_000


def test_answers_of_other_boots_and_old_requests_are_refused():
    clock = LeaseClock("normal")
    first = clock.request(0.0)
    assert clock.grant(lease(first, boot=6), 7, 1.0) == "lease of another boot"
    assert clock.grant(lease(first), 7, 1.0) == ""
    assert clock.grant(lease(first), 7, 1.0) == "lease not asked for"
    assert clock.grant(lease(99), 7, 1.0) == "lease not asked for"
    old = clock.request(2.0)
    for _ in range(REQUESTS_KEPT):
        clock.request(3.0)
    assert clock.grant(lease(old), 7, 4.0) == "lease not asked for"


def test_a_late_answer_never_shortens_the_lease():
    clock = LeaseClock("normal")
    first, second = clock.request(0.0), clock.request(5.0)
    clock.grant(lease(second), 7, 5.1)
    clock.grant(lease(first), 7, 5.2)
    assert clock.holds(14.4)


def test_the_interval_is_the_gateways_within_bounds():
    clock = LeaseClock("metered")
    number = clock.request(0.0)
    assert clock.next_request == 600.0
    clock.grant(lease(number, interval_ms=250), 7, 0.1)
    assert clock.next_request == pytest.approx(0.35)
    number = clock.request(0.35)
    clock.grant(lease(number, interval_ms=0), 7, 0.4)
    assert clock.interval_s == 0.05


def test_a_birth_that_is_wanted_grants_nothing():
    clock = LeaseClock("normal")
    assert clock.grant(lease(clock.request(0.0), birth_wanted=True), 7, 0.1) == ""
    assert not clock.holds(0.2)


def test_the_links_loss_is_told_once_there_is_enough_to_tell():
    clock = LeaseClock("normal")
    for number in range(1, 200):
        clock.request(float(number))
        if number % 4:
            clock.grant(lease(number), 7, number + 0.1)
        if number < LOSS_WINDOW:
            assert clock.loss_permille == -1
    assert 200 <= clock.loss_permille <= 300
