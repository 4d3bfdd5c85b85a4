"""Samples between threads and loop: bounded in bytes, with a gap where some were dropped."""

from atoll.runtime.events import Sampled
from atoll.runtime.inflow import Inflow


def sampled(dataset, size):
    return Sampled(dataset, [("k", bytes(size))], size // 2, 0, 0, 0, gap=False)


def test_what_fits_goes_on_as_it_is():
    inflow = Inflow(100)
    for _ in range(50):
        event = sampled("a", 60)
        assert inflow.admit(event) == event
        inflow.done(event)
    assert inflow.dropped == 0


def test_what_is_too_much_is_dropped_and_leaves_a_gap_in_its_dataset():
    inflow = Inflow(100)
    first = sampled("a", 60)
    assert inflow.admit(first) == first
    assert inflow.admit(sampled("a", 60)) is None
    assert inflow.admit(sampled("a", 80)) is None
    assert inflow.dropped == 70
    inflow.done(first)
    other = sampled("b", 10)
    assert inflow.admit(other) == other
    after = sampled("a", 60)
    assert inflow.admit(after) == after._replace(gap=True)
    inflow.done(after)
    inflow.done(other)
    assert inflow.admit(after) == after


def test_one_that_is_larger_than_the_bound_goes_alone():
    inflow = Inflow(100)
    large = sampled("a", 500)
    assert inflow.admit(large) == large
    assert inflow.admit(sampled("a", 2)) is None
    inflow.done(large)
    assert inflow.admit(sampled("a", 2)) is not None
