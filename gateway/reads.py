"""Reading raw samples for a client: the blocks of one stream, from a live holder, one reply each.

A read asks its device for a bounded part at a time, the
next when the last block of the one before has gone out, so memory stays at a megabyte a read.
"""

from typing import NamedTuple

from atoll.gateway import runs
from atoll.gateway.catalog import Catalog, Stream
from atoll.gateway.desk import Desk
from atoll.gateway.errors import RequestError
from atoll.gateway.jsonable import dumps
from atoll.gateway.membership import Membership
from atoll.wire import messages as wire
from atoll.wire.block import frame_bytes, peek_block
from atoll.wire.errors import WireError
from atoll.wire.limits import BLOCK_BYTES_MAX

READS_MAX = 16
READS_PER_CLIENT_MAX = 2
PART_BLOCKS = 16  # a megabyte of full blocks
PATIENCE_S = 5.0
TRIES_MAX = 4  # parts that brought nothing, from one device or another, before the read fails


class _Range(NamedTuple):
    first: int
    last: int


class Read:
    """One request under way: what is still to come, in order, and from whom the next part is."""

    __slots__ = (
        "avoided", "client", "deadline", "device", "next_seq", "request", "sent", "start", "stop",
        "stream", "todo", "transfer", "tries",
    )  # fmt: skip

    def __init__(self, client: str, request: int, stream: Stream) -> None:
        self.client = client
        self.request = request
        self.stream = stream
        self.start, self.stop = 0, 0
        self.todo: list[_Range] = []
        self.avoided: set[str] = set()  # devices that sent nothing
        self.device = ""
        self.next_seq = 0
        self.transfer = 0
        self.deadline = 0.0
        self.sent = 0
        self.tries = 0


class Reads:
    """All reads under way."""

    def __init__(self, desk: Desk, members: Membership, catalog: Catalog) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._reads: dict[int, Read] = {}  # by transfer

    def ask(self, client: str, get: wire.Get) -> None:
        """Begin a read."""
        dataset = self._catalog.need(get.dataset)
        stream = dataset.streams.get(get.key)
        if stream is None:
            some = ", ".join(sorted(dataset.streams)[:8])
            raise RequestError(f"no stream {get.key!r} in {get.dataset}; there are: {some}")
        mine = [r for r in self._reads.values() if r.client == client]
        if any(r.request == get.request for r in mine):
            return
        if len(self._reads) >= READS_MAX or len(mine) >= READS_PER_CLIENT_MAX:
            raise RequestError("too many reads are under way; try again in a moment")
        held = stream.all_runs()
        since_ms, until_ms = get.since_ms, get.until_ms
        if get.last_ms and held:
            since_ms = runs.end_ms(held[-1], stream.info.rate_hz) - get.last_ms
        read = Read(client, get.request, stream)
        spans = list(runs.clip_by_time(held, stream.info.rate_hz, since_ms, until_ms))
        if spans:
            read.start, read.stop = spans[0][0], spans[-1][1]
            # Blocks differ in size: runs are walked, and blocks outside the span are left out.
            read.todo = [
                _Range(run.first_seq, run.last_seq)
                for run in held
                if run.first_sample < read.stop and run.first_sample + run.sample_count > read.start
            ]
            self._narrow(read, held)
        self._next(read)

    @staticmethod
    def _narrow(read: Read, held: list[wire.BlockRun]) -> None:
        """Skip blocks of the first run that surely end before the span begins: none is larger than
        BLOCK_BYTES_MAX.
        """
        first, last = read.todo[0]
        run = next(r for r in held if r.first_seq == first)
        most = BLOCK_BYTES_MAX // frame_bytes(read.stream.info)
        read.todo[0] = _Range(first + max(0, read.start - run.first_sample) // most, last)

    def _next(self, read: Read) -> None:
        """Ask for the next part, or end."""
        while read.todo:
            first, last = read.todo[0]
            source = self._source(read, first)
            if not source:
                self._fail(read, f"no live device has block {first} of {read.stream.info.key}")
                return
            held = next(r for r in read.stream.held[source] if r.first_seq <= first <= r.last_seq)
            last = min(last, held.last_seq, first + PART_BLOCKS - 1)
            read.transfer = self._desk.next_transfer()
            read.device, read.next_seq = source, first
            read.deadline = self._desk.now + PATIENCE_S
            self._reads[read.transfer] = read
            info = read.stream.info
            ask = wire.BlockRange(info.dataset, info.key, first, last)
            head = self._desk.head(source)
            self._desk.tell(source, "task", wire.SendBlocks(*head, read.transfer, [ask]))
            return
        body = dumps({"blocks": read.sent, "start": read.start, "stop": read.stop})
        self._desk.answer(read.client, wire.Reply(read.request, wire.DONE, body, b""))

    def _source(self, read: Read, seq: int) -> str:
        live = self._members.serving(read.stream.held)
        having = [d for d in live if runs.has_seq(read.stream.held[d], seq)]
        having.sort(key=lambda d: (d in read.avoided, d))
        return having[0] if having else ""

    def came_up(self, device: str, message: wire.Blocks) -> bool:
        """Blocks for a read go to its client; False if they are of no read."""
        read = self._reads.get(message.transfer)
        if read is None or read.device != device:
            return False
        for data in message.blocks:
            try:
                block = peek_block(data)
            except WireError:
                self._desk.refuse("block damaged")
                continue
            if block.info.key != read.stream.info.key or block.seq != read.next_seq:
                continue
            read.next_seq += 1
            read.tries = 0
            if block.first_sample < read.stop and (
                block.first_sample + block.sample_count > read.start
            ):
                read.sent += 1
                reply = wire.Reply(read.request, wire.PROGRESS, "{}", bytes(data))
                self._desk.answer(read.client, reply)
            elif block.first_sample >= read.stop:
                read.todo.clear()
        read.deadline = self._desk.now + PATIENCE_S
        if not message.more:
            self._part_ended(message.transfer)
        return True

    def failed(self, device: str, message: wire.TransferFailed) -> bool:
        """A device cannot send a part; False if it is of no read."""
        read = self._reads.get(message.transfer)
        if read is None or read.device != device:
            return False
        self._part_ended(message.transfer)
        return True

    def _part_ended(self, transfer: int) -> None:
        read = self._reads.pop(transfer)
        if read.todo:
            first, last = read.todo[0]
            if read.next_seq == first:
                read.tries += 1
                read.avoided.add(read.device)
            if read.next_seq > last:
                read.todo.pop(0)
            else:
                read.todo[0] = _Range(read.next_seq, last)
        if read.tries >= TRIES_MAX:
            self._fail(read, f"{read.device} does not send block {read.next_seq}")
        else:
            self._next(read)

    def _fail(self, read: Read, text: str) -> None:
        self._desk.fail(read.client, read.request, text)

    def device_lost(self, device: str) -> None:
        """A device is silent: its reads go on from another."""
        for transfer, read in list(self._reads.items()):
            if read.device == device:
                self._part_ended(transfer)

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        if not self._reads:
            return None
        return min(read.deadline for read in self._reads.values())

    def tick(self) -> None:
        """Parts that do not come are asked for again."""
        for transfer, read in list(self._reads.items()):
            if self._desk.now >= read.deadline:
                self._part_ended(transfer)
