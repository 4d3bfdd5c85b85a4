"""Membership: who is there, by birth, lease and silence.

    NEW ──lease──> READY ──silence, last will──> SUSPECT ──lease over──> DEAD ──out_after──> OUT
                     ^───────────lease request──────┘                      │                  │
                     ^────────────────lease request, lease epoch + 1───────┴──────────────────┘
    READY, SUSPECT ──status "stopped"──> STOPPED ──out_after──> OUT

SUSPECT: its stored tasks go to replicas at once. DEAD: its lease is certainly over, ownership may
move. OUT: its shards are placed again. All deadlines run on a clock that stands still while the
gateway itself was late or its broker was away, so the gateway's own faults are nobody's death.
A device that is back before it is OUT keeps its shards.
"""

import heapq
import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from atoll.gateway.desk import Desk
from atoll.gateway.profiles import PROFILES, Profile
from atoll.gateway.records import DeviceGone, DeviceSet
from atoll.gateway.weight import Gauge
from atoll.wire.messages import Birth, Health, Lease, LeaseRequest, Probe, StreamInfo

PROBES = 3
# The gateway was late by more than this: the silence since is its own.
LAG_TOLERATED_S = 0.2
ZONE_LEAST, ZONE_SHARE = 3, 0.5  # a zone of three, more than half of it silent: a partition
FLEET_LEAST, FLEET_SHARE = 5, 0.8  # more than 0.8 of a fleet of five silent: our own fault
HOLD_S = 1.0  # how soon a rule that held a decision back is asked again
DEVICES_MAX = 65_536  # owner numbers have 16 bits
NEVER = float("inf")


class State(StrEnum):
    """Where a device stands."""

    NEW = "new"
    READY = "ready"
    SUSPECT = "suspect"
    STOPPED = "stopped"
    DEAD = "dead"
    OUT = "out"


LIVE = frozenset({State.READY})
# States in which the device may still act under its lease.
LEASED = frozenset({State.READY, State.SUSPECT})
# States in which its copies count as present, if out of reach for a while.
KEPT = frozenset({State.READY, State.SUSPECT, State.STOPPED, State.DEAD})


class Change(NamedTuple):
    """A transition, told to the other parts."""

    device: str
    before: State
    after: State


class Member:
    """One device as the gateway knows it."""

    def __init__(self, row: DeviceSet) -> None:
        self.row = row
        self.state = State(row.state)
        self.gauge = Gauge(row.eighths)
        self.receipts: dict[str, str] = json.loads(row.receipts)
        self.programs = False  # it takes programs for the streams that it samples, no plans
        self.sources: list[StreamInfo] = []  # of such a device
        self.born = False  # its birth was seen by this gateway process
        self.stopping = False  # it says that it drains, about to stop
        self.heard = 0.0
        self.probes = 0
        self.due = NEVER
        self.serial = 0  # of its newest entry among the deadlines; older ones are void
        self.out_at = 0.0
        self.request = -1
        self.stored_bytes = 0
        self.backlog = 0
        self.health: Health | None = None
        self.held_back = False
        self.audited = False  # it gave other bytes than it should have (audit.py)

    @property
    def id(self) -> str:
        """The device's id."""
        return self.row.id

    @property
    def weight(self) -> int:
        """Its weight in the placement: capacity in hundredths, scaled by health; 0: none."""
        if self.row.draining or self.audited or self.state not in KEPT:
            return 0
        return max(1, round(self.row.capacity * 100)) * self.gauge.eighths // 8

    @property
    def serves(self) -> bool:
        """Whether it is given new work now."""
        return self.state is State.READY and not self.stopping


