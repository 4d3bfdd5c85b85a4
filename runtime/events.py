"""What happens to a device: everything the core is told, each as one small immutable value.

Times inside are milliseconds: `mono_ms` since the machine started, `wall_ms` since 1970.
"""

from typing import Any, NamedTuple

from atoll.wire.messages import (
    UNSTRAINED,
    BlockRange,
    Health,
    HeldStream,
    Past,
    Refusal,
    Result,
    Strain,
)


class LinkUp(NamedTuple):
    """The broker took us in."""


class LinkDown(NamedTuple):
    """The broker is out of reach; the link keeps trying."""

    reason: str


class Received(NamedTuple):
    """A message of the schema, decoded and within its bounds."""

    message: Any


class Malformed(NamedTuple):
    """Something came in that is no message; `reason` is one word to count by."""

    reason: str


class Woke(NamedTuple):
    """The time of `next_wakeup` has come."""


class BlocksStored(NamedTuple):
    """A request to store ended: what could not be stored, and what is new and synced.

    `transfer` is the gateway's number, None for the device's own samples.
    """

    transfer: int | None
    refused: list[Refusal]
    added: list[HeldStream]


class BlocksRead(NamedTuple):
    """One message's worth of blocks of a transfer and the ranges that are left of it; `failed` says
    why there are none.
    """

    transfer: int
    blocks: list[bytes]
    rest: list[BlockRange]
    failed: str


class StreamsListed(NamedTuple):
    """What the store holds, as asked for `purpose`."""

    purpose: str
    streams: list[HeldStream]
    pasts: list[Past] = []  # noqa: RUF012  (nobody changes it)


class NewsLost(NamedTuple):
    """The link had no room for news of blocks; it has again."""


class BlocksDropped(NamedTuple):
    """Retention has deleted blocks; what is remembered of the streams of their shard."""

    blocks: int
    pasts: list[Past]


class WorkDone(NamedTuple):
    """Results of some of a job's tasks."""

    job: str
    standing: bool
    results: list[Result]


class OutboxWritten(NamedTuple):
    """A durable append ended; `failed` says why it did not work."""

    number: int
    failed: str


class OutboxRead(NamedTuple):
    """A message for the backlog lane; None where it is gone or damaged."""

    number: int
    message: Any


class HealthRead(NamedTuple):
    """What the board measures of itself, and the bytes of blocks stored."""

    health: Health
    stored_bytes: int
    strain: Strain = UNSTRAINED


class RotFound(NamedTuple):
    """Blocks turned out damaged, by a task, a transfer or the scrubbing; they are not listed any
    more.
    """

    blocks: int


class Sampled(NamedTuple):
    """New samples of the streams of one source, `sample_count` each; `gap`: some are missing before
    them.
    """

    dataset: str
    samples: list[tuple[str, bytes]]
    sample_count: int
    mono_ms: int
    wall_ms: int
    clock: int
    gap: bool


class StopAsked(NamedTuple):
    """Somebody wants the device to end well: drain, then stop."""


Event = (
    LinkUp
    | LinkDown
    | Received
    | Malformed
    | Woke
    | BlocksStored
    | BlocksRead
    | StreamsListed
    | BlocksDropped
    | NewsLost
    | WorkDone
    | OutboxWritten
    | OutboxRead
    | HealthRead
    | RotFound
    | Sampled
    | StopAsked
)
