from typing import get_args

from atoll.runtime import effects
from atoll.runtime.keeper import Keeper
from atoll.runtime.shell import Shell


class Anything:
    """Stands for the parts that are only referred to."""

    def __getattr__(self, name):
        return Anything()


def test_the_shell_carries_out_every_effect(tmp_path):
    shell = Shell("pi", Anything(), Anything(), Anything())
    shell._keeper = shell._workers = Anything()
    assert set(shell._performers()) == set(get_args(effects.Effect))


def test_the_keeper_serves_what_the_shell_gives_it():
    keeper = Keeper("", Anything(), Anything(), Anything(), Anything())
    assert set(keeper._serve) == {
        effects.StoreBlocks,
        effects.ReadBlocks,
        effects.ListStreams,
        effects.AppendOutbox,
        effects.ReadOutbox,
        effects.SettleOutbox,
        effects.DeleteShards,
        effects.Retain,
        effects.MeasureHealth,
    }
