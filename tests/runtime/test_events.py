from typing import get_args

from test_core import Bench

from atoll.runtime import events


def test_the_core_takes_every_event():
    assert set(Bench().core._happened) == set(get_args(events.Event))