class Membership:
    """All devices, their states and deadlines.

    `changed` is called after each transition, `born(member, rebooted)` when a boot is met that this
    process has not met, `reweighted` when health has changed a weight.
    """

    def __init__(self, desk: Desk, default: Profile) -> None:
        self._desk = desk
        self._default = default
        self.members: dict[str, Member] = {}
        self.frozen = True  # until the broker is reached
        self.changed: Callable[[Change], None] = lambda change: None
        self.born: Callable[[Member, bool], None] = lambda member, rebooted: None
        self.reweighted: Callable[[Member], None] = lambda member: None
        self._debt = 0.0
        self._frozen_at = 0.0
        self._due: list[tuple[float, int, str]] = []
        self._numbers = 0
        self._away: dict[str, int] = {}  # by zone: leased devices that are silent or worse
        self._sizes: dict[str, int] = {}

    # --- the clock of the detectors ---

    def clock(self) -> float:
        """Time as the detectors count it: without what the gateway itself has missed."""
        return (self._frozen_at if self.frozen else self._desk.now) - self._debt

    def missed(self, lag_s: float) -> None:
        """The gateway was late by `lag_s`: no device is to blame for it."""
        if not self.frozen:
            self._debt += lag_s

    def freeze(self) -> None:
        """The broker is away: silence means nothing."""
        if not self.frozen:
            self.frozen = True
            self._frozen_at = self._desk.now

    def thaw(self) -> None:
        """The broker is back: every device gets a whole lease's time to be heard again."""
        if not self.frozen:
            return
        self.frozen = False
        self._debt = 0.0
        for member in self.members.values():
            member.heard = self.clock()
            if member.state in LEASED:
                self._watch(member, self.profile(member).lease_s)
            elif member.state in KEPT:
                member.out_at = self.clock() + self.profile(member).out_after_s
                self._watch_until(member, member.out_at)

    def next_due(self) -> float | None:
        """When `tick` has something to do, on the caller's clock."""
        if self.frozen or not self._due:
            return None
        return self._due[0][0] + self._debt

    # --- what devices say ---

    def restore(self, row: DeviceSet) -> None:
        """Take a member from the ledger."""
        member = self.members[row.id] = Member(row)
        self._numbers = max(self._numbers, row.number + 1)
        self._desk.leases[row.id] = row.lease
        self._count(member, 1)

    def forget(self, device: str) -> Member | None:
        """Drop a device that is gone for good."""
        member = self.members.pop(device, None)
        if member is not None:
            self._count(member, -1)
            self._desk.leases.pop(device, None)
            self._desk.record(DeviceGone(device))
        return member

    def profile(self, member: Member) -> Profile:
        """The device's timing: its own, or the site's where it names none in particular."""
        if member.row.profile == "normal":
            return self._default
        return PROFILES.get(member.row.profile, self._default)

    def announce(self, device: str, birth: Birth) -> None:
        """A birth: a new device, a new boot of one, or the retained one again."""
        member = self.members.get(device)
        if member is None:
            if len(self.members) >= DEVICES_MAX:
                self._desk.refuse("too many devices")
                return
            member = self._admit(device)
        elif birth.boot < member.row.boot:
            self._desk.refuse("stale boot")
            return
        rebooted = birth.boot > member.row.boot
        receipts = {r.kernel: r.digest.hex() for r in birth.receipts}
        row = member.row._replace(
            zone=birth.zone or device,
            profile=birth.profile if birth.profile in PROFILES else "normal",
            capacity=min(max(birth.capacity, 0.01), 600.0),
            boot=birth.boot,
            software=birth.software,
            cores=birth.cores,
            memory_bytes=birth.memory_bytes,
            storage_bytes=birth.storage_bytes,
            message_max=birth.message_max,
            receipts=json.dumps(receipts, sort_keys=True, separators=(",", ":")),
        )
        first = not member.born
        if row != member.row:
            self._count(member, -1)
            member.row = row
            member.receipts = receipts
            self._count(member, 1)
            self._save(member)
        member.programs = birth.programs
        member.sources = birth.sources if birth.programs else []
        if rebooted:
            member.request = -1
            member.stopping = False  # it was the boot before that drained
        member.born = True
        if first or rebooted:
            self.born(member, rebooted)

    def _admit(self, device: str) -> Member:
        row = DeviceSet(
            device, self._numbers, 0, State.NEW.value, 0, device, "normal", 1.0, 8, 0, 0, "", 0,
            0, 0, 0, "{}",
        )  # fmt: skip
        self._numbers += 1
        member = self.members[device] = Member(row)
        self._count(member, 1)
        self._desk.say("birth", f"{device} is new here", device=device)
        return member

    def request(self, device: str, message: LeaseRequest) -> None:
        """A heartbeat: the lease is granted anew, unless the gateway does not know this boot."""
        member = self.members.get(device)
        if member is not None and message.boot < member.row.boot:
            self._desk.refuse("stale boot")
            return
        if member is None or not member.born or message.boot != member.row.boot:
            head = self._desk.head(device)
            self._desk.tell(device, "lease", Lease(*head, message.boot, message.number, 0, 0, True))
            return
        if message.number < member.request:
            self._desk.refuse("old lease request")
            return
        member.request = message.number
        member.stored_bytes, member.backlog = message.stored_bytes, message.backlog
        member.health = message.health
        self._hear(member)
        profile = self.profile(member)
        self._desk.tell(
            device,
            "lease",
            Lease(
                *self._desk.head(device),
                message.boot,
                message.number,
                round(profile.lease_s * 1000),
                round(profile.interval_s * 1000),
                False,
            ),
        )
        if member.gauge.report(message.health, member.row.memory_bytes):
            member.row = member.row._replace(eighths=member.gauge.eighths)
            self._save(member)
            why = ", ".join(member.gauge.reasons) or "healthy again"
            self._desk.say(
                "weight", f"{device} is weighted {member.gauge.eighths}/8: {why}", device=device
            )
            self.reweighted(member)

    def _hear(self, member: Member) -> None:
        member.heard = self.clock()
        member.probes = 0
        if member.state is not State.READY:
            if member.state in (State.DEAD, State.OUT, State.NEW):
                lease = member.row.lease + 1
                member.row = member.row._replace(lease=lease)
                self._desk.leases[member.id] = lease
            self._move(member, State.READY)
        self._watch(member, self.profile(member).suspect_s)

    def heed_status(self, device: str, state: str, boot: int) -> None:
        """A device's retained status or last will."""
        member = self.members.get(device)
        if member is None or boot < member.row.boot:
            return
        member.stopping = state in ("draining", "stopped")
        if state == "lost" and member.state is State.READY and boot == member.row.boot:
            self._suspect(member, "its connection broke")
        elif state == "stopped" and member.state in LEASED:
            member.out_at = self.clock() + self.profile(member).out_after_s
            self._watch_until(member, member.out_at)
            self._move(member, State.STOPPED)

    def set_draining(self, member: Member, draining: bool) -> None:
        """Give a device no new shards, or give it some again."""
        member.row = member.row._replace(draining=int(draining))
        self._save(member)

    def set_quota(self, member: Member, quota: int) -> None:
        """Keep what the slot table gave it."""
        member.row = member.row._replace(quota=quota)
        self._save(member)

    # --- silence ---

    def tick(self) -> None:
        """Act on every deadline that has passed."""
        if self.frozen:
            return
        clock = self.clock()
        while self._due and self._due[0][0] <= clock:
            _, serial, device = heapq.heappop(self._due)
            member = self.members.get(device)
            if member is None or serial != member.serial:
                continue
            if member.due > clock:
                self._push(member)
                continue
            member.due = NEVER
            self._expire(member, clock)

    def _expire(self, member: Member, clock: float) -> None:
        profile = self.profile(member)
        silence = clock - member.heard
        if member.state is State.READY:
            if silence >= profile.suspect_s - 1e-9:
                self._suspect(member, f"silent for {silence:.1f} s")
            else:
                self._watch_until(member, member.heard + profile.suspect_s)
        elif member.state is State.SUSPECT:
            if silence >= profile.expiry_s - 1e-9:
                self._die(member)
            else:
                self._probe(member, profile)
        elif member.state in (State.DEAD, State.STOPPED):
            if clock < member.out_at - 1e-9:
                self._watch_until(member, member.out_at)
            else:
                self._leave(member)

    def _suspect(self, member: Member, why: str) -> None:
        self._move(member, State.SUSPECT, why)
        member.probes = 0
        self._probe(member, self.profile(member))

    def _probe(self, member: Member, profile: Profile) -> None:
        end = member.heard + profile.expiry_s
        if member.probes < PROBES:
            member.probes += 1
            self._desk.tell(member.id, "lease", Probe(*self._desk.head(member.id)))
            end = min(end, self.clock() + profile.interval_s / 4)
        self._watch_until(member, end)

    def _die(self, member: Member) -> None:
        if self._fleet_silent():
            self._hold(member, "most of the fleet is silent: waiting, the fault may be here")
            return
        member.held_back = False
        member.out_at = self.clock() + self.profile(member).out_after_s
        self._watch_until(member, member.out_at)
        self._move(member, State.DEAD, "its lease is over")

    def _leave(self, member: Member) -> None:
        if self._fleet_silent() or self._zone_silent(member.row.zone):
            self._hold(member, f"zone {member.row.zone} is silent: a partition, nothing is moved")
            return
        member.held_back = False
        self._move(member, State.OUT, "away for too long")

    def _hold(self, member: Member, text: str) -> None:
        if not member.held_back:
            member.held_back = True
            self._desk.say("hold", f"{member.id}: {text}", device=member.id)
        self._watch(member, HOLD_S)

    # --- helpers ---

    def _zone_silent(self, zone: str) -> bool:
        size = self._sizes.get(zone, 0)
        return size >= ZONE_LEAST and self._away.get(zone, 0) > ZONE_SHARE * size

    def _fleet_silent(self) -> bool:
        size = sum(self._sizes.values())
        return size >= FLEET_LEAST and sum(self._away.values()) > FLEET_SHARE * size

    def _count(self, member: Member, by: int) -> None:
        zone = member.row.zone
        if member.state in (State.NEW, State.OUT, State.STOPPED):
            return
        self._sizes[zone] = self._sizes.get(zone, 0) + by
        if member.state is not State.READY:
            self._away[zone] = self._away.get(zone, 0) + by

    def _move(self, member: Member, after: State, why: str = "") -> None:
        before = member.state
        self._count(member, -1)
        member.state = after
        self._count(member, 1)
        self._save(member)
        text = f"{member.id}: {before} -> {after}" + (f", {why}" if why else "")
        self._desk.say(after, text, device=member.id)
        self.changed(Change(member.id, before, after))

    def _save(self, member: Member) -> None:
        member.row = member.row._replace(state=member.state.value)
        self._desk.record(member.row)

    def _watch(self, member: Member, delay_s: float) -> None:
        self._watch_until(member, self.clock() + delay_s)

    def _watch_until(self, member: Member, due: float) -> None:
        # A later deadline is found out when the earlier one comes up: a heartbeat costs no push.
        earlier = due < member.due
        member.due = due
        if earlier:
            self._push(member)

    def _push(self, member: Member) -> None:
        member.serial += 1
        heapq.heappush(self._due, (member.due, member.serial, member.id))

    def by_state(self) -> dict[str, int]:
        """How many devices are in each state."""
        counts: dict[str, int] = {}
        for member in self.members.values():
            counts[member.state] = counts.get(member.state, 0) + 1
        return counts

    def serving(self, devices: Iterable[str]) -> list[str]:
        """Those of `devices` that are given work now."""
        members = self.members
        return [d for d in devices if (m := members.get(d)) is not None and m.serves]
