"""What a query calls slow, by its own answers."""

import pytest

from atoll.gateway.times import FACTOR, LEAST_S, TIMES_KEPT, Times


def answered(latencies, times=None):
    times = times or Times()
    for number, latency in enumerate(latencies):
        times.went([number], 10.0)
        times.came(number, 10.0 + latency)
    return times


def test_nothing_is_slow_before_enough_is_known():
    assert answered([1.0] * 3).limit(4) == float("inf")
    assert answered([1.0] * 4).limit(4) == FACTOR
    assert answered([1.0] * 24).limit(100) == float("inf")
    assert answered([1.0] * 25).limit(100) == FACTOR


def test_the_limit_is_over_a_quantile_and_not_over_the_worst():
    latencies = [1.0] * 95 + [50.0] * 5
    assert answered(latencies).limit(100) == pytest.approx(FACTOR)
    assert answered([0.001] * 20).limit(20) == LEAST_S


def test_only_the_last_answers_count():
    times = answered([9.0] * TIMES_KEPT)
    answered([1.0] * TIMES_KEPT, times)
    assert times.limit(10) == pytest.approx(FACTOR)


def test_time_counts_from_the_first_sending_until_it_comes_back():
    times = Times()
    times.went([1], 10.0)
    times.went([1], 15.0)
    assert times.sent == {1: 10.0}
    times.back([1, 2])
    times.went([1], 20.0)
    times.came(1, 21.0)
    times.came(1, 99.0)
    assert (times.sent, times.count) == ({}, 1)
