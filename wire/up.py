"""What a device says, on its topics below `up/`."""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.records import (
    UNSTRAINED,
    DatasetEntry,
    Health,
    HeldStream,
    KernelReceipt,
    OrderEntry,
    Past,
    Refusal,
    Result,
    ShardEntry,
    Strain,
    StreamInfo,
)
from atoll.wire.schema import U16, U32, U64, Array, Flag, Real, Record, Text, Uint, message
from atoll.wire.shapes import HEAD, NAME, REASON


class Birth(NamedTuple):
    """Retained on up/birth: who the device is and what it can do.

    `capacity` is its weight in the placement, 0 if it holds nothing but its own streams; `profile`
    names its timing (fast, normal, battery, metered, demo); `message_max` is the largest message it
    takes; `sources` are the streams it samples itself. `programs`: it stores no blocks and reads no
    plans; its standing jobs come as `Program`. `speed` is samples of i16 a second that one core
    takes through `moments`, 0 if unknown. `fell`: what ended the boot before this one where that
    was a fault, and where in the program; empty if it ended in peace or nobody knows.
    """

    boot: int
    epoch: int
    lease: int
    protocol: int
    software: str
    zone: str
    capacity: float
    profile: str
    cores: int
    memory_bytes: int
    storage_bytes: int
    message_max: int
    receipts: list[KernelReceipt]
    sources: list[StreamInfo]
    programs: bool = False
    speed: int = 0
    fell: str = ""


message(
    1,
    Birth,
    **HEAD,
    protocol=Uint(U16),
    software=Text(32),
    zone=NAME,
    capacity=Real(),
    profile=Text(16),
    cores=Uint(U16),
    memory_bytes=Uint(U64),
    storage_bytes=Uint(U64),
    message_max=Uint(U32),
    receipts=Array(Record(KernelReceipt), limits.KERNELS_MAX),
    sources=Array(Record(StreamInfo), limits.STREAMS_MAX),
    programs=Flag(),
    speed=Uint(U64),
    fell=Text(80),
)


class LeaseRequest(NamedTuple):
    """On up/lease, at every heartbeat: number counts requests of this boot; mono_ms is when it was
    sent.
    """

    boot: int
    epoch: int
    lease: int
    number: int
    mono_ms: int
    stored_bytes: int
    backlog: int
    health: Health
    strain: Strain = UNSTRAINED


message(
    2,
    LeaseRequest,
    **HEAD,
    number=Uint(U32),
    mono_ms=Uint(U64),
    stored_bytes=Uint(U64),
    backlog=Uint(U32),
    health=Record(Health),
    strain=Record(Strain),
)


class Held(NamedTuple):
    """On up/block: blocks that are synced on the device.

    `inventory`: part of the full list, asked for by `InventoryAsk` (`more`: further messages
    follow); otherwise news of a live stream.
    """

    boot: int
    epoch: int
    lease: int
    inventory: bool
    more: bool
    streams: list[HeldStream]


message(
    3,
    Held,
    **HEAD,
    inventory=Flag(),
    more=Flag(),
    streams=Array(Record(HeldStream), limits.STREAMS_MAX),
)


class Stored(NamedTuple):
    """On up/block: the blocks of a transfer are synced, but for those refused (a duplicate counts
    as stored).
    """

    boot: int
    epoch: int
    lease: int
    transfer: int
    refused: list[Refusal]


message(
    4,
    Stored,
    **HEAD,
    transfer=Uint(U64),
    refused=Array(Record(Refusal), limits.BLOCKS_MAX),
)


class Partials(NamedTuple):
    """On up/partial: results of one job. `number` is the outbox's: it stays until the gateway
    acknowledges it. The outbox of a device that takes programs numbers results: this is the first
    one's.
    """

    boot: int
    epoch: int
    lease: int
    number: int
    job: str
    results: list[Result]


message(
    5,
    Partials,
    **HEAD,
    number=Uint(U64),
    job=NAME,
    results=Array(Record(Result), limits.TASKS_MAX),
)


class TransferFailed(NamedTuple):
    """On up/block: a transfer cannot be served (blocks unknown, damaged, being dropped)."""

    boot: int
    epoch: int
    lease: int
    transfer: int
    reason: str


message(6, TransferFailed, **HEAD, transfer=Uint(U64), reason=REASON)


class Credential(NamedTuple):
    """On up/lease: the verifier (salted hash) of a secret made on the device, in place of its
    one-time token.
    """

    boot: int
    epoch: int
    lease: int
    verifier: str


message(7, Credential, **HEAD, verifier=Text(512))


class Memory(NamedTuple):
    """On up/block, asked for by `InventoryAsk`: what the device remembers besides its blocks: the
    gateway's term, its part of the map, its standing orders. `more`: further messages follow.
    """

    boot: int
    epoch: int
    lease: int
    term: int
    more: bool
    datasets: list[DatasetEntry]
    shards: list[ShardEntry]
    orders: list[OrderEntry]
    pasts: list[Past]


message(
    8,
    Memory,
    **HEAD,
    term=Uint(U32),
    more=Flag(),
    datasets=Array(Record(DatasetEntry), limits.ENTRIES_MAX),
    shards=Array(Record(ShardEntry), limits.ENTRIES_MAX),
    orders=Array(Record(OrderEntry), limits.ENTRIES_MAX),
    pasts=Array(Record(Past), limits.ENTRIES_MAX),
)


class LetGo(NamedTuple):
    """On up/block: the oldest blocks of these streams are gone, as the map's retention says."""

    boot: int
    epoch: int
    lease: int
    pasts: list[Past]


message(9, LetGo, **HEAD, pasts=Array(Record(Past), limits.ENTRIES_MAX))
