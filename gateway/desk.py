"""The desk: where the core's parts put what is to be recorded, said and done.

One desk serves one `handle`: records come out first, as one `Commit`, and everything else after it
in the order in which it was said. Parts never publish before they record.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from atoll.gateway.effects import Answer, Commit, Effect, ShowEvent, Tell
from atoll.gateway.jsonable import dumps
from atoll.gateway.records import Record, SettingSet
from atoll.wire.messages import FAILED, Reply

REASONS_MAX = 64  # kinds of refusals told apart; more are counted as "other"


class Head(NamedTuple):
    """The three fields that begin each message to a device."""

    boot: int
    epoch: int
    lease: int


class Desk:
    """Collects records and effects; knows the time of the event being handled, term and epoch."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall_ms = 0
        self.term = 0
        self.epoch = 0
        self.leases: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        # lost, duplicated: results that are in an answer less or more than once; repeated: came
        # again and were dropped; disagreed: came again with other bytes.
        self.counters: dict[str, int] = {"lost": 0, "duplicated": 0, "repeated": 0, "disagreed": 0}
        self._transfers = 0
        self._records: list[Record] = []
        self._effects: list[Effect] = []

    def record(self, record: Record) -> None:
        """Have a record written before anything that follows is said."""
        self._records.append(record)

    def record_all(self, records: Iterable[Record]) -> None:
        """Have records written, in their order."""
        self._records.extend(records)

    def do(self, effect: Effect) -> None:
        """Have an effect carried out after the commit."""
        self._effects.append(effect)

    def head(self, device: str) -> Head:
        """The first three fields of a message to this device."""
        return Head(self.term, self.epoch, self.leases.get(device, 0))

    def tell(self, device: str, leaf: str, message: Any, *, retain: bool = False) -> None:
        """Send a device a message."""
        self._effects.append(Tell(device, leaf, message, retain))

    def answer(self, client: str, reply: Reply) -> None:
        """Send a client a reply."""
        self._effects.append(Answer(client, reply))

    def fail(self, client: str, request: int, text: str) -> None:
        """Answer a client that its request cannot be met."""
        self.answer(client, Reply(request, FAILED, error_body(text), b""))

    def say(self, kind: str, text: str, **fields: Any) -> None:
        """Publish a decision as one line that a person can read."""
        self._effects.append(ShowEvent(kind, text, fields, self.wall_ms))

    def refuse(self, reason: str) -> None:
        """Count input that was dropped."""
        if reason not in self.refused and len(self.refused) >= REASONS_MAX:
            reason = "other"
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def count(self, name: str, by: int = 1) -> None:
        """Count something else worth a figure in the status."""
        self.counters[name] = self.counters.get(name, 0) + by

    def next_transfer(self) -> int:
        """A number for a transfer of blocks that no other transfer of this site ever had."""
        self._transfers += 1
        return self.term << 32 | self._transfers

    def advance_epoch(self) -> int:
        """The map changes: its epoch grows by one."""
        self.epoch += 1
        self.record(SettingSet("epoch", self.epoch))
        return self.epoch

    def take(self) -> list[Effect]:
        """All that has been collected, records first; the desk is empty afterwards."""
        effects, records = self._effects, self._records
        self._effects, self._records = [], []
        if records:
            effects.insert(0, Commit(records))
        return effects


def error_body(text: str) -> str:
    """The JSON body of a FAILED reply."""
    return dumps({"error": text})
