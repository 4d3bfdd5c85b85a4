"""Whose history counts: what may not be is found, what was never said is forgotten."""

import pytest

from atoll.gateway import records
from atoll.gateway.pairing import Place
from atoll.sim.checker import Checker
from atoll.sim.pair_ledger import PairLedger
from atoll.sim.succession import Succession
from atoll.sim.world import Violation, World


def test_a_leader_without_what_was_said_is_found():
    succession = Succession(Checker(World(1)))
    one, other = PairLedger(), PairLedger()
    succession.leads("a", 1, one)
    succession.committing("a", Place(1, 1), [])
    succession.committing("a", Place(2, 1), [])
    succession.standing_on("a", 2)
    other.commit([records.SettingSet("place", 1), records.SettingSet("place_term", 1)])
    with pytest.raises(Violation, match="stands on batch 2"):
        succession.leads("b", 2, other)


def test_two_under_one_term_and_a_batch_of_nobody_are_found():
    succession = Succession(Checker(World(1)))
    succession.leads("a", 1, PairLedger())
    succession.committing("a", Place(1, 1), [records.SettingSet("x", 1)])
    with pytest.raises(Violation, match="is no leader's"):
        succession.followed("b", Place(1, 1), [records.SettingSet("x", 2)])
    succession.leads("b", 1, PairLedger())  # it has yet to see that its turn was passed
    with pytest.raises(Violation, match="under term 1"):
        succession.serves("b")
    succession.leads("a", 2, PairLedger())
    succession.serves("a")


def test_what_a_replaced_leader_committed_and_never_said_is_forgotten():
    checker = Checker(World(1))
    succession = Succession(checker)
    other = PairLedger()
    succession.leads("a", 1, PairLedger())
    succession.committing("a", Place(1, 1), [])
    succession.standing_on("a", 1)
    window = records.WindowSet("job", "k", 0, b"x")
    partials = records.PartialsAdded([(1, 0, b"x")])
    succession.committing("a", Place(2, 1), [window, partials])
    assert checker._windows
    other.commit([records.SettingSet("place", 1), records.SettingSet("place_term", 1)])
    succession.leads("b", 2, other)
    assert not checker._windows
    assert checker.ledger is other
    succession.committing("a", Place(3, 1), [window])
    assert not checker._windows, "of one that was replaced nothing counts"
    succession.committing("b", Place(2, 2), [window, partials])
    with pytest.raises(Violation, match="twice"):
        succession.committing("b", Place(3, 2), [partials])


def test_who_was_killed_before_it_committed_may_win_its_term_again():
    """From a broker that has forgotten the turn: nothing was said under it."""
    succession = Succession(Checker(World(1)))
    succession.leads("a", 1, PairLedger())
    succession.leads("a", 1, PairLedger())
    succession.serves("a")
    succession.committing("a", Place(1, 1), [])
    succession.leads("a", 1, PairLedger())
    with pytest.raises(Violation, match="under term 1"):
        succession.serves("a")
