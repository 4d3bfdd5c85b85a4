"""Moves: blocks from where they are to where they shall be.

One rule serves repair after a loss, drain, rebalancing, late replicas of puts and copies of live
streams: a device that a shard's goal names and that lacks blocks which a live holder has gets them.

    copy (bounded steps) -> verify (Stored names what is synced) -> switch (epoch + 1) -> release

A step asks a source for some blocks; each message of blocks that comes up goes down to the target
as a transfer of its own, and counts when the target says that it is synced. What a step leaves out
is found again as lacking. Shards with the fewest live copies go first.
"""

import heapq
from collections.abc import Callable, Iterator
from typing import NamedTuple

from atoll.gateway.catalog import Catalog, Shard, ShardId, Stream
from atoll.gateway.desk import Desk
from atoll.gateway.member import KEPT
from atoll.gateway.membership import Membership
from atoll.gateway.owners import Owners
from atoll.gateway.pace import Pace
from atoll.wire import messages as wire
from atoll.wire.block import peek_block
from atoll.wire.errors import WireError
from atoll.wire.limits import RANGES_MAX

STEPS_MAX = 8  # steps under way: some megabytes in memory and in the broker's queues
STEPS_PER_DEVICE_MAX = 2  # so that one device is neither flooded nor drained of its link
STEP_BYTES = 1_048_576
STEP_PATIENCE_S = 10.0  # without any progress; the rest is looked for again
RETRY_S = 2.0  # before a shard whose step failed is looked at again
LOOKED_MAX = 64  # shards looked at in one go; the rest waits for the next wake-up
LATE_MAX = 256  # transfers of cancelled steps whose confirmation may still come


class _Step:
    """Some blocks of one shard on their way from one device to another."""

    __slots__ = (
        "asked",
        "began",
        "byte_count",
        "copies",
        "deadline",
        "downs",
        "shard",
        "source",
        "target",
        "whole",
    )

    def __init__(self, shard: ShardId, source: str, target: str) -> None:
        self.shard = shard
        self.source = source
        self.target = target
        self.asked: dict[str, list[tuple[int, int]]] = {}
        self.downs: set[int] = set()
        self.whole = False  # the source has sent all
        self.deadline = 0.0
        self.began = 0.0
        self.byte_count = 0  # that the target has synced
        self.copies = 0  # live ones when it began


class _Down(NamedTuple):
    """One message of blocks to a target: what it holds."""

    step: int
    runs: list[tuple[Stream, wire.BlockRun]]


