"""The device: events in, effects out, nothing else touched.

    init ──lease granted──> ready ──StopAsked──> draining ──all done, or DRAIN_S over──> stopped
                                                        (or sleeping, with when it comes back)

`init` and `draining` serve as `ready` does, but that a draining device takes no new tasks. A lease
that runs out changes no state: the device goes on with what is stored and only refuses others'
blocks.

Rules: numbers that fence are saved before what they allow is done; results of standing jobs are
saved before they are published; an answer is given only after the event that says that its ground
is on disk; every bound refuses aloud and every refusal is counted. No clock, no chance, no file:
`now` is seconds on a monotonic clock. The parts: `custody.py` keeps blocks, `labour.py` computes,
`lease.py` and `fence.py` say what is allowed, and this module wires them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.custody import Custody
from atoll.runtime.desk import Desk
from atoll.runtime.fence import Fence
from atoll.runtime.labour import Labour
from atoll.runtime.lease import LeaseClock
from atoll.runtime.live import LiveStreams
from atoll.runtime.memory import Remembered, memory_messages
from atoll.runtime.recorder import BLOCK_S
from atoll.runtime.spans import Shape
from atoll.wire import messages as wire

# How long a drain may take: an init system kills after 90 s, a person loses patience before.
DRAIN_S = 5.0
# Health for people, by profile; machines get theirs with each lease request. Once an hour is a
# tenth of what a metered device may send in a day.
HEALTH_S = {"battery": 300.0, "metered": 3_600.0}
HEALTH_USUAL_S = 30.0
# Positions of standing jobs are saved this often at most, and so seldom that a day's saves write 16
# MB.
MARKS_S = 60.0
MARKS_BYTES_A_S = 200
# Between a birth that the gateway asked for and the next request: the birth is to arrive first.
BIRTH_WAIT_S = 0.2
UNKNOWN_HEALTH = wire.Health(-1, -1, -1, -1, -1, -1, -1, -1)

Handler = Callable[[Any, float], None]


class Identity(NamedTuple):
    """Who the device is: fixed for one boot. `wakes_in_s`: it ends to come back so much later;
    `block_s`: how long a block of its own samples stays open.
    """

    birth: wire.Birth
    state: do.State  # as loaded; its boot number is this boot's
    backlog: list[int]  # numbers in the outbox from before
    backlog_bytes: int = 0
    wakes_in_s: int = 0
    block_s: float = BLOCK_S


class Core:
    """One device. `shape` reads how a plan walks over a stream from its canonical form, or
    ValueError.
    """

    def __init__(self, identity: Identity, shape: Callable[[bytes], Shape]) -> None:
        state, self._birth = identity.state, identity.birth
        self._fence = Fence(
            state.boot,
            term=state.term,
            map_epoch=state.map_epoch,
            lease_epoch=state.lease_epoch,
            map_term=state.map_term,
            lease_term=state.lease_term,
        )
        self._desk = Desk(self._fence)
        self._lease = LeaseClock(self._birth.profile)
        live = LiveStreams(self._birth.sources, state.boot, identity.block_s)
        self._custody = Custody(self._desk, live, self._grown)
        self._custody.shards, self._custody.datasets = state.shards, state.datasets
        self._labour = Labour(
            self._desk,
            shape,
            boot=state.boot,
            backlog=identity.backlog,
            backlog_bytes=identity.backlog_bytes,
        )
        self._health = UNKNOWN_HEALTH
        self._strain = wire.UNSTRAINED
        self._stored_bytes = 0
        self._status = "init"
        self._wakes_in_s = identity.wakes_in_s
        self._leased = False
        self._told_down = False
        self._round_trip_ms = -1
        self._stop_at: float | None = None
        self._health_at = 0.0
        self._marks_at = 0.0
        self._due = 0.0
        for order in state.orders:
            self._labour.take_order(order)
        self._told = self._message_handlers()
        self._happened = self._event_handlers()

    def _message_handlers(self) -> dict[type, Handler]:
        return {
            wire.Lease: self._granted,
            wire.Probe: self._probed,
            wire.Map: self._mapped,
            wire.Release: self._released,
            wire.Blocks: self._given_blocks,
            wire.SendBlocks: self._custody.asked_for_blocks,
            wire.InventoryAsk: self._custody.asked_for_inventory,
            wire.Tasks: self._labour.given_tasks,
            wire.Standing: self._given_order,
            wire.Again: self._asked_again,
            wire.Cancel: self._cancelled,
            wire.Ack: self._acknowledged,
        }

    def _event_handlers(self) -> dict[type, Handler]:
        return {
            on.LinkUp: self._link_up,
            on.LinkDown: self._link_down,
            on.Received: self._received,
            on.Malformed: self._malformed,
            on.Woke: self._woke,
            on.BlocksStored: self._custody.blocks_stored,
            on.BlocksRead: self._custody.blocks_read,
            on.StreamsListed: self._streams_listed,
            on.BlocksDropped: self._custody.dropped,
            on.NewsLost: self._custody.news_lost,
            on.WorkDone: self._labour.work_done,
            on.OutboxWritten: self._outbox_written,
            on.OutboxRead: self._labour.outbox_read,
            on.HealthRead: self._health_read,
            on.RotFound: self._custody.rot_found,
            on.Sampled: self._custody.sampled,
            on.StopAsked: self._stop_asked,
        }

    @property
    def counters(self) -> dict[str, int]:
        """What was refused, by reason."""
        return self._desk.counters

    @property
    def boot(self) -> int:
        """This boot's number."""
        return self._fence.boot

    @property
    def draining(self) -> bool:
        """Whether it was asked to end."""
        return self._desk.draining

    # --- the two doors ---

    def start(self, now: float) -> list[do.Effect]:
        """What is done first. This boot's number is on disk already."""
        self._marks_at = now + MARKS_S
        self._recut()
        self._due = self._first_due()
        self._desk.do(do.MeasureHealth())
        self._custody.list_streams("restore")
        return self._desk.taken()

    def handle(self, event: on.Event, now: float) -> list[do.Effect]:
        """Take an event in; what is to be done, in this order."""
        self._happened[type(event)](event, now)
        due = self._first_due()
        if due <= now or self._stop_at is not None:
            self._run_due(now)
            due = self._first_due()
        self._due = due
        return self._desk.taken()

    def next_wakeup(self) -> float:
        """When to send `Woke`, if nothing else comes first."""
        return self._due

    # --- time ---

    def _first_due(self) -> float:
        """When `_run_due` or `_woke` has something to do; asked with every event."""
        first = min(self._health_at, self._custody.next_wakeup())
        lease = self._lease
        if self._desk.linked and lease.next_request < first:
            first = lease.next_request
        if self._leased and lease.until < first:
            first = lease.until
        if self._stop_at is not None and self._stop_at < first:
            first = self._stop_at
        if self._labour.standing.moved and self._marks_at < first:
            first = self._marks_at
        labour = self._labour.next_wakeup()
        return first if labour is None or first < labour else labour

    def _run_due(self, now: float) -> None:
        if self._desk.linked and now >= self._lease.next_request:
            self._request_lease(now)
        if self._leased and not self._lease.holds(now):
            self._leased = False
            self._desk.say("lease lost: others' blocks are refused until it is renewed")
        if now >= self._health_at:
            self._health_at = now + HEALTH_S.get(self._birth.profile, HEALTH_USUAL_S)
            if self._desk.linked:
                counters, outbox = dict(self.counters), self._labour.outbox
                self._desk.do(do.PublishHealth(self._health, self._strain, counters, outbox))
        self._labour.run_due(now)
        self._custody.run_due(now)
        if self._labour.standing.moved and now >= self._marks_at:
            self._save(now)
        if self._stop_at is not None:
            self._end_drain(now)

    def _woke(self, event: on.Woke, now: float) -> None:
        self._labour.resend(now)
        self._compute(now)

    # --- link and lease ---

    def _link_up(self, event: on.LinkUp, now: float) -> None:
        self._desk.linked, self._desk.answered = True, False
        self._told_down = False
        self._lease.ask_at_once(now)
        self._publish_status()
        self._publish_birth()
        self._labour.interrupted(now)  # to be sent again when a lease shows that somebody listens
        self._health_at = now

    def _link_down(self, event: on.LinkDown, now: float) -> None:
        if not self._told_down:  # once, and not at each attempt
            self._told_down = True
            what = "lost" if self._desk.linked else "cannot reach"
            self._desk.say(f"{what} the broker, trying again: {event.reason}")
        self._desk.linked = self._desk.answered = False
        self._labour.interrupted(now)

    def _publish_status(self) -> None:
        sleep_s = self._wakes_in_s if self._status == "sleeping" else 0
        self._desk.do(do.PublishStatus(self._status, self._fence.map_epoch, sleep_s))

    def _publish_birth(self) -> None:
        boot, epoch, lease = self._fence.head
        self._desk.publish("birth", self._birth._replace(boot=boot, epoch=epoch, lease=lease))

    def _request_lease(self, now: float) -> None:
        number = self._lease.request(now)
        numbers = (number, int(now * 1_000), self._stored_bytes, self._labour.backlog)
        strain = self._strain._replace(loss_permille=self._lease.loss_permille)
        request = wire.LeaseRequest(*self._fence.head, *numbers, self._health, strain)
        self._desk.publish("lease", request)
        self._desk.do(do.MeasureHealth())

    def _granted(self, lease: wire.Lease, now: float) -> None:
        reason = self._lease.grant(lease, self._fence.boot, now)
        if reason:
            self._desk.count(reason)
            return
        self._round_trip_ms = self._lease.round_trip_ms
        if not self._desk.answered:
            self._desk.answered = True
            self._labour.resend(now)
        if lease.birth_wanted:
            self._publish_birth()
            self._lease.ask_at_once(now + min(BIRTH_WAIT_S, self._lease.interval_s))
        if self._lease.holds(now) and not self._leased:
            self._leased = True
            if self._status == "init":
                self._status = "ready"
            self._publish_status()
            self._desk.say(f"ready: lease {lease.lease} of gateway term {lease.boot}")

    def _probed(self, probe: wire.Probe, now: float) -> None:
        self._lease.ask_at_once(now)

    # --- fencing ---

    def _malformed(self, event: on.Malformed, now: float) -> None:
        self._desk.count(f"malformed: {event.reason}")

    def _received(self, event: on.Received, now: float) -> None:
        message = event.message
        take = self._told.get(type(message))
        if take is None:
            self._desk.count("unexpected message")
            return
        term = self._fence.term
        reason, grown = self._fence.admit(message)
        if reason:
            if self._desk.count(reason) == 1:
                seen = f"term {term}, map {self._fence.map_epoch}, lease {self._fence.lease_epoch}"
                self._desk.say(
                    f"refused, {reason}: term {message.boot}, epoch {message.epoch}, lease "
                    f"{message.lease} after {seen}"
                )
            return
        if isinstance(message, wire.Map):
            self._custody.shards, self._custody.datasets = message.shards, message.datasets
        if grown:
            self._save(now)
            if message.boot > term > 0:  # another gateway process: it may not know what was sent
                self._labour.interrupted(now)
        take(message, now)

    def _save(self, now: float) -> None:
        """State on disk before what follows in the effects."""
        orders = self._labour.standing.orders()
        shards = list(self._custody.shards)
        fence = self._fence
        numbers = (fence.boot, fence.term, fence.map_epoch, fence.lease_epoch)
        datasets = list(self._custody.datasets)
        terms = (fence.map_term, fence.lease_term)
        self._desk.do(do.SaveState(do.State(*numbers, shards, orders, datasets, *terms)))
        self._labour.standing.moved = False
        size = 64 * len(shards) + sum(64 + 40 * len(order.marks) for order in orders)
        self._marks_at = now + max(MARKS_S, size / MARKS_BYTES_A_S)

    # --- what the parts need of each other ---

    def _mapped(self, message: wire.Map, now: float) -> None:
        self._custody.mapped(message, now)
        datasets = self._labour.standing.datasets()
        for dataset in sorted({one.dataset for one in message.shards if not one.role} & datasets):
            self._custody.list_streams("standing", dataset)

    def _streams_listed(self, event: on.StreamsListed, now: float) -> None:
        self._custody.streams_listed(event, now)
        if event.purpose == "memory":
            custody, orders = self._custody, self._labour.standing.orders()
            what = Remembered(
                self._fence.term, custody.datasets, custody.shards, orders, event.pasts
            )
            for memory in memory_messages(self._fence.head, what):
                self._desk.publish("block", memory)

    def _released(self, message: wire.Release, now: float) -> None:
        for ref in self._custody.released(message):
            self._labour.standing.drop_shard(ref.dataset, ref.shard)

    def _given_blocks(self, message: wire.Blocks, now: float) -> None:
        self._custody.given_blocks(message, leased=self._lease.holds(now))

    def _grown(self, streams: list[wire.HeldStream], now: float) -> None:
        self._labour.standing.extend(streams)
        self._compute(now)

    def _compute(self, now: float) -> None:
        self._labour.compute_standing(self._custody.acting, self._custody.live.names, now)

    def _given_order(self, message: wire.Standing, now: float) -> None:
        reason = self._labour.take_order(message)
        if reason:
            self._desk.count("standing job refused")
            self._desk.say(f"standing job {message.job} refused: {reason}")
            return
        self._recut()
        self._save(now)
        self._custody.list_streams("standing", message.dataset)

    def _asked_again(self, message: wire.Again, now: float) -> None:
        self._labour.standing.look_again(message.job, message.stretches)
        self._compute(now)

    def _cancelled(self, message: wire.Cancel, now: float) -> None:
        if self._labour.cancel(message.job):
            self._recut()
            self._save(now)

    def _recut(self) -> None:
        self._custody.live.cut(self._labour.standing.cuts)

    def _outbox_written(self, event: on.OutboxWritten, now: float) -> None:
        self._labour.outbox_written(event, now)
        self._compute(now)

    def _acknowledged(self, message: wire.Ack, now: float) -> None:
        self._labour.acknowledged(message, now)
        self._compute(now)

    # --- health and the end ---

    def _health_read(self, event: on.HealthRead, now: float) -> None:
        self._health = event.health._replace(round_trip_ms=self._round_trip_ms)
        self._strain = event.strain
        self._stored_bytes = event.stored_bytes

    def _stop_asked(self, event: on.StopAsked, now: float) -> None:
        if self._desk.draining:
            return
        self._desk.draining = True
        self._stop_at = now + DRAIN_S
        self._status = "draining"
        self._desk.say(f"draining: {self._labour.tasks_left} tasks left")
        if self._desk.linked:
            self._publish_status()
        self._custody.close_live()

    def _end_drain(self, now: float) -> None:
        done = self._labour.done and self._custody.idle
        if self._stop_at is None or not (done or now >= self._stop_at):
            return
        self._stop_at = None
        self._save(now)
        self._status = "sleeping" if self._wakes_in_s else "stopped"
        if self._desk.linked:
            self._publish_status()
        self._desk.do(do.Stop())
