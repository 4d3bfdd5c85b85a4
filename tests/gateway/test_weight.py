"""Health to weight, by table, and its hysteresis."""

import pytest

from atoll.gateway.weight import DOWN_REPORTS, UP_REPORTS, Gauge, factors
from atoll.wire.messages import Health

WELL = Health(-1, -1, -1, -1, -1, -1, -1, -1)
MIB = 1_048_576


@pytest.mark.parametrize(
    ("change", "eighths"),
    [
        ({}, 8),
        ({"throttled": 0}, 8),
        ({"throttled": 1}, 2),
        ({"throttled": 2}, 6),
        ({"throttled": 4}, 4),
        ({"throttled": 8}, 4),
        ({"throttled": 1 << 16}, 8),
        ({"temperature_mc": 80_000}, 8),
        ({"temperature_mc": 80_001}, 4),
        ({"memory_free_bytes": 31 * MIB}, 2),
        ({"memory_free_bytes": 33 * MIB}, 8),
        ({"storage_free_bytes": 63 * MIB}, 0),
        ({"battery_percent": 19}, 2),
        ({"battery_percent": 20}, 8),
        ({"throttled": 2, "temperature_mc": 90_000}, 4),
    ],
)
def test_the_smallest_factor_counts(change, eighths):
    found = factors(WELL._replace(**change), 1 << 30)
    assert min((factor.eighths for factor in found), default=8) == eighths


def test_a_small_board_is_measured_by_its_own_memory():
    assert not factors(WELL._replace(memory_free_bytes=8 * MIB), 64 * MIB)
    assert factors(WELL._replace(memory_free_bytes=6 * MIB), 64 * MIB)


def test_it_falls_after_a_few_reports_and_rises_after_many():
    gauge, hot = Gauge(), WELL._replace(temperature_mc=90_000)
    assert [gauge.report(hot, 0) for _ in range(DOWN_REPORTS)] == [False, False, True]
    assert gauge.eighths == 4
    assert gauge.reasons == ["90 degrees Celsius"]
    assert not any(gauge.report(WELL, 0) for _ in range(UP_REPORTS - 1))
    assert gauge.report(WELL, 0)
    assert gauge.eighths == 8


def test_one_bad_report_changes_nothing():
    gauge, hot = Gauge(), WELL._replace(temperature_mc=90_000)
    for _ in range(100):
        assert not gauge.report(hot, 0)
        assert not gauge.report(hot, 0)
        assert not gauge.report(WELL, 0)
    assert gauge.eighths == 8
