"""Puts: pieces from clients become blocks on the disks of their replicas.

    piece ──place committed──> blocks down ──Stored by all live owners──> committed, DONE

A piece's place (block number, first sample) is in the ledger before a device hears of the block, so
the same piece repeated, even to the next gateway, becomes the same block. (put id, key, index) is
its name. A piece that no device confirmed in time is in doubt: some disk may have it, so its place
is never given to another; the next put to the stream goes on behind it, after a gap.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import NamedTuple

from atoll.gateway.catalog import Catalog, Dataset, Shard, ShardId, Stream, shard_of
from atoll.gateway.desk import Desk
from atoll.gateway.early import HOLD_S, EarlyPuts
from atoll.gateway.errors import RequestError
from atoll.gateway.member import KEPT, LEASED
from atoll.gateway.membership import Membership
from atoll.gateway.owners import Owners
from atoll.gateway.records import PieceGone, PieceSet, PutGone, PutSet
from atoll.gateway.requests import check_piece
from atoll.wire.block import CLOCK_UNKNOWN, Block, encode_block, frame_bytes
from atoll.wire.messages import DONE, BlockRun, Blocks, Piece, Put, Reply, Stored

FLIGHTS_PER_CLIENT_MAX = 64  # four times what a client keeps under way; 4 MiB
FLIGHTS_MAX = 512  # 32 MiB of blocks in memory, whatever the number of clients
RESEND_FIRST_S, RESEND_MOST_S = 3.0, 12.0  # well over a device's 0.2 s of group commit
GIVE_UP_S = 55.0  # just before a client stops to wait
# Puts whose pieces may still be repeated. A put of 4,096 streams takes 4,096 of them.
PUT_STREAMS_MAX = 65_536
MESSAGE_BYTES = 64_000  # of blocks in one message, envelope not counted
REFUSALS_MAX = 2  # a device that says no again after RESEND_FIRST_S (a full disk) means it

PutKey = tuple[bytes, str, str]


class Waiting:
    """One piece on its way: its block and the devices that have it or are to have it."""

    __slots__ = ("awaited", "block", "refusals", "row", "size", "stored", "stream")

    def __init__(self, row: PieceSet, stream: Stream, block: bytes, awaited: set[str]) -> None:
        self.row = row
        self.stream = stream
        self.block = block  # empty once its request is answered
        self.size = len(block)
        self.awaited = awaited
        self.stored: set[str] = set()
        self.refusals: dict[str, int] = {}

    @property
    def hopeless(self) -> bool:
        """Nobody has it, and all that were to have it keep refusing it."""
        said = self.refusals
        if self.stored or not self.awaited:
            return False
        return all(said.get(device, 0) >= REFUSALS_MAX for device in self.awaited)


class Flight:
    """One request's pieces that are under way."""

    __slots__ = ("client", "delay_s", "give_up", "pieces", "request", "why")

    def __init__(self, client: str, request: int, give_up: float) -> None:
        self.client = client
        self.request = request
        self.give_up = give_up
        self.delay_s = RESEND_FIRST_S
        self.pieces: list[Waiting] = []
        self.why = "no device confirmed it"


class _PutStream:
    """What is known of one put's pieces for one stream: 0 to next_piece - 1 are stored."""

    __slots__ = ("next_piece", "pieces")

    def __init__(self, next_piece: int = 0) -> None:
        self.next_piece = next_piece
        self.pieces: dict[int, PieceSet] = {}


class _Transfer(NamedTuple):
    """A message of blocks to one device: which pieces are in it, by index of the block."""

    device: str
    flight: int
    pieces: list[Waiting]


