"""What a device does: everything the core asks of its shell, in the order in which it must happen.

`SaveState` is a barrier: the effects behind it, of this and of later calls, wait until it is on
disk. The others that touch the disk answer with an event, and the core goes on from there: nothing
is acknowledged or published before what it rests on is safe.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from atoll.wire.messages import (
    BlockRange,
    DatasetEntry,
    Health,
    NumberSpan,
    ShardEntry,
    ShardRef,
    Standing,
    Strain,
    Task,
)


class State(NamedTuple):
    """What must survive a restart: the highest numbers seen, the device's part of the map, its
    standing orders.

    The marks in `orders` say how far each order has got in each stream.
    """

    boot: int
    term: int
    map_epoch: int
    lease_epoch: int
    shards: list[ShardEntry]
    orders: list[Standing]
    datasets: list[DatasetEntry] = []  # noqa: RUF012  (nobody changes it)
    map_term: int = -1  # under which the epochs were seen; -1: `term`
    lease_term: int = -1


class Publish(NamedTuple):
    """Send a message under up/`leaf`."""

    leaf: str
    message: Any


class PublishStatus(NamedTuple):
    """Send the retained up/status: init, ready, draining, stopped, or sleeping (`sleep_s`)."""

    state: str
    epoch: int
    sleep_s: int = 0


class PublishHealth(NamedTuple):
    """Send up/health for people: the board's health and strain, and the core's counters."""

    health: Health
    strain: Strain
    counters: dict[str, int]
    outbox: dict[str, int] = {}  # noqa: RUF012  (nobody changes it)


class SaveState(NamedTuple):
    """Put the state on disk before anything that follows."""

    state: State


class StoreBlocks(NamedTuple):
    """Store encoded blocks, sync, answer `BlocksStored`."""

    transfer: int | None
    blocks: list[bytes]


class ReadBlocks(NamedTuple):
    """Read one message's worth from the front of `ranges`, answer `BlocksRead`."""

    transfer: int
    ranges: list[BlockRange]


class ListStreams(NamedTuple):
    """List what is stored of a dataset ("": of all), answer `StreamsListed`."""

    purpose: str
    dataset: str


class Compute(NamedTuple):
    """Run a plan over ranges of streams, answer `WorkDone` for some tasks at a time."""

    job: str
    plan: bytes
    dataset: str
    tasks: list[Task]
    standing: bool
    checkpoints: Mapping[str, bytes] = MappingProxyType({})  # by key, of plans that remember


class ForgetJob(NamedTuple):
    """Leave out what is still queued of a job."""

    job: str


class AppendOutbox(NamedTuple):
    """Write a message, encoded by then, to the outbox; if `durable`, sync it and answer
    `OutboxWritten`.
    """

    number: int
    message: Any
    durable: bool


class ReadOutbox(NamedTuple):
    """Read a message for the backlog lane, answer `OutboxRead`."""

    number: int


class SettleOutbox(NamedTuple):
    """Delete what the gateway has committed."""

    numbers: list[NumberSpan]


class DeleteShards(NamedTuple):
    """Delete shards and their files."""

    shards: list[ShardRef]


class Retain(NamedTuple):
    """Drop what is older or more than these shards may keep."""

    shards: list[ShardEntry]


class MeasureHealth(NamedTuple):
    """Look at the board, answer `HealthRead`."""


class Say(NamedTuple):
    """Tell the person at the terminal."""

    line: str


class Stop(NamedTuple):
    """Everything is done: disconnect and end."""


Effect = (
    Publish
    | PublishStatus
    | PublishHealth
    | SaveState
    | StoreBlocks
    | ReadBlocks
    | ListStreams
    | Compute
    | ForgetJob
    | AppendOutbox
    | ReadOutbox
    | SettleOutbox
    | DeleteShards
    | Retain
    | MeasureHealth
    | Say
    | Stop
)
