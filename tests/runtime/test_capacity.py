"""What a board takes by itself, by table."""

import pytest

from atoll.runtime.capacity import (
    LEAST,
    MOST,
    UNIT_MEMORY_BYTES,
    UNIT_SPEED,
    UNIT_STORAGE_BYTES,
    capacity_of,
)

UNIT = (4, UNIT_SPEED // 4, UNIT_MEMORY_BYTES, UNIT_STORAGE_BYTES)


def scaled(speed=1.0, memory=1.0, storage=1.0):
    return capacity_of(
        4, int(UNIT[1] * speed), int(UNIT_MEMORY_BYTES * memory), int(UNIT_STORAGE_BYTES * storage)
    )


def test_the_unit_is_one():
    assert capacity_of(*UNIT) == 1.0


@pytest.mark.parametrize("short", ["speed", "memory", "storage"])
def test_the_shortest_resource_counts(short):
    rest = dict.fromkeys(("speed", "memory", "storage"), 8.0)
    assert scaled(**rest) == 8.0
    assert scaled(**(rest | {short: 0.5})) == 0.5


def test_twice_the_cores_count_twice():
    assert capacity_of(8, UNIT[1], UNIT_MEMORY_BYTES * 9, UNIT_STORAGE_BYTES * 9) == 2.0


def test_a_measurement_that_wavers_changes_nothing():
    assert {scaled(speed=s, memory=9, storage=9) for s in (0.75, 0.9, 1.0, 1.2, 1.4)} == {1.0}


def test_its_bounds():
    assert scaled(speed=1e-6) == LEAST
    assert scaled(speed=1e6, memory=1e3, storage=1e3) == MOST
