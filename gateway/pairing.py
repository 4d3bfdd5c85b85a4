"""The words between the two cores of a pair of gateways and their shells.

What happened: the session and the topics of gateways, a commit, a piece of a copy, time. What is to
be done, in order; a standby's `Commit`, and each step of a copy, is on the disk before what follows
it is said.
"""

from typing import Any, NamedTuple

from atoll.gateway.records import Record
from atoll.wire import gateways as wire
from atoll.wire._native import crc32c
from atoll.wire.errors import DecodeError

Message = wire.Lead | wire.Beat | wire.Batch | wire.Copy | wire.Heard

# A leader is heard this often, and so is a standby.
BEAT_S = 0.5
# A leader that is silent for longer may be replaced by a standby in step; every acknowledgement
# waits for that standby, so that a leader that was only slow has said nothing that it lacks.
LEASE_S = 3.0
# A standby that is silent, or does not get on, for longer is left behind.
SILENCE_S = 5.0
# What was not confirmed within this is said again.
AGAIN_S = 1.0
# Batches, and parts of a copy, that may be under way: the standby keeps those that come early.
AHEAD_MAX = 64
# Numbers that are counted on from what another gateway says: turns, batches and beats, and terms,
# copies and parts. No site comes near the bounds, and the next number still fits the wire.
NUMBER_MAX, TERM_MAX = 1 << 62, 1 << 31
_BOUNDS = dict.fromkeys(("turn", "number", "beat"), NUMBER_MAX) | dict.fromkeys(
    ("term", "number_term", "before_term", "copy", "part", "of"), TERM_MAX
)
# Whoever looks up this much later than it wanted to was stopped itself: the silence is its own.
LAG_S = 1.0


class Place(NamedTuple):
    """How far a ledger is: its last batch, and the term under which that was written."""

    number: int
    term: int


NOWHERE = Place(0, 0)  # of a ledger that never had a pair


def alone_mark(name: str) -> int:
    """What a ledger says, as its setting `alone`, while a gateway of this name leads without a
    standby in step: whoever reads its own mark there was the last one to lead. 0: with one. And, as
    its setting `led`, of whom its last batch is: two may claim one turn under one term.
    """
    return crc32c(name.encode()) or 1


def believable(message: Message) -> Message:
    """A message of a gateway whose numbers can be counted on from; DecodeError for any other."""
    for name, most in _BOUNDS.items():
        value = getattr(message, name, 0)
        if value > most:
            raise DecodeError("number", f"{type(message).__name__}: {name} {value} above {most}")
    return message


# --- what happened


class Opened(NamedTuple):
    """The session with the broker stands, the gateways' topics are subscribed to."""


class Closed(NamedTuple):
    """The session is over."""


class Said(NamedTuple):
    """A message on a topic of gateways; `retained`: from before this session."""

    message: Message
    retained: bool = False


class Committed(NamedTuple):
    """The leader's ledger has a batch more: its records, packed."""

    data: bytes


class CopyRead(NamedTuple):
    """A piece of the copy of the leader's ledger that was asked for."""

    copy: int
    data: bytes
    last: bool


class Woken(NamedTuple):
    """The time that `next_wakeup` gave has come."""


Event = Opened | Closed | Said | Committed | CopyRead | Woken

# --- what is to be done


class Publish(NamedTuple):
    """Say something on the topic of its kind."""

    message: Message
    retain: bool = False


class Ready(NamedTuple):
    """It is certain that this gateway leads: the site may be served."""


class Release(NamedTuple):
    """What waited for the standby's commits up to this batch may be said."""

    number: int


class Stamp(NamedTuple):
    """Commit the place, if there is nothing else to commit."""


class ReadCopy(NamedTuple):
    """Begin to read the whole ledger, as it stands now, in pieces."""

    copy: int


class ReadMore(NamedTuple):
    """Read the next piece."""

    copy: int


class StepDown(NamedTuple):
    """Another gateway leads: say nothing more, to anybody."""

    lead: wire.Lead


class Tell(NamedTuple):
    """Tell people that the standby is in another state: `state` in a word, `text` in a line."""

    name: str
    state: str
    text: str


class Commit(NamedTuple):
    """Write a batch of the leader's into the own ledger."""

    records: list[Record]


class BeginCopy(NamedTuple):
    """All rows of the own ledger are to be replaced, in one transaction that begins now."""


class AddCopy(NamedTuple):
    """More rows of the copy."""

    records: list[Record]


class EndCopy(NamedTuple):
    """The copy is whole, or (`keep` false) given up."""

    keep: bool


class TakeOver(NamedTuple):
    """Lead from now on."""

    lead: wire.Lead


class GiveUp(NamedTuple):
    """This gateway cannot be what it is to be; `reason` is one line."""

    reason: str


Effect: Any = (
    Publish | Ready | Release | Stamp | ReadCopy | ReadMore | StepDown | Tell | Commit | BeginCopy
    | AddCopy | EndCopy | TakeOver | GiveUp
)  # fmt: skip
