"""What would move, before anything does: `atoll explain`.

Each answer comes from the function that plans (goals.py), given the world as it would be, so the
real move is the one explained. Shards, bytes, seconds and memory; what is lost, and what is held
back by the rules of silence.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from atoll.gateway.catalog import Catalog, Shard, ShardId
from atoll.gateway.errors import RequestError
from atoll.gateway.goals import World, budget, goals_of
from atoll.gateway.member import KEPT, LEASED, Member, State
from atoll.gateway.membership import Membership
from atoll.gateway.moves import STEP_BYTES, STEPS_MAX, STEPS_PER_DEVICE_MAX, Moves
from atoll.gateway.owners import Owners
from atoll.gateway.placement import Site
from atoll.gateway.silence import zone_silent
from atoll.gateway.slots import SlotTable
from atoll.gateway.why import why_shard

MOVES_LISTED_MAX = 1_024  # of single moves in an answer; the sums are of all
CAPACITY_MAX = 600.0
USAGE = (
    "explain drain ID, explain lose ID, explain lose zone ZONE, explain add --capacity W"
    " [--zone ZONE] (in a request: add W [ZONE]), explain DATASET/NUMBER"
)


class Move(NamedTuple):
    """One shard's copy that has to be made."""

    shard: Shard
    source: str
    target: str
    byte_count: int


