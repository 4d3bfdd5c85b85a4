"""The virtual clock: order, ties, the trace."""

import pytest

from atoll.sim.world import Violation, World


def test_events_come_in_order_of_time_and_ties_as_they_were_asked_for():
    world, seen = World(1), []
    world.at(2.0, seen.append, "c")
    world.after(1.0, seen.append, "a")
    world.at(1.0, seen.append, "b")
    world.at(9.0, seen.append, "late")
    world.run(3.0)
    assert (seen, world.now, world.events) == (["a", "b", "c"], 3.0, 3)


def test_what_is_past_happens_at_once():
    world, seen = World(1), []
    world.run(5.0)
    world.at(1.0, lambda: seen.append(world.now))
    world.run(5.0)
    assert seen == [5.0]


def test_the_trace_knows_what_was_heard_and_when():
    traces = set()
    for at, data in ((1.0, b"a"), (1.0, b"b"), (2.0, b"a")):
        world = World(1)
        world.run(at)
        world.heard(data)
        traces.add(world.trace)
    assert len(traces) == 3


def test_a_core_that_spins_is_found():
    world = World(1)
    world.busy_max = 100

    def again():
        world.after(1e-6, again)

    world.at(1.0, again)
    with pytest.raises(Violation, match="I9"):
        world.run(2.0)
