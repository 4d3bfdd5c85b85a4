"""The shell around the core: the loop, the link, the keeper, the workers and the sources.

Everything comes in as an event (`feed`), on the loop's thread; the effects are carried out in their
order. One of them waits: `SaveState`. What follows it is held until the keeper has it on disk.
"""

import os
from collections import deque
from collections.abc import Callable
from time import time
from typing import Any

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.core import Core
from atoll.runtime.health import DayCount, health_json
from atoll.runtime.inflow import Inflow
from atoll.runtime.join import Joiner
from atoll.runtime.keeper import Keeper, StateSaved
from atoll.runtime.sources import Source
from atoll.runtime.workers import Workers
from atoll.transport.link import Link
from atoll.transport.loop import Loop, Timer
from atoll.transport.port import Incoming
from atoll.wire import limits, messages
from atoll.wire.codec import Assembler, decode, encode, split
from atoll.wire.errors import WireError
from atoll.wire.status import Status, encode_status
from atoll.wire.topics import Topics

ALLOWED = {
    "map": (messages.Map, messages.Part),
    "task": (
        messages.Tasks,
        messages.Standing,
        messages.Again,
        messages.Cancel,
        messages.SendBlocks,
        messages.InventoryAsk,
        messages.Release,
        messages.Part,
    ),
    "block": (messages.Blocks, messages.Part),
    "ack": (messages.Ack,),
    "lease": (messages.Lease, messages.Probe),
}
# Effects held behind a state that cannot be saved: above it, what comes in is dropped and counted.
EFFECTS_MAX = 4_096
# Samples that wait for the loop, from all sources: when it is held up for longer, they are dropped.
SAMPLED_BYTES_MAX = 4 * 1_048_576
# Blocks are read for another device only while the link has less than this waiting.
LINK_QUEUE_MAX = 32
READ_AGAIN_S = 0.02


