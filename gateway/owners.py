"""Owners: which devices hold each shard under the map, who acts, and what each device is told.

`goal` is where placement wants a shard, `owners` is where it is. moves.py copies until the two
agree; a switch is a new epoch. Changes within one batch of events share an epoch, and each device
concerned gets one new map.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from atoll.gateway.catalog import Catalog, Dataset, Shard, ShardId
from atoll.gateway.desk import Desk
from atoll.gateway.errors import RequestError
from atoll.gateway.goals import Budget, Want, World, goals_of, pinned_goal, placed
from atoll.gateway.member import KEPT, LEASED, Member, State
from atoll.gateway.membership import Membership
from atoll.gateway.placement import UNBOUNDED, Load, Site, Snapshot, shard_point
from atoll.gateway.records import SettingSet, SlotSet, SlotsGone
from atoll.gateway.room import EMPTY_SHARD_BYTES, limit_of, most_room, size_text
from atoll.gateway.slots import QUANTUM, SlotTable
from atoll.wire.limits import DATASETS_MAX
from atoll.wire.messages import DatasetEntry, Map, ShardEntry

MAP_SHARDS_MAX = 8_192  # as the wire bears
# How often a calm site lets placements go home, and how many at a time: a share of all of them.
SETTLE_S = 600.0
SETTLE_SHARE = 0.01
# Planning looks at every device. While many come or go it waits so long for each of them that it
# takes no more than a small part of the processor, however many they are; an event alone is
# answered at once, and so is any in a small fleet.
PAUSE_S_A_DEVICE, PAUSE_LEAST = 0.001, 64
PLAN_MEMORY_SHARE = 4  # a plan may take a quarter of a device's memory


class Owners:
    """The map of a site; `acting_changed(shard)`, `goal_changed(shard)` are called on changes."""

    def __init__(self, desk: Desk, members: Membership, catalog: Catalog) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self.seed = 0
        self.table = SlotTable()
        self.owned: dict[str, dict[ShardId, Shard]] = {}
        self.acting_changed: Callable[[Shard], None] = lambda shard: None
        self.goal_changed: Callable[[Shard], None] = lambda shard: None
        self.decide: Callable[[Shard, tuple[str, ...]], bool] = self._decide
        self._stale: dict[str, None] = {}  # devices whose map is to be sent
        self._fresh: set[str] = set()
        self._replan = False
        self._even = False  # the next plan may move what is neither lost nor short, too
        self._wanting = False  # a shard has fewer places than it shall have
        self._paused_until = 0.0
        self._budget = Budget()  # changes by choice that wait for their turn
        self.astray: set[ShardId] = set()  # shards that are not where they shall be
        self._unfit: set[ShardId] = set()  # told of already: they fit nowhere
        self.plan_memory: Callable[[str], int] = lambda dataset: 0
        self._settle_at = 0.0
        self._epoch_open = False
        self._shared: dict[str, int] = {}  # by dataset: how many shards share what is kept of it
        self._streams_seen = 0

    # --- devices ---

    def admit(self, member: Member) -> None:
        """A device is ready: it gets slots if it has none, and may pull shards.

        Not one that holds its own streams only, and not yet one that comes and goes. One that was
        away for a while has kept what it had: that it is back moves nothing by choice.
        """
        if member.row.quota == 0 and member.whole_weight and member.takes:
            number = member.row.number
            doubled = self.table.admit(number, member.whole_weight)
            self._members.set_quota(member, self.table.quota[number])
            self._desk.record(SettingSet("slots", self.table.size))
            # Slots that were lent to others and are the new device's now are among its own.
            for slot in self.table.slots() if doubled else self.table.slots_of(number):
                self._desk.record(SlotSet(*slot[:3], int(slot.lent)))
            self._fresh.add(member.id)
            if member.weight != member.whole_weight:
                self.reweigh(member)
            self._even = True
        self._replan = True

    def trust(self, member: Member) -> None:
        """A device that came and went has stayed: it may have more."""
        self.reweigh(member)
        if member.serves:
            self.admit(member)
            self._fresh.add(member.id)

    def resize(self, member: Member) -> None:
        """A device came back with another capacity: its slots are dealt anew."""
        if member.row.quota and -(-member.whole_weight // QUANTUM) != member.row.quota:
            self.dismiss(member)
            if member.serves:
                self.admit(member)

    def dismiss(self, member: Member) -> None:
        """A device is out or forgotten: its slots are free, its shards are placed again."""
        if member.row.quota:
            self.table.remove(member.row.number)
            self._desk.record(SlotsGone(member.row.number))
            if member.id in self._members.members:
                self._members.set_quota(member, 0)
        self.reconsider()

    def reconsider(self) -> None:
        """Something that placement depends on has changed."""
        self._replan = self._even = True

    def reweigh(self, member: Member) -> None:
        """A device's weight has changed: what is placed stays, later placements follow it, and
        what has too few places may get some.
        """
        self._replan = self._replan or (self._wanting and member.weight > 0)
        if member.row.quota:
            self.table.set_weight(member.row.number, member.weight)
            for number in self.table.owned(member.row.number):
                slot = SlotSet(
                    number,
                    member.row.number,
                    self.table.threshold[number],
                    int(self.table.lent[number]),
                )
                self._desk.record(slot)

    def send_map(self, device: str) -> None:
        """Let a device have its map again."""
        self._stale[device] = None

    # --- shards ---

    def restore(self) -> None:
        """After the ledger's last row: who owns what."""
        for shard in self._catalog.all_shards():
            for device in shard.owners:
                self.owned.setdefault(device, {})[shard.id] = shard
            self._note(shard)
        # What a drain had still to move was not recorded: it is found again.
        self._replan = self._even = any(m.row.draining for m in self._members.members.values())
        self._wanting = any(len(s.goal) < self.wanted(s) for s in self._catalog.all_shards())
        self._streams_seen = self._catalog.stream_count
        for name, dataset in self._catalog.datasets.items():
            self._shared[name] = self._filled(dataset)

    def place_dataset(self, dataset: Dataset) -> None:
        """Give every shard of a new dataset its owners; they are empty, so at once."""
        sites = self._sites()
        if not any((site.open or site.damped) and site.weight for site in sites.values()):
            raise RequestError("no device is ready to store anything")
        name, row = dataset.row.name, dataset.row
        shards = [self._catalog.shard(ShardId(name, n)) for n in range(row.shards)]
        others = self._loads(s for s in self._catalog.all_shards() if s.id.dataset != name)
        news = [
            Load(shard_point(name, n), EMPTY_SHARD_BYTES, row.replicas, ())
            for n in range(row.shards)
        ]
        goals = placed(Snapshot(self.seed, self.table, sites, [*others, *news]))[len(others) :]
        names = self._names()
        for shard, owners in zip(shards, goals, strict=True):
            shard.goal = tuple(names[d] for d in owners)
            self._wanting = self._wanting or len(owners) < row.replicas
            self.set_owners(shard, shard.goal)

    def place_pinned(self, shard: Shard, sampler: str) -> None:
        """Give a live stream's shard its owners: the device that samples it first, copies later."""
        shard.goal = self._pinned_goal(shard, sampler)
        self._wanting = self._wanting or len(shard.goal) < self.wanted(shard)
        self.set_owners(shard, (sampler,))
        self.goal_changed(shard)

    def _pinned_goal(self, shard: Shard, sampler: str) -> tuple[str, ...]:
        member = self._members.members.get(sampler)
        if member is None:
            return shard.goal or (sampler,)
        want = Want(self._load(shard), member.row.number, member.programs)
        names, members = self._names(), self._members.members
        sites = _LazySites(names, lambda device: self.site_of(members[device]))
        world = World(self.seed, self.table, sites)
        return tuple(names[d] for d in pinned_goal(world, want))

    def wanted(self, shard: Shard) -> int:
        """How many replicas the shard shall have."""
        return self._catalog.datasets[shard.id.dataset].row.replicas

    def set_owners(self, shard: Shard, owners: tuple[str, ...]) -> None:
        """Switch a shard to these owners, acting first, under a new epoch."""
        before = shard.owners
        if owners == before:
            self._desk.record(shard.row())
            return
        if not self._epoch_open:
            self._desk.advance_epoch()
            self._epoch_open = True
        shard.owners, shard.epoch = owners, self._desk.epoch
        self._desk.record(shard.row())
        for device in before:
            self._stale[device] = None
            if device not in owners:
                self.owned.get(device, {}).pop(shard.id, None)
        for device in owners:
            self._stale[device] = None
            self.owned.setdefault(device, {})[shard.id] = shard
        self._note(shard)
        if owners[:1] != before[:1]:
            self.acting_changed(shard)

    def _note(self, shard: Shard) -> None:
        if set(shard.goal) == set(shard.owners):
            self.astray.discard(shard.id)
        else:
            self.astray.add(shard.id)

    def drop_dataset(self, dataset: Dataset) -> None:
        """A dataset is gone: no device owns anything of it."""
        for shard in dataset.shards.values():
            self.astray.discard(shard.id)
            for device in shard.owners:
                self.owned.get(device, {}).pop(shard.id, None)
                self._stale[device] = None

    def yield_role(self, device: str) -> int:
        """A device may not act any more: for each shard that it acts for, a live owner takes over.

        Gives the number of shards that changed hands.
        """
        moved = 0
        for shard in list(self.owned.get(device, {}).values()):
            if shard.owners[0] != device:
                continue
            heirs = self._members.serving(shard.owners[1:])
            if heirs:
                rest = [d for d in shard.owners if d != heirs[0]]
                self.set_owners(shard, (heirs[0], *rest))
                moved += 1
        return moved

    def resume_role(self, device: str) -> None:
        """A device is ready: it acts for its own live streams, and where nobody else can."""
        members = self._members.members
        for shard in list(self.owned.get(device, {}).values()):
            first = shard.owners[0]
            actor = members.get(first)
            idle = actor is None or actor.state not in LEASED
            if first != device and (idle or shard.sampler == device):
                self.set_owners(shard, (device, *(d for d in shard.owners if d != device)))

    # --- planning ---

    def flush(self) -> bool:
        """Plan again if something called for it, and send the maps that have changed; False if
        there was nothing of that.
        """
        grown = self._catalog.stream_count != self._streams_seen
        if not (self._replan or self._budget or self._stale or self._epoch_open or grown):
            return False
        if self._replan and self._desk.now >= self._paused_until:
            self._replan = False
            self._plan()
            count = len(self._members.members)
            if count >= PAUSE_LEAST:
                self._paused_until = self._desk.now + count * PAUSE_S_A_DEVICE
        if self._budget:
            self._release()
        self._share_anew()
        if self._stale:
            for device in self._stale:
                if device in self._members.members:
                    self._desk.tell(device, "map", self.map_of(device), retain=True)
            self._stale.clear()
        self._epoch_open = False
        return True

    def map_of(self, device: str) -> Map:
        """A device's part of the map."""
        entries = []
        for shard in list(self.owned.get(device, {}).values())[:MAP_SHARDS_MAX]:
            row = self._catalog.datasets[shard.id.dataset].row
            role = shard.owners.index(device)
            keep_bytes = self._keep_bytes(shard.id.dataset)
            entries.append(ShardEntry(*shard.id, role, shard.epoch, row.retention_s, keep_bytes))
        return Map(*self._desk.head(device), entries, self._entries_of(entries))

    def _keep_bytes(self, name: str) -> int:
        """A shard's part of what is kept of its dataset: as much for each that holds something."""
        dataset = self._catalog.datasets[name]
        whole = dataset.row.retention_bytes
        return max(1, whole // max(1, self._filled(dataset))) if whole else 0

    @staticmethod
    def _filled(dataset: Dataset) -> int:
        return sum(1 for shard in dataset.shards.values() if shard.streams)

    def retention_changed(self, dataset: Dataset) -> None:
        """What is kept of a dataset is another: its owners are told, under a new epoch."""
        self._shared[dataset.row.name] = self._filled(dataset)
        if not self._epoch_open:
            self._desk.advance_epoch()
            self._epoch_open = True
        for shard in dataset.shards.values():
            self._stale.update(dict.fromkeys(shard.owners))

    def _share_anew(self) -> None:
        """Datasets whose bytes are to be shared by more shards, or fewer, than they were."""
        if self._catalog.stream_count == self._streams_seen:
            return
        self._streams_seen = self._catalog.stream_count
        for dataset in self._catalog.datasets.values():
            shared = self._shared.get(dataset.row.name)
            if dataset.row.retention_bytes and shared != self._filled(dataset):
                self.retention_changed(dataset)

    def _entries_of(self, entries: Iterable[ShardEntry]) -> list[DatasetEntry]:
        """The datasets of these shards: a device remembers them for a gateway that forgets."""
        found = []
        for name in sorted({entry.dataset for entry in entries})[:DATASETS_MAX]:
            row = self._catalog.datasets[name].row
            found.append(
                DatasetEntry(
                    name, row.shards, row.replicas, row.retention_s, row.retention_bytes,
                    row.created_ms,
                )
            )  # fmt: skip
        return found

    def world(self, *, fresh: Iterable[str] = (), settle: int = 0) -> World:
        """All that the goals depend on, but for the shards."""
        members = self._members.members
        numbers = frozenset(members[d].row.number for d in fresh if d in members)
        return World(self.seed, self.table, self._sites(), numbers, settle)

    def wants(self) -> tuple[list[Shard], list[Want]]:
        """Every shard, and what placement is to know of each."""
        shards = list(self._catalog.all_shards())
        return shards, [self._want(shard) for shard in shards]

    def _want(self, shard: Shard) -> Want:
        members = self._members.members
        if shard.pinned:
            sampler = members.get(shard.sampler)
            if sampler is not None:
                return Want(self._load(shard), sampler.row.number, sampler.programs)
        return Want(self._load(shard))

    def _plan(self, settle: int = 0) -> None:
        """Set goals anew: at once where something is lost, in turn where it is by choice. After
        nothing but a device's return only those choices go on that had been made before.
        """
        shards, wants = self.wants()
        fresh = frozenset(self._fresh)
        self._fresh.clear()
        even, self._even = self._even or settle > 0, False
        if not shards:
            return
        goals = goals_of(self.world(fresh=fresh, settle=settle), wants)
        names = self._names()
        choices = []
        short = []
        self._wanting = False
        for shard, want, owners in zip(shards, wants, goals, strict=True):
            goal = tuple(names[d] for d in owners)
            self._wanting = self._wanting or len(goal) < want.load.wanted
            if len(goal) < want.load.wanted and not shard.pinned:
                short.append((shard, len(goal)))
            if not goal or (shard.pinned and want.sampler < 0):
                continue  # nowhere to go: what is there stays
            if self.decide(shard, goal) and (even or shard.id in self._budget):
                choices.append((shard.id, goal))
        self._budget.offer(choices)
        self._tell_unfit(short)
        self._settle_at = self._desk.now + SETTLE_S

    def _decide(self, shard: Shard, goal: tuple[str, ...]) -> bool:
        """Set a goal of the newest plan at once, if something is lost or the shard is on its way
        anyhow; True: it is to wait.
        """
        members = self._members.members
        kept = all(d in members and members[d].state in KEPT for d in shard.goal)
        by_choice = kept and set(goal) != set(shard.goal) and len(goal) <= len(shard.goal)
        if by_choice and shard.id not in self.astray:
            return True
        self._set_goal(shard, goal)
        return False

    def _release(self) -> None:
        """Let some of the changes by choice begin, as others have ended."""
        for shard_id, goal in self._budget.release(len(self.astray), self._placements()):
            shard = self._catalog.find(shard_id)
            if shard is not None:
                self._set_goal(shard, goal)

    def _placements(self) -> int:
        return sum(d.row.replicas * len(d.shards) for d in self._catalog.datasets.values())

    def _tell_unfit(self, short: list[tuple[Shard, int]]) -> None:
        """Say of shards that have too few replicas because they fit on no other device."""
        members = self._members.members.values()
        unfit = set()
        for shard, count in short:
            others = [m for m in members if m.stores and m.weight and m.id not in shard.goal]
            if not others:
                continue  # it is devices that are missing, not room
            unfit.add(shard.id)
            if shard.id in self._unfit:
                continue
            device, free = most_room(others)
            memory = self.plan_memory(shard.id.dataset)
            needs = f" and {size_text(memory)} of memory for its jobs" if memory else ""
            self._desk.say(
                "unfit",
                f"{shard.id.dataset}/{shard.id.number} is on {count} of {self.wanted(shard)}:"
                f" {size_text(shard.byte_count)}{needs} fit on no other device;"
                f" the most room is {size_text(free)} on {device}",
                dataset=shard.id.dataset,
                shard=shard.id.number,
            )
        self._unfit = unfit

    @property
    def waiting(self) -> int:
        """Changes by choice that wait for others to end."""
        return len(self._budget)

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        due = self._settle_at or None
        if self._replan and (due is None or self._paused_until < due):
            due = self._paused_until
        return due

    def tick(self) -> None:
        """In quiet times, let some placements go home and loads be evened out."""
        if not self._settle_at or self._desk.now < self._settle_at:
            return
        self._settle_at = self._desk.now + SETTLE_S
        if not self._members.frozen and not self.astray and not self._budget and self._calm():
            self._plan(settle=max(1, int(SETTLE_SHARE * self._placements())))

    def _calm(self) -> bool:
        quiet = (State.READY, State.SLEEPING, State.OUT, State.NEW)
        return all(m.state in quiet for m in self._members.members.values())

    def _set_goal(self, shard: Shard, goal: tuple[str, ...]) -> None:
        changed = set(goal) != set(shard.goal)
        if changed:
            shard.goal = goal
            self._note(shard)
            self._desk.record(shard.row())
        if changed or set(shard.goal) != set(shard.owners):
            self.goal_changed(shard)  # back where it was, too: steps to elsewhere end

    def _loads(self, shards: Iterable[Shard]) -> list[Load]:
        return [self._load(shard) for shard in shards if not shard.pinned]

    def _load(self, shard: Shard) -> Load:
        members = self._members.members
        return Load(
            shard_point(*shard.id),
            shard.byte_count + EMPTY_SHARD_BYTES,
            self.wanted(shard),
            tuple(members[d].row.number for d in shard.goal if d in members),
            self.plan_memory(shard.id.dataset),
        )

    def _sites(self) -> dict[int, Site]:
        return {
            m.row.number: self.site_of(m)
            for m in self._members.members.values()
            if m.state is not State.NEW
        }

    def site_of(self, member: Member) -> Site:
        """A device as placement sees it."""
        memory = member.row.memory_bytes
        return Site(
            member.id,
            member.row.zone,
            member.weight,
            member.state in KEPT,
            member.takes,
            limit_of(member, self._catalog),
            memory // PLAN_MEMORY_SHARE if memory else UNBOUNDED,
            member.stores and not member.takes,
        )

    def _names(self) -> dict[int, str]:
        return {m.row.number: m.id for m in self._members.members.values()}


class _LazySites(Mapping[int, Site]):
    """Sites made when they are asked for: one stream's goal looks at a few of thousands."""

    def __init__(self, names: dict[int, str], site: Callable[[str], Site]) -> None:
        self._names = names
        self._site = site

    def __getitem__(self, number: int) -> Site:
        return self._site(self._names[number])

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
