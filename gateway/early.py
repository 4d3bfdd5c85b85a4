"""Puts that came before one that precedes them: kept a while, the network may reorder."""

from collections.abc import Callable
from typing import NamedTuple

from atoll.gateway.errors import RequestError
from atoll.wire.messages import Put

HOLD_S = 10.0  # longer than any reordering
HELD_MAX = 512  # of all clients together: 32 MiB


class _Held(NamedTuple):
    deadline: float
    put: Put


class EarlyPuts:
    """By client and request; at most `most` a client."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, dict[int, _Held]] = {}

    def hold(self, client: str, put: Put, now: float) -> None:
        """Keep a put."""
        held = self._held.setdefault(client, {})
        if put.request not in held and len(held) >= self._most:
            raise RequestError("pieces of a stream came out of their order")
        if put.request not in held and sum(map(len, self._held.values())) >= HELD_MAX:
            if not held:
                del self._held[client]
            raise RequestError("the gateway is busy storing; try again in a moment")
        # Said again it waits no longer: who repeats itself is to hear that it waits in vain.
        known = held.get(put.request)
        held[put.request] = _Held(known.deadline if known else now + HOLD_S, put)

    def ready(self, client: str, is_early: Callable[[Put], bool]) -> list[Put]:
        """Take out what is early no more, if it is taken in in this order."""
        held = self._held.get(client, {})
        found = []
        for request, (_, put) in sorted(held.items()):
            if not is_early(put):
                del held[request]
                found.append(put)
        if not held:
            self._held.pop(client, None)
        return found

    def expired(self, now: float) -> list[tuple[str, int]]:
        """Take out what was kept for too long: (client, request)."""
        found = []
        for client, held in list(self._held.items()):
            for request, (deadline, _) in list(held.items()):
                if now >= deadline:
                    del held[request]
                    found.append((client, request))
            if not held:
                del self._held[client]
        return found
