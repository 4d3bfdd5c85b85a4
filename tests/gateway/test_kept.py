"""Batches kept for a standby: by number, by bytes, and whom they follow."""

from atoll.gateway.kept import Batch, Kept
from atoll.gateway.pairing import AHEAD_MAX, NOWHERE, Place


def some(count=5, size=10):
    kept = Kept()
    for number in range(count):
        kept.add(Batch(4 + number, 7, 6 if not number else 7, b"x" * size))
    return kept


def numbers(kept):
    return [batch.number for batch in kept.first()]


def test_what_is_confirmed_goes_and_so_does_the_oldest_above_the_bound():
    kept = some()
    assert kept.bytes == 50
    kept.confirm(5)
    assert numbers(kept) == [6, 7, 8]
    kept.trim(20)
    assert (numbers(kept), kept.bytes) == ([7, 8], 20)
    kept.confirm(99)
    assert (numbers(kept), kept.bytes) == ([], 0)


def test_a_ledger_follows_if_it_is_just_before_one_of_them_under_the_same_term():
    kept = some()
    assert kept.follows(Place(3, 6))
    assert kept.follows(Place(6, 7))
    assert not kept.follows(Place(3, 5))
    assert not kept.follows(Place(2, 6)), "a batch between is gone"
    assert not kept.follows(Place(8, 7)), "nothing comes after it"
    assert not Kept().follows(Place(3, 6))


def test_a_ledger_that_never_had_a_pair_follows_nothing():
    kept = Kept()
    kept.add(Batch(1, 7, 0, b"x"))
    assert not kept.follows(NOWHERE)


def test_so_many_are_given_out_at_a_time():
    assert len(numbers(some(AHEAD_MAX + 20))) == AHEAD_MAX
