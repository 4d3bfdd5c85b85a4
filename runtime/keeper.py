"""The one thread that writes: blocks, outbox and state, in the order in which the core asked.

What is written is synced together: when nothing more has come for a while, or when the first of it
has waited `commit_s` (200 ms usually; 30 s where a card is to be spared). Answers go back as
events, after the sync. Requests are served in order, but for states, which go first: the device
stands still until its state is on disk, and a slow disk may have megabytes of blocks before it.
Only the syncs wait.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, time
from typing import Any

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.errors import Missing, Refused
from atoll.runtime.files import Files
from atoll.runtime.health import HealthReader
from atoll.runtime.outbox import Outbox
from atoll.runtime.scrub import Scrubber
from atoll.runtime.state import save
from atoll.runtime.store import Added, Store
from atoll.wire.codec import decode
from atoll.wire.errors import WireError
from atoll.wire.limits import BLOCKS_MAX, OBJECT_BYTES_MAX, REASON_BYTES_MAX
from atoll.wire.messages import BlockRange, HeldStream, Partials, Refusal

COMMIT_S = 0.2
# The share of `commit_s` after which a pause in what comes in is taken for its end.
LINGER_SHARE = 8
# Bytes of blocks in one message: a block at its largest still fits with the envelope.
BLOCKS_BYTES = 60_000
# After a state that could not be saved.
RETRY_S = 1.0

Post = Callable[[Any], None]


_URGENT = object()  # in the queue: there is something in the other one


class StateSaved:
    """Told to the shell: effects behind the barrier may go on."""


class Keeper:
    """Serves the effects that touch the disk. `ask` is for any thread; `post` runs in its own."""

    def __init__(
        self,
        root: str,
        files: Files,
        store: Store,
        outbox: Outbox,
        health: HealthReader,
        *,
        commit_s: float = COMMIT_S,
        scrubber: Scrubber | None = None,
    ) -> None:
        self._root = root
        self._files = files
        self._store = store
        self._outbox = outbox
        self._health = health
        self._commit_s = commit_s
        self._post: Post = print
        self._asked: SimpleQueue[Any] = SimpleQueue()
        # States, which hold everything else up: served before what waits for a slow disk.
        self._urgent: SimpleQueue[do.SaveState] = SimpleQueue()
        self._waiting: dict[int, tuple[_Request, int]] = {}  # ticket -> request, index
        self._requests: list[_Request] = []
        self._appended: list[int] = []
        self._scrubber = scrubber or Scrubber(store)
        self._rot_told = 0
        self._since: float | None = None
        self._last = 0.0
        self.state_bytes = 0
        self.trouble = ""  # why the state cannot be saved, while it cannot
        self._thread = Thread(target=self._run, name="keeper", daemon=True)
        self._serve: dict[type, Callable[[Any], None]] = {
            do.StoreBlocks: self._store_blocks,
            do.ReadBlocks: self._read_blocks,
            do.ListStreams: self._list_streams,
            do.AppendOutbox: self._append_outbox,
            do.ReadOutbox: self._read_outbox,
            do.SettleOutbox: self._settle_outbox,
            do.DeleteShards: self._delete_shards,
            do.Retain: self._retain,
            do.MeasureHealth: self._measure,
        }

    @property
    def bytes_written(self) -> int:
        """Bytes given to the disk since the start."""
        return self._store.bytes_written + self._outbox.bytes_written + self.state_bytes

    def start(self, post: Post) -> None:
        """Begin to serve; events go to `post`."""
        self._post = post
        self._thread.start()

    def note_task_time(self, task_us: float) -> None:
        """What the last tasks took, for the next health record."""
        self._health.task_us = round(task_us)

    def ask(self, effect: Any) -> None:
        """Queue an effect."""
        if isinstance(effect, do.SaveState):
            self._urgent.put(effect)
            self._asked.put(_URGENT)
        else:
            self._asked.put(effect)

    def close(self) -> None:
        """Serve what is queued, sync, and end."""
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                effect = self._asked.get(timeout=self._patience())
            except Empty:
                if self._since is None:
                    self._scrub()
                else:
                    self._commit()
                continue
            while not self._urgent.empty():
                self._save_state(self._urgent.get())
            if effect is None:
                break
            if effect is _URGENT:
                continue
            self._serve[type(effect)](effect)
            if self._since is not None and monotonic() - self._since >= self._commit_s:
                self._commit()
        self._commit()
        self._store.close()
        self._outbox.close()

    def _patience(self) -> float:
        """How long to wait for more before syncing or, with nothing to sync, before scrubbing."""
        now = monotonic()
        if self._since is None:
            return max(0.0, self._scrubber.due - now)
        whole = self._since + self._commit_s - now
        return max(0.0, min(whole, self._last + self._commit_s / LINGER_SHARE - now))

    def _scrub(self) -> None:
        self._scrubber.step(monotonic())
        self._tell_rot()

    def _tell_rot(self) -> None:
        """Whoever read it: tell the core what turned out damaged since the last time."""
        found = self._store.damaged_reads - self._rot_told
        if found:
            self._rot_told += found
            self._post(on.RotFound(found))

    def _dirty(self) -> None:
        self._last = monotonic()
        if self._since is None:
            self._since = self._last

    # --- blocks ----------------------------------------------------------------------------------

    def _store_blocks(self, effect: do.StoreBlocks) -> None:
        request = _Request(effect.transfer)
        now_ms = int(time() * 1_000)
        for index, encoded in enumerate(effect.blocks):
            try:
                ticket = self._store.stage(encoded, now_ms)
            except Refused as refused:
                request.refused.append(Refusal(index, str(refused)[:REASON_BYTES_MAX]))
                continue
            if ticket in self._waiting:  # twice under way: the first one's sync is both's
                request.shares.append((ticket, index))
            elif ticket:
                self._waiting[ticket] = (request, index)
        self._requests.append(request)
        self._dirty()

    def _commit(self) -> None:
        """One sync for all that was written, then the answers."""
        self._since = None
        done = self._store.commit()
        failed = dict(done.failed)
        added = dict(zip(done.tickets, done.added, strict=True))
        requests, self._requests = self._requests, []
        for ticket, (request, index) in self._waiting.items():
            if ticket in failed:
                request.refused.append(Refusal(index, failed[ticket][:REASON_BYTES_MAX]))
            else:
                request.added.append(added[ticket])
        self._waiting.clear()
        for request in requests:
            request.refused += [
                Refusal(index, failed[ticket][:REASON_BYTES_MAX])
                for ticket, index in request.shares
                if ticket in failed
            ]
            self._post(on.BlocksStored(request.transfer, request.refused, _grouped(request.added)))
        self._sync_outbox()

    def _read_blocks(self, effect: do.ReadBlocks) -> None:
        blocks: list[bytes] = []
        size = 0
        rest = list(effect.ranges)
        while rest:
            dataset, key, first, last = rest[0]
            try:
                block = self._store.block(dataset, key, first)
            except Missing as missing:
                if blocks:
                    break  # what was read goes out; the next request fails
                self._post(on.BlocksRead(effect.transfer, [], [], str(missing)[:REASON_BYTES_MAX]))
                return
            if blocks and (size + len(block) > BLOCKS_BYTES or len(blocks) >= BLOCKS_MAX):
                break
            blocks.append(block)
            size += len(block)
            rest[:1] = [BlockRange(dataset, key, first + 1, last)] if first < last else []
        self._post(on.BlocksRead(effect.transfer, blocks, rest, ""))

    def _list_streams(self, effect: do.ListStreams) -> None:
        pasts = [] if effect.purpose == "standing" else self._store.pasts()
        streams = self._store.streams(effect.dataset)
        self._post(on.StreamsListed(effect.purpose, streams, pasts))

    def _delete_shards(self, effect: do.DeleteShards) -> None:
        self._commit()
        for dataset, shard in effect.shards:
            self._store.delete(dataset, shard)

    def _retain(self, effect: do.Retain) -> None:
        now_ms = int(time() * 1_000)
        for entry in effect.shards:
            dataset, shard = entry.dataset, entry.shard
            dropped = self._store.retain(
                *(dataset, shard, entry.retention_s, entry.retention_bytes, now_ms)
            )
            if dropped:
                self._post(on.BlocksDropped(dropped, self._store.pasts(dataset, shard)))

    # --- outbox and state ------------------------------------------------------------------------

    def _append_outbox(self, effect: do.AppendOutbox) -> None:
        try:
            self._outbox.append(effect.number, effect.message)
        except Refused as error:
            if effect.durable:
                self._post(on.OutboxWritten(effect.number, str(error)))
            return
        if effect.durable:
            self._appended.append(effect.number)
            self._dirty()

    def _sync_outbox(self) -> None:
        numbers, self._appended = self._appended, []
        if not numbers:
            return
        failed = self._outbox.sync()
        for number in numbers:
            problem = failed.get(number, "")
            if problem:  # it is computed again
                self._outbox.settle(number, number)
            self._post(on.OutboxWritten(number, problem))

    def _read_outbox(self, effect: do.ReadOutbox) -> None:
        data = self._outbox.read(effect.number)
        message: Partials | None = None
        if data is not None:
            try:
                message = decode(data, allowed=(Partials,), size_max=OBJECT_BYTES_MAX)
            except WireError:
                message = None
        self._post(on.OutboxRead(effect.number, message))

    def _settle_outbox(self, effect: do.SettleOutbox) -> None:
        for first, last in effect.numbers:
            self._outbox.settle(first, last)

    def _save_state(self, effect: do.SaveState) -> None:
        from time import sleep

        while True:
            try:
                self.state_bytes += save(self._files, self._root, effect.state)
            except OSError as error:
                # Nothing that rests on this state may happen: better to stand still, and say so.
                self.trouble = f"the state cannot be saved: {error.strerror or error}"
                sleep(RETRY_S)
                continue
            break
        self.trouble = ""
        self._post(StateSaved())

    def _measure(self, effect: do.MeasureHealth) -> None:
        strain = self._health.strain.read(monotonic())
        self._post(on.HealthRead(self._health.read(), self._store.stored_bytes, strain))
        self._tell_rot()


class _Request:
    """A request to store that is not answered yet."""

    __slots__ = ("added", "refused", "shares", "transfer")

    def __init__(self, transfer: int | None) -> None:
        self.transfer = transfer
        self.refused: list[Refusal] = []
        self.added: list[Added] = []
        self.shares: list[tuple[int, int]] = []


def _grouped(added: list[Added]) -> list[HeldStream]:
    """New blocks by stream."""
    streams: dict[tuple[str, str], HeldStream] = {}
    for info, shard, run in added:
        held = streams.setdefault((info.dataset, info.key), HeldStream(info, shard, []))
        held.runs.append(run)
    return list(streams.values())
