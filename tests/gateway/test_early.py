"""Puts kept for their predecessors: order, time, bound."""

import pytest

from atoll.gateway.early import HELD_MAX, HOLD_S, EarlyPuts
from atoll.gateway.errors import RequestError
from atoll.wire.messages import Put


def put(request):
    return Put(request, bytes(16), [])


def test_they_come_out_in_order_once_they_are_early_no_more():
    early = EarlyPuts(4)
    for request in (3, 1, 2):
        early.hold("c", put(request), 0.0)
    assert early.ready("c", lambda p: p.request > 2) == [put(1), put(2)]
    assert early.ready("c", lambda p: False) == [put(3)]
    assert early.ready("c", lambda p: False) == []


def test_they_are_given_up_in_time():
    early = EarlyPuts(4)
    early.hold("c", put(1), 0.0)
    early.hold("d", put(2), 5.0)
    assert early.expired(HOLD_S - 0.1) == []
    assert early.expired(HOLD_S) == [("c", 1)]
    assert early.expired(HOLD_S + 5.0) == [("d", 2)]


def test_a_client_keeps_so_many():
    early = EarlyPuts(2)
    early.hold("c", put(1), 0.0)
    early.hold("c", put(2), 0.0)
    early.hold("c", put(2), 0.0)
    with pytest.raises(RequestError, match="order"):
        early.hold("c", put(3), 0.0)
    early.hold("d", put(3), 0.0)


def test_a_put_said_again_waits_no_longer():
    early = EarlyPuts(4)
    for at_s in (0.0, 7.0, 9.9):
        early.hold("c", put(1), at_s)
    assert early.expired(HOLD_S) == [("c", 1)]


def test_all_clients_together_are_bounded():
    early = EarlyPuts(64)
    for number in range(HELD_MAX):
        early.hold(f"c{number}", put(1), 0.0)
    with pytest.raises(RequestError, match="busy"):
        early.hold("one more", put(1), 0.0)
    early.hold("c0", put(1), 1.0)
    assert len(early.expired(HOLD_S)) == HELD_MAX
    early.hold("one more", put(1), 0.0)
