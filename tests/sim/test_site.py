"""Whole seeds: the same again, every fault alone, and what a seed reports."""

import os
import subprocess
import sys

import pytest

from atoll.sim.nemesis import KINDS
from atoll.sim.site import Setup, Site

SHORT = Setup(hours=0.008)


def test_the_same_seed_is_the_same_run():
    """I13."""
    one, two = (Site(5, SHORT).run() for _ in range(2))
    assert one == two
    assert one.events > 1_000
    assert Site(6, SHORT).run().trace != one.trace


def test_the_same_seed_is_the_same_run_in_another_process():
    """I13: nothing rests on the order of a set, which is another one in each process."""
    script = (
        "from atoll.sim.site import Setup, Site; outcome = Site(402, Setup()).run();"
        " print(outcome.trace, outcome.events)"
    )
    one, two = (
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "2")
    )
    assert one == two


# Seeds that have found something, with what it was; each must stay mended.
FOUND = [
    (1, SHORT._replace(faults=()), "a put counted a copy that a release deleted"),
    (0, SHORT._replace(hours=0.004), "a device that was away for a put never got its copy"),
    (2, SHORT._replace(hours=0.004), "the same, after its drain"),
    (201, Setup(hours=0.01), "a device without a role span over a hole in a stream"),
    (247, Setup(hours=0.01), "a device with results to resend span while nobody answered"),
    (4, Setup(hours=0.01), "runs that overlap: a standing job never saw a part of its stream"),
    (5, Setup(hours=0.01), "a boot met while its device was suspect was never welcomed"),
    (12, Setup(hours=0.01), "a job begun while a device was suspect never reached it"),
    (57, Setup(hours=0.01), "a standing job went on over blocks that were still to come"),
    (10, Setup(), "a piece said again and again waited for ever for the one before it"),
]


@pytest.mark.parametrize(("seed", "setup", "what"), FOUND)
def test_what_was_found_stays_mended(seed, setup, what):
    outcome = Site(seed, setup).run()
    assert outcome.violation is None, what


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_alone_breaks_nothing(kind):
    outcome = Site(11, SHORT._replace(faults=(kind,))).run()
    assert outcome.violation is None, outcome.violation


@pytest.mark.parametrize("seed", range(4))
def test_all_faults_together_break_nothing(seed):
    outcome = Site(seed, Setup(hours=0.01)).run()
    assert outcome.violation is None


def test_a_calm_site_answers_everything():
    outcome = Site(1, SHORT._replace(faults=())).run()
    assert outcome.violation is None
    assert outcome.answers >= 5
    assert outcome.counters["lost"] == outcome.counters["duplicated"] == 0
