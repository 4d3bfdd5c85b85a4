"""The invariants, looked at with every message, commit and answer; numbers as in docs/simulator.md.

The checker knows what clients put and what devices sampled, and computes every answer once more
from that, alone and in order. It believes no core: leases are counted on true time, acknowledged
data is looked for on the disks, each commit is compared with those before it.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from atoll.gateway import records as r
from atoll.gateway.cutting import Cut, from_text, tasks_of
from atoll.gateway.jsonable import dumps
from atoll.gateway.member import Change, State
from atoll.kernels import Plan, receipts
from atoll.sim.books import Books
from atoll.sim.ledger import MemoryLedger
from atoll.sim.world import Violation, World
from atoll.wire import messages as wire
from atoll.wire.block import Block, peek_block
from atoll.wire.messages import StreamInfo

if TYPE_CHECKING:
    from atoll.sim.device import Device
    from atoll.sim.disk import Stored

Name = tuple[str, str]
# A device's clock may run 5 % slow, and no lease is longer for it.
DRIFT = 0.05
SLACK_S = 1e-3
_RECEIPTS = receipts()
# What follows from its argument alone is remembered over all seeds.
_peek = lru_cache(4_096)(peek_block)
_plan = lru_cache(256)(Plan)


class Checker:
    """All that is known of the truth of one site."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.receipts = _RECEIPTS
        self.ledger: MemoryLedger = MemoryLedger()
        self.devices: dict[str, Device] = {}
        self.infos: dict[Name, StreamInfo] = {}
        self.pieces: dict[tuple[bytes, str, str, int], bytes] = {}
        self.content: dict[Name, dict[int, bytes]] = {}
        self.acked: dict[tuple[str, str, int], bytes] = {}  # stream, first sample: samples
        self.queries: dict[str, r.QuerySet] = {}
        self.stopped: set[str] = set()  # standing jobs that ended once
        self.answers = 0
        self.books = Books()
        self._order: dict[Name, Sequence[int]] = {}  # first samples of `content`, sorted
        self._places: dict[tuple[bytes, str, str, int], r.PieceSet] = {}
        self._blocks: dict[tuple[str, str, int], bytes] = {}
        self._windows: dict[tuple[str, str, int], bytes] = {}
        self._batches: dict[tuple[str, bytes, str, int, int], bytes] = {}
        self._requests: dict[tuple[str, int, int], float] = {}
        self._leases: dict[str, float] = {}
        self._results: dict[tuple[str, int], wire.Partials] = {}  # by device and number
        self._sampled: dict[Name, int] = {}  # in which boot a stream's last block was sampled
        self._heads: dict[str, tuple[int, int, int]] = {}
        self._transfers: dict[tuple[str, int], list[bytes]] = {}
        self._deleted: set[tuple[str, str, int]] = set()
        self._partials: dict[tuple[str, int], wire.Partials] = {}
        # By query, also of one that is forgotten in the commit that its answer follows.
        self._merged: dict[int, set[int]] = {}
        # By plan and task: partials of its own making. What lies at a place never changes.
        self._own: dict[tuple[str, str, str, int, int, int], bytes] = {}

    def _fail(self, kind: str, about: str, text: str) -> None:
        raise Violation(kind, about, text)

    # --- devices ---

    def device_started(self, device: "Device") -> None:
        """A boot: nothing is granted to it."""
        self._leases.pop(device.name, None)
        for key in [k for k in self._transfers if k[0] == device.name]:
            del self._transfers[key]

    def deleted(self, device: "Device", shards: list[wire.ShardRef]) -> None:
        """A device deletes shards as it was told to: a confirmation may be under way."""
        self._deleted.update((device.name, *ref) for ref in shards)

    def wiped(self, device: "Device") -> None:
        """A new disk: it knows no epoch yet."""
        self._heads.pop(device.name, None)
        self.books.wiped(device)

    def said(self, device: "Device", message: Any) -> None:
        """I3: the numbers that a device shows never go back, whatever happened to its memory."""
        kind = type(message)
        if kind is wire.Partials:
            self._numbered(device, message)
            return  # written before, and sent as it was
        head = message[:3]
        last = self._heads.get(device.name, (0, 0, 0))
        if head[0] < last[0] or head[1] < last[1] or head[2] < last[2]:
            self._fail("wrong", device.name, f"{device.name} says {head} after {last} (I3)")
        self._heads[device.name] = head
        if kind is wire.LeaseRequest:
            self._requests[device.name, message.boot, message.number] = self.world.now
        elif kind is wire.Stored:
            self._confirmed(device, message)

    def _numbered(self, device: "Device", message: wire.Partials) -> None:
        """I2: a number of a device's results is of one message, settled by an acknowledgement."""
        known = self._results.setdefault((device.name, message.number), message)
        if known is not message and known[3:] != message[3:]:  # the head is of when it is sent
            text = f"{device.name} has two messages of results {message.number:#x} (I2)"
            self._fail("wrong", device.name, text)

    def _confirmed(self, device: "Device", message: wire.Stored) -> None:
        """I5: what a device says it has stored is on its disk."""
        blocks = self._transfers.get((device.name, message.transfer))
        if blocks is None:
            self._fail("lost", device.name, f"{device.name} confirms a transfer it never had (I5)")
            return
        refused = {refusal.index for refusal in message.refused}
        for index, encoded in enumerate(blocks):
            if index in refused:
                continue
            block = _peek(encoded)
            mine = device.disk.blocks.get((block.info.dataset, block.info.key), {})
            here = mine.get(block.seq)
            ordered = (device.name, block.info.dataset, block.shard) in self._deleted
            if not ordered and (here is None or here.encoded != encoded):
                about = f"{block.info.key}"
                self._fail(
                    "lost", about, f"{device.name} confirms {about}/{block.seq} unsynced (I5)"
                )

    def told(self, device: "Device", message: Any) -> None:
        """A lease arrives: it ends, on true time, so long after its request was sent. One of a
        gateway that was replaced is none (I3).
        """
        if type(message) is wire.Lease and not message.birth_wanted:
            if message.boot < device.disk.state.term:
                return
            sent = self._requests.get((device.name, message.device_boot, message.number))
            if sent is not None and message.device_boot == device.disk.state.boot:
                until = sent + message.duration_ms / 1_000 / (1 - DRIFT)
                self._leases[device.name] = max(self._leases.get(device.name, 0.0), until)

    def storing(self, device: "Device", effect: Any) -> None:
        """I4: others' blocks are taken in under a lease only."""
        if effect.transfer is None:
            return
        if self.world.now > self._leases.get(device.name, 0.0) + SLACK_S:
            self._fail(
                "double_owners", device.name, f"{device.name} takes blocks in without a lease (I4)"
            )
        self._transfers[device.name, effect.transfer] = [bytes(b) for b in effect.blocks]

    def stored(self, device: "Device", transfer: int | None, here: "list[Stored]") -> None:
        """I10: a block is the same wherever it lies. What a device samples is true from here on."""
        for encoded, block, _ in here:
            info = block.info
            name = (info.dataset, info.key)
            known = self._blocks.setdefault((*name, block.seq), encoded)
            if known != encoded:
                self._fail(
                    "wrong",
                    info.key,
                    f"block {info.key}/{block.seq} differs on {device.name} (I10)",
                )
            if transfer is None:
                self._follows(device, block)
                self.infos[name] = info
                self.content.setdefault(name, {})[block.first_sample] = block.data

    def _follows(self, device: "Device", block: Block) -> None:
        """I10: nobody knows what was between two boots, so a gap is."""
        name = (block.info.dataset, block.info.key)
        boot = device.disk.state.boot
        last = self._sampled.setdefault(name, boot)
        self._sampled[name] = boot
        if last != boot and not block.gap:
            text = f"{block.info.key}/{block.seq} goes on over a boot of {device.name} (I10)"
            self._fail("wrong", block.info.key, text)

    def refused(self, device: "Device", refusals: list[wire.Refusal]) -> None:
        """I10: what a device samples itself its own disk takes."""
        if refusals:
            text = f"{device.name} does not take what it sampled: {refusals[0].reason} (I10)"
            self._fail("wrong", device.name, text)

    def computed(self, effect: Any, task: wire.Task, data: bytes) -> None:
        """I2: a batch of a standing job is the same whoever computes it."""
        name = (effect.job, effect.plan, task.key, task.start, task.stop)
        if self._batches.setdefault(name, data) != data:
            self._fail(
                "wrong", task.key, f"{effect.job} of {task.key} at {task.start} differs (I2)"
            )

    # --- the gateway ---

    def changed(self, change: Change) -> None:
        """I4: a device is dead to the gateway only when it has stopped to act."""
        device = self.devices.get(change.device)
        if change.after is not State.DEAD or device is None or device.core is None:
            return
        if device.core._lease.holds(device.now):
            self._fail(
                "double_owners", device.name, f"{device.name} is dead and acts under a lease (I4)"
            )

    def heard(self, device: str, message: Any) -> None:
        """Results that came in; they may be acknowledged once they are committed."""
        if type(message) is wire.Partials:
            self._partials[device, message.number] = message

    def committing(self, records: list[Any]) -> None:
        """I1, I2: a place is given once, a key is merged once. I5: a copy is on a disk."""
        lacking = self.books.committing(records, self.devices, self._deleted)
        if lacking is not None:
            device, about, seq = lacking
            self._fail("lost", about, f"{about}/{seq} counts as on {device}, which has it not (I5)")
        for record in records:
            kind = type(record)
            if kind is r.PieceSet:
                self._place(record)
            elif kind is r.PartialsAdded:
                for number, task, _ in record.rows:
                    merged = self._merged.setdefault(number, set())
                    if task in merged:
                        self._fail("duplicated", f"q{number}", f"q{number}/{task} twice (I2)")
                    merged.add(task)
            elif kind is r.QuerySet:
                if record.state == "open":
                    self.queries[record.job] = record
            elif kind is r.WindowSet:
                key = record[:3]
                if key in self._windows:
                    text = f"{record.job} of {record.key} at {record.sample} is merged twice (I2)"
                    self._fail("duplicated", record.key, text)
                self._windows[key] = record.data
            elif kind is r.StandingGone:
                self.stopped.add(record.name)
                for key in [k for k in self._windows if k[0] == record.name]:
                    del self._windows[key]

    def _place(self, record: r.PieceSet) -> None:
        key, name = record[:4], (record.dataset, record.key)
        known = self._places.get(key)
        data = self.pieces[key]
        if known is not None and known[4:10] != record[4:10]:
            self._fail("duplicated", record.key, f"{key} has two places: {known}, {record} (I2)")
        self._places[key] = record
        mine = self.content.setdefault(name, {})
        if mine.setdefault(record.first_sample, data) is not data:
            self._fail("wrong", record.key, f"{key} has a place that is taken: {record} (I1)")

    def telling(self, device: str, message: Any) -> None:
        """I5: what the gateway acknowledges is committed."""
        if type(message) is not wire.Ack:
            return
        for first, _ in message.numbers:
            partials = self._partials.pop((device, first), None)
            if partials is not None:
                self._acknowledged(partials)

    def _acknowledged(self, partials: wire.Partials) -> None:
        query = self.queries.get(partials.job)
        standing = self.ledger.tables[r.StandingSet].get((partials.job,))
        for key, task, failed, _, _ in partials.results:
            if failed:
                continue
            if query is not None:
                row = self.ledger.tables[r.QuerySet].get((query.number,))
                opened = row is not None and row.state == "open"
                if opened and task not in self.ledger.partials.get(query.number, ()):
                    text = f"{partials.job}/{task} is acknowledged and not committed (I5)"
                    self._fail("lost", partials.job, text)
            elif standing is not None and (partials.job, key, task) not in self._windows:
                mark = self.ledger.tables[r.MarkSet].get((partials.job, key))
                if (mark is None or task >= mark.sample) and (standing.dataset, key) in self.infos:
                    text = f"{partials.job} of {key} at {task} is acknowledged, not committed (I5)"
                    self._fail("lost", key, text)

    def answering(self, effect: Any) -> None:
        """Answers are looked at where they are made, so that a lost one is looked at too."""
        reply = effect.message
        if reply.status not in (wire.DONE, wire.INCOMPLETE) or not reply.body.startswith('{"job"'):
            return
        body = json.loads(reply.body)
        query = self.queries.get(body["job"])
        if query is not None and query.client == effect.client:
            self._answered(query, reply, body)

    # --- answers ---

    def put_done(self, pieces: list[tuple[tuple[bytes, str, str, int], bytes]]) -> None:
        """I5: a put is answered once its pieces are committed and on a disk."""
        for key, data in pieces:
            place = self._places.get(key)
            if place is None:
                self._fail("lost", key[2], f"{key[2]} is stored and has no place (I5)")
                return
            name = (place.dataset, place.key)
            if not any(
                place.seq in device.disk.blocks.get(name, {}) for device in self.devices.values()
            ):
                text = f"{place.key}/{place.seq} is stored and on no disk (I5)"
                self._fail("lost", place.key, text)
            row = self.ledger.tables[r.PieceSet].get(key)
            if row is not None and not row.stored:
                self._fail("lost", place.key, f"{place.key}/{place.seq} is answered too soon (I5)")
            self.acked[place.dataset, place.key, place.first_sample] = data

    def samples(self, name: Name, start: int, stop: int) -> bytes:
        """What was put or sampled at [start, stop) of a stream."""
        info, mine = self.infos[name], self.content.get(name, {})
        width = {"i16": 2, "i32": 4, "f32": 4}[info.dtype]
        order = self._order.get(name, ())
        if len(order) != len(mine):
            order = self._order[name] = sorted(mine)
        parts, at = [], start
        for index in range(max(0, bisect_right(order, start) - 1), len(order)):
            first = order[index]
            if at >= stop or first > at:
                break
            data = mine[first]
            high = min(stop - first, len(data) // width)
            if at - first < high:
                parts.append(data[(at - first) * width : high * width])
                at = first + high
        if at != stop:
            self._fail("wrong", name[1], f"{name[1]} has no samples {at} to {stop} (I1)")
        return b"".join(parts)

    def _answered(self, query: r.QuerySet, reply: wire.Reply, body: dict[str, Any]) -> None:
        """I1, I10: an answer is its tasks' samples, each once, and names what is missing."""
        self.answers += 1
        plan = _plan(query.plan)
        cuts, piece = from_text(query.cuts)
        tasks = tasks_of(cuts, plan, piece)
        there = self._merged.get(query.number, set())
        missing = [t for n, t in enumerate(tasks) if n not in there]
        listed = body["missing"]
        for task in missing:
            if not any(
                e["key"] == task.key and e["start"] <= task.start and task.stop <= e["stop"]
                for e in listed
            ):
                self._fail("lost", query.job, f"{query.job} lacks {task} and does not say so (I1)")
        if body["complete"] != (not listed) or (reply.status == wire.DONE) != (not listed):
            self._fail("wrong", query.job, f"{query.job}: complete and missing disagree (I1)")
        parts: dict[str, list[bytes]] = {task.key: [] for task in tasks}
        for number in sorted(there):
            task = tasks[number]
            parts[task.key].append(self._partial(plan, query.dataset, task))
        self._compare(query, plan, reply, body, parts)

    def _partial(self, plan: Plan, dataset: str, task: wire.Task) -> bytes:
        known = (plan.text, dataset, task.key, task.anchor, task.start, task.stop)
        found = self._own.get(known)
        if found is None:
            name = (dataset, task.key)
            info = self.infos[name]
            found = self._own[known] = plan.partial(
                self.samples(name, task.start, task.stop),
                info.rate_hz,
                start=task.start,
                anchor=task.anchor,
                key=task.key,
                dtype=info.dtype,
            )
        return found

    def _compare(
        self, query: r.QuerySet, plan: Plan, reply: wire.Reply, body: Any, parts: Any
    ) -> None:
        if query.by_key:
            expected = {key: plan.finish(plan.merge(mine)) for key, mine in parts.items()}
            right = json.loads(dumps(expected)) == body["values"]
        else:
            right = plan.merge([p for mine in parts.values() for p in mine]) == reply.blob
        if not right:
            self._fail("wrong", query.job, f"{query.job}: {query.plan}: the answer differs (I10)")

    def covers(self, query: r.QuerySet) -> None:
        """I5, after everything healed: an answer holds all that was ever acknowledged.

        The query's plan has no windows: behind a hole they would skip samples.
        """
        cuts, _ = from_text(query.cuts)
        spans: dict[str, list[Cut]] = {}
        for cut in cuts:
            spans.setdefault(cut.key, []).append(cut)
        for (dataset, key, first), data in self.acked.items():
            if dataset != query.dataset:
                continue
            at, stop = first, first + len(data) // 2
            for cut in sorted(spans.get(key, []), key=lambda c: c.start):
                if cut.start <= at < cut.stop:
                    at = cut.stop
            if at < stop:
                self._fail(
                    "lost", key, f"{key}: samples {at} to {stop} are acknowledged, gone (I5)"
                )
