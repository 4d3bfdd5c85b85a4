"""Partials of a board's run against those of `Plan`: a byte and a hole are seen."""

from array import array
from random import Random

import pytest

from atoll.cli.board_runs import BoardRuns
from atoll.kernels import Plan

PLAN, RATE_HZ, EVERY, KEY = Plan("window 64 hop=32 | rms | moments"), 1_000.0, 320, "board-1/adc"
_VALUES = Random(4)
SAMPLES = array("h", (_VALUES.randrange(-9000, 9000) for _ in range(8000)))


@pytest.fixture
def runs():
    return BoardRuns(PLAN, SAMPLES, RATE_HZ, EVERY, KEY)


def batches_from(offset, first=0, count=3):
    """A run that began `offset` samples after the recording's first one."""
    found = {}
    for sample in range(first, first + count * EVERY, EVERY):
        at = offset + sample
        piece = SAMPLES[at : at + EVERY + PLAN.overlap]
        found[sample] = PLAN.partial(piece, RATE_HZ, start=sample, key=KEY)
    return found


@pytest.mark.parametrize("offset", [0, 77, 5000])
@pytest.mark.parametrize("first", [0, 2 * EVERY])
def test_where_a_run_began_is_found(runs, offset, first):
    assert runs.differing(batches_from(offset, first)) == 0


@pytest.mark.parametrize("at", [0, EVERY, 2 * EVERY])
def test_a_byte_is_seen(runs, at):
    batches = batches_from(77)
    batches[at] = batches[at][:-1] + bytes([batches[at][-1] ^ 1])
    # Where a run began is known by its first batch: without it, all of it differs.
    assert runs.differing(batches) == (3 if at == 0 else 1)


def test_a_hole_is_seen(runs):
    batches = batches_from(77)
    assert runs.missing(batches) == 0
    del batches[EVERY]
    assert runs.missing(batches) == 1
    assert runs.differing(batches) == 0
    del batches[0]
    assert runs.missing(batches) == 2
