"""Bounds of the cores that a small site would never meet, drawn smaller in some seeds.

A query of a few thousand samples is one task, an outbox of a minute holds a few messages: what
happens at a bound would never be seen. So each seed draws the bounds below, mostly as they are.
Only bounds whose value may change how fast something is done, never what comes out of it.
"""

from random import Random
from types import ModuleType
from typing import NamedTuple

from atoll.gateway import cutting, dispatch, jobs, moves
from atoll.runtime import results, standing


class Knob(NamedTuple):
    """A module's constant, as it is and smaller."""

    module: ModuleType
    name: str
    usual: int
    others: tuple[int, ...]


def _knob(module: ModuleType, name: str, *others: int) -> Knob:
    return Knob(module, name, getattr(module, name), others)


KNOBS = (
    _knob(cutting, "PIECE_SAMPLES", 64, 256, 1_000),
    _knob(dispatch, "IN_FLIGHT_MAX", 2, 8),
    _knob(jobs, "QUERIES_KEPT_MAX", 16),
    _knob(moves, "STEPS_MAX", 1, 3),
    _knob(moves, "STEPS_PER_DEVICE_MAX", 1),
    _knob(moves, "STEP_BYTES", 300, 2_000),
    _knob(results, "RESULTS_MAX", 1, 3),
    _knob(results, "LANE_WIDTH", 1),
    _knob(standing, "BATCHES_MAX", 1, 4),
    _knob(standing, "STREAM_BATCHES_MAX", 1),
)
USUAL_SHARE = 0.75  # of the draws


def turn(random: Random) -> dict[str, int]:
    """Set every knob for a seed; gives those that are not as usual."""
    turned = {}
    for module, name, usual, others in KNOBS:
        value = usual if random.random() < USUAL_SHARE else random.choice(others)
        setattr(module, name, value)
        if value != usual:
            turned[name] = value
    return turned


def reset() -> None:
    """As they are."""
    for module, name, usual, _ in KNOBS:
        setattr(module, name, usual)
