"""What devices say they hold: full lists after a start, news of live streams in between.

A list counts as complete when its last message is in. What the ledger has and the list has not is
asked about once more before it is believed: a lost or reordered message must not take copies off
the books. Nor must a list that confirmations have overtaken on its way: what a device has confirmed
since it was asked counts as listed.
"""

import heapq
from collections.abc import Callable, Sequence

from atoll.gateway import runs
from atoll.gateway.catalog import (
    PINNED,
    Catalog,
    Shard,
    ShardId,
    Stream,
    pinned_shard,
)
from atoll.gateway.desk import Desk
from atoll.gateway.errors import RequestError
from atoll.gateway.member import NEVER
from atoll.gateway.membership import Membership
from atoll.gateway.owners import Owners
from atoll.wire import messages as wire

ASK_AGAIN_S = 10.0  # without a complete list
OUTDATED_S = 0.5  # after a list that was overtaken by a release
RELEASED_MAX = 1_024  # releases remembered of a device: as long as a message can be late
DOUBT_S = 30.0  # a device that lacks what the ledger says it has is asked this often at most
LIVE_REPLICAS = 2  # of a dataset that begins with a live stream

Names = frozenset[tuple[str, str]]


class _List:
    """One device's list while it comes in."""

    __slots__ = ("ask_at", "doubted", "held_up", "newer", "outdated", "seen")

    def __init__(self) -> None:
        self.ask_at = NEVER
        self.seen: dict[tuple[str, str], list[wire.BlockRun]] = {}
        self.doubted: Names | None = None
        self.outdated = False  # it was made before a release that it has not heard of
        self.held_up = False  # it was due while the device was silent
        # What was confirmed since the device was asked for the first time.
        self.newer: dict[tuple[str, str], list[wire.BlockRun]] = {}


