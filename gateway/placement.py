"""Placement: which devices hold a shard, as a pure function of a snapshot.

Goals, in this order: alive, zones apart, load bounded, fewest moves. The ideal of a shard is a walk
over the slot table (weighted DxHash, docs/gateway.md): probes t = 1, 2, ... give a slot and sixteen
bits; the slot's device is taken where the bits lie under its threshold and its zone is not used
yet. The walk is 32-bit integer arithmetic and nothing else, so that C and Cython compute the same
from the published table.

A plan is sticky: what is placed, alive and in its place stays, whatever the ideal says now (a
published override). Holes are filled by the walk within the load bound c_d = ceil((1 + eps) mu_d),
mu_d a device's share of all load by weight; a history-free bound would move many times the minimum.
A device that is new pulls only shards whose ideal names it, up to its share; a device above its
bound sheds until it is within; in quiet times some overrides go home. Nothing is put where its
bytes, or the memory of a plan over it, do not fit.

`plan` runs the compiled twin (_native.pyx); `slow_plan` is the same to read, and what tests hold it
against.
"""

import zlib
from array import array
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

from atoll.gateway._native import Planning
from atoll.gateway.slots import FREE, SlotTable

M32 = 0xFFFFFFFF
GOLDEN = 0x9E3779B9
EPS = 0.25  # fleets with fewer than MU_MANY placements a device
EPS_MANY = 0.10
MU_MANY = 100
# A share of fewer shards than this is rounded up by a whole one: shards do not come in halves.
MU_TINY = 10
# A walk that has not ended after this many probes per slot of the table meets a table that has
# (almost) nothing left to give; a scan takes over. At an acceptance of 1/64 the chance of getting
# here by accident is e^-16.
PROBES_PER_SLOT = 16
UNBOUNDED = 1 << 62  # bytes: no limit


class Site(NamedTuple):
    """A device as placement sees it: alive or not, its share by weight (0: it is to be emptied),
    whether it is `open` for shards that it does not have yet, the bytes that fit on it in all, and
    the memory that it has for a plan. `damped`: it comes and goes, and is open only at need, which
    is the caller's to say (goals.py).
    """

    id: str
    zone: str
    weight: int
    alive: bool = True
    open: bool = True
    limit: int = UNBOUNDED
    memory: int = UNBOUNDED
    damped: bool = False


class Load(NamedTuple):
    """A shard as placement sees it: where its walk begins, its load in bytes, replicas wanted,
    owners now, and the memory that a plan over it needs.
    """

    point: int
    load: int
    wanted: int
    owners: tuple[int, ...]
    memory: int = 0


class Snapshot(NamedTuple):
    """All that a plan depends on. `sites` are indexed by owner number; `fresh` are devices that may
    pull; `settle` placements that differ from the ideal may go home.
    """

    seed: int
    table: SlotTable
    sites: dict[int, Site]
    loads: Sequence[Load]
    fresh: frozenset[int] = frozenset()
    settle: int = 0


def fmix32(value: int) -> int:
    """The finaliser of MurmurHash3: a bijection of 32 bits."""
    value ^= value >> 16
    value = value * 0x85EBCA6B & M32
    value ^= value >> 13
    value = value * 0xC2B2AE35 & M32
    return value ^ value >> 16


def shard_point(dataset: str, shard: int) -> int:
    """Where a shard's walk begins: 32 bits from the dataset's name and the shard's number."""
    return fmix32(zlib.crc32(dataset.encode()) ^ shard * GOLDEN & M32)


def probes(seed: int, point: int, table: SlotTable) -> Iterator[int]:
    """The owners that a shard's walk meets, in order, each once.

    Ends when all were met, or after PROBES_PER_SLOT probes per slot.
    """
    owner, threshold, mask = table.owner, table.threshold, table.size - 1
    met: set[int] = set()
    left = len(table.active)
    base = fmix32(seed ^ point)
    step = 0
    for _ in range(PROBES_PER_SLOT * table.size if left else 0):
        step = step + GOLDEN & M32
        a = fmix32(base + step & M32)
        slot = a & mask
        limit = threshold[slot]
        if limit and fmix32(a ^ seed) & 0xFFFF < limit and (who := owner[slot]) not in met:
            yield who
            met.add(who)
            left -= 1
            if not left:
                return


def walk(
    seed: int, point: int, table: SlotTable, sites: dict[int, Site], wanted: int
) -> tuple[int, ...]:
    """The ideal owners of a shard: the first `wanted` of its probes in different zones."""
    found: list[int] = []
    zones: set[str] = set()
    for who in probes(seed, point, table):
        site = sites.get(who)
        if site is None or not site.alive or site.zone in zones:
            continue
        found.append(who)
        zones.add(site.zone)
        if len(found) == wanted:
            break
    return tuple(found)


