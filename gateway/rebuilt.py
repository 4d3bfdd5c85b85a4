"""A ledger made of what devices told: which rows follow, and what cannot be known.

Rules, where devices say different things: a dataset as the device with the newest map has it; a
shard's owners as those name themselves who know its highest epoch; blocks are where somebody lists
them; a standing job goes on if half of the devices know it, from the furthest mark. Epochs end
above everything seen. What a device that did not answer may have is not given away: the next block
of a stream that wants for copies has its place behind a gap.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from atoll.gateway import records as r
from atoll.gateway.catalog import (
    PINNED,
    SHARDS_DEFAULT,
    Catalog,
    Dataset,
    ShardId,
    Stream,
    pinned_shard,
    shard_of,
)
from atoll.gateway.core import QUERIES_A_TERM
from atoll.gateway.core_survey import Told
from atoll.gateway.desk import Desk
from atoll.gateway.effects import Commit
from atoll.gateway.errors import RequestError
from atoll.gateway.inventory import LIVE_REPLICAS
from atoll.gateway.member import State
from atoll.gateway.profiles import PROFILES
from atoll.gateway.requests import kept
from atoll.gateway.slots import SlotTable
from atoll.kernels import Plan, PlanError
from atoll.wire import messages as wire

# Blocks and samples whose places are left to devices that did not answer: more than a put can have
# had under way, and a stream has room for 2^63 of them.
RESERVED_BLOCKS = 65_536
RESERVED_SAMPLES = 2**32
UNKNOWN_ANCHOR = 2**64 - 1
DOUBT_ID = b"rebuilt ledger.."  # the put that holds the places of who did not answer


class Rebuilt(NamedTuple):
    """Rows of a new ledger, figures for people, and one line for each thing that is not known."""

    records: list[r.Record]
    figures: dict[str, int]
    unknown: list[str]


def rebuilt(
    told: Sequence[Told], silent: Sequence[Told], *, term: int, seed: int, wall_ms: int
) -> Rebuilt:
    """The ledger of a site whose devices told this. `silent`: known of, without an answer."""
    return _Rebuilding(told, silent, wall_ms).rows(term, seed)


class _Rebuilding:
    def __init__(self, told: Sequence[Told], silent: Sequence[Told], wall_ms: int) -> None:
        # The newest map first: who has it is believed before others.
        self._told = sorted(told, key=lambda t: (-t.term, -t.epoch, t.name))
        self._silent = silent
        self._wall_ms = wall_ms
        self._desk = Desk()
        self._desk.wall_ms = wall_ms
        self._catalog = Catalog(self._desk)
        self._unknown: list[str] = []
        self._orders: list[r.StandingSet] = []

    def rows(self, term: int, seed: int) -> Rebuilt:
        epoch = max((t.epoch for t in [*self._told, *self._silent]), default=0) + 1
        devices = self._devices()
        self._datasets()
        self._shards(epoch)
        for told in self._told:
            for held in told.streams.values():
                self._hold(told, held)
        self._streams()
        self._fill_owners()
        self._standing()
        for told in self._silent:
            self._unknown.append(f"{told.name} did not answer: what only it has is not in here")
        if any(not t.remembered for t in self._told):
            names = ", ".join(sorted(t.name for t in self._told if not t.remembered))
            self._unknown.append(f"{names} told only what is stored, not what it remembers")
        highest = max([term, *(t.term for t in self._told)])
        for name, value in (
            ("term", highest), ("epoch", epoch), ("seed", seed),
            ("job", max(highest, 1) * QUERIES_A_TERM),
        ):  # fmt: skip
            self._desk.record(r.SettingSet(name, value))
        return Rebuilt([*devices, *self._taken()], self._figures(), self._unknown)

    def _taken(self) -> list[r.Record]:
        commits = [effect for effect in self._desk.take() if isinstance(effect, Commit)]
        return [record for commit in commits for record in commit.records]

    def _figures(self) -> dict[str, int]:
        streams = [s for d in self._catalog.datasets.values() for s in d.streams.values()]
        return {
            "devices": len(self._told),
            "silent": len(self._silent),
            "datasets": len(self._catalog.datasets),
            "shards": sum(len(d.shards) for d in self._catalog.datasets.values()),
            "streams": len(streams),
            "samples": sum(run.sample_count for s in streams for run in s.all_runs()),
            "bytes": sum(s.byte_count for s in self._catalog.all_shards()),
            "standing": len(self._orders),
        }

    # --- devices ---

    def _devices(self) -> list[r.Record]:
        """Every device that is known of, with its slots: one without would pull shards."""
        table = SlotTable()
        rows: list[r.Record] = []
        everybody = sorted([*self._told, *self._silent], key=lambda t: t.name)
        for number, told in enumerate(everybody):
            birth = told.birth
            capacity = min(max(birth.capacity, 0.01), 600.0) if birth else 1.0
            table.admit(number, max(1, round(capacity * 100)))
            # Suspect: the first word of it makes it ready, and placement is looked at once.
            state = State.SUSPECT if told.listed_at is not None else State.DEAD
            rows.append(_device(told, number, table.quota[number], state.value, capacity))
            if birth is None:
                self._unknown.append(f"{told.name}: what it is, until it says so again")
        slots = [r.SlotSet(*slot[:3], int(slot.lent)) for slot in table.slots()]
        return [*rows, *slots, r.SettingSet("slots", table.size)]

    # --- datasets and shards ---

    def _datasets(self) -> None:
        for told in self._told:
            for entry in told.datasets:
                if entry.dataset not in self._catalog.datasets:
                    self._add_dataset(r.DatasetSet(*entry))
        # What nobody remembers is guessed from the streams, and said so.
        lost: dict[str, list[wire.HeldStream]] = {}
        for told in self._told:
            for held in told.streams.values():
                if held.info.dataset not in self._catalog.datasets:
                    lost.setdefault(held.info.dataset, []).append(held)
        for name, streams in sorted(lost.items()):
            self._add_dataset(self._guessed(name, streams))

    def _add_dataset(self, row: r.DatasetSet) -> None:
        self._catalog.restore_dataset(row)
        self._desk.record(row)

    def _guessed(self, name: str, streams: list[wire.HeldStream]) -> r.DatasetSet:
        put = [held for held in streams if held.shard < PINNED]
        copies: dict[str, int] = {}
        for held in streams:
            copies[held.info.key] = copies.get(held.info.key, 0) + 1
        replicas = min(7, max(copies.values()))
        if not put:
            return r.DatasetSet(name, 1, max(LIVE_REPLICAS, replicas), 0, 0, self._wall_ms)
        shards = _shard_count(put)
        self._unknown.append(
            f"dataset {name}: into how many shards it is cut; {shards} fits its {len(copies)} keys"
        )
        return r.DatasetSet(name, shards, replicas, 0, 0, self._wall_ms)

    def _shards(self, epoch: int) -> None:
        """Owners of each shard, as the map of its highest epoch says: acting first."""
        highest: dict[ShardId, int] = {}
        roles: dict[ShardId, dict[int, str]] = {}
        for told in self._told:
            for entry in told.shards:
                shard_id = ShardId(entry.dataset, entry.shard)
                if entry.dataset not in self._catalog.datasets:
                    continue
                known = highest.get(shard_id, -1)
                if entry.shard_epoch > known:
                    highest[shard_id], roles[shard_id] = entry.shard_epoch, {}
                if entry.shard_epoch >= known:
                    roles[shard_id].setdefault(entry.role, told.name)
        for shard_id in sorted(highest):
            shard = self._catalog.shard(shard_id)
            shard.epoch = min(highest[shard_id], epoch)
            shard.owners = tuple(name for _, name in sorted(roles[shard_id].items()))
            if 0 not in roles[shard_id]:
                self._unknown.append(
                    f"{shard_id.dataset}/{shard_id.number}: who acted for it did not answer;"
                    f" {shard.owners[0]} does now"
                )

    # --- streams and blocks ---

    def _hold(self, told: Told, held: wire.HeldStream) -> None:
        info = held.info
        dataset = self._catalog.datasets[info.dataset]
        name = f"{info.dataset}/{info.key}"
        live = held.shard >= PINNED
        meant = pinned_shard(info.key) if live else shard_of(info.key, dataset.row.shards)
        if held.shard != meant:
            self._unknown.append(
                f"{name} on {told.name} lies in shard {held.shard}, its key says {meant}: left out"
            )
            return
        try:
            stream = self._catalog.open_stream(info, held.shard)
        except RequestError as error:
            self._unknown.append(f"{name} on {told.name} is left out: {error}")
            return
        if stream.shard != held.shard:
            self._unknown.append(f"{name} on {told.name} lies in another shard: left out")
            return
        for run in sorted(held.runs):
            self._catalog.add_run(told.name, stream, run)

    def _streams(self) -> None:
        """Where each stream's windows are counted from, and where its next block begins."""
        pasts: dict[tuple[str, str], list[wire.Past]] = {}
        for told in self._told:
            for past in told.pasts:
                pasts.setdefault((past.dataset, past.key), []).append(past)
        for dataset in self._catalog.datasets.values():
            for key, stream in dataset.streams.items():
                mine = pasts.get((dataset.row.name, key), [])
                stream.anchors = self._anchors(stream, mine)
                floors = [(past.first_seq, past.first_sample) for past in mine]
                if floors and (dataset.row.retention_s or dataset.row.retention_bytes):
                    self._catalog.let_go(stream, max(floors))
                for past in mine:
                    stream.tail_seq = max(stream.tail_seq, past.next_seq)
                    stream.tail_sample = max(stream.tail_sample, past.next_sample)
                self._desk.record(stream.row())
                if stream.shard < PINNED and self._doubtful(dataset, stream):
                    self._reserve(stream)

    def _anchors(self, stream: Stream, pasts: Iterable[wire.Past]) -> list[int]:
        held = [run for runs in stream.held.values() for run in runs]
        anchors = {run.first_sample for run in held if run.gap}
        anchors |= {past.anchor for past in pasts if past.anchor != UNKNOWN_ANCHOR}
        first = min((run.first_sample for run in held), default=0)
        if not any(anchor <= first for anchor in anchors):
            # Puts begin at 0. A live stream's run began when its device did: only it could know.
            anchors.add(0 if stream.shard < PINNED else first)
            if stream.shard >= PINNED and first:
                self._unknown.append(
                    f"{stream.info.dataset}/{stream.info.key}: where its first run began;"
                    f" windows are counted from sample {first}"
                )
        return sorted(anchors)

    def _doubtful(self, dataset: Dataset, stream: Stream) -> bool:
        """Whether somebody who did not answer may have blocks that nobody else has."""
        return bool(self._silent) and len(stream.held) < dataset.row.replicas

    def _reserve(self, stream: Stream) -> None:
        info = stream.info
        self._desk.record(
            r.PieceSet(
                DOUBT_ID, info.dataset, info.key, 0, stream.tail_seq + RESERVED_BLOCKS - 1,
                stream.tail_sample, RESERVED_SAMPLES, 0, self._wall_ms, 0, 0,
            )
        )  # fmt: skip
        self._unknown.append(
            f"{info.dataset}/{info.key}: whether a silent device has more of it;"
            " what is put next stands behind a gap"
        )

    def _fill_owners(self) -> None:
        """Shards that nobody's map names belong to those who have their blocks; empty ones are
        placed by the gateway once it is there.
        """
        for dataset in self._catalog.datasets.values():
            if any(number < PINNED for number in dataset.shards):
                for number in range(dataset.row.shards):
                    self._catalog.shard(ShardId(dataset.row.name, number))
        for shard in self._catalog.all_shards():
            if not shard.owners:
                size: dict[str, int] = {}
                for stream in shard.streams.values():
                    for device, runs in stream.held.items():
                        size[device] = size.get(device, 0) + sum(run.byte_count for run in runs)
                sampler = shard.sampler
                first = sorted(size, key=lambda d: (d != sampler, -size[d], d))
                wanted = self._catalog.datasets[shard.id.dataset].row.replicas
                shard.owners = tuple(first[:wanted])
            shard.goal = shard.owners
            self._desk.record(shard.row())

    # --- standing jobs ---

    def _standing(self) -> None:
        marks: dict[tuple[str, str], int] = {}
        rows: dict[str, r.StandingSet] = {}
        known: dict[str, set[str]] = {}
        for told in self._told:
            for order in told.orders:
                row = self._order(order)
                if row is None:
                    continue
                rows.setdefault(order.job, row)
                if rows[order.job] == row:
                    known.setdefault(order.job, set()).add(told.name)
                    for key, sample in order.marks:
                        marks[order.job, key] = max(marks.get((order.job, key), 0), sample)
        voters = sum(1 for told in self._told if told.remembered)
        for job, row in sorted(rows.items()):
            if 2 * len(known[job]) < voters:
                self._unknown.append(
                    f"standing job {job}: known to {len(known[job])} of {voters} devices only, so"
                    " it was probably stopped; start it again if it was not"
                )
                continue
            self._orders.append(row)
            self._desk.record(row)
            streams = self._catalog.datasets[row.dataset].streams
            for (name, key), sample in sorted(marks.items()):
                if name == job and key in streams:
                    self._desk.record(r.MarkSet(job, key, sample))

    def _order(self, order: wire.OrderEntry) -> r.StandingSet | None:
        if order.dataset not in self._catalog.datasets:
            return None
        try:
            plan = Plan.from_bytes(order.plan)
        except PlanError as error:
            self._unknown.append(f"standing job {order.job}: its plan cannot be read: {error}")
            return None
        return r.StandingSet(
            order.job, kept(plan), order.dataset, order.every, order.every_ms, self._wall_ms
        )


