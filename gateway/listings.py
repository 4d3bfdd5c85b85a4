"""What people are shown: the bodies of status, devices, shards, jobs and datasets."""

from typing import Any

from atoll.gateway import runs
from atoll.gateway.catalog import Dataset, Shard
from atoll.gateway.core_parts import Parts
from atoll.gateway.desk import Desk
from atoll.gateway.member import Member, State
from atoll.gateway.weight import WHOLE
from atoll.wire.limits import LISTING_ROWS_MAX


class Listings:
    """Reads the parts of the core; changes nothing."""

    def __init__(self, site: str, desk: Desk, parts: Parts) -> None:
        self._site = site
        self._desk = desk
        self._parts = parts
        self.standby: dict[str, Any] = {"state": "none"}

    def status(self) -> dict[str, Any]:
        """The site in one object."""
        filled = [s for s in self._parts.catalog.all_shards() if s.streams]
        least, short = self._parts.moves.exposed(iter(filled))
        return {
            "site": self._site,
            "term": self._desk.term,
            "epoch": self._desk.epoch,
            "standby": self.standby,
            "overloaded": self._parts.members.time.overloaded,
            "devices": self._parts.members.by_state(),
            "datasets": len(self._parts.catalog.datasets),
            "streams": self._parts.catalog.stream_count,
            "shards": sum(len(d.shards) for d in self._parts.catalog.datasets.values()),
            "replicas_min": least,
            "shards_short": short,
            "moving": self._parts.moves.under_way,
            "moves_waiting": self._parts.owners.waiting,
            "moved_bytes": self._parts.moves.moved_bytes,
            "jobs": {
                "open": len(self._parts.jobs.open),
                "standing": len(self._parts.standing.jobs),
                "finished": len(self._parts.jobs.finished),
            },
            "counters": {**self._desk.counters, "refused": dict(self._desk.refused)},
            "takeovers": self._parts.takeovers.listing(),
        }

    def devices(self, after: str = "") -> list[dict[str, Any]]:
        """One object a device, by id, of those behind one: LISTING_ROWS_MAX at most."""
        members = self._parts.members.members
        names = sorted(name for name in members if name > after)
        return [self._device(members[name]) for name in names[:LISTING_ROWS_MAX]]

    def _device(self, member: Member) -> dict[str, Any]:
        row, health = member.row, member.health
        return {
            "id": member.id,
            "zone": row.zone,
            "state": _state(member),
            "weight": member.weight / 100,
            "why": self._reasons(member),
            "factors": self._factors(member),
            "capacity": row.capacity,
            "cores": row.cores,
            "speed": row.speed,
            "memory_bytes": row.memory_bytes,
            "storage_bytes": row.storage_bytes,
            "wake_ms": row.wake_ms if member.state is State.SLEEPING else 0,
            "profile": self._parts.members.profile(member).name,
            "boot": row.boot,
            "shards": len(self._parts.owners.owned.get(member.id, {})),
            "bytes": sum(self._parts.catalog.by_device.get(member.id, {}).values()),
            "backlog": member.backlog,
            "health": health._asdict() if health is not None else {},
            "strain": member.strain._asdict(),
            "software": row.software,
        }

    def _factors(self, member: Member) -> list[dict[str, Any]]:
        """Everything that the weight is made of: the least eighths count."""
        found = [factor._asdict() for factor in member.gauge.factors]
        penalty = member.damper.penalty(self._desk.now)
        if penalty >= 0.05:
            shown = f"{penalty:.1f}, from 3 down to 1 no new shards"
            found.append({"name": "returns", "measured": shown, "eighths": member.damper.eighths})
            found[-1]["rule"] = "quarters, one a minute, after it has stayed"
        return found

    def _reasons(self, member: Member) -> list[str]:
        """Why the weight is not the capacity."""
        found = list(member.gauge.reasons)
        if member.damper.suppressed:
            found.append("it comes and goes: no new shards while others can have them")
        elif member.damper.eighths < WHOLE:
            found.append(f"back again: {member.damper.eighths}/8 for now")
        if member.gauge.eighths < WHOLE and not member.gauge.reasons:
            found.append("healthy again, not for long enough")
        if member.row.draining:
            found.append("it is drained")
        if not member.whole_weight:
            found.append("its own streams only")
        return found

    def shards(self, dataset: Dataset, after: int = -1) -> list[dict[str, Any]]:
        """One object a shard of a dataset, by number, of those behind one; as many at most."""
        numbers = sorted(number for number in dataset.shards if number > after)
        return [self._shard(dataset.shards[n]) for n in numbers[:LISTING_ROWS_MAX]]

    def _shard(self, shard: Shard) -> dict[str, Any]:
        return {
            "dataset": shard.id.dataset,
            "shard": shard.id.number,
            "streams": len(shard.streams),
            "bytes": shard.byte_count,
            "holders": list(shard.owners),
            "copies": self._parts.moves.live_copies(shard),
            "wanted": self._parts.owners.wanted(shard),
            "epoch": shard.epoch,
            "moving": set(shard.goal) != set(shard.owners),
        }

    def jobs(self) -> list[dict[str, Any]]:
        """Standing jobs, then queries."""
        return [*self._parts.standing.listing(), *self._parts.jobs.listing()]

    def datasets(self) -> list[dict[str, Any]]:
        """One object a dataset, by name."""
        datasets = self._parts.catalog.datasets
        return [self._dataset(datasets[name]) for name in sorted(datasets)]

    def _dataset(self, dataset: Dataset) -> dict[str, Any]:
        samples, first_ms, last_ms = 0, -1, -1
        for stream in dataset.streams.values():
            held = stream.all_runs()
            if not held:
                continue
            samples += sum(run.sample_count for run in held)
            first_ms = held[0].wall_ms if first_ms < 0 else min(first_ms, held[0].wall_ms)
            last_ms = max(last_ms, runs.end_ms(held[-1], stream.info.rate_hz))
        return {
            "name": dataset.row.name,
            "dtype": next((s.info.dtype for s in dataset.streams.values()), ""),
            "streams": len(dataset.streams),
            "samples": samples,
            "bytes": sum(shard.byte_count for shard in dataset.shards.values()),
            "shards": len(dataset.shards),
            "replicas": dataset.row.replicas,
            "keep_s": dataset.row.retention_s,
            "keep_bytes": dataset.row.retention_bytes,
            "first_ms": first_ms,
            "last_ms": last_ms,
        }


def _state(member: Member) -> str:
    """A device's state, with what is more than a state."""
    if member.serves and member.audited:
        return "audited"
    return "draining" if member.row.draining and member.serves else member.state.value
