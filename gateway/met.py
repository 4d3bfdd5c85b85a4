"""Requests that were met: each of them changed something, and is done once however often it comes.

A broker may bring a request twice, a client says it again until it is answered, and a gateway may
end between the commit and the answer. So the outcome of each request is committed with what it
changed: the next one, after a restart or on a standby, gives the same answer and does nothing. A
request is known by its client and a digest of all of it, the number among it. The last `MET_MAX`
are kept, in as many places that are taken in turn.
"""

from hashlib import blake2b
from typing import Any, NamedTuple

from atoll.gateway.desk import Desk
from atoll.gateway.records import RequestSet
from atoll.wire.codec import encode

MET_MAX = 1_024


class Outcome(NamedTuple):
    """What a request was answered."""

    status: int
    body: str


class MetRequests:
    """The outcomes, by client and request."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turn = 0
        self._names: dict[int, tuple[str, bytes]] = {}  # by place
        self._outcomes: dict[tuple[str, bytes], Outcome] = {}

    def restore(self, row: RequestSet) -> None:
        """Take an outcome from the ledger."""
        self._turn = max(self._turn, row.turn)
        self._keep(row)

    def outcome(self, client: str, message: Any) -> Outcome | None:
        """What this very request was answered; None if it is new."""
        return self._outcomes.get((client, _digest(message)))

    def note(self, client: str, message: Any, outcome: Outcome) -> None:
        """A request has its answer: the oldest one makes room."""
        self._turn += 1
        row = RequestSet(self._turn % MET_MAX, self._turn, client, _digest(message), *outcome)
        self._keep(row)
        self._desk.record(row)

    def _keep(self, row: RequestSet) -> None:
        name = (row.client, row.digest)
        last = self._names.get(row.place)
        if last is not None and last != name:
            self._outcomes.pop(last, None)
        self._names[row.place] = name
        self._outcomes[name] = Outcome(row.status, row.body)


def _digest(message: Any) -> bytes:
    return blake2b(encode(message), digest_size=16).digest()
