"""The register: the first message of a turn counts, and what is retained is looked at first."""

import pytest

from atoll.gateway.lead import NOBODY, Register, Seen
from atoll.wire.gateways import Lead


def opened(name, *retained):
    """A register whose session has begun."""
    register = Register(name)
    mark = register.opened()
    for lead in retained:
        register.take(lead)
    assert register.take(mark) is Seen.KNOWN
    return register


def test_nothing_is_known_before_the_mark_comes_back():
    register = Register("a")
    mark = register.opened()
    assert (mark.turn, mark.leader) == (0, "a")
    assert not register.known
    assert register.take(mark._replace(leader="b")) is Seen.NOTHING
    assert register.take(mark._replace(term=mark.term + 1)) is Seen.NOTHING
    assert register.take(mark) is Seen.KNOWN
    assert register.current == NOBODY


def test_of_two_claims_the_first_in_the_brokers_order_wins_on_both_sides():
    before = Lead(4, 7, "a", "b", 9)
    a, b = opened("a", before), opened("b", before)
    a.adopt(before)
    alone, claim = a.want(7, "", 9), b.want(8, "", 9)
    assert alone.turn == claim.turn == 5
    assert [a.take(one) for one in (claim, alone)] == [Seen.OTHER, Seen.NOTHING]
    assert [b.take(one) for one in (claim, alone)] == [Seen.WON, Seen.MENDED]
    assert a.current == b.current == claim
    assert b.leads
    assert not a.leads


def test_a_claim_is_void_once_the_session_has_broken():
    register = opened("b", Lead(4, 7, "a", "b", 9))
    claim = register.want(8, "", 9)
    register.closed()
    mark = register.opened()
    # What is retained is the last claim of the turn: the first one may have been another's.
    assert register.take(claim) is Seen.NOTHING
    register.take(mark)
    assert not register.leads
    assert not register.certain
    register.adopt(claim)  # whoever else could have won it says that it stands by
    assert register.leads


def test_a_turn_in_doubt_goes_to_whom_says_it_again():
    register = opened("b", Lead(4, 7, "a", "b", 9))
    claim = register.want(8, "", 9)
    register.closed()
    mark = register.opened()
    register.take(claim)
    register.take(mark)
    assert register.take(Lead(5, 7, "a", "", 12)) is Seen.OTHER
    assert register.current.leader == "a"


def test_a_leader_says_its_turn_again_over_one_that_came_late():
    register = opened("a")
    mine = register.want(1, "", 0)
    assert register.take(mine) is Seen.WON
    assert register.take(mine) is Seen.NOTHING
    assert register.take(mine._replace(leader="b")) is Seen.MENDED


@pytest.mark.parametrize("turn", [5, 6, 9])
def test_a_higher_turn_of_another_is_believed_however_much_was_missed(turn):
    register = opened("a", Lead(4, 7, "a", "b", 9))
    register.adopt(register.current)
    assert register.take(Lead(turn, 8, "b", "", 9)) is Seen.OTHER
    assert not register.leads
