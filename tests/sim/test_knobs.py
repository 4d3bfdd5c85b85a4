"""Bounds drawn smaller for a seed, and back."""

from random import Random

from atoll.gateway import cutting
from atoll.sim import knobs


def test_a_seed_turns_the_same_knobs_again():
    usual = cutting.PIECE_SAMPLES
    turned = [knobs.turn(Random(seed)) for seed in range(40)]
    assert turned == [knobs.turn(Random(seed)) for seed in range(40)]
    assert set().union(*turned) == {knob.name for knob in knobs.KNOBS}
    knobs.reset()
    assert usual == cutting.PIECE_SAMPLES
    assert all(getattr(k.module, k.name) == k.usual for k in knobs.KNOBS)
