"""Every effect is one that the shell carries out."""

import inspect
from typing import get_args

from atoll.gateway import effects, shell


def test_the_shell_knows_every_effect():
    source = inspect.getsource(shell.Shell)
    for kind in get_args(effects.Effect):
        assert f"do.{kind.__name__}" in source


def test_the_union_is_complete():
    named = {
        k for k in vars(effects).values() if inspect.isclass(k) and k.__module__ == effects.__name__
    }
    assert named == set(get_args(effects.Effect))
