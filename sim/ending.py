"""How a seed ends: what must have become true once everything is healed and nobody asks any more.

What the cores believe is compared with the disks and with what was put and sampled: copies are
counted on disks, and a standing job must have merged every batch that its samples are whole for.
"""

from typing import TYPE_CHECKING

from atoll.gateway import runs
from atoll.gateway.catalog import Shard, Stream
from atoll.gateway.core import GatewayCore
from atoll.gateway.member import State
from atoll.gateway.records import HoldingSet
from atoll.gateway.standing_job import StandingJob
from atoll.runtime.spans import batch_samples
from atoll.sim.bounds import busy
from atoll.sim.world import Violation

if TYPE_CHECKING:
    from atoll.sim.site import Site


def settled(site: "Site") -> bool:
    """Whether nothing is under way any more."""
    core = site.gateway.core
    if core is None or any(client.open for client in site.clients):
        return False
    if not site.gateway.settled:
        return False
    members = core.members.members
    if len(members) < len(site.devices) or not all(m.serves for m in members.values()):
        return False
    if core.moves.under_way or core.puts.under_way or core.inventory.under_way:
        return False
    # What is looked at most quickly comes first.
    if any(busy(d) for d in site.devices.values()):
        return False
    # What held it up the last time is most often what holds it up.
    shard = site.held_up
    if shard is not None and _is_here(core, shard) and not _placed(core, shard):
        return False
    for shard in core.catalog.all_shards():
        if shard.streams and not _placed(core, shard):
            site.held_up = shard
            return False
    site.held_up = None
    return not _behind(site, core)


def _is_here(core: GatewayCore, shard: Shard) -> bool:
    """Whether a shard is still one of this core's."""
    dataset = core.catalog.datasets.get(shard.id.dataset)
    return dataset is not None and dataset.shards.get(shard.id.number) is shard


def _placed(core: GatewayCore, shard: Shard) -> bool:
    """Whether a shard is with whom it shall be with, whole. A copy that is to be released does not
    stand for an owner's: blocks may still be on their way, with a rest between two steps.
    """
    wanted = min(core.owners.wanted(shard), len(core.members.members))
    owners = set(shard.owners)
    return owners == set(shard.goal) and len(owners) >= wanted and not _lacking(core, shard)


def _lacking(core: GatewayCore, shard: Shard) -> bool:
    holders = {device for stream in shard.streams.values() for device in stream.held}
    return any(core.catalog.lacking(shard, owner, holders) for owner in shard.owners)


def look(site: "Site") -> None:
    """I5, I7, I9: everybody is back and idle, everything is where it shall be."""
    site.gateway.look()
    core = site.gateway.core
    assert core is not None
    for client in site.clients:
        if client.open:
            number = next(iter(client.open))
            text = f"{client.name}: request {number} is open (I9)"
            raise Violation("unfinished", client.name, text)
    for member in core.members.members.values():
        if member.state is not State.READY:
            raise Violation("unfinished", member.id, f"{member.id} is {member.state} (I9)")
    for shard in core.catalog.all_shards():
        if shard.streams and not _placed(core, shard):
            copies, about = core.moves.live_copies(shard), next(iter(shard.streams))
            text = f"{shard.id}: {copies} copies, {shard.owners} for {shard.goal} (I9)"
            raise Violation("unfinished", about, text)
    for device in site.devices.values():
        left = busy(device)
        if left:
            raise Violation("unfinished", device.name, f"{device.name} still has {left} (I9)")
    for name in site.checker.stopped & core.standing.jobs.keys():
        raise Violation("wrong", name, f"standing job {name} was stopped, and runs (I2)")
    behind = _behind(site, core)
    if behind:
        raise Violation("lost", behind.split()[0], f"{behind} (I5)")
    _look_at_disks(site, core)
    _look_at_books(site)
    for name, count in site.gateway.tallies().items():
        if name in ("lost", "duplicated", "disagreed") and count:
            kind = "wrong" if name == "disagreed" else name
            raise Violation(kind, "gateway", f"the gateway has counted {count} {name} (I2)")


def _look_at_disks(site: "Site", core: GatewayCore) -> None:
    """I5: what was acknowledged lies on as many disks as it shall, and on all of its owners'."""
    for (dataset, key, first), data in site.checker.acked.items():
        name = (dataset, key)
        stream = core.catalog.datasets[dataset].streams[key]
        shard = core.catalog.datasets[dataset].shards[stream.shard]
        for owner in shard.owners:
            blocks = site.devices[owner].disk.blocks.get(name, {})
            if not any(s.block.first_sample == first for s in blocks.values()):
                text = f"{key} at {first}, {len(data)} bytes, is not on {owner}, an owner (I5)"
                raise Violation("lost", key, text)


def _look_at_books(site: "Site") -> None:
    """I5: what the ledger says that a device has, it has."""
    for row in site.checker.ledger.tables[HoldingSet].values():
        blocks = site.devices[row.device].disk.blocks.get((row.dataset, row.key), {})
        for seq in range(row.first_seq, row.last_seq + 1):
            if seq not in blocks:
                text = f"{row.key}/{seq} is in the books of {row.device} and not on its disk (I5)"
                raise Violation("lost", row.key, text)


def _behind(site: "Site", core: GatewayCore) -> str:
    """A stream of a standing job whose whole batches are not all merged; empty if there is none."""
    for name, job in core.standing.jobs.items():
        dataset = core.catalog.datasets[job.row.dataset]
        for key, stream in dataset.streams.items():
            if not stream.all_runs():
                continue
            sample = _unmerged(core, job, key)
            if sample is not None:
                return f"{key} of standing job {name}: the batch at {sample} is not merged"
            sample = _stands_still(job, stream)
            if sample is not None:
                return f"{key} of standing job {name}: its mark stands at {sample}"
    return ""


def _stands_still(job: StandingJob, stream: Stream) -> int | None:
    """Where a mark stands before batches that are merged, with nothing missing between."""
    progress = job.streams.get(stream.info.key)
    line = progress.lines.get(0) if progress is not None else None
    if line is None or not line.ahead:
        return None
    there = runs.covers(stream.all_runs(), max(0, line.mark), min(line.ahead))
    return line.mark if there else None


def _unmerged(core: GatewayCore, job: StandingJob, key: str) -> int | None:
    """Where a batch begins that has all of its samples and is not merged."""
    stream = core.catalog.datasets[job.row.dataset].streams[key]
    progress = job.streams.get(key)
    line = progress.lines.get(0) if progress is not None else None
    every = batch_samples(
        job.row.every or 64 * job.plan.step, job.row.every_ms, stream.info.rate_hz, job.plan.step
    )
    need = every + job.plan.overlap
    for first, stop in _stretches(stream):
        anchor = stream.anchor_at(first)  # behind a hole the lattice is the one before it
        lattice = anchor + -(-(first - anchor) // every) * every
        if line is not None and line.mark > lattice:  # those below the mark are merged
            lattice += -(-(line.mark - lattice) // every) * every
        for start in range(lattice, stop - need + 1, every):
            if line is None or start not in line.ahead:
                return start
    return None


def _stretches(stream: Stream) -> list[tuple[int, int]]:
    """Gap-free stretches [first, stop) of what is held of a stream."""
    found: list[tuple[int, int]] = []
    for run in stream.all_runs():
        first, stop = run.first_sample, run.first_sample + run.sample_count
        if found and found[-1][1] == first and first not in stream.anchors:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((first, stop))
    return found
