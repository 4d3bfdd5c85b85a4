"""What is said: every CBOR message of a site, as typed tuples with their bounds.

Three groups: what a device says, what the gateway tells a device, what a client and the gateway say
to each other. Messages to and from a device begin with the same three fields, so that either end
can fence the other:

- `boot`: the sender's boot number, one higher each time it starts and kept on its disk (the
  gateway's: its term);
- `epoch`: the epoch of the map the sender acts on;
- `lease`: the epoch of the device's lease, as the sender knows it (0: none).

Times are milliseconds: `wall_ms` since 1970 UTC, `mono_ms` on the sender's monotonic clock. Sample
indexes count from a stream's first sample ever and never start anew.
"""

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
    message,
    record,
)

PROTOCOL = 2  # version of this schema; N and N-1 work together

_NAME = Text(limits.NAME_BYTES_MAX)
_KEY = Text(limits.KEY_BYTES_MAX)
_REASON = Text(limits.REASON_BYTES_MAX)
_WALL = Int(-I64, I64)
_HEAD = {"boot": Uint(U32), "epoch": Uint(U64), "lease": Uint(U32)}


# --- records --------------------------------------------------------------------------------------


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
    dataset=_NAME,
    key=_KEY,
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
    wall_ms=_WALL,
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


record(Refusal, index=Uint(U16), reason=_REASON)


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
    key=_KEY,
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


record(Task, key=_KEY, number=Uint(U32), anchor=Uint(U64), start=Uint(U64), stop=Uint(U64))


class Mark(NamedTuple):
    """A standing job's position in one stream: the first sample that has not been merged yet."""

    key: str
    sample: int


record(Mark, key=_KEY, sample=Uint(U64))


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
    key=_KEY,
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
    dataset=_NAME,
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
    dataset=_NAME,
    shards=Uint(U16),
    replicas=Uint(U8),
    retention_s=Uint(U32),
    retention_bytes=Uint(U64),
    created_ms=_WALL,
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
    job=_NAME,
    plan=Bytes(limits.PLAN_BYTES_MAX),
    dataset=_NAME,
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
    dataset=_NAME,
    key=_KEY,
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


record(ShardRef, dataset=_NAME, shard=Uint(U32))


class BlockRange(NamedTuple):
    """Blocks first_seq to last_seq of a stream, both included."""

    dataset: str
    key: str
    first_seq: int
    last_seq: int


record(BlockRange, dataset=_NAME, key=_KEY, first_seq=Uint(U64), last_seq=Uint(U64))


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
    wall_ms=_WALL,
    crc=Uint(U32),
    data=Bytes(limits.BLOCK_BYTES_MAX),
)


# --- a device says --------------------------------------------------------------------------------


class Birth(NamedTuple):
    """Retained on up/birth: who the device is and what it can do.

    `capacity` is its weight in the placement, 0 if it holds nothing but its own streams; `profile`
    names its timing (fast, normal, battery, metered, demo); `message_max` is the largest message it
    takes; `sources` are the streams it samples itself. `programs`: it stores no blocks and reads no
    plans; its standing jobs come as `Program`. `speed` is samples of i16 a second that one core
    takes through `moments`, 0 if unknown.
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


message(
    1,
    Birth,
    **_HEAD,
    protocol=Uint(U16),
    software=Text(32),
    zone=_NAME,
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
    **_HEAD,
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
    **_HEAD,
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
    **_HEAD,
    transfer=Uint(U64),
    refused=Array(Record(Refusal), limits.BLOCKS_MAX),
)


class Partials(NamedTuple):
    """On up/partial: results of one job. `number` is the outbox's: it stays until the gateway
    acknowledges it.
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
    **_HEAD,
    number=Uint(U64),
    job=_NAME,
    results=Array(Record(Result), limits.TASKS_MAX),
)


class TransferFailed(NamedTuple):
    """On up/block: a transfer cannot be served (blocks unknown, damaged, being dropped)."""

    boot: int
    epoch: int
    lease: int
    transfer: int
    reason: str


message(6, TransferFailed, **_HEAD, transfer=Uint(U64), reason=_REASON)


class Credential(NamedTuple):
    """On up/lease: the verifier (salted hash) of a secret made on the device, in place of its
    one-time token.
    """

    boot: int
    epoch: int
    lease: int
    verifier: str


message(7, Credential, **_HEAD, verifier=Text(512))


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
    **_HEAD,
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


message(9, LetGo, **_HEAD, pasts=Array(Record(Past), limits.ENTRIES_MAX))


# --- both ways ------------------------------------------------------------------------------------


class Blocks(NamedTuple):
    """Encoded blocks (block.py). Up: the answer to `SendBlocks`, `more` until the last; down: to be
    stored.
    """

    boot: int
    epoch: int
    lease: int
    transfer: int
    more: bool
    blocks: list[bytes]


message(
    10,
    Blocks,
    **_HEAD,
    transfer=Uint(U64),
    more=Flag(),
    blocks=Array(Bytes(limits.MESSAGE_BYTES_MAX), limits.BLOCKS_MAX),
)


