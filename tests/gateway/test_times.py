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


def test_the_oldest_task_that_is_out_has_been_out_for_the_longest():
    times = Times()
    assert times.out_s(10.0) == 0.0
    times.went([1, 2], 10.0)
    times.went([3], 11.0)
    assert times.out_s(12.0) == 2.0
    times.came(1, 12.0)
    times.back([2])
    assert times.out_s(12.0) == 1.0
    times.went([2], 12.0)  # it begins anew, behind those that are still out
    assert times.out_s(13.0) == 2.0


def test_an_answer_changes_the_limit_at_once():
    times = answered([1.0] * 10)
    assert times.limit(10) == FACTOR
    answered([4.0] * 100, times)
    assert times.limit(10) == 4.0 * FACTOR
