"""Health to weight, by table, and its hysteresis."""

import itertools

import pytest

from atoll.gateway.weight import CHANGE_LEAST_S, DOWN_REPORTS, UP_REPORTS, Gauge, factors
from atoll.wire.messages import UNSTRAINED, Health

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
        ({"storage_free_bytes": 63 * MIB}, 8),  # room.py looks after it
        ({"battery_percent": 4}, 0),
        ({"battery_percent": 5}, 2),
        ({"battery_percent": 19}, 2),
        ({"battery_percent": 20}, 8),
        ({"throttled": 2, "temperature_mc": 90_000}, 4),
    ],
)
def test_the_smallest_factor_counts(change, eighths):
    found = factors(WELL._replace(**change), UNSTRAINED, 1 << 30)
    assert min((factor.eighths for factor in found), default=8) == eighths


@pytest.mark.parametrize(
    ("change", "name", "eighths"),
    [
        ({"wait_cpu_permille": 800}, "processor waits", 8),
        ({"wait_cpu_permille": 801}, "processor waits", 4),
        ({"wait_memory_permille": 201}, "memory waits", 4),
        ({"wait_disk_permille": 501}, "disk waits", 6),
        ({"load_permille": 4_000}, "load", 8),
        ({"load_permille": 4_001}, "load", 4),
        ({"disk_errors": 0}, "disk errors", 8),
        ({"disk_errors": 1}, "disk errors", 0),
        ({"flash_life": 9}, "flash life", 8),
        ({"flash_life": 10}, "flash life", 0),
        ({"flash_end": 1}, "flash end", 8),
        ({"flash_end": 2}, "flash end", 0),
        ({"loss_permille": 200}, "link loss", 8),
        ({"loss_permille": 201}, "link loss", 4),
        ({"signal_dbm": -80}, "signal", 8),
        ({"signal_dbm": -81}, "signal", 4),
        ({"speed_permille": 500}, "kernel speed", 8),
        ({"speed_permille": 499}, "kernel speed", 4),
        ({"speed_permille": 249}, "kernel speed", 2),
    ],
)
def test_strain_counts_too(change, name, eighths):
    (found,) = factors(WELL, UNSTRAINED._replace(**change), 0)
    assert (found.name, found.eighths) == (name, eighths)
    assert found.measured
    assert found.rule


def test_pressure_is_believed_before_load():
    found = factors(WELL, UNSTRAINED._replace(load_permille=9_000, wait_cpu_permille=10), 0)
    assert [(f.name, f.eighths) for f in found] == [("processor waits", 8)]


def test_what_is_well_is_shown_as_well():
    well = WELL._replace(throttled=1 << 18, round_trip_ms=3, temperature_mc=50_000)
    found = factors(well, UNSTRAINED, 0)
    assert {f.name: f.measured for f in found} == {
        "power": "not now, but since its start",
        "temperature": "50 degrees Celsius",
        "round trip": "3 ms",
    }
    assert all(f.eighths == 8 for f in found)


def eighths_of(health, memory_bytes=0):
    return min(f.eighths for f in factors(health, UNSTRAINED, memory_bytes))


def test_a_small_board_is_measured_by_its_own_memory():
    assert eighths_of(WELL._replace(memory_free_bytes=8 * MIB), 64 * MIB) == 8
    assert eighths_of(WELL._replace(memory_free_bytes=6 * MIB), 64 * MIB) == 2


class Board:
    """A gauge that hears a report every so many seconds."""

    def __init__(self, interval_s=2.0):
        self.gauge, self.now, self.interval_s = Gauge(), 0.0, interval_s

    def report(self, health):
        self.now += self.interval_s
        return self.gauge.report(health, memory_bytes=0, now=self.now)


def test_it_falls_after_a_few_reports_and_rises_after_many():
    board, hot = Board(), WELL._replace(temperature_mc=90_000)
    assert [board.report(hot) for _ in range(DOWN_REPORTS)] == [False, False, True]
    assert board.gauge.eighths == 4
    assert board.gauge.reasons == ["temperature: 90 degrees Celsius"]
    assert not any(board.report(WELL) for _ in range(UP_REPORTS - 1))
    assert board.report(WELL)
    assert board.gauge.eighths == 8


def test_one_bad_report_changes_nothing():
    board, hot = Board(), WELL._replace(temperature_mc=90_000)
    for _ in range(100):
        assert not board.report(hot)
        assert not board.report(hot)
        assert not board.report(WELL)
    assert board.gauge.eighths == 8


def test_it_changes_once_a_minute_at_most_but_falls_to_nothing_at_once():
    board = Board(interval_s=0.5)
    warm, low = WELL._replace(throttled=2), WELL._replace(throttled=1)
    changes = []
    for turn in range(3_000):
        if board.report(warm if turn // 40 % 2 else low):
            changes.append(board.now)
    assert len(changes) > 10
    assert all(b - a >= CHANGE_LEAST_S for a, b in itertools.pairwise(changes))
    end = WELL._replace(battery_percent=1)
    assert [board.report(end) for _ in range(3)] == [False, False, True]
    assert board.gauge.eighths == 0
