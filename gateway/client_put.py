"""Putting streams into a dataset: cut into pieces, packed into messages, a bounded number of them
under way.

A stream's pieces go out in their order and are numbered from 0 under the put's own random id, so
that the gateway can tell a repeated piece from a new one and a missing one from the end.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from atoll.gateway.client_calls import Call
from atoll.gateway.client_errors import Refused
from atoll.gateway.client_samples import Samples, samples_of
from atoll.gateway.client_session import Session
from atoll.wire import limits
from atoll.wire.block import crc32c
from atoll.wire.messages import Piece, Put, StreamInfo
from atoll.wire.topics import check_name

# Messages under way: enough to hide the devices' group commit (0.2 s) at some 5 MB/s, and no more
# than a megabyte in the broker's queues.
WINDOW = 16
# The longest wait for one message to be on the disks of its replicas.
PUT_TIMEOUT_S = 60.0
# CBOR around a message and a piece at their largest: heads, ids, numbers; the texts are counted
# apart.
_MESSAGE_OVERHEAD = 40
_PIECE_OVERHEAD = 80


class PutOptions(NamedTuple):
    """What all streams of a put have in common."""

    rate: float
    scale: float
    unit: str
    shards: int | None
    replicas: int | None
    start_ms: int | None


class PutResult(NamedTuple):
    """What was stored."""

    dataset: str
    streams: int
    samples: int
    bytes: int
    elapsed_s: float


def put_streams(
    session: Session,
    dataset: str,
    streams: Mapping[str, Any],
    options: PutOptions,
    progress: Callable[[int, int], None] | None,
) -> PutResult:
    """Store all streams; every one is checked before the first byte is sent."""
    started_s = time.monotonic()
    check_name(dataset, "dataset")
    _check(options)
    checked = {_key(key): samples_of(values, f"stream {key!r}") for key, values in streams.items()}
    if not checked:
        raise Refused(f"dataset {dataset!r}: no streams to put")
    total = sum(len(samples.data) for samples in checked.values())
    _Sender(session, total, progress).send(_messages(_pieces(dataset, checked, options)))
    count = sum(samples.sample_count for samples in checked.values())
    return PutResult(dataset, len(checked), count, total, time.monotonic() - started_s)


class _UnderWay(NamedTuple):
    call: Call
    pieces: list[Piece]
    generation: int


class _Sender:
    """Keeps up to `WINDOW` messages under way and settles them in their order."""

    def __init__(
        self, session: Session, total: int, progress: Callable[[int, int], None] | None
    ) -> None:
        self._session = session
        self._total = total
        self._progress = progress
        self._done = 0
        self._put_id = os.urandom(16)
        self._under_way: deque[_UnderWay] = deque()

    def send(self, messages: Iterator[list[Piece]]) -> None:
        """Send them all; returns when each is stored."""
        try:
            for pieces in messages:
                if len(self._under_way) >= WINDOW:
                    self._settle()
                self._under_way.append(self._submit(pieces))
            while self._under_way:
                self._settle()
        finally:
            for open_ in self._under_way:
                self._session.drop(open_.call)

    def _submit(self, pieces: list[Piece]) -> _UnderWay:
        generation = self._session.generation
        call = self._session.submit(lambda number: Put(number, self._put_id, pieces))
        return _UnderWay(call, pieces, generation)

    def _settle(self) -> None:
        """Wait for the oldest message.

        A gateway that has started anew may have lost one message and refused those behind it, which
        came before their turn: they are sent once more, now that all before them are stored.
        """
        oldest = self._under_way.popleft()
        try:
            self._wait(oldest)
        except Refused:
            if oldest.generation == self._session.generation:
                raise
            self._wait(self._submit(oldest.pieces))
        self._done += sum(len(piece.data) for piece in oldest.pieces)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _wait(self, open_: _UnderWay) -> None:
        with self._session.waiting(open_.call):
            for _ in self._session.replies(open_.call, PUT_TIMEOUT_S):
                pass


def _check(options: PutOptions) -> None:
    if not 0 < options.rate < float("inf"):
        raise Refused(f"rate {options.rate}: a rate is a number of samples a second above 0")
    if not -float("inf") < options.scale < float("inf"):
        raise Refused(f"scale {options.scale}: a scale is a finite number")
    if len(options.unit.encode()) > limits.UNIT_BYTES_MAX:
        raise Refused(f"unit {options.unit!r}: at most {limits.UNIT_BYTES_MAX} bytes")
    if options.shards is not None and not 1 <= options.shards <= 2**16 - 1:
        raise Refused(f"shards {options.shards}: 1 to 65535")
    if options.replicas is not None and not 1 <= options.replicas <= 16:
        raise Refused(f"replicas {options.replicas}: 1 to 16")


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise Refused(f"key {key!r}: a text is wanted")
    size = len(key.encode())
    if not 1 <= size <= limits.KEY_BYTES_MAX:
        raise Refused(f"key {key[:20]!r}: {size} bytes; at least 1, at most {limits.KEY_BYTES_MAX}")
    return key


def _pieces(dataset: str, streams: Mapping[str, Samples], options: PutOptions) -> Iterator[Piece]:
    """Each stream's pieces in their order; by default its last sample was taken now."""
    now_ms = int(time.time() * 1000)
    for key, samples in streams.items():
        info = StreamInfo(
            *(dataset, key, samples.dtype, samples.channels),
            *(float(options.rate), float(options.scale), options.unit),
        )
        first_ms = options.start_ms
        if first_ms is None:
            first_ms = now_ms - int(samples.sample_count * 1000 / options.rate)
        at = 0
        for index, data in enumerate(samples.pieces()):
            wall_ms = first_ms + int(at * 1000 / options.rate)
            raw = bytes(data)
            yield Piece(
                info, options.shards or 0, options.replicas or 0, index, wall_ms, crc32c(raw), raw
            )
            at += len(raw) // samples.frame


def _messages(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Pack pieces into lists that fit one message each."""
    packed: list[Piece] = []
    size = _MESSAGE_OVERHEAD
    for piece in pieces:
        cost = len(piece.data) + sum(map(len, (piece.info.dataset, piece.info.unit)))
        cost += len(piece.info.key.encode()) + len(piece.info.unit.encode()) + _PIECE_OVERHEAD
        if packed and (size + cost > limits.MESSAGE_BYTES_MAX or len(packed) == limits.PIECES_MAX):
            yield packed
            packed, size = [], _MESSAGE_OVERHEAD
        packed.append(piece)
        size += cost
    if packed:
        yield packed