def bounds(
    sites: dict[int, Site], *, total: int, largest: int, placements: int, once: int
) -> Iterator[tuple[int, float, int]]:
    """(owner, share, bound) in bytes of each device that may hold anything.

    `total` bytes of all replicas, the `largest` shard, replicas in all, and `once` the bytes of one
    replica of each: more than that, or than fits, no device can hold.
    """
    usable = {d: s for d, s in sites.items() if s.alive and s.weight}
    many = placements >= MU_MANY * max(1, len(usable))
    eps = EPS_MANY if many else EPS
    for who, share in _shares(usable, total, once).items():
        cap = (1 + eps) * share
        if not many or share * placements < MU_TINY * total:
            cap = max(cap, share + largest)
        yield who, share, min(ceil(cap), usable[who].limit)


def _shares(usable: dict[int, Site], total: int, once: int) -> dict[int, float]:
    """Shares of `total` by weight; who cannot hold its own leaves the rest to the others."""
    shares: dict[int, float] = {}
    rest, weight = float(total), sum(site.weight for site in usable.values())
    open_ = usable
    while weight:
        full = {
            d: float(min(site.limit, once))
            for d, site in open_.items()
            if rest * site.weight > min(site.limit, once) * weight
        }
        if not full:
            break
        shares |= full
        rest = max(0.0, rest - sum(full.values()))
        open_ = {d: site for d, site in open_.items() if d not in full}
        weight = sum(site.weight for site in open_.values())
    shares |= {d: rest * site.weight / weight for d, site in open_.items()}
    return {d: shares[d] for d in usable}


class _Plan:
    """One planning: the loads as they become."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snap = snapshot
        self.load = dict.fromkeys(snapshot.sites, 0)
        self.share: dict[int, float] = {}
        self.cap: dict[int, int] = {}
        self.owners = [tuple(d for d in s.owners if self._keeps(d)) for s in snapshot.loads]
        for shard, owners in zip(snapshot.loads, self.owners, strict=True):
            for who in owners:
                self.load[who] += shard.load
        self._bound()

    def _keeps(self, who: int) -> bool:
        site = self.snap.sites.get(who)
        return site is not None and site.alive

    def _bound(self) -> None:
        loads = self.snap.loads
        for who, share, cap in bounds(
            self.snap.sites,
            total=sum(s.load * s.wanted for s in loads),
            largest=max((s.load for s in loads), default=0),
            placements=sum(s.wanted for s in loads),
            once=sum(s.load for s in loads),
        ):
            self.share[who], self.cap[who] = share, cap
        self.open = [d for d in self.cap if self.snap.sites[d].open]

    def _fits(self, who: int, shard: Load) -> bool:
        return (
            who in self.cap
            and self.snap.sites[who].open
            and self.load[who] + shard.load <= self.cap[who]
            and shard.memory <= self.snap.sites[who].memory
        )

    def _bears(self, who: int, shard: Load) -> bool:
        """Whether it fits at all, be it above the bound."""
        site = self.snap.sites[who]
        return self.load[who] + shard.load <= site.limit and shard.memory <= site.memory

    def fill(self, at: int) -> None:
        """Fill a shard's holes: by the walk within the bound, else the least loaded, zones apart if
        there are any.
        """
        shard, sites = self.snap.loads[at], self.snap.sites
        owners = list(self.owners[at])
        zones = {sites[d].zone for d in owners}
        for who in probes(self.snap.seed, shard.point, self.snap.table):
            if len(owners) >= shard.wanted:
                break
            if who in owners or sites[who].zone in zones:
                continue
            if self._fits(who, shard):
                self._take(owners, zones, who, shard.load)
        while len(owners) < shard.wanted:
            rest = [d for d in self.open if d not in owners and self._bears(d, shard)]
            if not rest:
                break
            who = min(rest, key=lambda d: (sites[d].zone in zones, self._fill_of(d), d))
            self._take(owners, zones, who, shard.load)
        self.owners[at] = tuple(owners)

    def _fill_of(self, who: int) -> float:
        return self.load[who] / self.share[who] if self.share[who] else float("inf")

    def _take(self, owners: list[int], zones: set[str], who: int, load: int) -> None:
        owners.append(who)
        zones.add(self.snap.sites[who].zone)
        self.load[who] += load

    def pull(self, at: int) -> None:
        """Give a shard to a fresh device that its ideal names, in place of the owner that is least
        its ideal.
        """
        shard, sites = self.snap.loads[at], self.snap.sites
        owners = self.owners[at]
        if len(owners) < shard.wanted:
            return
        ideal = walk(self.snap.seed, shard.point, self.snap.table, sites, shard.wanted)
        for who in ideal:
            if who not in self.snap.fresh or who in owners or who not in self.cap:
                continue
            if self.load[who] + shard.load > max(self.share[who], shard.load):
                continue
            if not self._bears(who, shard):
                continue
            old = [d for d in owners if d not in self.snap.fresh]
            out = max(old, key=lambda d: self._oddness(d, who, ideal), default=None)
            if out is None or self._clash(owners, out, who):
                continue
            self._swap(at, out, who)
            owners = self.owners[at]

    def _oddness(self, who: int, newcomer: int, ideal: tuple[int, ...]) -> tuple[bool, bool, int]:
        """How much better a newcomer is in this owner's place."""
        sites = self.snap.sites
        return sites[who].zone == sites[newcomer].zone, who not in ideal, self.load[who]

    def go_home(self, at: int) -> bool:
        """Move a placement that differs from the ideal to where the ideal has it, if there is room
        below the share: the bound would send it away again.
        """
        shard, sites = self.snap.loads[at], self.snap.sites
        owners = self.owners[at]
        if len(owners) < shard.wanted:
            return False
        ideal = walk(self.snap.seed, shard.point, self.snap.table, sites, shard.wanted)
        for who in ideal:
            if who in owners or not self._fits(who, shard):
                continue
            if self.load[who] + shard.load > self.share[who]:
                continue
            odd = [d for d in owners if d not in ideal and not self._clash(owners, d, who)]
            if odd:
                self._swap(at, max(odd, key=lambda d: self.load[d]), who)
                return True
        return False

    def shed(self, at: int) -> None:
        """Move a shard off owners that are above their bound or take nothing any more."""
        shard, sites = self.snap.loads[at], self.snap.sites
        for out in self.owners[at]:
            if out in self.cap and self.load[out] <= self.cap[out]:
                continue
            leaving = out not in self.cap
            zones = {sites[d].zone for d in self.owners[at] if d != out}
            for who in probes(self.snap.seed, shard.point, self.snap.table):
                if who in self.owners[at] or not self._fits(who, shard):
                    continue
                if sites[who].zone not in zones:
                    self._swap(at, out, who)
                    break
            else:
                rest = [
                    d
                    for d in self.open
                    if leaving and d not in self.owners[at] and self._bears(d, shard)
                ]
                if rest:
                    who = min(rest, key=lambda d: (sites[d].zone in zones, self.load[d], d))
                    self._swap(at, out, who)

    def _clash(self, owners: tuple[int, ...], out: int, who: int) -> bool:
        zone = self.snap.sites[who].zone
        return any(self.snap.sites[d].zone == zone for d in owners if d != out)

    def _swap(self, at: int, out: int, who: int) -> None:
        load = self.snap.loads[at].load
        self.load[out] -= load
        self.load[who] += load
        self.owners[at] = tuple(who if d == out else d for d in self.owners[at])


