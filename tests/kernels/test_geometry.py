"""How stages' outputs and windows lie on the samples."""

import pytest

from atoll.kernels import Plan
from atoll.kernels.geometry import Geometry, Link, geometry
from atoll.kernels.grammar import parse


def simulated(links, n):
    """Indices of a stream through the stages, one by one."""
    held = list(range(n))
    for link in links:
        held = held[link.halo :: link.by]
    return len(held)


@pytest.mark.parametrize(
    "links",
    [(), (Link(1, 1),), (Link(0, 3),), (Link(2, 1), Link(0, 3), Link(4, 1), Link(0, 2))],
)
def test_outputs_are_what_stages_give(links):
    lies = Geometry(links, 4, 3)
    for n in range(100):
        assert lies.outputs(n) == simulated(links, n)
        assert lies.windows(n) == max(0, (simulated(links, n) - 4) // 3 + 1)


def test_need_is_the_least_that_gives_a_window():
    lies = Geometry((Link(2, 1), Link(0, 5)), 8, 3)
    assert lies.outputs(lies.need) == 8
    assert lies.outputs(lies.need - 1) == 7
    assert lies.step == 15


def test_of_a_plan():
    lies = geometry(parse("fir taps 1 2 3 | decimate 4 | median 5 | window 10 hop=6 | rms"))
    assert lies.links == (Link(2, 1), Link(0, 4), Link(4, 1))
    plan = Plan("fir taps 1 2 3 | decimate 4 | median 5 | window 10 hop=6 | rms")
    assert (plan.step, plan.overlap) == (24, 2 + 13 * 4 + 1 - 24)


def test_running_plans_without_a_window_share_nothing():
    assert Plan("diff | ema 0.5 | sum").overlap == 0
    assert Plan("diff | sum").overlap == 1