def _device(told: Told, number: int, quota: int, state: str, capacity: float) -> r.DeviceSet:
    birth = told.birth
    if birth is None:
        return r.DeviceSet(
            told.name, number, quota, state, 0, told.name, "normal", capacity, 8, told.boot,
            told.lease, "", 0, 0, 0, 0, "{}",
        )  # fmt: skip
    receipts = {one.kernel: one.digest.hex() for one in birth.receipts}
    return r.DeviceSet(
        told.name, number, quota, state, 0, birth.zone or told.name,
        birth.profile if birth.profile in PROFILES else "normal", capacity, 8, told.boot,
        told.lease, birth.software, birth.cores, birth.memory_bytes, birth.storage_bytes,
        birth.message_max, json.dumps(receipts, sort_keys=True, separators=(",", ":")),
    )  # fmt: skip


def _shard_count(streams: Sequence[wire.HeldStream]) -> int:
    """The number of shards that puts these keys where they are: the default if it does, else the
    smallest.
    """
    least: int = max(held.shard for held in streams) + 1
    counts: list[int] = [SHARDS_DEFAULT, *range(least, PINNED)]
    for count in counts:
        if all(shard_of(held.info.key, count) == held.shard for held in streams):
            return count
    return max(least, SHARDS_DEFAULT)
