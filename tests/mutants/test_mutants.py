"""Each mutant still is one, and some of them are found as quickly as ever.

All of them, with the seeds that each takes: `make sim-mutants`.
"""

import pytest
from catalogue import MUTANTS
from mutants import CONTROL, changed, run_one


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_changes_a_source_that_still_compiles(mutant):
    compile(changed(mutant), mutant.path, "exec")
    assert mutant.what


def test_there_are_enough_and_each_has_its_name():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "results-not-recorded",
        "window-not-recorded",
        "mark-off-by-one",
        "put-answered-early",
        "blocks-without-lease",
        "confirmed-before-the-sync",
        "release-not-fenced",
        "runs-joined-over-a-hole",
        "result-numbers-used-again",
    ],
)
def test_the_plain_ones_are_found_at_once(name):
    found = run_one(name, 60)
    assert found["found"], found


@pytest.mark.slow
def test_the_sources_as_they_are_have_none():
    found = run_one(CONTROL, 6)
    assert (found["found"], found["seeds"]) == (False, 6), found
