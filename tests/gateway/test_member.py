"""What a member weighs and whether it is given anything, by state."""

import pytest
from gateway_data import device_row

from atoll.gateway.member import KEPT, LEASED, Member, State
from atoll.wire.messages import Health

HOT = Health(*[-1] * 8)._replace(temperature_mc=90_000)


def member(**fields):
    return Member(device_row("a", **({"state": "ready"} | fields)))


def test_weight_is_capacity_in_hundredths():
    assert member().weight == 100
    assert member(capacity=2.5).weight == 250
    assert member(capacity=0.25, eighths=4).weight == 12


def test_no_health_makes_a_small_device_weigh_nothing_but_its_end():
    assert member(capacity=0.01, eighths=2).weight == 1
    assert member(capacity=0.01, eighths=0).weight == 0


@pytest.mark.parametrize("fields", [{"draining": 1}, {"state": "out"}, {"capacity": 0.0}])
def test_who_is_to_be_empty_weighs_nothing(fields):
    assert member(**fields).weight == 0


def test_health_and_returns_both_count_and_the_less_is_it():
    one = member()
    for now in (0.0, 1.0, 2.0):
        one.gauge.report(HOT, memory_bytes=0, now=now)
    assert one.weight == 50
    for now in (3.0, 4.0, 5.0):
        one.damper.returned(now, outside=True)
    assert one.weight == 25


def test_a_flapping_device_serves_and_takes_nothing_new():
    one = member()
    for now in range(4):
        one.damper.returned(float(now), outside=False)
    assert (one.serves, one.takes, one.weight) == (True, False, 100)


def test_states():
    assert LEASED < KEPT
    assert {State.NEW, State.OUT} == set(State) - KEPT
    assert not member(state="sleeping").serves
    assert member(state="sleeping").weight == 100