class Part(NamedTuple):
    """Part `number` of `of` of an encoded message too large for one; `digest` is the whole's
    SHA-256.
    """

    object_id: bytes
    number: int
    of: int
    digest: bytes
    data: bytes


message(
    11,
    Part,
    object_id=Bytes(16, least=16),
    number=Uint(U16),
    of=Uint(U16),
    digest=Bytes(32, least=32),
    data=Bytes(limits.PART_BYTES_MAX),
)


# --- the gateway tells a device -------------------------------------------------------------------


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
    **_HEAD,
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


message(17, Probe, **_HEAD)


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
    **_HEAD,
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
    **_HEAD,
    job=_NAME,
    plan=Bytes(limits.PLAN_BYTES_MAX),
    dataset=_NAME,
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
    **_HEAD,
    job=_NAME,
    plan=Bytes(limits.PLAN_BYTES_MAX),
    dataset=_NAME,
    every=Uint(U32),
    every_ms=Uint(U32),
    marks=Array(Record(Mark), limits.STREAMS_MAX),
    checkpoints=Array(Record(Checkpoint), limits.STREAMS_MAX),
)


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
    **_HEAD,
    job=_NAME,
    key=_KEY,
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


message(21, Cancel, **_HEAD, job=_NAME)


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
    **_HEAD,
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


message(23, InventoryAsk, **_HEAD, memory=Flag())


class Release(NamedTuple):
    """On down/task: delete these shards; their data is safe elsewhere or no longer wanted."""

    boot: int
    epoch: int
    lease: int
    shards: list[ShardRef]


message(24, Release, **_HEAD, shards=Array(Record(ShardRef), limits.SHARDS_MAX))


class Ack(NamedTuple):
    """On down/ack: outbox messages that the gateway has committed to its ledger."""

    boot: int
    epoch: int
    lease: int
    numbers: list[NumberSpan]


message(25, Ack, **_HEAD, numbers=Array(Record(NumberSpan), limits.TASKS_MAX))


# --- a client asks --------------------------------------------------------------------------------


class Put(NamedTuple):
    """Store these pieces; answered once min(R, live devices) replicas of each have synced. `put_id`
    is random.
    """

    request: int
    put_id: bytes
    pieces: list[Piece]


message(
    32,
    Put,
    request=Uint(U32),
    put_id=Bytes(16, least=16),
    pieces=Array(Record(Piece), limits.PIECES_MAX),
)


class Run(NamedTuple):
    """Run a plan (text) over a dataset. Times in ms since 1970, -1: open; `last_ms` > 0 counts back
    from the newest sample. `timeout_ms` 0: the gateway's default. Progress comes as replies with
    status PROGRESS. `canonical`: the plan as data, where its models do not stand in the text.
    """

    request: int
    plan: str
    dataset: str
    by_key: bool
    since_ms: int
    until_ms: int
    last_ms: int
    timeout_ms: int
    canonical: bytes = b""


message(
    33,
    Run,
    request=Uint(U32),
    plan=Text(limits.PLAN_TEXT_BYTES_MAX),
    dataset=_NAME,
    by_key=Flag(),
    since_ms=_WALL,
    until_ms=_WALL,
    last_ms=Uint(U64),
    timeout_ms=Uint(U32),
    canonical=Bytes(limits.PLAN_BYTES_MAX),
)


class Start(NamedTuple):
    """Start a standing job; `every` is samples as digits, a time such as 10s, or empty for the
    default (64 hops). `canonical` as in `Run`.
    """

    request: int
    name: str
    plan: str
    dataset: str
    every: str
    canonical: bytes = b""


message(
    34,
    Start,
    request=Uint(U32),
    name=_NAME,
    plan=Text(limits.PLAN_TEXT_BYTES_MAX),
    dataset=_NAME,
    every=Text(32),
    canonical=Bytes(limits.PLAN_BYTES_MAX),
)


class Get(NamedTuple):
    """Raw samples of one stream: replies carry encoded blocks in `blob`, one each, PROGRESS until
    the last.
    """

    request: int
    dataset: str
    key: str
    since_ms: int
    until_ms: int
    last_ms: int


message(
    35,
    Get,
    request=Uint(U32),
    dataset=_NAME,
    key=_KEY,
    since_ms=_WALL,
    until_ms=_WALL,
    last_ms=Uint(U64),
)


class Command(NamedTuple):
    """A verb with at most one target, answered by JSON: status, devices, shards, jobs, datasets;
    stop, cancel, rm, drain, undrain, forget, trust, retention.
    """

    request: int
    verb: str
    target: str


message(36, Command, request=Uint(U32), verb=Text(16), target=_KEY)


DONE, PROGRESS, FAILED, INCOMPLETE = range(4)


class Reply(NamedTuple):
    """The answer to a client's request: `body` is JSON, `blob` bytes (a partial, a block), by
    status.

    FAILED: body is {"error": text}. INCOMPLETE: a result with its missing list. PROGRESS: more
    replies follow.
    """

    request: int
    status: int
    body: str
    blob: bytes


message(
    48,
    Reply,
    request=Uint(U32),
    status=Uint(3),
    body=Text(4 * 1_048_576),
    blob=Bytes(limits.PARTIAL_BYTES_MAX),
)
