"""The zone rule and the fleet rule, at their bounds."""

import pytest
from gateway_data import device_row

from atoll.gateway.member import Member, State
from atoll.gateway.silence import Silence, zone_silent


def counted(states, zone="z"):
    silence = Silence()
    for number, state in enumerate(states):
        silence.count(Member(device_row(f"d{number}", state=state.value, zone=zone)), 1)
    return silence


@pytest.mark.parametrize(
    ("size", "away", "silent"),
    [(2, 2, False), (3, 1, False), (3, 2, True), (4, 2, False), (4, 3, True)],
)
def test_more_than_half_of_a_zone_of_three(size, away, silent):
    assert zone_silent(size, away) is silent
    states = [State.DEAD] * away + [State.READY] * (size - away)
    assert counted(states).of_zone("z") is silent
    assert not counted(states).of_zone("elsewhere")


@pytest.mark.parametrize(
    ("away", "ready", "silent"), [(4, 0, False), (5, 0, True), (4, 1, False), (9, 2, True)]
)
def test_more_than_four_fifths_of_a_fleet_of_five(away, ready, silent):
    states = [State.SUSPECT] * away + [State.READY] * ready
    assert counted(states).of_fleet() is silent


def test_who_said_goodbye_or_sleeps_is_not_silent():
    states = [State.SLEEPING, State.STOPPED, State.OUT, State.NEW] * 3 + [State.READY]
    silence = counted(states)
    assert not silence.of_zone("z")
    assert not silence.of_fleet()


def test_it_is_kept_as_members_change():
    silence = Silence()
    member = Member(device_row("a", state="dead", zone="z"))
    for _ in range(3):
        silence.count(member, 1)
    assert silence.of_zone("z")
    for _ in range(3):
        silence.count(member, -1)
    assert not silence.of_zone("z")
