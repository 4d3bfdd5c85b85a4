"""What a client asks, and how the gateway answers."""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.records import Piece
from atoll.wire.schema import U32, U64, Array, Bytes, Flag, Record, Text, Uint, message
from atoll.wire.shapes import KEY, NAME, WALL


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
    dataset=NAME,
    by_key=Flag(),
    since_ms=WALL,
    until_ms=WALL,
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
    name=NAME,
    plan=Text(limits.PLAN_TEXT_BYTES_MAX),
    dataset=NAME,
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
    dataset=NAME,
    key=KEY,
    since_ms=WALL,
    until_ms=WALL,
    last_ms=Uint(U64),
)


class Command(NamedTuple):
    """A verb with at most one target, answered by JSON: status, devices, shards, jobs, datasets;
    stop, cancel, rm, drain, undrain, forget, trust, retention.

    Of `devices` come those behind the target (empty: from the first), of `shards` with the target
    `DATASET NUMBER` those behind that number; LISTING_ROWS_MAX at a time.
    """

    request: int
    verb: str
    target: str


message(36, Command, request=Uint(U32), verb=Text(16), target=KEY)


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
