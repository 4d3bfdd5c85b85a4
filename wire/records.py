"""Records: what messages are made of. None is sent by itself."""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.schema import (
    I64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Bytes,
    Flag,
    Int,
    Real,
    Record,
    Text,
    Uint,
    record,
)
from atoll.wire.shapes import KEY, NAME, REASON, WALL


class StreamInfo(NamedTuple):
    """What a stream is: the same for all its blocks. `dtype` is one of i16, i32, f32."""

    dataset: str
    key: str
    dtype: str
    channels: int
    rate_hz: float
    scale: float
    unit: str


record(
    StreamInfo,
    dataset=NAME,
    key=KEY,
    dtype=Text(3),
    channels=Uint(U8),
    rate_hz=Real(),
    scale=Real(),
    unit=Text(limits.UNIT_BYTES_MAX),
)


class BlockRun(NamedTuple):
    """Consecutive blocks of one stream without a gap inside.

    `gap` says that the run does not continue the run before it (lost blocks, a new boot): windows
    start anew. `wall_ms` is the time of the first sample; `byte_count` what the blocks occupy,
    headers included.
    """

    first_seq: int
    last_seq: int
    first_sample: int
    sample_count: int
    wall_ms: int
    gap: bool
    byte_count: int


record(
    BlockRun,
    first_seq=Uint(U64),
    last_seq=Uint(U64),
    first_sample=Uint(U64),
    sample_count=Uint(U64),
    wall_ms=WALL,
    gap=Flag(),
    byte_count=Uint(U64),
)


class HeldStream(NamedTuple):
    """The blocks of one stream that a device has on its disk, synced."""

    info: StreamInfo
    shard: int
    runs: list[BlockRun]


record(
    HeldStream,
    info=Record(StreamInfo),
    shard=Uint(U32),
    runs=Array(Record(BlockRun), limits.RUNS_MAX),
)


class KernelReceipt(NamedTuple):
    """The hash of a kernel's outputs on its golden vectors, computed on the board."""

    kernel: str
    digest: bytes


record(KernelReceipt, kernel=Text(32), digest=Bytes(8, least=8))


class Health(NamedTuple):
    """What a board measures of itself; -1 where it cannot tell.

    CPU idle share in permille, bytes free, temperature in millidegrees Celsius, the throttling bits
    of the firmware, microseconds of the last tasks (mean), the link's round trip in milliseconds,
    battery in percent.
    """

    cpu_idle_permille: int
    memory_free_bytes: int
    storage_free_bytes: int
    temperature_mc: int
    throttled: int
    task_us: int
    round_trip_ms: int
    battery_percent: int


record(
    Health,
    cpu_idle_permille=Int(-1, 1000),
    memory_free_bytes=Int(-1, I64),
    storage_free_bytes=Int(-1, I64),
    temperature_mc=Int(-300_000, 300_000),
    throttled=Int(-1, U32),
    task_us=Int(-1, U32),
    round_trip_ms=Int(-1, U32),
    battery_percent=Int(-1, 100),
)


class Strain(NamedTuple):
    """What else weighs on a board; -1 where it cannot tell. Beside `Health`, as records never grow.

    Load of a core (1,000: busy), shares of the last minute in which something waited for processor,
    memory or disk, errors of the disk since its file system was made, the worst of an eMMC's life
    estimates (1 to 11) and its end-of-life state (1 to 3), lease requests that were not answered,
    signal of a radio, speed of the kernels against the board's own best.
    """

    load_permille: int
    wait_cpu_permille: int
    wait_memory_permille: int
    wait_disk_permille: int
    disk_errors: int
    flash_life: int
    flash_end: int
    loss_permille: int
    signal_dbm: int
    speed_permille: int


record(
    Strain,
    load_permille=Int(-1, U32),
    wait_cpu_permille=Int(-1, 1000),
    wait_memory_permille=Int(-1, 1000),
    wait_disk_permille=Int(-1, 1000),
    disk_errors=Int(-1, U32),
    flash_life=Int(-1, 255),
    flash_end=Int(-1, 255),
    loss_permille=Int(-1, 1000),
    signal_dbm=Int(-255, 255),
    speed_permille=Int(-1, U32),
)

UNSTRAINED = Strain(*[-1] * 10)


class Refusal(NamedTuple):
    """One block of a transfer that was not stored, and why."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    reason: str


record(Refusal, index=Uint(U16), reason=REASON)


class Result(NamedTuple):
    """The outcome of one task. `failed`: `data` is the reason in UTF-8; else it is the plan's
    partial.

    `task` is the task's number in a query; in a standing job it is the first sample of the batch.
    `sample_count` and `gap_count` say how much went in.
    """

    key: str
    task: int
    failed: bool
    data: bytes
    elapsed_us: int


record(
    Result,
    key=KEY,
    task=Uint(U64),
    failed=Flag(),
    data=Bytes(limits.PARTIAL_BYTES_MAX),
    elapsed_us=Uint(U32),
)


class Task(NamedTuple):
    """Run the plan over the samples [start, stop) of a stream.

    `anchor` is the first sample of the gap-free run: windows are counted from it. `stop` includes
    the overlap that the plan needs beyond its last step.
    """

    key: str
    number: int
    anchor: int
    start: int
    stop: int


record(Task, key=KEY, number=Uint(U32), anchor=Uint(U64), start=Uint(U64), stop=Uint(U64))


class Mark(NamedTuple):
    """A standing job's position in one stream: the first sample that has not been merged yet."""

    key: str
    sample: int


