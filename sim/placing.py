"""Decisions of the gateway about devices and places: I6, I7, I8, and who is given up when.

Looked at when they are made, on what the gateway knew then: a device leaves a shard's goal for a
reason only, comes into it apart from the others where that is possible, and is neither dead nor out
while the silence may be the gateway's own fault.
"""

from typing import TYPE_CHECKING

from atoll.gateway.catalog import Shard
from atoll.gateway.member import KEPT, Change, Member, State
from atoll.gateway.membership import LAG_TOLERATED_S
from atoll.gateway.owners import SETTLE_S
from atoll.gateway.placement import bounds, shard_point, walk
from atoll.gateway.silence import FLEET_LEAST, FLEET_SHARE, ZONE_LEAST, ZONE_SHARE
from atoll.sim.world import Violation, World
from atoll.wire.messages import LeaseRequest

if TYPE_CHECKING:
    from atoll.gateway.core import GatewayCore

AWAY = frozenset({State.SUSPECT, State.DEAD})
SLACK_S = 0.05
COUNTED = AWAY | {State.READY}


class Placing:
    """What is known of one gateway process's decisions."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.core: GatewayCore | None = None
        self.listens_since = 0.0  # the gateway has heard everybody without a break since then
        self._fresh: set[str] = set()
        self._heard: dict[str, float] = {}  # by device: its last request, on `awake`
        self._newest: dict[str, tuple[int, int]] = {}
        self._stood_s = 0.0  # how long the gateway has stood still

    @property
    def awake(self) -> float:
        """Time as the gateway's process has seen it."""
        return self.world.now - self._stood_s

    def stood_still(self, span_s: float) -> None:
        """The process was stopped for a while, and goes on."""
        # What the gateway tolerates of its own lag before it takes it into account.
        self._stood_s += max(0.0, span_s - LAG_TOLERATED_S - SLACK_S)

    def heard(self, device: str, request: LeaseRequest) -> None:
        """A device's request for its lease is being handled.

        An older one says nothing, nor does one of a boot that this process has not met.
        """
        assert self.core is not None
        member = self.core.members.members.get(device)
        if member is None or not member.born or member.row.boot != request.boot:
            return
        number = (request.boot, request.number)
        if number >= self._newest.get(device, (0, 0)):
            self._newest[device] = number
            self._heard[device] = self.awake

    def begin(self, core: "GatewayCore") -> None:
        """A process has restored its ledger."""
        self.core = core
        self.listens_since = self.awake
        self._fresh = set()
        self._heard, self._newest = {}, {}

    def trusted(self, device: str) -> None:
        """A device that came and went may have more again: it is as good as new."""
        self._fresh.add(device)

    # --- devices ---

    def changed(self, change: Change) -> None:
        """A transition, before the other parts hear of it."""
        assert self.core is not None
        members = self.core.members.members
        member = members[change.device]
        # One without slots gets some now, too: it was emptied when it came first.
        new = change.before in (State.NEW, State.OUT) or not member.row.quota
        if change.after is State.READY and new:
            self._fresh.add(member.id)
        if change.after is State.DEAD:
            self._not_deaf(member)
            self._not_all(list(members.values()), member, FLEET_LEAST, FLEET_SHARE, "fleet")
        elif change.after is State.OUT and change.before is not State.STOPPED:
            zone = [m for m in members.values() if m.row.zone == member.row.zone]
            self._not_all(zone, member, ZONE_LEAST, ZONE_SHARE, f"zone {member.row.zone}")

    def _not_deaf(self, member: Member) -> None:
        """Nobody dies of a silence that the gateway did not listen to."""
        assert self.core is not None
        since = max(self.listens_since, self._heard.get(member.id, 0.0))
        silence = self.awake - since
        if silence < self.core.members.profile(member).lease_s - 1e-3:
            text = f"{member.id} is dead after {silence:.2f} s of silence that was listened to (I4)"
            raise Violation("wrong", member.id, text)

    def _not_all(
        self, group: list[Member], member: Member, least: int, share: float, name: str
    ) -> None:
        """A silence of most is no device's own (the member has gone over already)."""
        seen = [m for m in group if m.state in COUNTED or m is member]
        away = sum(1 for m in seen if m.state in AWAY or m is member)
        if len(seen) >= least and away > share * len(seen):
            text = f"{member.id} is given up with {away} of {len(seen)} of the {name} silent (I8)"
            raise Violation("wrong", member.id, text)

    # --- places ---

    def planned(self, shard: Shard, goal: tuple[str, ...]) -> None:
        """A shard that has a goal is given one."""
        assert self.core is not None
        before = shard.goal
        if not before or not goal or set(before) == set(goal) or shard.pinned:
            return
        gone = [d for d in before if d not in goal]
        fresh = [d for d in goal if d not in before]
        for device in gone:
            if not self._may_leave(device, fresh) and not self._goes_home(shard, fresh):
                text = f"{shard.id} leaves {device} for {fresh} without a reason (I8)"
                raise Violation("wrong", device, text)
        self._apart(shard, goal, fresh)

    def _may_leave(self, device: str, fresh: list[str]) -> bool:
        """Gone, to be emptied, in favour of a new one, or above its bound."""
        assert self.core is not None
        member = self.core.members.members.get(device)
        if member is None or member.state not in KEPT or not member.weight:
            return True
        return any(d in self._fresh for d in fresh) or self._over(member)

    def _goes_home(self, shard: Shard, fresh: list[str]) -> bool:
        """Now and then, in quiet times, a shard may go to where its walk leads first."""
        assert self.core is not None
        owners, members = self.core.owners, self.core.members.members
        if self.world.now < SETTLE_S:
            return False
        sites, wanted = owners._sites(), owners.wanted(shard)
        ideal = walk(owners.seed, shard_point(*shard.id), owners.table, sites, wanted)
        return all(members[device].row.number in ideal for device in fresh)

    def _over(self, member: Member) -> bool:
        """I6: whether a device held more than its bound before the goals that are being set."""
        assert self.core is not None
        shards = [s for s in self.core.catalog.all_shards() if not s.pinned]
        loads = self.core.owners._loads(shards)
        mine = sum(
            load.load for shard, load in zip(shards, loads, strict=True) if member.id in shard.goal
        )
        limits = bounds(
            self.core.owners._sites(),
            total=sum(one.load * one.wanted for one in loads),
            largest=max(one.load for one in loads),
            placements=sum(one.wanted for one in loads),
            once=sum(one.load for one in loads),
        )
        cap = {who: most for who, _, most in limits}.get(member.row.number, 0)
        # What is placed anew first may have brought it over: a replica of each such shard.
        anew = (
            load.load for shard, load in zip(shards, loads, strict=True) if self._has_hole(shard)
        )
        return mine + sum(anew) > cap

    def _has_hole(self, shard: Shard) -> bool:
        """Whether a place of a shard is to be given anew."""
        assert self.core is not None
        members = self.core.members.members
        holders = [members.get(device) for device in shard.goal]
        kept = [m for m in holders if m is not None and m.state in KEPT and m.weight]
        return len(kept) < self.core.owners.wanted(shard)

    def _apart(self, shard: Shard, goal: tuple[str, ...], fresh: list[str]) -> None:
        """I7: who comes in shares no zone with the others while another zone has a device free."""
        assert self.core is not None
        members = self.core.members.members
        zones = {d: members[d].row.zone for d in goal if d in members}
        free = [
            m
            for m in members.values()
            if m.takes and m.weight and m.row.quota and m.row.zone not in zones.values()
        ]
        for device in fresh:
            shares = [d for d, zone in zones.items() if zone == zones.get(device) and d != device]
            if shares and free:
                text = f"{shard.id} comes to {device} beside {shares}, {free[0].id} is free (I7)"
                raise Violation("wrong", device, text)
