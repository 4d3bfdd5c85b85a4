"""What the ledger keeps: one plain tuple per row of a table, or per row that goes away.

The gateway's durable state is the fold of its records: the core applies to itself what it records,
and a restarted core given the rows of the ledger stands where the old one stood after its last
commit. A record named `...Set` replaces the row with the same key; `...Gone` removes what its
fields name. ledger.py turns each class into one statement.
"""

from typing import NamedTuple


class SettingSet(NamedTuple):
    """One number of the site: term, epoch, seed, slots (the slot table's size), job (the last job's
    number).
    """

    name: str
    value: int


class DeviceSet(NamedTuple):
    """A member. `number` is its owner number in the slot table, `quota` its slots there; `receipts`
    is JSON; `wake_ms` is when it said that it wakes. Fields with a default are missing in ledgers
    of older versions.
    """

    id: str
    number: int
    quota: int
    state: str
    draining: int
    zone: str
    profile: str
    capacity: float
    eighths: int
    boot: int
    lease: int
    software: str
    cores: int
    memory_bytes: int
    storage_bytes: int
    message_max: int
    receipts: str
    speed: int = 0
    wake_ms: int = 0


class DeviceGone(NamedTuple):
    """A device is forgotten, with all that it held."""

    id: str


class SlotSet(NamedTuple):
    """One slot of the placement table."""

    number: int
    owner: int
    threshold: int
    lent: int


class SlotsGone(NamedTuple):
    """All slots of an owner are free."""

    owner: int


class DatasetSet(NamedTuple):
    """A dataset; retention 0 keeps."""

    name: str
    shards: int
    replicas: int
    retention_s: int
    retention_bytes: int
    created_ms: int


class DatasetGone(NamedTuple):
    """A dataset is removed, with its shards, streams and holdings."""

    name: str


class ShardSet(NamedTuple):
    """Where a shard is (`owners`, acting first) and where it shall be (`goal`); ids joined by
    commas.
    """

    dataset: str
    shard: int
    epoch: int
    owners: str
    goal: str


class StreamSet(NamedTuple):
    """A stream and where its next block begins. `anchors` are the first samples of its gap-free
    runs, as JSON.
    """

    dataset: str
    key: str
    shard: int
    dtype: str
    channels: int
    rate_hz: float
    scale: float
    unit: str
    tail_seq: int
    tail_sample: int
    anchors: str


class HoldingSet(NamedTuple):
    """A run of blocks that a device has on its disk."""

    device: str
    dataset: str
    key: str
    first_seq: int
    last_seq: int
    first_sample: int
    sample_count: int
    wall_ms: int
    gap: int
    byte_count: int


class HoldingGone(NamedTuple):
    """The run that began with this block is no more, or is part of another."""

    device: str
    dataset: str
    key: str
    first_seq: int


class PieceSet(NamedTuple):
    """A piece of a put has its place in the stream; `stored` once it is on enough disks."""

    put_id: bytes
    dataset: str
    key: str
    piece: int
    seq: int
    first_sample: int
    sample_count: int
    gap: int
    wall_ms: int
    crc: int
    stored: int


class PieceGone(NamedTuple):
    """A stored piece is part of the prefix counted by `PutSet`."""

    put_id: bytes
    dataset: str
    key: str
    piece: int


class PutSet(NamedTuple):
    """Pieces 0 to next_piece - 1 of a put's stream are stored."""

    put_id: bytes
    dataset: str
    key: str
    next_piece: int
    used_ms: int


class PutGone(NamedTuple):
    """A put too old for its pieces to be repeated."""

    put_id: bytes
    dataset: str
    key: str


class QuerySet(NamedTuple):
    """A query: what it computes, how it was cut (`cuts`, JSON), who asked, and in the end its
    answer.
    """

    number: int
    job: str
    state: str
    plan: str
    dataset: str
    by_key: int
    client: str
    request: int
    started_ms: int
    timeout_ms: int
    cuts: str
    status: int
    body: str
    blob: bytes


class QueryGone(NamedTuple):
    """A finished query is forgotten, with its partials."""

    number: int
    job: str


class PartialsAdded(NamedTuple):
    """Partials of one query: rows of (query number, task, partial)."""

    rows: list[tuple[int, int, bytes]]


class StandingSet(NamedTuple):
    """A standing job. `every` counts samples; 0 if `every_ms` gives the batch as time."""

    name: str
    plan: str
    dataset: str
    every: int
    every_ms: int
    started_ms: int


class StandingGone(NamedTuple):
    """A standing job is over, with its marks and windows."""

    name: str


class MarkSet(NamedTuple):
    """A standing job has merged a stream up to this sample."""

    job: str
    key: str
    sample: int


class WindowSet(NamedTuple):
    """One batch's partial of a standing job: the newest, or one ahead of the mark."""

    job: str
    key: str
    sample: int
    data: bytes


class WindowGone(NamedTuple):
    """A batch behind the mark that is not the newest any more."""

    job: str
    key: str
    sample: int


class RequestSet(NamedTuple):
    """A request that changed something, by client and digest, and what it was answered. Places are
    taken in turn (met.py).
    """

    place: int
    turn: int
    client: str
    digest: bytes
    status: int
    body: str


Record = (
    SettingSet
    | DeviceSet
    | DeviceGone
    | SlotSet
    | SlotsGone
    | DatasetSet
    | DatasetGone
    | ShardSet
    | StreamSet
    | HoldingSet
    | HoldingGone
    | PieceSet
    | PieceGone
    | PutSet
    | PutGone
    | QuerySet
    | QueryGone
    | PartialsAdded
    | StandingSet
    | StandingGone
    | MarkSet
    | WindowSet
    | WindowGone
    | RequestSet
)