class Explain:
    """Answers for the site as it is now; changes nothing."""

    def __init__(self, members: Membership, catalog: Catalog, owners: Owners, moves: Moves) -> None:
        self._members = members
        self._catalog = catalog
        self._owners = owners
        self._moves = moves

    def ask(self, text: str) -> dict[str, Any]:
        """The answer to `drain ID`, `lose ...`, `add ...` or `DATASET/NUMBER`; RequestError."""
        match text.split():
            case ["drain", device]:
                return self._drain(self._member(device))
            case ["lose", "zone", zone]:
                return self._lose(self._zone(zone), zone)
            case ["lose", device]:
                return self._lose([self._member(device)], "")
            case ["add", capacity, *zone] if len(zone) <= 1:
                return self._add(_capacity(capacity), zone[0] if zone else "")
            case [shard] if "/" in shard:
                return why_shard(self._shard(shard), self._owners, self._members, self._catalog)
        raise RequestError(f"cannot explain {text!r}: {USAGE}")

    def _member(self, device: str) -> Member:
        member = self._members.members.get(device)
        if member is None:
            known = ", ".join(sorted(self._members.members)[:16]) or "none"
            raise RequestError(f"no device {device!r}; there are: {known}")
        return member

    def _zone(self, zone: str) -> list[Member]:
        mine = [m for m in self._members.members.values() if m.row.zone == zone]
        if not mine:
            zones = sorted({m.row.zone for m in self._members.members.values()})
            raise RequestError(f"no zone {zone!r}; there are: {', '.join(zones[:16]) or 'none'}")
        return mine

    def _shard(self, text: str) -> Shard:
        name, _, number = text.rpartition("/")
        dataset = self._catalog.need(name)
        found = dataset.shards.get(int(number)) if number.isdecimal() and number.isascii() else None
        if found is None:
            raise RequestError(f"{name} has no shard {number!r}: 0 to {dataset.row.shards - 1}")
        return found

    # --- what would happen ---

    def _drain(self, member: Member) -> dict[str, Any]:
        world = self._owners.world()
        number = member.row.number
        sites = dict(world.sites)
        if number in sites:
            sites[number] = sites[number]._replace(weight=0)
        changed = world._replace(sites=sites)
        return {
            "what": f"drain {member.id}",
            **self._compare(changed, gone=frozenset()),
            **self._stay(changed, member),
        }

    def _stay(self, world: World, member: Member) -> dict[str, Any]:
        """What is on a drained device for good: nobody else can take it, or it samples it there.
        `left`: how many copies the worst of these shards has without the device; -1: there is none.
        """
        shards, wants = self._owners.wants()
        stay, left = [], -1
        for shard, goal in zip(shards, goals_of(world, wants), strict=True):
            if shard.streams and member.row.number in goal:
                stay.append(f"{shard.id.dataset}/{shard.id.number}")
                left = len(goal) - 1 if left < 0 else min(left, len(goal) - 1)
        return {"stay": stay[:MOVES_LISTED_MAX], "left": left}

    def _lose(self, lost: list[Member], zone: str) -> dict[str, Any]:
        world = self._owners.world()
        table = _copy(world.table)
        sites = dict(world.sites)
        gone = frozenset(m.id for m in lost)
        for member in lost:
            if member.row.quota:
                table.remove(member.row.number)
            if member.row.number in sites:
                site = sites[member.row.number]
                sites[member.row.number] = site._replace(alive=False, open=False, weight=0)
        what = f"lose zone {zone}" if zone else f"lose {lost[0].id}"
        found = {"what": what, **self._compare(world._replace(table=table, sites=sites), gone=gone)}
        profiles = [self._members.profile(m) for m in lost]
        found["dead_after_s"] = max(p.expiry_s for p in profiles)
        found["out_after_s"] = max(p.expiry_s + p.out_after_s for p in profiles)
        found["held"] = self._held(gone, zone or lost[0].row.zone)
        return found

    def _held(self, gone: frozenset[str], zone: str) -> str:
        """Which rule keeps the copies from being made; empty: none."""
        counted = [m for m in self._members.members.values() if m.state in LEASED | {State.DEAD}]
        away = [m for m in counted if m.id in gone or m.state is not State.READY]
        there = [m for m in counted if m.row.zone == zone]
        if zone_silent(len(there), sum(m in away for m in there)):
            return f"a silence of zone {zone} is taken for a partition: forget its devices to copy"
        if self._members.silence.would_be_fleets(len(counted), len(away)):
            return "a silence of most of the fleet is taken for the gateway's own fault"
        return ""

    def _add(self, capacity: float, zone: str) -> dict[str, Any]:
        world = self._owners.world()
        table, sites = _copy(world.table), dict(world.sites)
        number, weight = self._members.next_number, round(capacity * 100)
        if weight:
            table.admit(number, weight)
        sites[number] = Site("(new)", zone or "(new)", weight)
        changed = world._replace(table=table, sites=sites, fresh=frozenset({number}))
        names = {number: "(new)"}
        return {
            "what": f"add a device of capacity {capacity:g}" + (f" in zone {zone}" if zone else ""),
            **self._compare(changed, gone=frozenset(), names=names),
        }

    # --- the difference ---

    def _compare(
        self, world: World, *, gone: frozenset[str], names: dict[int, str] | None = None
    ) -> dict[str, Any]:
        shards, wants = self._owners.wants()
        names = {m.row.number: m.id for m in self._members.members.values()} | (names or {})
        moves: list[Move] = []
        shards_moved, lost, short = set(), [], []
        for shard, want, goal in zip(shards, wants, goals_of(world, wants), strict=True):
            if shard.pinned and want.sampler < 0:
                continue
            had = _holders(shard)
            holders = [d for d in had if d not in gone and self._kept(d)]
            # Of a stream that is new nobody has told yet that it has anything: its sampler has.
            if shard.streams and not holders and (had or names.get(want.sampler) in gone):
                lost.append(shard)
                continue
            if goal and len(goal) < want.load.wanted:
                short.append(shard)
            targets = [names[d] for d in goal if names[d] not in shard.owners]
            targets = [d for d in targets if d not in gone]
            if set(shard.owners) & gone or targets:
                shards_moved.add(shard.id)
            moves += self._copies(shard, holders, targets)
        return self._sums(moves, shards_moved, lost, short)

    def _kept(self, device: str) -> bool:
        member = self._members.members.get(device)
        return member is not None and member.state in KEPT

    def _copies(self, shard: Shard, holders: list[str], targets: list[str]) -> Iterable[Move]:
        known = [d for d in shard.owners if d in holders] or holders or list(shard.owners)
        source = known[0] if known else ""
        for target in targets:
            size = sum(
                run.byte_count
                for stream in shard.streams.values()
                if target not in stream.held
                for run in stream.held.get(source, ())
            )
            yield Move(shard, source, target, size)

    def _sums(
        self, moves: list[Move], shards: set[ShardId], lost: list[Shard], short: list[Shard]
    ) -> dict[str, Any]:
        to, out = Counter[str](), Counter[str]()
        for move in moves:
            to[move.target] += move.byte_count
            out[move.source] += move.byte_count
        both = Counter(to)
        both.update(out)
        total = sum(to.values())
        pace = self._moves.pace
        most = budget(self._placements())
        return {
            "shards": len(shards),
            "moves": len(moves),
            "bytes": total,
            "seconds": round(
                pace.seconds(both.values(), total, STEPS_PER_DEVICE_MAX, STEPS_MAX), 3
            ),
            "rate_bytes_s": round(pace.rate),
            "rate_measured": pace.measured,
            "ram_bytes": self._ram(moves),
            "at_a_time": min(most, len(shards)) if shards else 0,
            "targets": {
                device: {"shards": sum(m.target == device for m in moves), "bytes": to[device]}
                for device in sorted({m.target for m in moves})
            },
            "lost": [f"{s.id.dataset}/{s.id.number}" for s in lost[:MOVES_LISTED_MAX]],
            "short": [f"{s.id.dataset}/{s.id.number}" for s in short[:MOVES_LISTED_MAX]],
            "list": [
                {
                    "dataset": move.shard.id.dataset,
                    "shard": move.shard.id.number,
                    "from": move.source,
                    "to": move.target,
                    "bytes": move.byte_count,
                }
                for move in moves[:MOVES_LISTED_MAX]
            ],
        }

    def _ram(self, moves: list[Move]) -> int:
        """The most that one device needs for it: blocks on their way, and its new shards' jobs."""
        need: dict[str, int] = {}
        plan_memory: Callable[[str], int] = self._owners.plan_memory
        for move in moves:
            jobs = plan_memory(move.shard.id.dataset)
            window = min(move.byte_count, STEP_BYTES) * STEPS_PER_DEVICE_MAX
            need[move.target] = max(need.get(move.target, 0), window + jobs)
        return max(need.values(), default=0)

    def _placements(self) -> int:
        return sum(d.row.replicas * len(d.shards) for d in self._catalog.datasets.values())


def _holders(shard: Shard) -> list[str]:
    found: dict[str, None] = {}
    for stream in shard.streams.values():
        found.update(dict.fromkeys(stream.held))
    return list(found)


def _copy(table: SlotTable) -> SlotTable:
    return SlotTable.from_slots(table.size, table.slots(), table.quota)


def _capacity(text: str) -> float:
    try:
        capacity = float(text)
    except ValueError:
        capacity = -1.0
    if not 0.0 <= capacity <= CAPACITY_MAX:
        raise RequestError(f"capacity {text!r}: a number from 0 to {CAPACITY_MAX:g}")
    return capacity
