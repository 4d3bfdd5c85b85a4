"""Many seeds: sums, limits, and the story of a failure."""

import pytest

from atoll.gateway.desk import Desk
from atoll.sim.runner import KINDS, replay_command, run_seeds, story
from atoll.sim.site import Setup

SHORT = Setup(hours=0.004)


@pytest.fixture
def gateway_that_commits_nothing(monkeypatch):
    """Acknowledged and forgotten: what the simulator is there to find."""
    monkeypatch.setattr(Desk, "record", lambda self, record: None)


def test_seeds_add_up():
    seen = []
    report = run_seeds(range(2), SHORT, told=seen.append)
    assert report.passed
    figures = report.figures()
    assert figures["events"] == sum(outcome.events for outcome in seen) > 0
    assert figures["events_per_s"] > 0
    assert [figures[kind] for kind in KINDS] == [0] * len(KINDS)


def test_events_are_a_limit():
    assert run_seeds(range(100), SHORT, events_max=1).seeds == 1


def test_a_failure_is_counted_and_told(gateway_that_commits_nothing):
    report = run_seeds(range(20), SHORT)
    assert not report.passed
    (outcome,) = report.failures
    assert report.figures()[outcome.violation.kind] == 1
    lines = story(outcome, SHORT)
    assert str(outcome.violation) in lines[-1]
    assert any(outcome.violation.about in line for line in lines[:-1])
    assert not any("DIFFERS" in line for line in lines)
    assert f"--first {outcome.seed} --seeds 1" in replay_command(outcome.seed, SHORT)
