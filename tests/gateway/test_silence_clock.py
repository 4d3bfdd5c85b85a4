"""The clock of the detectors by itself; what membership makes of it is in test_membership.py."""

import pytest

from atoll.gateway.desk import Desk
from atoll.gateway.silence_clock import OVERLOAD_S, RELIEF_S, SilenceClock


@pytest.fixture
def desk():
    made = Desk()
    made.now = 100.0
    return made


@pytest.fixture
def clock(desk):
    made = SilenceClock(desk)
    made.thaw()
    return made


def test_it_leaves_out_what_the_gateway_missed(desk, clock):
    clock.missed(3.0)
    desk.now = 110.0
    assert clock.now() == 107.0
    assert clock.reached_at(108.0) == 111.0


@pytest.mark.parametrize("stop", ["freeze", "fall_behind"])
def test_it_stands_and_misses_nothing_meanwhile(desk, clock, stop):
    desk.now = 101.0
    getattr(clock, stop)()
    desk.now = 104.0
    clock.missed(50.0)
    assert clock.stands
    assert clock.now() == 101.0


def test_behind_it_goes_on_from_where_it_stood(desk, clock):
    desk.now = 101.0
    clock.fall_behind()
    desk.now = 104.0
    clock.catch_up()
    desk.now = 105.0
    assert clock.now() == 102.0


def test_the_broker_back_it_shows_the_time_whatever_was_before(desk, clock):
    clock.missed(3.0)
    clock.fall_behind()
    desk.now = 110.0
    clock.freeze()
    clock.fall_behind()
    desk.now = 120.0
    clock.thaw()
    assert clock.now() == 120.0  # it stands, as more has come in than is read
    desk.now = 121.0
    clock.catch_up()
    assert clock.now() == 120.0


def test_relief_ends_and_begins_with_the_overload(desk, clock):
    assert not clock.relieved
    clock.fall_behind()
    assert clock.next_due() == 100.0 + OVERLOAD_S
    desk.now += OVERLOAD_S
    clock.tick()
    assert clock.overloaded
    assert clock.relieved
    clock.freeze()
    assert not clock.overloaded
    desk.now += RELIEF_S - 1.0
    assert clock.relieved
    desk.now += 1.0
    assert not clock.relieved