def plan(snapshot: Snapshot) -> list[tuple[int, ...]]:
    """Owners for every shard of the snapshot, in its order; fewer than wanted only where devices
    are missing.
    """
    return _planned(snapshot)[1]


def overrides(snapshot: Snapshot) -> int:
    """How many placements of the snapshot's plan differ from the ideal."""
    return _planned(snapshot)[0].overrides()


def _planned(snapshot: Snapshot) -> tuple[Planning, list[tuple[int, ...]]]:
    seed, table, sites, loads, fresh, settle = snapshot
    alive = bytearray(max(sites, default=-1) + 1)
    for who, site in sites.items():
        alive[who] = site.alive
    planning = Planning(loads if isinstance(loads, list) else list(loads), alive)
    bound = {
        d: (share, cap)
        for d, share, cap in bounds(
            sites,
            total=planning.total,
            largest=planning.largest,
            placements=planning.placements,
            once=planning.once,
        )
    }
    zones: dict[str, int] = {}
    rows = [
        (
            who,
            zones.setdefault(site.zone, len(zones)),
            site.open,
            who in fresh,
            *bound.get(who, (0.0, -1)),
            min(site.limit, UNBOUNDED),
            min(site.memory, UNBOUNDED),
        )
        for who, site in sites.items()
        if site.alive
    ]
    owner = array("H", [0 if who == FREE else who for who in table.owner])
    return planning, planning.place(seed, owner, table.threshold, rows, settle)


def slow_plan(snapshot: Snapshot) -> list[tuple[int, ...]]:
    """As `plan`, a shard at a time."""
    state = _Plan(snapshot)
    holes = [i for i, s in enumerate(snapshot.loads) if len(state.owners[i]) < s.wanted]
    for at in sorted(holes, key=lambda i: (len(state.owners[i]), i)):  # the most exposed first
        state.fill(at)
    if snapshot.fresh:
        for at in range(len(snapshot.loads)):
            state.pull(at)
    left = snapshot.settle
    for at in range(len(snapshot.loads) if left else 0):
        left -= state.go_home(at)
        if not left:
            break
    over = {d for d, cap in state.cap.items() if state.load[d] > cap}
    over.update(d for d in state.load if d not in state.cap)
    if over:
        for at, owners in enumerate(state.owners):
            if not over.isdisjoint(owners):
                state.shed(at)
    return state.owners


def slow_overrides(snapshot: Snapshot, owners: Sequence[tuple[int, ...]]) -> int:
    """How many of these placements differ from the ideal."""
    count = 0
    for shard, placed in zip(snapshot.loads, owners, strict=True):
        ideal = walk(snapshot.seed, shard.point, snapshot.table, snapshot.sites, shard.wanted)
        count += len(set(placed) - set(ideal))
    return count
