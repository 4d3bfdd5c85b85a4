"""Every event is one that the core takes."""

import inspect
from typing import get_args

from gateway_fleet import Fleet

from atoll.gateway import events as on


def test_the_union_is_complete():
    named = {k for k in vars(on).values() if inspect.isclass(k) and k.__module__ == on.__name__}
    assert named == set(get_args(on.Event))


def test_the_core_takes_each():
    fleet = Fleet("a")
    for event in (
        on.LinkOpened(0),
        on.LinkLost(),
        on.DeviceSpoke("a", "no message", 0),
        on.StatusSeen("nobody", "lost", 1, 0),
        on.ClientAsked("c", "no request", 0),
        on.InputRefused("malformed"),
        on.Woken(0),
        on.Stopping(0),
    ):
        fleet.handle(event)
    assert fleet.core._desk.refused == {
        "unexpected message": 1,
        "unexpected request": 1,
        "malformed": 1,
    }
    assert fleet.status.state == "stopped"