class Shell:
    """One device at work on a loop."""

    def __init__(self, name: str, loop: Loop, link: Link, core: Core) -> None:
        self._name = name
        self._loop = loop
        self._link = link
        self._core = core
        self._effects: deque[do.Effect] = deque()
        self._saving = False
        self._timer: Timer | None = None
        self._assembler = Assembler()
        self._encoded: tuple[Any, bytes] = (None, b"")
        self._by_topic: dict[str, Source] = {}
        self._sources: list[Source] = []
        self._stopped = False
        self._trouble = ""
        self._troubles: dict[str, str] = {}  # of sources, as last said
        self._written_day = DayCount()
        self.stalled = 0
        self.unsent = 0  # messages that the link had no room for
        self._news_lost = False
        self._inflow = Inflow(SAMPLED_BYTES_MAX)
        self.joiner: Joiner | None = None  # for a site with passwords

    def start(
        self, topics: Topics, keeper: Keeper, workers: Workers, sources: list[Source]
    ) -> None:
        """Wire everything and begin; the caller then runs the loop."""
        self._boot = self._core.boot
        self._keeper = keeper
        self._workers = workers
        self._sources = sources
        self._by_topic = {source.topic: source for source in sources if source.topic}
        self._down = topics.down(self._name, "")
        self._up = topics.up(self._name, "")
        self._perform_by = self._performers()
        post = self._post
        keeper.start(post)
        workers.start(post)
        self._link.on_up = lambda: self.feed(on.LinkUp())
        self._link.on_down = self._went_down
        self._link.on_message = self._incoming
        self._link.on_writable = self._room_again
        self._link.subscribe(self._down + "#", *self._by_topic)
        self._carry_out(self._core.start(self._loop.now()))
        self._link.start()
        for source in sources:
            source.start(self._post_sampled)

    def _post(self, event: Any) -> None:
        """From any thread."""
        self._loop.post(self.feed, event)

    def _post_sampled(self, event: on.Sampled) -> None:
        """From a source's thread."""
        admitted = self._inflow.admit(event)
        if admitted is not None:
            self._loop.post(self._feed_sampled, admitted)

    def _feed_sampled(self, event: on.Sampled) -> None:
        self._inflow.done(event)
        self.feed(event)

    def _room_again(self) -> None:
        if self._news_lost:
            self._news_lost = False
            self.feed(on.NewsLost())

    def feed(self, event: Any) -> None:
        """Give an event to the core and do what it says."""
        if type(event) is StateSaved:
            self._saving = False
            self._carry_out([])
            return
        if not self._stopped:
            self._carry_out(self._core.handle(event, self._loop.now()))

    def stop(self, *_: Any) -> None:
        """Drain and end; a second time: end at once."""
        if self._stopped:
            return
        if self._core.draining:
            self._stop(do.Stop())
        else:
            self.feed(on.StopAsked())

    # --- what comes in ---------------------------------------------------------------------------

    def _went_down(self, reason: str) -> None:
        self.feed(on.LinkDown(reason))
        if self.joiner is not None:
            self.joiner.refused(self._link.broker, reason, self._core.boot)

    def _incoming(self, incoming: Incoming) -> None:
        source = self._by_topic.get(incoming.topic)
        if source is not None:
            sampled = source.take(incoming.payload)
            self.feed(sampled if sampled is not None else on.Malformed("no number"))
            return
        if len(self._effects) > EFFECTS_MAX:
            self.stalled += 1
            return
        leaf = incoming.topic.removeprefix(self._down)
        try:
            message = decode(incoming.payload, allowed=ALLOWED.get(leaf, ()))
            if type(message) is messages.Part:
                whole = self._assembler.add(message)
                if whole is None:
                    return
                message = decode(
                    whole, allowed=ALLOWED[leaf][:-1], size_max=limits.OBJECT_BYTES_MAX
                )
        except WireError as error:
            self.feed(on.Malformed(error.reason))
            return
        self.feed(on.Received(message))

    # --- what is to be done ----------------------------------------------------------------------

    def _performers(self) -> dict[type, Callable[[Any], None]]:
        ask = self._keeper.ask
        return {
            do.Publish: self._publish,
            do.PublishStatus: self._publish_status,
            do.PublishHealth: self._publish_health,
            do.SaveState: self._save_state,
            do.StoreBlocks: ask,
            do.ReadBlocks: self._read_blocks,
            do.ListStreams: ask,
            do.Compute: self._workers.compute,
            do.ForgetJob: lambda effect: self._workers.forget(effect.job),
            do.AppendOutbox: self._append_outbox,
            do.ReadOutbox: ask,
            do.SettleOutbox: ask,
            do.DeleteShards: ask,
            do.Retain: ask,
            do.MeasureHealth: self._measure_health,
            do.Say: lambda effect: self.say(effect.line),
            do.Stop: self._stop,
        }

    def _carry_out(self, effects: list[do.Effect]) -> None:
        queue = self._effects
        queue.extend(effects)
        while queue and not self._saving:
            effect = queue.popleft()
            self._perform_by[type(effect)](effect)
        if not self._stopped:
            self._set_timer()

    def _set_timer(self) -> None:
        when = self._core.next_wakeup()
        if self._timer is not None:
            if self._timer.callback is not None and self._timer.when <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        if self._keeper.trouble != self._trouble:
            self._trouble = self._keeper.trouble
            self.say(self._trouble or "the state is saved again")
        for source in self._sources:
            if source.trouble != self._troubles.get(source.dataset, ""):
                self._troubles[source.dataset] = source.trouble
                self.say(source.trouble or f"source {source.dataset}: samples come in again")
        self.feed(on.Woke())

    def say(self, line: str) -> None:
        """One line for the person at the terminal, or the journal."""
        print(f"{self._name}: {line}", flush=True)

    def _publish(self, effect: do.Publish) -> None:
        leaf, message = effect
        data = self._encoded[1] if message is self._encoded[0] else self._encode(message)
        if leaf == "lease":  # now or never: a heartbeat that waits says nothing
            self._link.publish(self._up + leaf, data, purpose=leaf, qos=0)
            return
        retain = leaf == "birth"
        if len(data) <= limits.MESSAGE_BYTES_MAX:
            self._send(leaf, data, retain=retain)
            return
        for part in split(data, os.urandom(16), limits.MESSAGE_BYTES_MAX):
            self._send(leaf, part)

    def _send(self, leaf: str, data: bytes, *, retain: bool = False) -> None:
        if not self._link.publish(self._up + leaf, data, purpose=leaf, retain=retain):
            # Results are in the outbox; what was to be said of blocks is said in one list later.
            self.unsent += 1
            self._news_lost = self._news_lost or leaf == "block"

    def _encode(self, message: Any) -> bytes:
        data = encode(message)
        self._encoded = (message, data)
        return data

    def _append_outbox(self, effect: do.AppendOutbox) -> None:
        # Encoded here, once: the same bytes are published next.
        self._keeper.ask(effect._replace(message=self._encode(effect.message)))

    def _publish_status(self, effect: do.PublishStatus) -> None:
        wake_ms = int((time() + effect.sleep_s) * 1_000) if effect.sleep_s else 0
        status = Status(effect.state, self._boot, effect.epoch, effect.sleep_s, wake_ms)
        topic = self._up + "status"
        self._link.publish(topic, encode_status(status), purpose="status", retain=True)

    def _publish_health(self, effect: do.PublishHealth) -> None:
        written = self._keeper.bytes_written
        members: dict[str, int | str] = {
            "bytes_written": written,
            "bytes_written_day": self._written_day.update(written, self._loop.now()),
            "late_samples": sum(source.late for source in self._sources),
            "missed_samples": sum(source.missed for source in self._sources),
            "refused": sum(effect.counters.values()) + self.stalled,
        }
        members |= {"unsent": self.unsent, "samples_dropped_loop": self._inflow.dropped}
        members |= effect.outbox
        members |= {f"refused_{_word(why)}": count for why, count in effect.counters.items()}
        data = health_json(effect.health, effect.strain, members)
        self._link.publish(self._up + "health", data, purpose="health")

    def _measure_health(self, effect: do.MeasureHealth) -> None:
        self._keeper.note_task_time(self._workers.task_us)
        self._keeper.ask(effect)

    def _save_state(self, effect: do.SaveState) -> None:
        self._saving = True
        self._keeper.ask(effect)

    def _read_blocks(self, effect: do.ReadBlocks) -> None:
        if self._link.queued > LINK_QUEUE_MAX:
            self._loop.call_later(READ_AGAIN_S, self._read_blocks, effect)
        else:
            self._keeper.ask(effect)

    def _stop(self, effect: do.Stop) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for source in self._sources:
            source.stop()
        self._workers.close()
        self._keeper.close()
        self._link.close(self._loop.stop)


def _word(reason: str) -> str:
    """A reason as the end of a name: `stale term` as `stale_term`."""
    return "".join(c if c.isalnum() else "_" for c in reason.lower())
