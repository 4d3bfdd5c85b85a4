"""The part of the core that keeps blocks: those it is given, those it samples, those it hands on or
lets go.
"""

from collections import deque
from collections.abc import Callable

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.desk import Desk
from atoll.runtime.live import LiveStreams
from atoll.runtime.past import let_go_messages
from atoll.runtime.transfers import Transfers, held_messages
from atoll.wire import messages as wire
from atoll.wire.block import peek_block
from atoll.wire.errors import WireError

RETAIN_S = 60.0
# Blocks that wait for the disk: of others, then more are refused (the gateway sends them again),
# and of its own, then samples are dropped. Some seconds of a slow card, little of a small board.
GIVEN_BYTES_MAX = 8 * 1_048_576
OWN_BYTES_MAX = 8 * 1_048_576
DROP_SAID_S = 60.0
# Shards whose last blocks' epoch is remembered: only as long as a message can be late.
GIVEN_MAX = 1_024
# Rot is told by a list of everything that is left: not more often than this.
ROT_S = 60.0


class Custody:
    """Shards of the map, live streams and transfers. `grown` is called with streams that have new
    blocks.
    """

    def __init__(
        self, desk: Desk, live: LiveStreams, grown: Callable[[list[wire.HeldStream], float], None]
    ) -> None:
        self._desk = desk
        self.live = live
        self._grown = grown
        self._shards: list[wire.ShardEntry] = []
        self.acting: set[tuple[str, int]] = set()  # shards that the device acts for
        self.datasets: list[wire.DatasetEntry] = []
        self._transfers = Transfers()
        self._given: dict[tuple[str, int], int] = {}
        self._own_stores: deque[int] = deque()  # bytes of each request that waits, oldest first
        self._own_bytes = 0
        self._given_bytes: dict[int, int] = {}  # by transfer
        self._drop_said = 0.0
        self._cut_off: set[str] = set()  # datasets that samples were dropped of
        self._lists_asked = self._lists_heard = 0
        # Shards to be deleted, by which list was the last to be asked for before that.
        self._doomed: dict[tuple[str, int], int] = {}
        self._restored = False
        self._retain_at = 0.0
        self._rotten = False
        self._rot_at = 0.0

    @property
    def idle(self) -> bool:
        """Whether no block of its own is on its way to the disk."""
        return not self._own_stores

    @property
    def shards(self) -> list[wire.ShardEntry]:
        """The map."""
        return self._shards

    @shards.setter
    def shards(self, shards: list[wire.ShardEntry]) -> None:
        self._shards = shards
        self.acting = {(one.dataset, one.shard) for one in shards if one.role == 0}

    def next_wakeup(self) -> float:
        """When `run_due` has something to do."""
        first = self._retain_at
        due = self.live.next_close()
        if due is not None and due < first:
            first = due
        if self._rotten and self._desk.linked and self._rot_at < first:
            first = self._rot_at
        return first

    def run_due(self, now: float) -> None:
        """Close blocks whose time is over; let go of what is too old."""
        self._store_own(self.live.tick(now))
        if now >= self._retain_at:
            self._retain_at = now + RETAIN_S
            kept = [one for one in self.shards if one.retention_s or one.retention_bytes]
            if kept:
                self._desk.do(do.Retain(kept))
        if self._rotten and self._desk.linked and now >= self._rot_at:
            self._rotten = False
            self._rot_at = now + ROT_S
            self.list_streams("inventory")

    def rot_found(self, event: on.RotFound, now: float) -> None:
        """Blocks are not what they were: say so, and list what is left, so that they are copied
        from a replica.
        """
        for _ in range(event.blocks):
            self._desk.count("blocks damaged")
        self._desk.say(
            f"{event.blocks} blocks are damaged and not read any more: asking for copies"
        )
        self._rotten = True

    def mapped(self, message: wire.Map, now: float) -> None:
        """A new map; its retention holds from now on."""
        self._retain_at = now

    def released(self, message: wire.Release) -> list[wire.ShardRef]:
        """Delete shards, but for those that came back under a newer map, or in newer blocks that
        have overtaken this; gives those that are deleted.
        """
        current = {(one.dataset, one.shard): one.shard_epoch for one in self.shards}
        doomed = [
            ref
            for ref in message.shards
            if max(current.get(ref, 0), self._given.get(ref, 0)) <= message.epoch
        ]
        for _ in range(len(message.shards) - len(doomed)):
            self._desk.count("stale release")
        if doomed:
            self._desk.do(do.DeleteShards(doomed))
            if self._lists_asked > self._lists_heard:
                self._doomed.update(dict.fromkeys(doomed, self._lists_asked))
        return doomed

    # --- blocks from others ---

    def given_blocks(self, message: wire.Blocks, *, leased: bool) -> None:
        """Store blocks, with a lease only."""
        if not leased:
            self._desk.count("blocks without lease")
            self._fail(message.transfer, "no lease")
            return
        waits = sum(self._given_bytes.values())
        if waits >= GIVEN_BYTES_MAX:
            self._desk.count("blocks refused: disk too slow", len(message.blocks))
            self._fail(message.transfer, f"disk too slow: {waits} bytes wait for it")
            return
        self._note_given(message)
        self._given_bytes[message.transfer] = sum(map(len, message.blocks))
        self._desk.do(do.StoreBlocks(message.transfer, message.blocks))

    def _note_given(self, message: wire.Blocks) -> None:
        """Remember under which epoch blocks of each shard came last."""
        for data in message.blocks:
            try:
                block = peek_block(data)
            except WireError:
                continue  # the store will refuse it
            ref = (block.info.dataset, block.shard)
            self._given[ref] = max(message.epoch, self._given.pop(ref, 0))
        while len(self._given) > GIVEN_MAX:
            del self._given[next(iter(self._given))]

    def _fail(self, transfer: int, reason: str) -> None:
        self._desk.publish("block", wire.TransferFailed(*self._desk.head, transfer, reason))

    def blocks_stored(self, event: on.BlocksStored, now: float) -> None:
        """Blocks are on disk: acknowledge or announce them."""
        for refusal in event.refused:
            self._desk.count(f"block refused: {refusal.reason.partition(':')[0]}")
        if event.transfer is not None:
            self._given_bytes.pop(event.transfer, None)
            stored = wire.Stored(*self._desk.head, event.transfer, event.refused)
            self._desk.publish("block", stored)
        else:
            self._own_bytes -= self._own_stores.popleft() if self._own_stores else 0
            if event.refused:
                self._desk.say(f"samples dropped: {event.refused[0].reason}")
            self._announce(event.added, inventory=False)
        if event.added:
            self._grown(event.added, now)

    def _announce(self, streams: list[wire.HeldStream], *, inventory: bool) -> None:
        for held in held_messages(self._desk.head, streams, inventory=inventory):
            self._desk.publish("block", held)

    # --- blocks for others ---

    def asked_for_blocks(self, message: wire.SendBlocks, now: float) -> None:
        """Queue a transfer."""
        reason = self._transfers.add(message.transfer, message.ranges)
        if reason:
            self._desk.count("too many transfers")
            self._fail(message.transfer, reason)
        self._next_transfer()

    def _next_transfer(self) -> None:
        read = self._transfers.next()
        if read is not None:
            self._desk.do(read)

    def blocks_read(self, event: on.BlocksRead, now: float) -> None:
        """Send one message's worth of a transfer."""
        if event.failed:
            self._desk.count("transfer failed")
            self._fail(event.transfer, event.failed)
        else:
            more = bool(event.rest)
            blocks = wire.Blocks(*self._desk.head, event.transfer, more, event.blocks)
            self._desk.publish("block", blocks)
        if event.rest:
            self._desk.do(do.ReadBlocks(event.transfer, event.rest))
        else:
            self._transfers.finish()
            self._next_transfer()

    def asked_for_inventory(self, message: wire.InventoryAsk, now: float) -> None:
        """List everything."""
        self.list_streams("memory" if message.memory else "inventory")

    def dropped(self, event: on.BlocksDropped, now: float) -> None:
        """Retention has deleted blocks: the gateway is to know what is left."""
        for message in let_go_messages(self._desk.head, event.pasts):
            self._desk.publish("block", message)

    def list_streams(self, purpose: str, dataset: str = "") -> None:
        """Have the store list what it has of a dataset (empty: of all)."""
        self._lists_asked += 1
        self._desk.do(do.ListStreams(purpose, dataset))

    def _without_doomed(self, streams: list[wire.HeldStream]) -> list[wire.HeldStream]:
        """A list, which the store gives in the order in which it was asked, without the shards that
        it was told to delete since.
        """
        self._lists_heard += 1
        if not self._doomed:
            return streams
        doomed = {ref for ref, number in self._doomed.items() if self._lists_heard <= number}
        if self._lists_heard == self._lists_asked:
            self._doomed.clear()
        return [held for held in streams if (held.info.dataset, held.shard) not in doomed]

    def streams_listed(self, event: on.StreamsListed, now: float) -> None:
        """The store's answer: for the gateway, for the live streams after a start, for standing
        jobs.
        """
        event = event._replace(streams=self._without_doomed(event.streams))
        if event.purpose in ("inventory", "memory"):
            for message in let_go_messages(self._desk.head, event.pasts):
                self._desk.publish("block", message)
            self._announce(event.streams, inventory=True)
            return
        if event.purpose == "restore":
            self._restored = True
            self.live.restore(event.streams, event.pasts)
        self._grown(event.streams, now)

    # --- its own streams ---

    def sampled(self, event: on.Sampled, now: float) -> None:
        """Samples of a source go into the open blocks."""
        if not self._restored:
            self._desk.count("samples before the store is open")
        elif self._desk.draining:
            self._desk.count("samples after the end")
        else:
            cut_off = event.dataset in self._cut_off
            # Once cut off until half of it is free: fewer and longer gaps.
            if self._own_bytes >= (OWN_BYTES_MAX // 2 if cut_off else OWN_BYTES_MAX):
                self._drop(event, now)
                return
            if cut_off:
                self._cut_off.discard(event.dataset)
                event = event._replace(gap=True)
            closed, refused = self.live.push(event, now)
            for reason in refused:
                self._desk.count(reason)
            self._store_own(closed)

    def _drop(self, event: on.Sampled, now: float) -> None:
        """The disk is slower than the sources: what has no place in memory is gone."""
        self._cut_off.add(event.dataset)
        lost = event.sample_count * len(event.samples)
        total = self._desk.count("samples dropped: disk too slow", lost)
        if now >= self._drop_said:
            self._drop_said = now + DROP_SAID_S
            self._desk.say(f"the disk is too slow for the sources: {total} samples dropped so far")

    def news_lost(self, event: on.NewsLost, now: float) -> None:
        """The link had no room for what was to be said of blocks: list them all."""
        self.list_streams("inventory")

    def _store_own(self, blocks: list[bytes]) -> None:
        if blocks:
            size = sum(map(len, blocks))
            self._own_stores.append(size)
            self._own_bytes += size
            self._desk.do(do.StoreBlocks(None, blocks))

    def close_live(self) -> None:
        """Store what is sampled so far: the device ends."""
        self._store_own(self.live.close())
