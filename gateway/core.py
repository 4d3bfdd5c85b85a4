"""The gateway's core: every decision of a site, and nothing else.

`handle(event, now)` takes what happened (events.py) and gives what is to be done (effects.py), its
records first. `next_wakeup()` says when it wants to be woken without an event. No clock, socket,
file, thread or chance of its own: `now` is monotonic seconds, wall time comes with the events, the
one random number (the placement's seed) is an option. One simulator can therefore run thousands.

    restore(rows of the ledger, now)   at most once, first
    handle(event, now)                 any number of times
    next_wakeup()                      after each handle
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from atoll.gateway import events as on
from atoll.gateway import records as r
from atoll.gateway.audit import Audits
from atoll.gateway.catalog import Catalog, Shard
from atoll.gateway.clients import Clients
from atoll.gateway.core_parts import Parts
from atoll.gateway.desk import Desk
from atoll.gateway.effects import Effect, ShowStatus
from atoll.gateway.inventory import Inventory
from atoll.gateway.jobs import Jobs
from atoll.gateway.listings import Listings
from atoll.gateway.member import LEASED, NEVER, Change, Member, State, numbers_of
from atoll.gateway.membership import LAG_TOLERATED_S, Membership
from atoll.gateway.moves import Moves
from atoll.gateway.overdue import Overdue
from atoll.gateway.owners import Owners
from atoll.gateway.profiles import PROFILES, Profile
from atoll.gateway.puts import Puts
from atoll.gateway.reads import Reads
from atoll.gateway.slots import Slot, SlotTable
from atoll.gateway.standing import StandingJobs
from atoll.gateway.takeovers import Takeovers
from atoll.wire import messages as wire

# Terms of a gateway without a ledger count minutes from here (2026-01-01): devices that outlive a
# lost ledger follow the new one, since it has started less often than once a minute.
_TERM_ORIGIN_MS = 1_767_225_600_000
# Without a ledger queries are numbered on from here, a thousand a minute: a result of a query of
# before, which still lies in an outbox, is none of a new one's.
QUERIES_A_TERM = 1_000


def first_term(wall_ms: int) -> int:
    """The term before the first of a gateway without a ledger."""
    return max(0, (wall_ms - _TERM_ORIGIN_MS) // 60_000)


def next_term(last: int, wall_ms: int, least: int = 0) -> int:
    """The term after the ledger's last one (0: it has none); `least`: one that other gateways have
    been told, else one above all that devices may have seen of a ledger that was lost, or of an old
    copy that was put back.
    """
    return max(last + 1, least) if least else max(last, first_term(wall_ms)) + 1


class Options(NamedTuple):
    """What a core is told at its start. `receipts`: kernel to hash in hex; empty: unchecked."""

    site: str
    profile: Profile = PROFILES["normal"]
    receipts: Mapping[str, str] = MappingProxyType({})
    seed: int = 0
    audit: float = 0.0  # the share of the tasks that a second device computes, too


class GatewayCore:
    """One site's gateway."""

    def __init__(self, options: Options) -> None:
        self._desk = desk = Desk()
        self.members = Membership(desk, options.profile)
        self.catalog = Catalog(desk)
        self.owners = Owners(desk, self.members, self.catalog)
        self.owners.seed = options.seed
        self.puts = Puts(desk, self.members, self.catalog, self.owners)
        self.jobs = Jobs(
            desk, self.members, self.catalog, options.receipts, options.profile.orphan_s
        )
        self.standing = StandingJobs(desk, self.members, self.catalog, options.receipts)
        self._overdue = Overdue(desk, self.members, self.catalog, self.standing)
        self.moves = Moves(desk, self.members, self.catalog, self.owners)
        self.reads = Reads(desk, self.members, self.catalog)
        self.inventory = Inventory(desk, self.members, self.catalog, self.owners)
        self.takeovers = Takeovers(desk)
        self.audits = Audits(desk, self.members, self.catalog, options.receipts, options.audit)
        parts = Parts(
            self.members, self.catalog, self.owners, self.puts, self.jobs, self.standing,
            self.moves, self.reads, self.takeovers, self.audits,
        )  # fmt: skip
        self._listings = Listings(options.site, desk, parts)
        self._clients = Clients(desk, self._listings, parts)
        self._options = options
        self._wire_up()
        self._expected = NEVER
        self._last = 0.0
        self._restored = False
        self._met: dict[str, int] = {}  # by device: the boot that was told all it needs

    def _wire_up(self) -> None:
        self.members.changed = self._device_changed
        self.members.born = self._device_born
        self.members.reweighted = self.owners.reweigh
        self.members.trusted = self.owners.trust
        self.owners.plan_memory = self.standing.memory_of
        self.owners.acting_changed = self.standing.acting_changed
        self.owners.goal_changed = self.moves.look
        self.jobs.task_done = self.takeovers.task_done
        self.moves.shard_done = self._shard_done
        self.moves.released = self._shard_released
        self.puts.short = self.moves.look
        self.inventory.grown = self.moves.look
        self.catalog.confirmed = self.inventory.confirmed
        self.inventory.ended, self.moves.listing = self.moves.listed, self.inventory.pending
        self.moves.doubted = self.jobs.doubted = self.inventory.doubt
        self.jobs.settled, self.jobs.disputed = self.audits.settled, self.audits.disputed
        self.audits.accused, self.audits.trusted = self._accused, self._trusted
        self.inventory.listed = self.audits.listed
        self._said: dict[type, Callable[[str, Any], None]] = {
            wire.Birth: self._announce,
            wire.LeaseRequest: self.members.request,
            wire.Partials: self._partials,
            wire.Stored: self._stored,
            wire.Blocks: self._blocks,
            wire.Held: self.inventory.take,
            wire.LetGo: self.inventory.let_go,
            wire.TransferFailed: self._transfer_failed,
        }
        self._happened: dict[type, Callable[[Any], None]] = {
            on.DeviceSpoke: self._device_spoke,
            on.ClientAsked: self._client_asked,
            on.Woken: self._woken,
            on.StatusSeen: self._status_seen,
            on.InputRefused: self._input_refused,
            on.LinkOpened: self._link_opened,
            on.LinkLost: self._link_lost,
            on.FellBehind: self._fell_behind,
            on.CaughtUp: self._caught_up,
            on.StandbyChanged: self._standby_changed,
            on.Stopping: self._stopping,
        }
        self._ticks: tuple[Callable[[], None], ...] = (
            self.members.tick, self.owners.tick, self.puts.tick, self.jobs.tick,
            self.standing.tick, self.moves.tick, self.reads.tick, self.inventory.tick,
            self.audits.tick, self._overdue.tick,
        )  # fmt: skip

    # --- the ledger ---

    def restore(
        self,
        rows: Iterable[r.Record],
        now: float,
        wall_ms: int,
        *,
        term_least: int = 0,
        turn: int = 0,
    ) -> list[Effect]:
        """Stand where the ledger's last commit left the site, under the next term, which is
        `term_least` at least. `turn`: by which turn this gateway leads (lead.py), kept.

        Gives the effects of the start: the new term's commit. Nothing moves by a restart.
        """
        self._desk.now, self._desk.wall_ms = now, wall_ms
        settings = {"term": 0, "epoch": 0, "slots": 0, "seed": self._options.seed, "job": 0}
        slots: list[Slot] = []
        quota: dict[int, int] = {}
        apply = self._appliers()
        for row in rows:
            if isinstance(row, r.SettingSet):
                settings[row.name] = row.value
            elif isinstance(row, r.SlotSet):
                slots.append(Slot(row.number, row.owner, row.threshold, bool(row.lent)))
            else:
                apply[type(row)](row)
                if isinstance(row, r.DeviceSet) and row.quota:
                    quota[row.number] = row.quota
        if not settings["term"] and (numbered := first_term(wall_ms) * QUERIES_A_TERM):
            settings["job"] = numbered
            self._desk.record(r.SettingSet("job", numbered))
        if settings["slots"]:
            self.owners.table = SlotTable.from_slots(settings["slots"], slots, quota)
        self.owners.seed = settings["seed"]
        self._desk.epoch = settings["epoch"]
        self._desk.term = next_term(settings["term"], wall_ms, term_least)
        self._desk.record(r.SettingSet("term", self._desk.term))
        if turn:
            self._desk.record(r.SettingSet("turn", turn))
        self._desk.record(r.SettingSet("seed", self.owners.seed))
        self.catalog.settle()
        self.audits.restore(settings)
        self.owners.restore()
        self.jobs.restore_setting(settings["job"])
        self.jobs.resume()
        self._restored = True
        self._expected = self._next_due()
        return self._desk.take()

    def _appliers(self) -> dict[type, Callable[[Any], None]]:
        return {
            r.DeviceSet: self.members.restore,
            r.DatasetSet: self.catalog.restore_dataset,
            r.ShardSet: self.catalog.restore_shard,
            r.StreamSet: self.catalog.restore_stream,
            r.HoldingSet: self.catalog.restore_holding,
            r.PutSet: self.puts.restore_put,
            r.PieceSet: self.puts.restore_piece,
            r.QuerySet: self.jobs.restore_query,
            r.PartialsAdded: self.jobs.restore_partials,
            r.StandingSet: self.standing.restore_job,
            r.MarkSet: self.standing.restore_mark,
            r.WindowSet: self.standing.restore_window,
            r.RequestSet: self._clients.met.restore,
        }

    @property
    def term(self) -> int:
        """Which start of a gateway this is."""
        return self._desk.term

    @property
    def epoch(self) -> int:
        """The map's epoch."""
        return self._desk.epoch

    # --- events ---

    def handle(self, event: on.Event, now: float) -> list[Effect]:
        """Decide. `now` never goes back."""
        desk = self._desk
        desk.now = now
        if now - self._expected > LAG_TOLERATED_S:
            # Nobody looked since the last event: what devices said meanwhile is still to be read.
            self.members.time.missed(now - self._last)
        self._last = now
        self._happened[type(event)](event)
        due = self._next_due()
        looked = due <= now
        if looked:
            for tick in self._ticks:
                tick()
        looked = self.owners.flush() or looked
        if self.moves.flush():
            looked = True
            self.owners.flush()
        self._expected = self._next_due() if looked else due
        return desk.take()

    def _device_spoke(self, event: on.DeviceSpoke) -> None:
        device, message, self._desk.wall_ms = event
        said = self._said.get(type(message))
        if said is None:
            self._desk.refuse("unexpected message")
        else:
            self._listen(device, message, said)

    def _client_asked(self, event: on.ClientAsked) -> None:
        client, message, self._desk.wall_ms = event
        self._clients.ask(client, message)

    def _woken(self, event: on.Woken) -> None:
        self._desk.wall_ms = event.wall_ms

    def _status_seen(self, event: on.StatusSeen) -> None:
        device, state, boot, self._desk.wall_ms, sleep_s, wake_ms = event
        self.members.heed_status(device, state, boot, sleep_s=sleep_s, wake_ms=wake_ms)

    def _input_refused(self, event: on.InputRefused) -> None:
        self._desk.refuse(event.reason)

    def _link_opened(self, event: on.LinkOpened) -> None:
        self._desk.wall_ms = event.wall_ms
        self.members.thaw()
        self._desk.do(ShowStatus("ready", self._desk.term, self._desk.epoch))
        self.standing.show_again()

    def _link_lost(self, event: on.LinkLost) -> None:
        self.members.time.freeze()

    def _fell_behind(self, event: on.FellBehind) -> None:
        self._desk.wall_ms = event.wall_ms
        self.members.time.fall_behind()

    def _caught_up(self, event: on.CaughtUp) -> None:
        self._desk.wall_ms = event.wall_ms
        self.members.time.catch_up()

    def _standby_changed(self, event: on.StandbyChanged) -> None:
        text, standby, self._desk.wall_ms = event
        self._listings.standby = standby
        self._desk.say("standby", text, **standby)

    def _stopping(self, event: on.Stopping) -> None:
        self._desk.wall_ms = event.wall_ms
        self._desk.do(ShowStatus("stopped", self._desk.term, self._desk.epoch))

    def _listen(self, device: str, message: Any, said: Callable[[str, Any], None]) -> None:
        """Messages of an older boot than the known one are a zombie's, except for results.

        A result is merged once by its key, whoever computed it and when.
        """
        member = self.members.members.get(device)
        if not isinstance(message, wire.Birth | wire.LeaseRequest | wire.Partials) and (
            member is None or message.boot != member.row.boot
        ):
            self._desk.refuse("stale boot" if member else "unknown device")
            return
        said(device, message)

    def next_wakeup(self) -> float | None:
        """When `handle(Woken)` is due; None: not before another event."""
        return None if self._expected == NEVER else self._expected

    def _next_due(self) -> float:
        """Asked with every event: by name it costs two fifths less, compiled, than in a loop."""
        first = NEVER
        for due in (
            self.members.next_due(),
            self.owners.next_due(),
            self.puts.next_due(),
            self.jobs.next_due(),
            self.standing.next_due(),
            self.moves.next_due(),
            self.reads.next_due(),
            self.inventory.next_due(),
            self.audits.next_due(),
            self._overdue.next_due(),
        ):
            if due is not None and due < first:
                first = due
        return first

    # --- what devices say ---

    def _announce(self, device: str, birth: wire.Birth) -> None:
        known = self.members.members.get(device)
        again = known is not None and known.born and known.row.boot == birth.boot
        self.members.announce(device, birth)
        member = self.members.members.get(device)
        if member is None or member.row.boot != birth.boot:
            return
        self.inventory.expect(device, birth.sources)
        if again and member.state in LEASED:
            # Its session began anew: what was on its way in the one before may be lost, and a map
            # with it where the broker was killed. Tasks and steps are asked for again in time; news
            # of blocks that it samples are not.
            self.owners.send_map(device)
            self.standing.device_ready(device)
            if birth.sources:
                self.inventory.ask(device)

    def _partials(self, device: str, message: wire.Partials) -> None:
        if self.standing.early(device, message):
            self._desk.count("early results")
            return  # not acknowledged: the device says them again
        if not self.audits.take(device, message):
            self._take_results(device, message)
        span = numbers_of(self.members.members.get(device), message)
        self._desk.tell(device, "ack", wire.Ack(*self._desk.head(device), [span]))

    def _take_results(self, device: str, message: wire.Partials) -> None:
        open_one = self.jobs.open.get(message.job) or self.standing.jobs.get(message.job)
        if open_one is not None:
            message = self.audits.admitted(device, open_one.row.dataset, message)
        if not self.jobs.take(device, message) and not self.standing.take(device, message):
            self._desk.count("late results", len(message.results))

    def _stored(self, device: str, message: wire.Stored) -> None:
        if not self.puts.stored(device, message) and not self.moves.stored(device, message):
            self._desk.count("late confirmations")

    def _blocks(self, device: str, message: wire.Blocks) -> None:
        if not self.reads.came_up(device, message) and not self.audits.came_up(device, message):
            self.moves.came_up(device, message)

    def _transfer_failed(self, device: str, message: wire.TransferFailed) -> None:
        if not self.reads.failed(device, message) and not self.audits.failed(device, message):
            self.moves.failed(device, message)

    # --- what follows from it ---

    def _device_born(self, member: Member, rebooted: bool) -> None:
        """A boot that this process has not met: its disk is to be read; a new one's queues are
        empty.
        """
        if rebooted:
            self.jobs.device_lost(member.id)
            self.moves.device_lost(member.id)
            self.reads.device_lost(member.id)
        self.audits.born(member.id, rebooted=rebooted)
        self.owners.resize(member)
        self.owners.send_map(member.id)
        if member.serves:
            self._welcome(member.id)

    def _welcome(self, device: str) -> None:
        self._met[device] = self.members.members[device].row.boot
        self.inventory.ask(device)
        self.owners.send_map(device)
        self.standing.device_ready(device)
        self.jobs.device_ready(device)
        self.moves.look_at_device(device)  # puts went on without it

    def _device_changed(self, change: Change) -> None:
        device, before, after = change
        member = self.members.members[device]
        if after is State.READY:
            self.owners.admit(member)
            if before is not State.SUSPECT and not member.audited:
                self.owners.resume_role(device)
            # A boot that was met while the device was suspect could not be welcomed then.
            if before is not State.SUSPECT or self._met.get(device) != member.row.boot:
                self._welcome(device)
                self.takeovers.returned(device)
            else:
                self.standing.device_ready(device)  # jobs that began while it was suspect
                self.inventory.device_ready(device)
            self.jobs.device_ready(device)
            self.moves.look_at_device(device)
            return
        tasks = self.jobs.device_lost(device)
        self.moves.device_lost(device)
        self.reads.device_lost(device)
        if after is State.SUSPECT:
            self.takeovers.lost(device, tasks)
            return  # a list that it was asked for is asked for again if it comes back
        self.inventory.device_lost(device)
        if after in (State.DEAD, State.STOPPED, State.SLEEPING):
            self._take_over(device, tasks)
        elif after is State.OUT:
            shards = {i for i, s in self.owners.owned.get(device, {}).items() if s.streams}
            held = sum(self.catalog.by_device.get(device, {}).values())
            self.owners.dismiss(member)
            self.takeovers.left(device, shards, held)

    def _take_over(self, device: str, tasks: int) -> None:
        self.takeovers.lost(device, tasks)
        self.puts.device_lost(device)
        moved = self.owners.yield_role(device)
        self.takeovers.yielded(device)
        if moved:
            text = f"others act for {moved} shards of {device}"
            self._desk.say("takeover", text, device=device, shards=moved)

    def _accused(self, device: str) -> None:
        """A device is under audit: others do its work and take its shards."""
        self.jobs.device_lost(device)
        self.owners.yield_role(device)
        self.owners.reconsider()
        self.moves.look_at_device(device)

    def _trusted(self, device: str) -> None:
        self.owners.reconsider()
        self.owners.resume_role(device)
        self.jobs.device_ready(device)

    def _shard_released(self, device: str, shard: Shard) -> None:
        self.puts.released(device, shard)
        self.inventory.released(device, shard)
        self.owners.send_map(device)  # by its epoch lists can be told from those made before

    def _shard_done(self, shard: Shard) -> None:
        self.takeovers.shard_done(shard.id)
