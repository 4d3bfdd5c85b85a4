"""What the gateways of one site say to each other: who leads, and what the leader has committed.

Three topics, which only gateways may use: `gateway/lead` (retained: who leads), `gateway/ledger`
(what the leader says) and `gateway/standby` (what the standby says). A gateway is known by a name
of its own. Batches of the ledger are numbered without a hole; the place of a batch is its number
and the term under which it was written, so that ledgers that have parted ways are told apart. A
module of its own: no device needs it.
"""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.schema import U16, U32, U64, Bytes, Flag, Uint, message
from atoll.wire.shapes import NAME


class Lead(NamedTuple):
    """Retained on gateway/lead: `leader` leads under `term`.

    `turn` is one higher with each change; the first message of a turn counts, in the broker's
    order. With a `standby`, whatever is acknowledged is in its ledger too, and all batches up to
    `number` are there already; without one (empty) the leader acts alone. Turn 0 changes nothing:
    its sender waits for it to come back (`term` tells its messages apart).
    """

    turn: int
    term: int
    leader: str
    standby: str
    number: int


message(56, Lead, turn=Uint(U64), term=Uint(U32), leader=NAME, standby=NAME, number=Uint(U64))


class Beat(NamedTuple):
    """On gateway/ledger, twice a second: the leader is there; the place of its last batch.
    `version` is that of the ledger's tables.
    """

    term: int
    leader: str
    version: int
    number: int
    number_term: int


message(
    57,
    Beat,
    term=Uint(U32),
    leader=NAME,
    version=Uint(U16),
    number=Uint(U64),
    number_term=Uint(U32),
)


class Batch(NamedTuple):
    """On gateway/ledger: part `part` of `of` of the batch `number`, one transaction of the ledger.

    `number_term` is the term under which it was written, `before_term` that of the batch before;
    `crc` is the CRC-32C of the whole.
    """

    term: int
    leader: str
    number: int
    number_term: int
    before_term: int
    part: int
    of: int
    crc: int
    data: bytes


message(
    58,
    Batch,
    term=Uint(U32),
    leader=NAME,
    number=Uint(U64),
    number_term=Uint(U32),
    before_term=Uint(U32),
    part=Uint(U32),
    of=Uint(U32),
    crc=Uint(U32),
    data=Bytes(limits.LEDGER_PART_BYTES_MAX),
)


class Copy(NamedTuple):
    """On gateway/ledger: part `part` of the copy `copy` of a whole ledger, as it stood after the
    batch `number`. `crc` is the CRC-32C of this part.
    """

    term: int
    leader: str
    copy: int
    number: int
    number_term: int
    part: int
    last: bool
    crc: int
    data: bytes


message(
    59,
    Copy,
    term=Uint(U32),
    leader=NAME,
    copy=Uint(U32),
    number=Uint(U64),
    number_term=Uint(U32),
    part=Uint(U32),
    last=Flag(),
    crc=Uint(U32),
    data=Bytes(limits.LEDGER_PART_BYTES_MAX),
)


class Heard(NamedTuple):
    """On gateway/standby, twice a second and after each commit: how far the standby's ledger is.

    `beat` only grows, over restarts too; `copy` is the copy being taken (0: none), `part` the part
    of it that is wanted next. `turn` is the last turn of gateway/lead that it has seen: whoever
    says this does not lead by it, nor by any before. `alone`: its ledger says that it led alone.
    """

    name: str
    beat: int
    version: int
    number: int
    number_term: int
    copy: int
    part: int
    turn: int
    alone: bool


message(
    60,
    Heard,
    name=NAME,
    beat=Uint(U64),
    version=Uint(U16),
    number=Uint(U64),
    number_term=Uint(U32),
    copy=Uint(U32),
    part=Uint(U32),
    turn=Uint(U64),
    alone=Flag(),
)
