"""One device as the gateway knows it, and the states that it can be in."""

import json
from enum import StrEnum
from typing import NamedTuple

from atoll.gateway.damping import Damper
from atoll.gateway.records import DeviceSet
from atoll.gateway.weight import WHOLE, Gauge
from atoll.wire.messages import UNSTRAINED, Health, NumberSpan, Partials, Strain, StreamInfo
from atoll.wire.schema import U64

NEVER = float("inf")


class State(StrEnum):
    """Where a device stands; membership.py has the transitions."""

    NEW = "new"
    READY = "ready"
    SUSPECT = "suspect"
    SLEEPING = "sleeping"
    STOPPED = "stopped"
    DEAD = "dead"
    OUT = "out"


# States in which the device may still act under its lease.
LEASED = frozenset({State.READY, State.SUSPECT})
# States in which its copies count as present, if out of reach for a while.
KEPT = frozenset({State.READY, State.SUSPECT, State.SLEEPING, State.STOPPED, State.DEAD})


class Change(NamedTuple):
    """A transition, told to the other parts."""

    device: str
    before: State
    after: State


class Member:
    """A device: its row in the ledger, and what only this process knows of it."""

    def __init__(self, row: DeviceSet) -> None:
        self.row = row
        self.state = State(row.state)
        self.gauge = Gauge(row.eighths)
        self.damper = Damper()
        self.receipts: dict[str, str] = json.loads(row.receipts)
        self.programs = False  # it takes programs for the streams that it samples, no plans
        self.sources: list[StreamInfo] = []  # of such a device
        self.born = False  # its birth was seen by this gateway process
        self.stopping = False  # it says that it drains, about to stop
        self.heard = 0.0
        self.interval_s = 0.0  # how often it was last told to ask for its lease
        self.probes = 0
        self.due = NEVER
        self.serial = 0  # of its newest entry among the deadlines; older ones are void
        self.out_at = 0.0
        self.request = -1
        self.stored_bytes = 0
        self.backlog = 0
        self.health: Health | None = None
        self.strain: Strain = UNSTRAINED
        self.held_back = False
        self.audited = False  # it gave other bytes than it should have (audit.py)

    @property
    def id(self) -> str:
        """The device's id."""
        return self.row.id

    @property
    def whole_weight(self) -> int:
        """Its weight in perfect health: its capacity in hundredths; 0: its own streams only."""
        return round(self.row.capacity * 100)

    @property
    def eighths(self) -> int:
        """What its health, and its returns, leave of its weight."""
        return min(self.gauge.eighths, self.damper.eighths)

    @property
    def weight(self) -> int:
        """Its weight in the placement; 0: it is to be empty, but for its own streams."""
        if self.row.draining or self.audited or self.state not in KEPT or not self.eighths:
            return 0
        return min(self.whole_weight, max(1, self.whole_weight * self.eighths // WHOLE))

    @property
    def serves(self) -> bool:
        """Whether it is given new work now."""
        return self.state is State.READY and not self.stopping

    @property
    def takes(self) -> bool:
        """Whether it is given shards that it does not have."""
        return self.stores and not self.damper.suppressed

    @property
    def stores(self) -> bool:
        """Whether it could be given shards: who comes and goes is, where nobody else is there."""
        return self.serves and not self.programs


def numbers_of(member: Member | None, said: Partials) -> NumberSpan:
    """The numbers of a message of results in its device's outbox, to be acknowledged.

    A microcontroller's outbox holds results, and the message bears the first one's number; a Linux
    device's holds messages. Of a device that is not born here yet only the first is certain.
    """
    numbered = len(said.results) if member is not None and member.programs else 1
    return NumberSpan(said.number, min(said.number + max(numbered, 1) - 1, U64))