class Moves:
    """Shards that are to be looked at, and steps under way."""

    def __init__(self, desk: Desk, members: Membership, catalog: Catalog, owners: Owners) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._owners = owners
        self.shard_done: Callable[[Shard], None] = lambda shard: None
        self.released: Callable[[str, Shard], None] = lambda device, shard: None
        self.listing: Callable[[str], bool] = lambda device: False
        self._withheld: dict[ShardId, None] = {}  # releases that wait for lists
        self.doubted: Callable[[str], None] = lambda device: None
        self._dirty: dict[ShardId, None] = {}
        self._later: list[tuple[float, ShardId]] = []
        self._steps: dict[int, _Step] = {}
        self._downs: dict[int, _Down] = {}
        self._busy: dict[str, int] = {}
        self._pairs: set[tuple[ShardId, str]] = set()
        self._late: dict[int, tuple[str, _Down]] = {}  # with their targets
        self.pace = Pace()
        self.moved_bytes = 0
        self._stirred = False  # there is something new to look at, or room for what was put off

    def look(self, shard: Shard) -> None:
        """Something about a shard has changed."""
        self._dirty[shard.id] = None
        self._stirred = True

    def look_at_device(self, device: str) -> None:
        """A device came or went: look at all that it owns or holds."""
        for shard_id in self._owners.owned.get(device, {}):
            self._dirty[shard_id] = None
        for shard_id in self._catalog.by_device.get(device, {}):
            self._dirty[shard_id] = None
        self._stirred = True

    @property
    def under_way(self) -> int:
        """Shards that blocks are being copied for."""
        return len({step.shard for step in self._steps.values()})

    # --- the rule ---

    def flush(self) -> bool:
        """Look at the shards that have changed, the most exposed first, while there is room; False
        if there were none to look at.
        """
        if not self._stirred or not self._dirty or self._members.frozen:
            return False
        if len(self._steps) >= STEPS_MAX:
            return False
        self._stirred = False
        ready = sorted(self._dirty, key=self._exposure) if len(self._dirty) > 1 else [*self._dirty]
        for at, shard_id in enumerate(ready):
            if at >= LOOKED_MAX:
                heapq.heappush(self._later, (self._desk.now, ready[-1]))
            if at >= LOOKED_MAX or len(self._steps) >= STEPS_MAX:
                return True
            shard = self._catalog.find(shard_id)
            if shard is None or self._look_at(shard):
                self._dirty.pop(shard_id, None)
        return True

    def _exposure(self, shard_id: ShardId) -> tuple[int, ShardId]:
        shard = self._catalog.find(shard_id)
        return (0 if shard is None else self.live_copies(shard)), shard_id

    def live_copies(self, shard: Shard) -> int:
        """How many live devices have all of a shard that any live device has."""
        live = self._members.serving(self._holders(shard))
        return sum(1 for d in live if not self._catalog.lacking(shard, d, live))

    def _holders(self, shard: Shard) -> list[str]:
        found = dict.fromkeys(shard.owners)
        for stream in shard.streams.values():
            found.update(dict.fromkeys(stream.held))
        return [d for d in found if d in self._members.members]

    def _look_at(self, shard: Shard) -> bool:
        """Start copies for a shard, switch what is whole, release what is not wanted.

        False if it has to be looked at again as soon as there is room.
        """
        self._cancel(shard)
        holders = self._holders(shard)
        live = self._members.serving(holders)
        room = True
        for target in self._members.serving(shard.goal):
            if (shard.id, target) in self._pairs:
                continue
            if self._catalog.lacking(shard, target, live):
                room = self._start(shard, target, live) and room
            elif target not in shard.owners:
                self._join(shard, target)
        self._tidy(shard)
        if set(shard.owners) == set(shard.goal):
            self._release(shard, holders)
            self.shard_done(shard)
        return room

    def _cancel(self, shard: Shard) -> None:
        """End steps to devices that are not to have the shard any more: the world has changed."""
        for number, step in list(self._steps.items()):
            if step.shard != shard.id or step.target in shard.goal or step.target in shard.owners:
                continue
            for down in step.downs:
                # What the target has synced by then is heard of, and released again.
                self._late[down] = (step.target, self._downs[down])
            while len(self._late) > LATE_MAX:
                del self._late[next(iter(self._late))]
            self._desk.count("moves cancelled")
            self._end(number, failed=False)

    def _join(self, shard: Shard, device: str) -> None:
        """A device has all of a shard: it becomes an owner, in place of one that is to leave."""
        leaving = [d for d in shard.owners if d not in shard.goal]
        members = self._members.members
        # Whoever is gone leaves first; a live one that leaves keeps its place until last.
        leaving.sort(key=lambda d: d in members and members[d].state in KEPT)
        if leaving and len(shard.owners) >= len(shard.goal):
            out = leaving[0]
            owners = tuple(device if d == out else d for d in shard.owners)
        else:
            out = ""
            owners = (*shard.owners, device)
        self._owners.set_owners(shard, owners)
        self._desk.say(
            "move",
            f"{shard.id.dataset}/{shard.id.number} is on {device} now"
            + (f" in place of {out}" if out else ""),
            dataset=shard.id.dataset,
            shard=shard.id.number,
            device=device,
        )

    def _tidy(self, shard: Shard) -> None:
        """Drop owners that are to leave once the goal is all there."""
        if not set(shard.goal) <= set(shard.owners):
            return
        stay = tuple(d for d in shard.owners if d in shard.goal)
        if stay and stay != shard.owners:
            self._owners.set_owners(shard, stay)

    def _release(self, shard: Shard, holders: list[str]) -> None:
        """Tell live devices to delete a shard that is whole on all of its owners."""
        extra = [d for d in self._members.serving(holders) if d not in shard.owners]
        extra = [d for d in extra if any(d in s.held for s in shard.streams.values())]
        if not extra:
            return
        live = self._members.serving(shard.owners)
        if len(live) < len(shard.goal) or len(live) < self._owners.wanted(shard):
            return
        if any(self._catalog.lacking(shard, d, [*live, *extra]) for d in live):
            return
        if any(self.listing(d) for d in (*live, *extra)):
            # What one of them is said to have may be gone, and what another has may not be known.
            self._withheld[shard.id] = None
            return
        for device in extra:
            self._catalog.drop_shard(device, shard)
            self._forget(shard, device)
            ref = wire.ShardRef(*shard.id)
            self._desk.tell(device, "task", wire.Release(*self._desk.head(device), [ref]))
            self.released(device, shard)
        # Blocks that are sent from now on are of a later epoch: a release that they overtake on
        # their way does not delete them.
        self._desk.advance_epoch()

    def listed(self) -> None:
        """A list is in, or will not come: look again at what waited for lists."""
        if self._withheld:
            self._dirty.update(self._withheld)
            self._withheld.clear()
            self._stirred = True

    def _forget(self, shard: Shard, device: str) -> None:
        """A device is told to delete a shard: what it still confirms of it will be gone."""
        for number, step in list(self._steps.items()):
            if step.shard == shard.id and device in (step.source, step.target):
                self._end(number, failed=False)
        for number, (target, down) in list(self._late.items()):
            places = {(stream.info.dataset, stream.shard) for stream, _ in down.runs}
            if target == device and shard.id in places:
                del self._late[number]

    # --- copying ---

    def _start(self, shard: Shard, target: str, live: list[str]) -> bool:
        if len(self._steps) >= STEPS_MAX or self._busy.get(target, 0) >= STEPS_PER_DEVICE_MAX:
            return False
        copies = self.live_copies(shard)
        now = self._desk.now
        sources = [d for d in live if d != target]
        rested = [d for d in sources if self.pace.ready(d, copies, now)]
        plan = None
        if self.pace.ready(target, copies, now):
            plan = self._choose(shard, target, rested)
        if plan is None:
            if len(rested) == len(sources) and self.pace.ready(target, copies, now):
                return False
            # Who rests may be the only one that has it: looked at again when one has rested.
            tired = [self.pace.until(d) for d in sources if d not in rested]
            again_at = max(min(tired, default=now), self.pace.until(target))
            heapq.heappush(self._later, (again_at, shard.id))
            return True
        source, ranges = plan
        number = self._desk.next_transfer()
        step = _Step(shard.id, source, target)
        step.began, step.copies = self._desk.now, copies
        for item in ranges:
            step.asked.setdefault(item.key, []).append((item.first_seq, item.last_seq))
        self._steps[number] = step
        self._pairs.add((shard.id, target))
        for device in (source, target):
            self._busy[device] = self._busy.get(device, 0) + 1
        self._extend(step)
        self._desk.tell(source, "task", wire.SendBlocks(*self._desk.head(source), number, ranges))
        return True

    def _choose(
        self, shard: Shard, target: str, live: list[str]
    ) -> tuple[str, list[wire.BlockRange]] | None:
        """A source that is not too busy, and STEP_BYTES at most of what the target lacks."""
        sources = [d for d in live if d != target]
        members = self._members.members
        sources.sort(key=lambda d: (members[d].audited, self._busy.get(d, 0), d))
        for source in sources:
            if self._busy.get(source, 0) >= STEPS_PER_DEVICE_MAX:
                return None
            ranges: list[wire.BlockRange] = []
            size = 0
            for stream, _, first, last in self._catalog.lacking_ranges(shard, target, [source]):
                room = max(1, (STEP_BYTES - size) // _block_bytes(stream, source))
                last = min(last, first + room - 1)
                ranges.append(wire.BlockRange(shard.id.dataset, stream.info.key, first, last))
                size += (last - first + 1) * _block_bytes(stream, source)
                if size >= STEP_BYTES or len(ranges) == RANGES_MAX:
                    break
            if ranges:
                return source, ranges
        return None

    def _extend(self, step: _Step) -> None:
        step.deadline = self._desk.now + STEP_PATIENCE_S
        heapq.heappush(self._later, (step.deadline, step.shard))

    def came_up(self, device: str, message: wire.Blocks) -> None:
        """Blocks of a step: on to the target."""
        step = self._steps.get(message.transfer)
        if step is None or step.source != device:
            self._desk.refuse("blocks of no transfer")
            return
        shard = self._catalog.find(step.shard)
        if shard is None:
            self._end(message.transfer, failed=False)
            return
        blocks, runs = [], []
        for data in message.blocks:
            found = self._asked_block(step, shard, data)
            if found is not None:
                blocks.append(data)
                runs.append(found)
        if blocks:
            down = self._desk.next_transfer()
            self._downs[down] = _Down(message.transfer, runs)
            step.downs.add(down)
            head = self._desk.head(step.target)
            self._desk.tell(step.target, "block", wire.Blocks(*head, down, False, blocks))
        step.whole = step.whole or not message.more
        self._extend(step)
        if step.whole and not step.downs:
            self._end(message.transfer, failed=False)

    def _asked_block(
        self, step: _Step, shard: Shard, data: bytes
    ) -> tuple[Stream, wire.BlockRun] | None:
        try:
            block = peek_block(data)
        except WireError as error:
            self._desk.refuse(f"block: {error}"[:64])
            return None
        stream = shard.streams.get(block.info.key)
        ranges = step.asked.get(block.info.key, ())
        if stream is None or not any(first <= block.seq <= last for first, last in ranges):
            self._desk.refuse("block not asked for")
            return None
        run = wire.BlockRun(
            block.seq, block.seq, block.first_sample, block.sample_count, block.wall_ms,
            block.gap, len(data),
        )  # fmt: skip
        return stream, run

    def stored(self, device: str, message: wire.Stored) -> bool:
        """A target has synced blocks; False if they are of no step."""
        down = self._downs.pop(message.transfer, None)
        if down is None:
            _, down = self._late.pop(message.transfer, ("", None))
        if down is None:
            return False
        step = self._steps.get(down.step)
        refused = {refusal.index for refusal in message.refused}
        if message.refused:
            self._desk.refuse("block refused by its device")
        for index, (stream, run) in enumerate(down.runs):
            if index not in refused:
                self._catalog.confirm(device, stream, run)
                self.moved_bytes += run.byte_count
                if step is not None:
                    step.byte_count += run.byte_count
        if step is None:
            for stream, _ in down.runs[:1]:
                self._dirty[ShardId(stream.info.dataset, stream.shard)] = None
                self._stirred = True
        if step is not None:
            step.downs.discard(message.transfer)
            self._extend(step)
            if step.whole and not step.downs:
                self._end(down.step, failed=bool(refused))
        return True

    def failed(self, device: str, message: wire.TransferFailed) -> None:
        """A source cannot send, or a target cannot take: look again a little later."""
        down = self._downs.pop(message.transfer, None)
        number = message.transfer if down is None else down.step
        if number not in self._steps:
            return
        if device == self._steps[number].source:
            self.doubted(device)
        self._desk.count("transfers failed")
        self._end(number, failed=True)

    def device_lost(self, device: str) -> None:
        """A device is silent or gone: its steps end."""
        for number, step in list(self._steps.items()):
            if device in (step.source, step.target):
                self._end(number, failed=False)

    def dataset_removed(self, name: str) -> None:
        """A dataset is gone: nothing of it moves on."""
        for number, step in list(self._steps.items()):
            if step.shard.dataset == name:
                self._end(number, failed=False)

    def _end(self, number: int, *, failed: bool) -> None:
        step = self._steps.pop(number)
        for down in step.downs:
            self._downs.pop(down, None)
        self._pairs.discard((step.shard, step.target))
        self.pace.ended(
            (step.source, step.target), step.copies, step.began, self._desk.now, step.byte_count
        )
        self._stirred = True
        for device in (step.source, step.target):
            self._busy[device] -= 1
            if not self._busy[device]:
                del self._busy[device]
        if failed:
            heapq.heappush(self._later, (self._desk.now + RETRY_S, step.shard))
        else:
            self._dirty[step.shard] = None

    # --- time ---

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        return self._later[0][0] if self._later else None

    def tick(self) -> None:
        """End steps that made no progress, and look again at shards whose time has come."""
        now = self._desk.now
        while self._later and self._later[0][0] <= now:
            _, shard_id = heapq.heappop(self._later)
            for number, step in list(self._steps.items()):
                if step.shard == shard_id and step.deadline <= now:
                    self._desk.count("transfers timed out")
                    self._end(number, failed=False)
            self._dirty[shard_id] = None
            self._stirred = True

    def exposed(self, shards: Iterator[Shard]) -> tuple[int, int]:
        """The fewest live copies that any shard with data has, and how many want for some."""
        least, short = -1, 0
        for shard in shards:
            copies = self.live_copies(shard)
            least = copies if least < 0 else min(least, copies)
            short += copies < self._owners.wanted(shard)
        return max(least, 0), short


def _block_bytes(stream: Stream, device: str) -> int:
    run = stream.held[device][-1]
    return max(1, run.byte_count // (run.last_seq - run.first_seq + 1))
