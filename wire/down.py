"""What the gateway tells a device, on its topics below `down/`."""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.records import (
    BlockRange,
    Checkpoint,
    DatasetEntry,
    Mark,
    NumberSpan,
    ShardEntry,
    ShardRef,
    Stretch,
    Task,
)
from atoll.wire.schema import U32, U64, Array, Bytes, Flag, Record, Uint, message
from atoll.wire.shapes import HEAD, KEY, NAME


class Lease(NamedTuple):
    """On down/lease, never retained: the answer to request `number` of boot `device_boot`.

    The device counts `duration_ms` from the moment it sent the request and asks again every
    `interval_ms`. `birth_wanted`: the gateway does not know this boot; nothing is granted until it
    is announced.
    """

    boot: int
    epoch: int
    lease: int
    device_boot: int
    number: int
    duration_ms: int
    interval_ms: int
    birth_wanted: bool


message(
    16,
    Lease,
    **HEAD,
    device_boot=Uint(U32),
    number=Uint(U32),
    duration_ms=Uint(U32),
    interval_ms=Uint(U32),
    birth_wanted=Flag(),
)


class Probe(NamedTuple):
    """On down/lease: are you there? Answered by a lease request at once."""

    boot: int
    epoch: int
    lease: int


message(17, Probe, **HEAD)


class Map(NamedTuple):
    """Retained on down/map: all shards of this device under `epoch`. A shard that is absent is not
    deleted. `datasets`: what they belong to (since version 2).
    """

    boot: int
    epoch: int
    lease: int
    shards: list[ShardEntry]
    datasets: list[DatasetEntry] = []  # noqa: RUF012  (nobody changes it)


message(
    18,
    Map,
    **HEAD,
    shards=Array(Record(ShardEntry), limits.SHARDS_MAX * 8),
    datasets=Array(Record(DatasetEntry), limits.DATASETS_MAX),
)


class Tasks(NamedTuple):
    """On down/task: run a plan (its canonical form) over ranges of streams; one `Result` per task
    comes back.
    """

    boot: int
    epoch: int
    lease: int
    job: str
    plan: bytes
    dataset: str
    tasks: list[Task]


message(
    19,
    Tasks,
    **HEAD,
    job=NAME,
    plan=Bytes(limits.PLAN_BYTES_MAX),
    dataset=NAME,
    tasks=Array(Record(Task), limits.TASKS_MAX),
)


class Standing(NamedTuple):
    """On down/task: from now on, run the plan over each new batch of `every` samples of the
    dataset's streams for which the device acts, from the mark given (a stream without one starts at
    its first sample). The device keeps the order on its disk. A repeated order for the same job
    only adds marks. `every_ms` > 0 gives the batch as time instead. A plan with running memory
    goes on from the checkpoints; a mark without one begins anew there.
    """

    boot: int
    epoch: int
    lease: int
    job: str
    plan: bytes
    dataset: str
    every: int
    every_ms: int
    marks: list[Mark]
    checkpoints: list[Checkpoint] = []  # noqa: RUF012  (nobody changes it)


message(
    20,
    Standing,
    **HEAD,
    job=NAME,
    plan=Bytes(limits.PLAN_BYTES_MAX),
    dataset=NAME,
    every=Uint(U32),
    every_ms=Uint(U32),
    marks=Array(Record(Mark), limits.STREAMS_MAX),
    checkpoints=Array(Record(Checkpoint), limits.STREAMS_MAX),
)


class Again(NamedTuple):
    """On down/task: results of these stretches of a standing job have not come. The device computes
    each batch that begins there and is whole, though it has gone on behind it.
    """

    boot: int
    epoch: int
    lease: int
    job: str
    stretches: list[Stretch]


message(27, Again, **HEAD, job=NAME, stretches=Array(Record(Stretch), limits.STREAMS_MAX))


class Program(NamedTuple):
    """On down/task, to a microcontroller: a standing job over a stream that it samples, made ready
    for that stream's dtype and rate.

    `words` are the interpreter's program, 32 bits each, little-endian. Each batch is what lies in
    `every` samples, and takes `overlap` samples beyond them. Its results are numbered
    `RUN_SAMPLES | run << 32 | first sample of the batch in its run`: a run ends with a boot or
    where samples were lost, and the next one has a higher number.
    """

    boot: int
    epoch: int
    lease: int
    job: str
    key: str
    every: int
    overlap: int
    words: bytes


message(
    26,
    Program,
    **HEAD,
    job=NAME,
    key=KEY,
    every=Uint(U32),
    overlap=Uint(U32),
    words=Bytes(limits.PROGRAM_BYTES_MAX),
)

# A batch's number that names a run and a sample in it, and none of the stream.
RUN_SAMPLES = 1 << 62


class Cancel(NamedTuple):
    """On down/task: forget the job and what is queued of it."""

    boot: int
    epoch: int
    lease: int
    job: str


message(21, Cancel, **HEAD, job=NAME)


class SendBlocks(NamedTuple):
    """On down/task: send these blocks as `Blocks` messages of this transfer."""

    boot: int
    epoch: int
    lease: int
    transfer: int
    ranges: list[BlockRange]


message(
    22,
    SendBlocks,
    **HEAD,
    transfer=Uint(U64),
    ranges=Array(Record(BlockRange), limits.RANGES_MAX),
)


class InventoryAsk(NamedTuple):
    """On down/task: list all blocks held, as `Held` messages; with `memory` (since version 2), then
    all else that is remembered, as `Memory` messages.
    """

    boot: int
    epoch: int
    lease: int
    memory: bool = False


message(23, InventoryAsk, **HEAD, memory=Flag())


class Release(NamedTuple):
    """On down/task: delete these shards; their data is safe elsewhere or no longer wanted."""

    boot: int
    epoch: int
    lease: int
    shards: list[ShardRef]


message(24, Release, **HEAD, shards=Array(Record(ShardRef), limits.SHARDS_MAX))


class Ack(NamedTuple):
    """On down/ack: outbox messages that the gateway has committed to its ledger."""

    boot: int
    epoch: int
    lease: int
    numbers: list[NumberSpan]


message(25, Ack, **HEAD, numbers=Array(Record(NumberSpan), limits.TASKS_MAX))