class Puts:
    """All puts under way; `short(shard)` is called when not all owners of a shard have a piece."""

    def __init__(self, desk: Desk, members: Membership, catalog: Catalog, owners: Owners) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._owners = owners
        self.short: Callable[[Shard], None] = lambda shard: None
        self._streams: dict[PutKey, _PutStream] = {}
        # By stream: the put whose last pieces some disk may have or not.
        self._doubtful: dict[tuple[str, str], bytes] = {}
        self._flights: dict[int, Flight] = {}
        self._by_client: dict[str, set[int]] = {}
        self._transfers: dict[int, _Transfer] = {}
        self._complaints: dict[str, str] = {}  # by device: why it does not store
        self._early = EarlyPuts(FLIGHTS_PER_CLIENT_MAX)
        self._timers: list[tuple[float, int]] = []
        self._count = 0

    # --- from the ledger ---

    def restore_put(self, row: PutSet) -> None:
        """Take a put's progress from the ledger."""
        self._streams[row[:3]] = _PutStream(row.next_piece)

    def restore_piece(self, row: PieceSet) -> None:
        """Take a piece's place from the ledger: it is in doubt until it is repeated."""
        self._streams.setdefault(row[:3], _PutStream()).pieces[row.piece] = row
        dataset = self._catalog.datasets.get(row.dataset)
        stream = dataset.streams.get(row.key) if dataset else None
        if stream is not None:
            stream.tail_seq = max(stream.tail_seq, row.seq + 1)
            stream.tail_sample = max(stream.tail_sample, row.first_sample + row.sample_count)
            if not row.stored:
                self._doubtful[row.dataset, row.key] = row.put_id

    # --- requests ---

    def ask(self, client: str, put: Put) -> None:
        """Take a put in; it is answered once all of its pieces are stored."""
        mine = self._by_client.get(client, set())
        if any(self._flights[n].request == put.request for n in mine):
            return  # said twice: the answer will come
        if len(mine) >= FLIGHTS_PER_CLIENT_MAX or len(self._flights) >= FLIGHTS_MAX:
            self._desk.refuse("busy")
            raise RequestError("the gateway is busy storing; try again in a moment")
        if not put.pieces:
            raise RequestError("a put without samples")
        for piece in put.pieces:
            check_piece(piece)
        if self._is_early(put):
            self._early.hold(client, put, self._desk.now)
            heapq.heappush(self._timers, (self._desk.now + HOLD_S, 0))
            return
        self._admit(client, put)
        self._admit_early(client)

    def _is_early(self, put: Put) -> bool:
        """Whether a piece came before the one that precedes it (a network may reorder)."""
        expected: dict[PutKey, int] = {}
        for piece in put.pieces:
            key = (put.put_id, piece.info.dataset, piece.info.key)
            known = self._streams.get(key)
            if key not in expected:
                expected[key] = known.next_piece + len(known.pieces) if known else 0
            if piece.index > expected[key]:
                return True
            expected[key] = max(expected[key], piece.index + 1)
        return False

    def _admit_early(self, client: str) -> None:
        for put in self._early.ready(client, self._is_early):
            try:
                self._admit(client, put)
            except RequestError as error:
                self._desk.fail(client, put.request, str(error))

    def _admit(self, client: str, put: Put) -> None:
        mine = self._by_client.setdefault(client, set())
        flight = Flight(client, put.request, self._desk.now + GIVE_UP_S)
        try:
            for piece in put.pieces:
                waiting = self._take(put.put_id, piece)
                if waiting is not None:
                    flight.pieces.append(waiting)
        except RequestError:
            self._doubt(put)
            if not mine:
                del self._by_client[client]
            raise
        if not flight.pieces:
            if not mine:
                del self._by_client[client]
            self._desk.answer(client, Reply(put.request, DONE, "{}", b""))
            return
        self._count += 1
        number = self._count
        self._flights[number] = flight
        mine.add(number)
        self._send(number, flight)

    def _doubt(self, put: Put) -> None:
        """Pieces that have a place and are not sent: it stays theirs."""
        for piece in put.pieces:
            known = self._streams.get((put.put_id, piece.info.dataset, piece.info.key))
            if known is not None and piece.index in known.pieces:
                self._doubtful[piece.info.dataset, piece.info.key] = put.put_id

    def _take(self, put_id: bytes, piece: Piece) -> Waiting | None:
        """Give a piece its place; None if it is stored already."""
        info = piece.info
        key = (put_id, info.dataset, info.key)
        known = self._streams.get(key)
        if known is None:
            known = self._streams[key] = _PutStream()
            self._forget_oldest()
        row = known.pieces.get(piece.index)
        if piece.index < known.next_piece or (row is not None and row.stored):
            return None
        dataset = self._catalog.datasets.get(info.dataset) or self._create(piece)
        shard = self._shard(dataset, info.key)
        stream = self._catalog.open_stream(info, shard.id.number, 0)
        if row is None:
            if piece.index != known.next_piece + len(known.pieces):
                raise RequestError(
                    f"stream {info.key!r}: piece {piece.index} came before"
                    f" piece {known.next_piece + len(known.pieces)}"
                )
            row = self._assign(key, piece, stream)
            known.pieces[piece.index] = row
        elif row.crc != piece.crc:
            raise RequestError(f"stream {info.key!r}: piece {piece.index} came with other samples")
        awaited = set(self._members.serving(shard.owners))
        if not awaited:
            raise RequestError(
                f"no device that holds shard {shard.id.number} of {info.dataset} is live"
                f" ({', '.join(shard.owners) or 'none is placed'})"
            )
        block = Block(
            info, shard.id.number, row.seq, row.first_sample, row.sample_count, 0, 0,
            row.wall_ms, CLOCK_UNKNOWN, bool(row.gap), piece.data,
        )  # fmt: skip
        return Waiting(row, stream, encode_block(block), awaited)

    def _create(self, piece: Piece) -> Dataset:
        dataset = self._catalog.create(piece.info.dataset, piece.shards, piece.replicas)
        try:
            self._owners.place_dataset(dataset)
        except RequestError:
            self._catalog.remove(dataset.row.name)
            raise
        row = dataset.row
        self._desk.say(
            "dataset", f"{row.name}: {row.shards} shards, {row.replicas} replicas", dataset=row.name
        )
        return dataset

    def _shard(self, dataset: Dataset, key: str) -> Shard:
        stream = dataset.streams.get(key)
        number = shard_of(key, dataset.row.shards) if stream is None else stream.shard
        shard = self._catalog.shard(ShardId(dataset.row.name, number))
        if shard.pinned:
            raise RequestError(f"stream {key!r} is live: only its device writes it")
        return shard

    def _assign(self, key: PutKey, piece: Piece, stream: Stream) -> PieceSet:
        name = (piece.info.dataset, piece.info.key)
        # Pieces of the same put come again before this one counts; those of another may never.
        gap = self._doubtful.get(name, key[0]) != key[0]
        if gap:
            del self._doubtful[name]
        count = len(piece.data) // frame_bytes(piece.info)
        row = PieceSet(
            *key, piece.index, stream.tail_seq, stream.tail_sample, count, int(gap),
            piece.wall_ms, piece.crc, 0,
        )  # fmt: skip
        stream.tail_seq += 1
        stream.tail_sample += count
        self._desk.record(row)
        return row

    def _forget_oldest(self) -> None:
        while len(self._streams) > PUT_STREAMS_MAX:
            oldest = next(iter(self._streams))
            self._desk.record(PutGone(*oldest))
            del self._streams[oldest]

    # --- sending ---

    def _send(self, number: int, flight: Flight) -> None:
        """Send every piece to the devices that have not confirmed it, and look again later."""
        per_device: dict[str, list[Waiting]] = {}
        for waiting in flight.pieces:
            for device in waiting.awaited:
                per_device.setdefault(device, []).append(waiting)
        for device in sorted(per_device):
            if device in self._members.serving((device,)):
                for batch in _batches(per_device[device]):
                    self._send_batch(device, number, batch)
        heapq.heappush(self._timers, (self._desk.now + flight.delay_s, number))
        flight.delay_s = min(2 * flight.delay_s, RESEND_MOST_S)

    def _send_batch(self, device: str, number: int, batch: list[Waiting]) -> None:
        transfer = self._desk.next_transfer()
        self._transfers[transfer] = _Transfer(device, number, batch)
        message = Blocks(*self._desk.head(device), transfer, False, [w.block for w in batch])
        self._desk.tell(device, "block", message)

    def stored(self, device: str, message: Stored) -> bool:
        """A device has synced a transfer; False if it is none of a put."""
        transfer = self._transfers.get(message.transfer)
        if transfer is None or transfer.device != device:
            return False
        del self._transfers[message.transfer]
        flight = self._flights.get(transfer.flight)
        if flight is None:
            return True
        refused = {refusal.index: refusal.reason for refusal in message.refused}
        for index, waiting in enumerate(transfer.pieces):
            reason = refused.get(index)
            if reason is None:
                self._confirm(device, waiting)
            else:
                waiting.refusals[device] = waiting.refusals.get(device, 0) + 1
                flight.why = f"{device} refused it: {reason}"
                self._desk.refuse("block refused by its device")
        self._note(device, next(iter(refused.values()), ""))
        self._settle(transfer.flight, flight)
        if refused and any(waiting.hopeless for waiting in flight.pieces):
            self._give_up(transfer.flight, flight)
        return True

    def _note(self, device: str, reason: str) -> None:
        """An event when a device stops to store what it is sent, and one when it does again."""
        known = self._complaints.pop(device, "")
        if reason:
            self._complaints[device] = reason
            if not known:
                self._desk.say("disk", f"{device} does not store: {reason}", device=device)
        elif known:
            self._desk.say("disk", f"{device} stores again", device=device)

    def _confirm(self, device: str, waiting: Waiting) -> None:
        if device in waiting.stored:
            return
        waiting.awaited.discard(device)
        waiting.stored.add(device)
        row = waiting.row
        run = BlockRun(
            row.seq, row.seq, row.first_sample, row.sample_count, row.wall_ms, bool(row.gap),
            waiting.size,
        )  # fmt: skip
        self._catalog.confirm(device, waiting.stream, run)

    def _settle(self, number: int, flight: Flight) -> None:
        """Answer the request if every piece is on all of its devices that are alive."""
        if any(w.awaited or not w.stored for w in flight.pieces):
            return
        for waiting in flight.pieces:
            self._finish(waiting.row)
            shard = self._catalog.find(ShardId(waiting.row.dataset, waiting.stream.shard))
            if shard is not None and not waiting.stored.issuperset(shard.owners):
                self.short(shard)
        self._close(number, flight)
        self._desk.answer(flight.client, Reply(flight.request, DONE, "{}", b""))

    def _finish(self, row: PieceSet) -> None:
        known = self._streams.get(row[:3])
        if known is None or row.piece not in known.pieces:
            return
        if row.piece != known.next_piece:
            known.pieces[row.piece] = done = row._replace(stored=1)
            self._desk.record(done)
            return
        known.pieces[row.piece] = row._replace(stored=1)
        while (front := known.pieces.get(known.next_piece)) is not None and front.stored:
            del known.pieces[known.next_piece]
            self._desk.record(PieceGone(*front[:4]))
            known.next_piece += 1
        if not known.pieces:
            self._doubtful.pop((row.dataset, row.key), None)
        self._desk.record(PutSet(*row[:3], known.next_piece, self._desk.wall_ms))

    def _close(self, number: int, flight: Flight) -> None:
        del self._flights[number]
        for waiting in flight.pieces:  # a late answer still counts, and needs no samples
            waiting.block = b""
        mine = self._by_client[flight.client]
        mine.discard(number)
        if not mine:
            del self._by_client[flight.client]
        if len(self._transfers) > 4 * FLIGHTS_MAX:  # what was sent again and never confirmed
            gone = [
                t for t, transfer in self._transfers.items() if transfer.flight not in self._flights
            ]
            for transfer_number in gone:
                del self._transfers[transfer_number]

    # --- time and loss ---

    def device_lost(self, device: str) -> None:
        """A device does not act any more: nothing waits for it; its copies are made up for."""
        for number, flight in list(self._flights.items()):
            for waiting in flight.pieces:
                waiting.awaited.discard(device)
            self._settle(number, flight)

    def released(self, device: str, shard: Shard) -> None:
        """A device was told to delete a shard: what it still confirms of it may be gone by then.

        Its pieces under way go to the owners of now, with the next resend.
        """
        for number, transfer in list(self._transfers.items()):
            mine = [w for w in transfer.pieces if (w.row.dataset, w.stream.shard) == shard.id]
            if transfer.device == device and mine:
                del self._transfers[number]
        for flight in self._flights.values():
            for waiting in flight.pieces:
                if (waiting.row.dataset, waiting.stream.shard) == shard.id:
                    waiting.awaited.discard(device)
                    owners = set(self._members.serving(shard.owners))
                    waiting.awaited |= owners - waiting.stored

    def dataset_removed(self, name: str) -> None:
        """A dataset is gone, and what was under way to it."""
        for key in [k for k in self._streams if k[1] == name]:
            del self._streams[key]
        self._doubtful = {n: p for n, p in self._doubtful.items() if n[0] != name}
        for number, flight in list(self._flights.items()):
            if any(w.row.dataset == name for w in flight.pieces):
                self._close(number, flight)
                self._desk.fail(flight.client, flight.request, f"dataset {name} was removed")

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        return self._timers[0][0] if self._timers else None

    def tick(self) -> None:
        """Send again what was not confirmed; give up what is too old."""
        while self._timers and self._timers[0][0] <= self._desk.now:
            _, number = heapq.heappop(self._timers)
            if number == 0:
                for client, request in self._early.expired(self._desk.now):
                    text = "a piece came, but not the one before it"
                    self._desk.fail(client, request, text)
            flight = self._flights.get(number)
            if flight is None:
                continue
            if self._desk.now >= flight.give_up:
                self._give_up(number, flight)
                continue
            for waiting in flight.pieces:
                self._aim_again(waiting)
            self._settle(number, flight)
            if number in self._flights:
                self._send(number, flight)

    def _aim_again(self, waiting: Waiting) -> None:
        """Drop devices that left; a piece that nobody has goes to the shard's owners of now."""
        members = self._members.members
        waiting.awaited = {
            d for d in waiting.awaited if d in members and members[d].state in LEASED
        }
        if waiting.stored or waiting.awaited:
            return
        shard = self._catalog.find(ShardId(waiting.row.dataset, waiting.stream.shard))
        if shard is not None:
            waiting.awaited = {d for d in shard.owners if d in members and members[d].state in KEPT}

    def _give_up(self, number: int, flight: Flight) -> None:
        missing = [w for w in flight.pieces if not w.stored]
        if not missing:  # at least one disk has each piece: that is what a fleet in trouble can do
            for waiting in flight.pieces:
                waiting.awaited.clear()
            self._settle(number, flight)
            return
        for waiting in missing:
            self._doubtful[waiting.row.dataset, waiting.row.key] = waiting.row.put_id
        self._close(number, flight)
        first = missing[0].row
        self._desk.fail(
            flight.client,
            flight.request,
            f"stream {first.key!r}: not stored: {flight.why}",
        )

    @property
    def under_way(self) -> int:
        """Requests that wait for devices."""
        return len(self._flights)


def _batches(pieces: Iterable[Waiting]) -> Iterable[list[Waiting]]:
    """Pieces packed into messages of at most BLOCKS_MAX blocks that fit the wire."""
    from atoll.wire.limits import BLOCKS_MAX

    batch: list[Waiting] = []
    size = 0
    for waiting in pieces:
        if batch and (size + len(waiting.block) > MESSAGE_BYTES or len(batch) == BLOCKS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(waiting)
        size += len(waiting.block) + 8
    if batch:
        yield batch