class Inventory:
    """Lists under way, by device."""

    def __init__(self, desk: Desk, members: Membership, catalog: Catalog, owners: Owners) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._owners = owners
        self._lists: dict[str, _List] = {}
        # When each is asked for again; entries stay of lists that are in, or due at another time.
        self._due: list[tuple[float, int, str]] = []
        self._count = 0
        self._doubted: dict[str, float] = {}
        self._released: dict[str, dict[ShardId, int]] = {}  # by device: the epoch it then gets
        self.grown: Callable[[Shard], None] = lambda shard: None
        self.listed: Callable[..., None] = lambda device, *, whole: None
        self.ended: Callable[[], None] = lambda: None  # a list is in, or will not come

    @property
    def under_way(self) -> int:
        """Devices whose list is still to come: what the ledger says of them may not be so."""
        return len(self._lists)

    def pending(self, device: str) -> bool:
        """Whether a device's list is still to come."""
        return device in self._lists

    def ask(self, device: str) -> None:
        """Have a device list all that it holds."""
        pending = self._lists[device] = _List()
        self._wait(device, pending, ASK_AGAIN_S)
        self._desk.tell(device, "task", wire.InventoryAsk(*self._desk.head(device)))

    def doubt(self, device: str) -> None:
        """A device could not give what the ledger says it has: let it list what it has."""
        last = self._doubted.get(device, float("-inf"))
        if device not in self._lists and self._desk.now - last >= DOUBT_S:
            self._doubted[device] = self._desk.now
            self.ask(device)

    def device_lost(self, device: str) -> None:
        """A device is dead: its list will not come, and it is asked for one when it is back."""
        self._doubted.pop(device, None)
        if self._lists.pop(device, None) is not None:
            self.ended()

    def device_ready(self, device: str) -> None:
        """A device is heard again: a list that was due meanwhile is asked for."""
        pending = self._lists.get(device)
        if pending is not None and pending.held_up:
            self._ask_again(device, pending)

    def expect(self, device: str, sources: Sequence[wire.StreamInfo]) -> None:
        """A device samples these streams: they are there before their first block closes, so that a
        standing job can be started over them, and close it.
        """
        for info in sources:
            self._add(device, wire.HeldStream(info, pinned_shard(info.key), []), news=True)

    def take(self, device: str, message: wire.Held) -> None:
        """Take blocks in that a device says it has."""
        pending = self._lists.get(device)
        for held in message.streams:
            if not self._outdated(device, held, message.epoch):
                self._add(device, held, news=not message.inventory)
            elif pending is not None:
                pending.outdated = True
        if not message.inventory:
            return
        if pending is None:
            # A device that found rot lists unasked what is left; it is asked before it is believed.
            self.doubt(device)
            return
        for info, _, listed in message.streams:
            pending.seen.setdefault((info.dataset, info.key), []).extend(listed)
        if message.more:
            return
        if pending.outdated:
            self._wait(device, pending, OUTDATED_S)
        else:
            self._complete(device, pending)

    def released(self, device: str, shard: Shard) -> None:
        """A device is told to delete a shard, and then the next epoch: what it has said of the
        shard before it knew that epoch may still come, and is not true any more.
        """
        if (pending := self._lists.get(device)) is not None:
            for key in shard.streams:
                pending.newer.pop((shard.id.dataset, key), None)
        mine = self._released.setdefault(device, {})
        mine.pop(shard.id, None)
        mine[shard.id] = self._desk.epoch + 1
        while len(mine) > RELEASED_MAX:
            del mine[next(iter(mine))]

    def _outdated(self, device: str, held: wire.HeldStream, epoch: int) -> bool:
        mine = self._released.get(device)
        if mine is None:
            return False
        return epoch < mine.get(ShardId(held.info.dataset, held.shard), 0)

    def let_go(self, device: str, message: wire.LetGo) -> None:
        """A device has dropped blocks by retention; of a dataset that keeps all that is refused."""
        for past in message.pasts:
            dataset = self._catalog.datasets.get(past.dataset)
            stream = dataset.streams.get(past.key) if dataset else None
            if dataset is None or stream is None:
                self._desk.refuse("blocks of no stream let go")
            elif not (dataset.row.retention_s or dataset.row.retention_bytes):
                # Its list says what it lacks, and that is copied back to it.
                self._desk.refuse("blocks let go without retention")
            else:
                self._catalog.let_go(stream, (past.first_seq, past.first_sample))

    def confirmed(self, device: str, stream: Stream, run: wire.BlockRun) -> None:
        """A device has synced blocks: a list that is on its way may have been made before that."""
        pending = self._lists.get(device)
        if pending is not None:
            name = (stream.info.dataset, stream.info.key)
            known = pending.newer.get(name, ())
            pending.newer[name] = runs.added(known, run, stream.info.rate_hz)

    def _add(self, device: str, held: wire.HeldStream, *, news: bool) -> None:
        info = held.info
        stream = self._find(device, held)
        if stream is None:
            return
        if stream.info != info or stream.shard != held.shard:
            self._desk.refuse("holding of another stream")
            return
        before = stream.held.get(device)
        add = self._catalog.confirm if news else self._catalog.add_run
        for run in held.runs:
            add(device, stream, run)
        if stream.held.get(device) != before:
            shard = self._catalog.find(ShardId(info.dataset, stream.shard))
            if shard is not None:
                self.grown(shard)

    def _find(self, device: str, held: wire.HeldStream) -> Stream | None:
        """The stream, made if it is a live one that is new or one that the ledger has lost."""
        info = held.info
        dataset = self._catalog.datasets.get(info.dataset)
        stream = dataset.streams.get(info.key) if dataset else None
        if stream is not None:
            return stream
        if held.shard < PINNED or held.shard != pinned_shard(info.key):
            self._desk.refuse("holding of no dataset")  # it was removed
            return None
        sampler = info.key.split("/")[0]
        if sampler != device:
            self._desk.refuse("holding of no dataset")
            return None
        try:
            if dataset is None:
                dataset = self._catalog.create(info.dataset, 1, LIVE_REPLICAS)
                text = f"{info.dataset}: live, {LIVE_REPLICAS} replicas"
                self._desk.say("dataset", text, dataset=info.dataset)
            stream = self._catalog.open_stream(info, held.shard)
        except RequestError as error:
            self._desk.refuse("live stream refused")
            self._desk.say("refused", f"{device}: {error}", device=device)
            return None
        shard = self._catalog.shard(ShardId(info.dataset, held.shard))
        if not shard.owners:
            self._owners.place_pinned(shard, sampler)
        return stream

    def _complete(self, device: str, pending: _List) -> None:
        self._join_newer(pending)
        absent = self._absent(device, pending)
        if absent and pending.doubted != absent:
            pending.doubted = absent
            self._ask_again(device, pending)
            return
        del self._lists[device]
        self.listed(device, whole=not absent)
        for dataset, key in sorted(absent):  # the same in every process
            stream = self._catalog.datasets[dataset].streams[key]
            before = stream.held.get(device, ())
            self._catalog.drop_runs(device, stream, pending.seen.get((dataset, key), ()))
            shard = self._catalog.find(ShardId(dataset, stream.shard))
            if shard is not None:
                if runs.missing(before, stream.all_runs()):
                    self._seek(device, shard)
                self.grown(shard)
        if absent:
            self._desk.count("streams missed by inventory", len(absent))
            self._desk.say(
                "inventory",
                f"{device} has lost blocks of {len(absent)} streams that it had",
                device=device,
            )
        self.ended()

    def _join_newer(self, pending: _List) -> None:
        for name, newer in pending.newer.items():
            dataset = self._catalog.datasets.get(name[0])
            stream = dataset.streams.get(name[1]) if dataset else None
            if stream is None:
                continue
            floor_seq, floor_sample = stream.floor
            for run in newer:
                kept = runs.clipped(run, floor_seq, floor_sample, stream.info.rate_hz)
                if kept is not None:
                    listed = pending.seen.get(name, ())
                    pending.seen[name] = runs.added(listed, kept, stream.info.rate_hz)

    def _seek(self, device: str, shard: Shard) -> None:
        """Nobody is known to have what a device has lost. Whoever was to get it may have it, and
        its word of that was lost with a session: they are asked.
        """
        holders = {holder for stream in shard.streams.values() for holder in stream.held}
        for other in sorted({*shard.owners, *shard.goal, *holders} - {device}):
            if other not in self._lists:
                pending = self._lists[other] = _List()
                self._wait(other, pending, 0.0)  # `tick` asks, once it serves

    def _absent(self, device: str, pending: _List) -> Names:
        """Streams of which the ledger has more on this device than its list says."""
        absent = set()
        for shard_id in self._catalog.by_device.get(device, {}):
            shard = self._catalog.find(shard_id)
            for key, stream in shard.streams.items() if shard else ():
                held = stream.held.get(device)
                if held:
                    listed = pending.seen.get((shard_id.dataset, key), [])
                    if _blocks(held) > _blocks(listed):
                        absent.add((shard_id.dataset, key))
        return frozenset(absent)

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        while self._due:
            at, _, device = self._due[0]
            pending = self._lists.get(device)
            if pending is not None and pending.ask_at == at:
                return at
            heapq.heappop(self._due)
        return None

    def _wait(self, device: str, pending: _List, delay_s: float) -> None:
        """Ask for the list again after so long."""
        pending.ask_at = self._desk.now + delay_s
        self._count += 1
        heapq.heappush(self._due, (pending.ask_at, self._count, device))

    def tick(self) -> None:
        """Ask again for lists that did not come."""
        while (due := self.next_due()) is not None and due <= self._desk.now:
            _, _, device = heapq.heappop(self._due)
            pending = self._lists[device]
            if self._members.serving((device,)):
                self._ask_again(device, pending)
            else:
                self._wait(device, pending, ASK_AGAIN_S)
                pending.held_up = True

    def _ask_again(self, device: str, pending: _List) -> None:
        self.ask(device)
        again = self._lists[device]
        again.doubted, again.newer = pending.doubted, pending.newer


def _blocks(held: list[wire.BlockRun]) -> int:
    return sum(run.last_seq - run.first_seq + 1 for run in held)
