"""Membership: who is there, by birth, lease and silence.

    NEW ──lease──> READY ──silence, last will──> SUSPECT ──lease over──> DEAD ──out_after──> OUT
                     ^───────lease request──────┘                      │                  │
                     ^────────────────lease request, lease epoch + 1───────┴──────────────────┘
    READY, SUSPECT ──status "stopped"──> STOPPED ──out_after──> OUT
    READY, SUSPECT ──status "sleeping"──> SLEEPING ──overdue──> SUSPECT

SUSPECT: its stored tasks go to replicas at once. DEAD: its lease is certainly over, ownership may
move. OUT: its shards are placed again. SLEEPING: it has given its lease back and said when it
wakes; until then it is not silent. All deadlines run on a clock that stands still while the
gateway itself was late or its broker was away, so the gateway's own faults are nobody's death.
A device that is back before it is OUT keeps its shards.
"""

import heapq
import json
from collections.abc import Callable, Iterable

from atoll.gateway.desk import Desk
from atoll.gateway.member import KEPT, LEASED, NEVER, Change, Member, State
from atoll.gateway.profiles import PROFILES, STRETCH, SUSPECT_INTERVALS, Profile
from atoll.gateway.records import DeviceGone, DeviceSet
from atoll.gateway.silence import Silence
from atoll.gateway.silence_clock import SilenceClock
from atoll.wire.messages import Birth, Health, Lease, LeaseRequest, Probe

PROBES = 3
# The gateway was late by more than this: the silence since is its own.
LAG_TOLERATED_S = 0.2
# Deadlines that a heartbeat has moved are put in their new place so long before they are due, when
# others are looked at: each by itself would wake the gateway once a device and interval.
AHEAD_S = 0.5
HOLD_S = 1.0  # how soon a rule that held a decision back is asked again
DEVICES_MAX = 65_536  # owner numbers have 16 bits
CAPACITY_MAX = 600.0