record(Mark, key=KEY, sample=Uint(U64))


class Stretch(NamedTuple):
    """Samples [first, stop) of a stream."""

    key: str
    first: int
    stop: int


record(Stretch, key=KEY, first=Uint(U64), stop=Uint(U64))


class Checkpoint(NamedTuple):
    """From where a standing job with running memory goes on in one stream: what its stages remember
    before `sample`, in the run that begins at `anchor`.
    """

    key: str
    sample: int
    anchor: int
    data: bytes


record(
    Checkpoint,
    key=KEY,
    sample=Uint(U64),
    anchor=Uint(U64),
    data=Bytes(limits.CHECKPOINT_BYTES_MAX),
)


class ShardEntry(NamedTuple):
    """One shard in a device's part of the map.

    `role` 0 acts for the shard (runs its standing jobs); 1 and up are replicas. `shard_epoch` is
    the epoch under which the shard's owners last changed. Retention 0 means: keep.
    """

    dataset: str
    shard: int
    role: int
    shard_epoch: int
    retention_s: int
    retention_bytes: int


record(
    ShardEntry,
    dataset=NAME,
    shard=Uint(U32),
    role=Uint(U8),
    shard_epoch=Uint(U64),
    retention_s=Uint(U32),
    retention_bytes=Uint(U64),
)


class DatasetEntry(NamedTuple):
    """A dataset, so that it can be told from its devices alone: into how many shards its keys are
    cut, how many replicas each has, what is kept of it (0: all).
    """

    dataset: str
    shards: int
    replicas: int
    retention_s: int
    retention_bytes: int
    created_ms: int


record(
    DatasetEntry,
    dataset=NAME,
    shards=Uint(U16),
    replicas=Uint(U8),
    retention_s=Uint(U32),
    retention_bytes=Uint(U64),
    created_ms=WALL,
)


class OrderEntry(NamedTuple):
    """A standing job as a device keeps it: its order, and how far it has got in some streams."""

    job: str
    plan: bytes
    dataset: str
    every: int
    every_ms: int
    marks: list[Mark]


record(
    OrderEntry,
    job=NAME,
    plan=Bytes(limits.PLAN_BYTES_MAX),
    dataset=NAME,
    every=Uint(U32),
    every_ms=Uint(U32),
    marks=Array(Record(Mark), limits.STREAMS_MAX),
)


class Past(NamedTuple):
    """What a device remembers of a stream whose oldest blocks it has let go: the first sample of
    the gap-free run that the oldest block here belongs to (2^64 - 1: not known), the oldest block
    here, and where the next block begins (the same where none is here).
    """

    dataset: str
    key: str
    anchor: int
    first_seq: int
    first_sample: int
    next_seq: int
    next_sample: int


record(
    Past,
    dataset=NAME,
    key=KEY,
    anchor=Uint(U64),
    first_seq=Uint(U64),
    first_sample=Uint(U64),
    next_seq=Uint(U64),
    next_sample=Uint(U64),
)


class ShardRef(NamedTuple):
    """A shard by name."""

    dataset: str
    shard: int


record(ShardRef, dataset=NAME, shard=Uint(U32))


class BlockRange(NamedTuple):
    """Blocks first_seq to last_seq of a stream, both included."""

    dataset: str
    key: str
    first_seq: int
    last_seq: int


record(BlockRange, dataset=NAME, key=KEY, first_seq=Uint(U64), last_seq=Uint(U64))


class NumberSpan(NamedTuple):
    """Outbox numbers first to last, both included."""

    first: int
    last: int


record(NumberSpan, first=Uint(U64), last=Uint(U64))


class Piece(NamedTuple):
    """Some samples of a stream on their way into the fleet: little-endian, at most one block's
    worth.

    `index` counts the pieces of this put for this stream from 0, so that a repeated piece is stored
    once. `shards` and `replicas` count only for the first stream of a dataset (0: the default).
    `crc` is the CRC-32C of `data`.
    """

    info: StreamInfo
    shards: int
    replicas: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    wall_ms: int
    crc: int
    data: bytes


record(
    Piece,
    info=Record(StreamInfo),
    shards=Uint(U16),
    replicas=Uint(U8),
    index=Uint(U32),
    wall_ms=WALL,
    crc=Uint(U32),
    data=Bytes(limits.BLOCK_BYTES_MAX),
)
