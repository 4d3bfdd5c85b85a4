"""Goals: where every shard of a site shall be, as a pure function of a world.

The gateway plans with the world as it is, `atoll explain` with one in which something has happened:
both get the same answer from the same function, so what was explained is what moves.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from atoll.gateway.catalog import ShardId
from atoll.gateway.placement import Load, Site, Snapshot, plan, probes
from atoll.gateway.slots import SlotTable

# At most this share of all placements is on its way at a time, not counting what was lost; a small
# site moves a few at once all the same.
MISPLACED_SHARE = 0.05
MISPLACED_LEAST = 8


class World(NamedTuple):
    """Devices and slots; `fresh` devices may pull, and `settle` placements may go home."""

    seed: int
    table: SlotTable
    sites: Mapping[int, Site]
    fresh: frozenset[int] = frozenset()
    settle: int = 0


class Want(NamedTuple):
    """A shard to be placed: as placement sees it (its owners are its goal now), and the device
    that samples its live stream: -1 if it has none. `alone`: nobody else can have it.
    """

    load: Load
    sampler: int = -1
    alone: bool = False


def goals_of(world: World, wants: Sequence[Want]) -> list[tuple[int, ...]]:
    """The goal of every shard, in their order; empty where there is nowhere to go."""
    loads = [want.load for want in wants if want.sampler < 0]
    sites = dict(world.sites)
    snapshot = Snapshot(world.seed, world.table, sites, loads, world.fresh, world.settle)
    found = iter(placed(snapshot))
    return [next(found) if want.sampler < 0 else pinned_goal(world, want) for want in wants]


def placed(snapshot: Snapshot) -> list[tuple[int, ...]]:
    """The plan of a snapshot; where it leaves a shard with too few devices that are to have it,
    those that come and go are taken, too: a copy on one of them is better than none.
    """
    goals, sites, loads = plan(snapshot), snapshot.sites, snapshot.loads
    if not any(site.damped for site in sites.values()):
        return goals
    sound = {who for who, site in sites.items() if site.alive and site.weight}
    short = [
        len(sound.intersection(goal)) < load.wanted
        for goal, load in zip(goals, loads, strict=True)
    ]  # fmt: skip
    if not any(short):
        return goals
    again = plan(
        Snapshot(
            snapshot.seed,
            snapshot.table,
            {who: site._replace(open=site.open or site.damped) for who, site in sites.items()},
            [load._replace(owners=goal) for load, goal in zip(loads, goals, strict=True)],
        )
    )
    return [
        _joined([who for who in goal if who in sound], more, load.wanted) if needs else goal
        for goal, more, load, needs in zip(goals, again, loads, short, strict=True)
    ]


def _joined(kept: list[int], more: tuple[int, ...], wanted: int) -> tuple[int, ...]:
    """Who stays, and then as many others as it takes."""
    return tuple([*kept, *(who for who in more if who not in kept)][:wanted])


def pinned_goal(world: World, want: Want) -> tuple[int, ...]:
    """A live stream's shard: who samples it, who has a copy already, then the walk, zones apart."""
    sampler, sites = want.sampler, world.sites
    goal = [sampler]
    if want.alone:
        return (sampler,)
    zones = {sites[sampler].zone} if sampler in sites else set()
    for device in want.load.owners:
        site = sites.get(device)
        if device not in goal and site is not None and site.alive and site.weight:
            goal.append(device)
            zones.add(site.zone)
    for damped, apart in ((False, True), (False, False), (True, True), (True, False)):
        if len(goal) >= want.load.wanted:
            break
        for device in _met(world, want, damped):
            if len(goal) >= want.load.wanted:
                break
            site = sites.get(device)
            if site is None or device in goal or not (site.alive and site.weight):
                continue
            if (site.damped if damped else site.open) and (not apart or site.zone not in zones):
                goal.append(device)
                zones.add(site.zone)
    return tuple(goal[: want.load.wanted])


def _met(world: World, want: Want, damped: bool) -> Iterable[int]:
    """The devices of a shard's walk; of those that come and go also who was given no slots."""
    met = probes(world.seed, want.load.point, world.table)
    if not damped:
        return met
    walked = dict.fromkeys(met)
    return [*walked, *(device for device in world.sites if device not in walked)]


class Budget:
    """How many shards may be misplaced by choice at a time; what is lost does not wait.

    `offer` takes a new plan; `release` gives the goals that may be set now, in the plan's order.
    """

    def __init__(self) -> None:
        self._waiting: dict[ShardId, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, shard: ShardId) -> bool:
        return shard in self._waiting

    def offer(self, changes: Iterable[tuple[ShardId, tuple[str, ...]]]) -> None:
        """The changes by choice of the newest plan, in place of all that still waited."""
        self._waiting = dict(changes)

    def release(self, misplaced: int, placements: int) -> list[tuple[ShardId, tuple[str, ...]]]:
        """As many as there is room for."""
        room = budget(placements) - misplaced
        found: list[tuple[ShardId, tuple[str, ...]]] = []
        while self._waiting and len(found) < room:
            shard = next(iter(self._waiting))
            found.append((shard, self._waiting.pop(shard)))
        return found


def budget(placements: int) -> int:
    """How many shards may be misplaced by choice."""
    return max(MISPLACED_LEAST, int(MISPLACED_SHARE * placements))