class Membership:
    """All devices, their states and deadlines.

    `changed` is called after each transition, `born(member, rebooted)` when a boot is met that this
    process has not met, `reweighted` when health has changed a weight, `trusted` when a device that
    came and went may have more again.
    """

    def __init__(self, desk: Desk, default: Profile) -> None:
        self._desk = desk
        self._default = default
        self.members: dict[str, Member] = {}
        self.time = SilenceClock(desk)
        self.changed: Callable[[Change], None] = lambda change: None
        self.born: Callable[[Member, bool], None] = lambda member, rebooted: None
        self.reweighted: Callable[[Member], None] = lambda member: None
        self.trusted: Callable[[Member], None] = lambda member: None
        self._due: list[tuple[float, int, str]] = []
        self._numbers = 0
        self.silence = Silence()
        self._steps: list[tuple[float, str]] = []  # when dampers change, on the caller's clock

    # --- when silence is judged ---

    @property
    def frozen(self) -> bool:
        """Whether the broker is away."""
        return self.time.frozen

    def clock(self) -> float:
        """Time as the detectors count it: without what the gateway itself has missed."""
        return self.time.now()

    def thaw(self) -> None:
        """The broker is back: every device gets a whole lease's time to be heard again."""
        if not self.time.frozen:
            return
        self.time.thaw()
        for member in self.members.values():
            member.heard = self.clock()
            if member.state in LEASED:
                self._watch(member, self.profile(member).lease_s)
            elif member.state is State.SLEEPING:
                left_s = max(0, member.row.wake_ms - self._desk.wall_ms) / 1000
                self._watch(member, left_s + self.profile(member).lease_s)
            elif member.state in KEPT:
                member.out_at = self.clock() + self.profile(member).out_after_s
                self._watch_until(member, member.out_at)

    def next_due(self) -> float | None:
        """When `tick` has something to do, on the caller's clock."""
        step = self._steps[0][0] if self._steps else NEVER
        if self.time.stands:
            step = min(step, self.time.next_due())
        elif self._due:
            step = min(step, self.time.reached_at(self._due[0][0]))
        return step if step < NEVER else None

    # --- what devices say ---

    def restore(self, row: DeviceSet) -> None:
        """Take a member from the ledger."""
        member = self.members[row.id] = Member(row)
        self._numbers = max(self._numbers, row.number + 1)
        self._desk.leases[row.id] = row.lease
        self.silence.count(member, 1)

    @property
    def next_number(self) -> int:
        """The owner number of the next new device."""
        return self._numbers

    def forget(self, device: str) -> Member | None:
        """Drop a device that is gone for good."""
        member = self.members.pop(device, None)
        if member is not None:
            self.silence.count(member, -1)
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
            capacity=min(max(birth.capacity, 0.0), CAPACITY_MAX),
            boot=birth.boot,
            software=birth.software,
            cores=birth.cores,
            memory_bytes=birth.memory_bytes,
            storage_bytes=birth.storage_bytes,
            message_max=birth.message_max,
            speed=birth.speed,
            receipts=json.dumps(receipts, sort_keys=True, separators=(",", ":")),
        )
        if birth.fell and rebooted:
            self._desk.say("fell", f"{device} fell: {birth.fell}", device=device)
        first = not member.born
        if row != member.row:
            self.silence.count(member, -1)
            member.row = row
            member.receipts = receipts
            self.silence.count(member, 1)
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
        self.silence.count(member, 1)
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
        if message.number <= member.request:
            self._desk.refuse("old lease request")
            return
        member.request = message.number
        member.stored_bytes, member.backlog = message.stored_bytes, message.backlog
        member.health, member.strain = message.health, message.strain
        profile = self.profile(member)
        member.interval_s = profile.interval_s * (STRETCH if self.time.relieved else 1)
        self._hear(member)
        self._desk.tell(
            device,
            "lease",
            Lease(
                *self._desk.head(device),
                message.boot,
                message.number,
                round(profile.lease_s * 1000),
                round(member.interval_s * 1000),
                False,
            ),
        )
        self._weigh(member)

    def _weigh(self, member: Member) -> None:
        if not member.gauge.report(
            member.health or Health(*[-1] * 8),
            member.strain,
            memory_bytes=member.row.memory_bytes,
            now=self._desk.now,
        ):
            return
        eighths = member.gauge.eighths
        member.row = member.row._replace(eighths=eighths)
        self._save(member)
        why = ", ".join(member.gauge.reasons) or "healthy again"
        text = f"{member.id} is weighted {eighths}/8: {why}"
        self._desk.say("weight", text, device=member.id)
        self.reweighted(member)

    def _hear(self, member: Member) -> None:
        member.heard = self.clock()
        member.probes = 0
        if member.state is not State.READY:
            if member.state in (State.DEAD, State.OUT):
                self._dampen(member)
            if member.state in (State.DEAD, State.OUT, State.NEW):
                lease = member.row.lease + 1
                member.row = member.row._replace(lease=lease)
                self._desk.leases[member.id] = lease
            self._move(member, State.READY)
        self._watch(member, self._suspect_s(member))

    def _suspect_s(self, member: Member) -> float:
        """How long a silence makes this device suspect, as often as it was told to speak."""
        return max(self.profile(member).suspect_s, SUSPECT_INTERVALS * member.interval_s)

    def _dampen(self, member: Member) -> None:
        """A device is back from the dead: once is nothing, again and again is."""
        damper, now = member.damper, self._desk.now
        damper.returned(now, outside=member.state is State.OUT)
        if damper.suppressed:
            wait_s = damper.step_at - now
            text = f"{member.id} comes and goes: no new shards for {wait_s / 60:.0f} min"
            self._desk.say("flap", text, device=member.id)
        if damper.step_at < NEVER:
            heapq.heappush(self._steps, (damper.step_at, member.id))

    def _step(self) -> None:
        """Give devices that have stayed some of their weight back."""
        now = self._desk.now
        while self._steps and self._steps[0][0] <= now:
            _, device = heapq.heappop(self._steps)
            member = self.members.get(device)
            if member is None or not member.damper.step(now):
                continue
            if member.damper.step_at < NEVER:
                heapq.heappush(self._steps, (member.damper.step_at, device))
            text = f"{device} has stayed: {member.damper.eighths}/8 of its weight"
            self._desk.say("weight", text, device=device)
            self.trusted(member)

    def heed_status(
        self, device: str, state: str, boot: int, *, sleep_s: int = 0, wake_ms: int = 0
    ) -> None:
        """A device's retained status or last will."""
        member = self.members.get(device)
        if member is None:
            return
        if boot < member.row.boot:
            self._desk.refuse("stale boot")
            return
        member.stopping = state in ("draining", "stopped")
        if state == "lost" and member.state is State.READY and boot == member.row.boot:
            self._suspect(member, "its connection broke")
        elif state == "stopped" and member.state in LEASED:
            member.out_at = self.clock() + self.profile(member).out_after_s
            self._watch_until(member, member.out_at)
            self._move(member, State.STOPPED)
        elif state == "sleeping" and member.state in LEASED and boot == member.row.boot:
            self._sleep(member, sleep_s, wake_ms)

    def _sleep(self, member: Member, sleep_s: int, wake_ms: int) -> None:
        """A device has given its lease back and says when it wakes."""
        if 0 < wake_ms <= self._desk.wall_ms:
            return  # read again long after it was said: it is overdue, and judged by its silence
        if wake_ms:
            sleep_s = min(sleep_s, -(-(wake_ms - self._desk.wall_ms) // 1000))
        member.row = member.row._replace(wake_ms=self._desk.wall_ms + sleep_s * 1000)
        self._watch_until(member, self.clock() + sleep_s + self.profile(member).suspect_s)
        self._move(member, State.SLEEPING, f"for {sleep_s} s, as it said")

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
        self._step()
        if self.time.stands:
            self.time.tick()
            return
        clock = self.clock()
        while self._due and self._due[0][0] <= clock + AHEAD_S:
            due, serial, device = self._due[0]
            member = self.members.get(device)
            if member is None or serial != member.serial:
                heapq.heappop(self._due)
            elif member.due > due:
                member.serial += 1
                heapq.heapreplace(self._due, (member.due, member.serial, device))
            elif due <= clock:
                heapq.heappop(self._due)
                member.due = NEVER
                self._expire(member, clock)
            else:
                break

    def _expire(self, member: Member, clock: float) -> None:
        profile = self.profile(member)
        silence = clock - member.heard
        if member.state is State.READY:
            suspect_s = self._suspect_s(member)
            if silence >= suspect_s - 1e-9:
                self._suspect(member, f"silent for {silence:.1f} s")
            else:
                self._watch_until(member, member.heard + suspect_s)
        elif member.state is State.SUSPECT:
            if silence >= profile.expiry_s - 1e-9:
                self._die(member)
            else:
                self._probe(member, profile)
        elif member.state is State.SLEEPING:
            member.heard = clock  # its silence counts from when it should have woken
            self._suspect(member, "it should be awake")
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
        if self.silence.of_fleet():
            self._hold(member, "most of the fleet is silent: waiting, the fault may be here")
            return
        member.held_back = False
        member.out_at = self.clock() + self.profile(member).out_after_s
        self._watch_until(member, member.out_at)
        self._move(member, State.DEAD, "its lease is over")

    def _leave(self, member: Member) -> None:
        if self.silence.of_fleet() or self.silence.of_zone(member.row.zone):
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

    def _move(self, member: Member, after: State, why: str = "") -> None:
        before = member.state
        self.silence.count(member, -1)
        member.state = after
        self.silence.count(member, 1)
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
