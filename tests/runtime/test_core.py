"""The core by events in and effects out: no thread, no clock, no disk."""

import pytest
from device_rig import info_of

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.core import DRAIN_S, MARKS_S, Core, Identity
from atoll.runtime.custody import RETAIN_S
from atoll.runtime.effects import State
from atoll.runtime.labour import PAUSE_S
from atoll.runtime.recorder import BLOCK_S
from atoll.runtime.results import LANE_WIDTH, RETRY_S, UNACKED_MAX
from atoll.runtime.spans import Shape
from atoll.runtime.tasks import TASKS_QUEUED_MAX
from atoll.wire import messages as wire
from atoll.wire.block import decode_block

BOOT = 7
HEALTH = wire.Health(900, 1, 2, 3, 0, 5, -1, -1)
LIVE = info_of("pi/a", "machine")


def shape(plan):
    if plan == b"no plan":
        raise ValueError("no plan at all")
    return Shape(1, 0, 1)


class Bench:
    """A core with a clock; effects are kept and looked for by their kind."""

    def __init__(self, *, state=None, backlog=(), sources=(), profile="normal", wakes_in_s=0):
        birth = wire.Birth(
            *(BOOT, 0, 0, 1, "atoll", "zone", 1.0, profile, 2, 10, 10, 65_536, []), list(sources)
        )
        state = state or State(BOOT, 0, 0, 0, [], [])
        self.core = Core(Identity(birth, state, list(backlog), wakes_in_s=wakes_in_s), shape)
        self.now = 100.0
        self.effects = self.core.start(self.now)
        self.head = (3, 5, 2)
        self.feed(on.StreamsListed("restore", []))

    def feed(self, event):
        self.effects = self.core.handle(event, self.now)
        return self.effects

    def tell(self, message):
        return self.feed(on.Received(message))

    def pass_time(self, seconds):
        """Let time go by as the shell does: a wake-up whenever the core wants one."""
        end, seen = self.now + seconds, []
        while (due := self.core.next_wakeup()) <= end:
            self.now = max(self.now, due)
            seen += self.feed(on.Woke())
        self.now = end
        self.effects = seen + self.feed(on.Woke())
        return self.effects

    def of(self, kind):
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def published(self, kind):
        return [
            effect.message for effect in self.of(do.Publish) if isinstance(effect.message, kind)
        ]

    def outbox(self):
        return self.core._labour.outbox

    def kinds(self):
        return [type(effect) for effect in self.effects]

    def link(self):
        self.feed(on.LinkUp())
        return self

    def lease(self, *, number=None, boot=BOOT, duration_ms=10_000, wanted=False, head=None):
        number = self.core._lease.number if number is None else number
        head = head or self.head
        return self.tell(wire.Lease(*head, boot, number, duration_ms, 2_000, wanted))

    def ready(self):
        self.link().lease()
        return self

    def tasks(self, count, job="q1", first=0):
        tasks = [wire.Task(f"k{n}", n, 0, 0, 10) for n in range(first, first + count)]
        return self.tell(wire.Tasks(*self.head, job, b"plan", "vibration", tasks))

    def done(self, numbers, job="q1", *, standing=False, key="k"):
        results = [wire.Result(key, number, False, b"partial", 9) for number in numbers]
        return self.feed(on.WorkDone(job, standing, results))


def run_of(first_seq, blocks, *, gap=False):
    return wire.BlockRun(
        first_seq, first_seq + blocks - 1, first_seq * 100, blocks * 100, 0, gap, 9
    )


def held(key="a", first_seq=0, blocks=1, *, shard=3, dataset="vibration"):
    return wire.HeldStream(info_of(key, dataset), shard, [run_of(first_seq, blocks)])


def entry(shard=3, role=0, shard_epoch=5, **more):
    return wire.ShardEntry("vibration", shard, role, shard_epoch, *more.values() or (0, 0))


def order(job="watch", marks=()):
    return wire.Standing(3, 5, 2, job, b"plan", "vibration", 100, 0, list(marks))


# --- life ---


def test_a_start_lists_the_store():
    bench = Bench()
    assert bench.core.start(0.0) == [do.MeasureHealth(), do.ListStreams("restore", "")]


def test_a_connection_announces_and_asks_for_a_lease():
    bench = Bench().link()
    assert bench.of(do.PublishStatus) == [do.PublishStatus("init", 0)]
    assert [birth.boot for birth in bench.published(wire.Birth)] == [BOOT]
    [request] = bench.published(wire.LeaseRequest)
    assert (request.boot, request.number, request.mono_ms) == (BOOT, 1, 100_000)
    assert bench.effects.index(bench.of(do.PublishStatus)[0]) < bench.kinds().index(do.Publish)


def test_the_first_lease_makes_it_ready():
    bench = Bench().ready()
    assert do.PublishStatus("ready", 0) in bench.effects
    assert any("ready" in effect.line for effect in bench.of(do.Say))
    bench.pass_time(1.0)
    bench.lease()
    assert bench.of(do.PublishStatus) == []


@pytest.mark.parametrize(
    ("profile", "every_s"), [("normal", 30), ("battery", 300), ("metered", 3_600)]
)
def test_health_for_people_is_told_as_often_as_the_profile_bears(profile, every_s):
    bench = Bench(profile=profile).ready()
    shown = bench.pass_time(every_s * 3 + 1.0)
    assert len([one for one in shown if isinstance(one, do.PublishHealth)]) == 3


def test_heartbeats_carry_health_and_backlog():
    bench = Bench().ready()
    bench.feed(on.HealthRead(HEALTH, 4_096))
    bench.tasks(3)
    bench.pass_time(2.0)
    [request] = bench.published(wire.LeaseRequest)
    assert request.number == 2
    assert request.health == HEALTH._replace(round_trip_ms=0)
    assert (request.stored_bytes, request.backlog) == (4_096, 3)
    assert do.MeasureHealth() in bench.effects


def test_a_probe_is_answered_at_once():
    bench = Bench().ready()
    bench.now += 0.1
    bench.tell(wire.Probe(*bench.head))
    assert len(bench.published(wire.LeaseRequest)) == 1


def test_a_gateway_that_does_not_know_this_boot_gets_the_birth_again():
    bench = Bench().link()
    bench.lease(wanted=True)
    assert len(bench.published(wire.Birth)) == 1
    assert bench.of(do.PublishStatus) == []
    bench.pass_time(0.25)
    assert len(bench.published(wire.LeaseRequest)) == 1


def test_without_a_link_nothing_is_said():
    bench = Bench()
    bench.pass_time(100.0)
    assert not bench.of(do.Publish)


def test_trouble_with_the_broker_is_told_once():
    bench = Bench()
    bench.feed(on.LinkDown("refused"))
    assert bench.of(do.Say) == [do.Say("cannot reach the broker, trying again: refused")]
    bench.feed(on.LinkDown("refused"))
    assert bench.of(do.Say) == []
    bench.link()
    bench.feed(on.LinkDown("closed"))
    assert bench.of(do.Say) == [do.Say("lost the broker, trying again: closed")]


def test_a_lost_lease_refuses_others_blocks_only():
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry()], [order()])).ready()
    bench.tell(wire.Blocks(*bench.head, 1, False, [b"block"]))
    assert bench.effects == [do.StoreBlocks(1, [b"block"])]
    bench.pass_time(9.6)
    assert any("lease lost" in effect.line for effect in bench.of(do.Say))
    bench.tell(wire.Blocks(*bench.head, 2, False, [b"block"]))
    assert bench.published(wire.TransferFailed) == [wire.TransferFailed(BOOT, 5, 2, 2, "no lease")]
    assert not bench.of(do.StoreBlocks)
    bench.tasks(1)
    assert bench.of(do.Compute)
    bench.feed(on.BlocksStored(1, [], [held()]))
    assert [work.job for work in bench.of(do.Compute)] == ["watch"]
    assert bench.core.counters["blocks without lease"] == 1


# --- fencing ---


def test_what_is_seen_is_saved_before_it_is_acted_upon():
    bench = Bench().link()
    bench.lease()
    kinds = bench.kinds()
    assert kinds.index(do.SaveState) < kinds.index(do.PublishStatus)
    saved = bench.of(do.SaveState)[0].state
    assert saved == State(BOOT, 3, 0, 2, [], [], [], 0, 3)
    bench.tell(wire.Map(3, 6, 2, [entry(role=1)]))
    saved = bench.of(do.SaveState)[0].state
    assert saved == State(BOOT, 3, 6, 2, [entry(role=1)], [], [], 3, 3)
    bench.tell(wire.Map(3, 6, 2, [entry(role=1)]))
    assert not bench.of(do.SaveState)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (wire.Map(3, 4, 2, []), "stale map"),
        (wire.Map(2, 9, 9, []), "stale term"),
        (wire.Probe(2, 5, 2), "stale term"),
        (wire.Tasks(2, 5, 2, "q", b"p", "d", []), "stale term"),
        (wire.Lease(3, 5, 1, BOOT, 1, 1, 1, False), "stale lease"),
        (wire.Lease(3, 5, 2, BOOT - 1, 1, 1, 1, False), "lease of another boot"),
        (wire.Lease(3, 5, 2, BOOT, 99, 1, 1, False), "lease not asked for"),
    ],
)
def test_stale_messages_are_refused_and_counted(message, reason):
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry()], [])).link()
    bench.tell(message)
    assert bench.core.counters == {reason: 1}
    assert all(isinstance(effect, do.Say) for effect in bench.effects)


def test_everything_said_carries_the_numbers_seen():
    bench = Bench(state=State(BOOT, 3, 5, 2, [], [])).link()
    assert {effect.message[:3] for effect in bench.of(do.Publish)} == {(BOOT, 5, 2)}


def test_malformed_and_unexpected_input_is_counted():
    bench = Bench()
    bench.feed(on.Malformed("depth"))
    bench.tell(wire.Stored(3, 5, 2, 1, []))
    assert bench.core.counters == {"malformed: depth": 1, "unexpected message": 1}
    for number in range(200):
        bench.feed(on.Malformed(f"reason {number}"))
    assert len(bench.core.counters) <= 65


# --- blocks ---


def test_an_acknowledgement_follows_the_sync():
    bench = Bench().ready()
    bench.tell(wire.Blocks(*bench.head, 9, False, [b"1", b"2"]))
    assert bench.effects == [do.StoreBlocks(9, [b"1", b"2"])]
    refused = [wire.Refusal(1, "disk full: 5 bytes free")]
    bench.feed(on.BlocksStored(9, refused, [held()]))
    assert bench.published(wire.Stored) == [wire.Stored(BOOT, 0, 2, 9, refused)]
    assert bench.core.counters == {"block refused: disk full": 1}


def test_blocks_are_sent_one_message_at_a_time():
    bench = Bench().ready()
    ranges = [wire.BlockRange("vibration", "a", 0, 9)]
    bench.tell(wire.SendBlocks(*bench.head, 4, ranges))
    assert bench.effects == [do.ReadBlocks(4, ranges)]
    bench.tell(wire.SendBlocks(*bench.head, 5, ranges))
    assert bench.effects == []
    rest = [wire.BlockRange("vibration", "a", 5, 9)]
    bench.feed(on.BlocksRead(4, [b"x"], rest, ""))
    assert bench.published(wire.Blocks)[0][3:] == (4, True, [b"x"])
    assert bench.of(do.ReadBlocks) == [do.ReadBlocks(4, rest)]
    bench.feed(on.BlocksRead(4, [b"y"], [], ""))
    assert bench.published(wire.Blocks)[0][3:] == (4, False, [b"y"])
    assert bench.of(do.ReadBlocks) == [do.ReadBlocks(5, ranges)]
    bench.feed(on.BlocksRead(5, [], [], "block 3 is not here"))
    assert bench.published(wire.TransferFailed)[0][3:] == (5, "block 3 is not here")


def test_an_inventory_lists_everything():
    bench = Bench().ready()
    bench.tell(wire.InventoryAsk(*bench.head))
    assert bench.effects == [do.ListStreams("inventory", "")]
    bench.feed(on.StreamsListed("inventory", [held()]))
    assert bench.published(wire.Held) == [wire.Held(BOOT, 0, 2, True, False, [held()])]


def test_a_late_release_spares_a_shard_that_came_back():
    bench = Bench().ready()
    bench.tell(wire.Map(3, 9, 2, [entry(shard=3, shard_epoch=8), entry(shard=4, shard_epoch=2)]))
    gone = [wire.ShardRef("vibration", shard) for shard in (3, 4, 5)]
    bench.tell(wire.Release(3, 7, 2, gone))
    assert bench.effects == [do.DeleteShards(gone[1:])]
    assert bench.core.counters == {"stale release": 1}


def test_retention_is_applied_as_the_map_says():
    bench = Bench().ready()
    kept = [
        wire.ShardEntry("vibration", 3, 0, 5, 60, 0),
        wire.ShardEntry("vibration", 4, 0, 5, 0, 9),
    ]
    bench.tell(wire.Map(3, 6, 2, [*kept, entry(shard=5)]))
    assert bench.of(do.Retain) == [do.Retain(kept)]
    bench.pass_time(RETAIN_S)
    assert bench.of(do.Retain) == [do.Retain(kept)]


# --- live streams ---


def sampled(count=10):
    return on.Sampled("machine", [("pi/a", bytes(2 * count))], count, 1, 2, 3, False)


def test_samples_become_blocks_that_are_stored_then_announced():
    bench = Bench(sources=[LIVE])
    bench.feed(sampled())
    assert bench.effects == []
    bench.pass_time(BLOCK_S)
    [store] = bench.of(do.StoreBlocks)
    assert store.transfer is None
    assert decode_block(store.blocks[0]).sample_count == 10
    bench.link()
    bench.feed(on.BlocksStored(None, [], [held("pi/a", dataset="machine")]))
    [news] = bench.published(wire.Held)
    assert not news.inventory
    assert bench.published(wire.Stored) == []


def test_live_streams_go_on_from_the_store():
    bench = Bench(sources=[LIVE])
    bench.core.start(0.0)
    bench.feed(on.StreamsListed("restore", [held("pi/a", 0, 4, dataset="machine", shard=70_000)]))
    bench.feed(sampled())
    bench.pass_time(BLOCK_S)
    block = decode_block(bench.of(do.StoreBlocks)[0].blocks[0])
    assert (block.seq, block.first_sample, block.gap, block.shard) == (4, 400, True, 70_000)


def test_samples_that_could_not_be_stored_are_told():
    bench = Bench(sources=[LIVE])
    bench.feed(on.BlocksStored(None, [wire.Refusal(0, "disk full: 3 bytes free")], []))
    assert bench.of(do.Say) == [do.Say("samples dropped: disk full: 3 bytes free")]
    assert bench.core.counters == {"block refused: disk full": 1}


# --- queries ---


def test_tasks_are_computed_written_published_and_settled():
    bench = Bench().ready()
    bench.tasks(3)
    [work] = bench.of(do.Compute)
    assert (work.job, work.plan, work.dataset, work.standing) == ("q1", b"plan", "vibration", False)
    assert len(work.tasks) == 3
    bench.done([0, 1])
    assert bench.effects == []  # the third may fill the message within 5 ms
    bench.done([2])
    assert bench.kinds() == [do.AppendOutbox, do.Publish]
    append, publish = bench.effects
    assert not append.durable
    assert append.message is publish.message
    assert [result.task for result in publish.message.results] == [0, 1, 2]
    assert publish.message.number == append.number
    span = wire.NumberSpan(append.number, append.number)
    bench.tell(wire.Ack(*bench.head, [span]))
    assert bench.of(do.SettleOutbox) == [do.SettleOutbox([span])]
    bench.pass_time(3 * RETRY_S)
    assert not bench.of(do.ReadOutbox)


def test_results_do_not_wait_longer_than_they_must():
    bench = Bench().ready()
    bench.tasks(2)
    bench.done([0])
    bench.pass_time(0.006)
    assert len(bench.published(wire.Partials)) == 1


def test_repeated_tasks_are_computed_once():
    bench = Bench().ready()
    bench.tasks(3)
    bench.tasks(3)
    assert bench.effects == []


def test_a_full_queue_says_no_for_each_task():
    bench = Bench().ready()
    for number in range(TASKS_QUEUED_MAX // 512):
        bench.tasks(512, f"q{number}")
    bench.tasks(2, "late")
    [answer] = bench.published(wire.Partials)
    assert [result.failed for result in answer.results] == [True, True]
    assert answer.results[0].data.startswith(b"queue full")
    assert bench.core.counters == {"tasks refused: queue full": 1}


def test_a_full_outbox_refuses_new_work_and_says_so():
    bench = Bench(backlog=range(UNACKED_MAX)).ready()
    bench.tasks(1)
    [answer] = bench.published(wire.Partials)
    assert answer.results[0].data.startswith(b"outbox full")
    assert not bench.of(do.Compute)


def test_cancelled_jobs_are_forgotten():
    bench = Bench().ready()
    bench.tasks(2)
    bench.done([0])
    bench.tell(wire.Cancel(*bench.head, "q1"))
    assert do.ForgetJob("q1") in bench.effects
    bench.done([1])
    assert bench.effects == []
    bench.pass_time(0.1)
    assert not bench.published(wire.Partials)


def test_unacknowledged_results_are_sent_again_under_this_boots_numbers():
    bench = Bench(backlog=[5, 3]).link()
    assert not bench.of(do.ReadOutbox)  # a broker that listens is not a gateway that does
    bench.lease()
    assert bench.of(do.ReadOutbox) == [do.ReadOutbox(3), do.ReadOutbox(5)]
    old = wire.Partials(2, 1, 1, 3, "q0", [])
    bench.feed(on.OutboxRead(3, old))
    assert bench.published(wire.Partials) == [old._replace(boot=BOOT, epoch=0, lease=2)]
    bench.feed(on.OutboxRead(5, None))
    bench.pass_time(RETRY_S + 1)
    assert bench.of(do.ReadOutbox) == [do.ReadOutbox(3)]


def test_a_new_gateway_process_gets_what_waits_again():
    bench = Bench().ready()
    bench.tasks(1)
    bench.done([0])
    [sent] = bench.published(wire.Partials)
    bench.tell(wire.Probe(4, 5, 2))
    assert bench.of(do.ReadOutbox) == [do.ReadOutbox(sent.number)]
    kinds = bench.kinds()
    assert kinds.index(do.SaveState) < kinds.index(do.ReadOutbox)


def test_results_without_a_link_wait_for_it():
    bench = Bench().ready()
    bench.tasks(1)
    bench.feed(on.LinkDown("gone"))
    bench.done([0])
    assert bench.kinds() == [do.AppendOutbox]
    number = bench.effects[0].number
    bench.link().lease()
    assert bench.of(do.ReadOutbox) == [do.ReadOutbox(number)]


# --- standing jobs ---


def test_a_standing_job_is_saved_then_listed_then_computed():
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry()], [])).ready()
    bench.tell(order())
    assert bench.kinds() == [do.SaveState, do.ListStreams]
    assert bench.effects[0].state.orders == [order()]
    bench.feed(on.StreamsListed("standing", [held(blocks=2), held("b", shard=4)]))
    [work] = bench.of(do.Compute)
    assert work.standing
    assert [(task.key, task.number, task.stop) for task in work.tasks] == [
        ("a", 0, 100),
        ("a", 100, 200),
    ]


def test_a_standing_result_is_on_disk_before_it_is_published():
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry()], [order()])).ready()
    bench.feed(on.BlocksStored(1, [], [held()]))
    bench.done([0], "watch", standing=True, key="a")
    [append] = bench.effects
    assert append.durable
    bench.feed(on.OutboxWritten(append.number, ""))
    assert bench.published(wire.Partials) == [append.message]
    bench.pass_time(MARKS_S)
    assert bench.of(do.SaveState)[0].state.orders == [order(marks=[wire.Mark("a", 100)])]


def test_a_standing_job_pauses_when_the_outbox_cannot_take_its_results():
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry()], [order()])).ready()
    bench.feed(on.BlocksStored(1, [], [held()]))
    bench.done([0], "watch", standing=True, key="a")
    bench.feed(on.OutboxWritten(bench.effects[0].number, "outbox full"))
    assert bench.published(wire.Partials) == []
    assert not bench.of(do.Compute)
    bench.pass_time(PAUSE_S)
    assert [task.start for work in bench.of(do.Compute) for task in work.tasks] == [0]


def test_standing_jobs_go_on_after_a_restart_without_a_gateway():
    state = State(BOOT, 3, 5, 2, [entry()], [order(marks=[wire.Mark("a", 100)])])
    bench = Bench(state=state)
    bench.feed(on.StreamsListed("restore", [held(blocks=3)]))
    assert [task.start for work in bench.of(do.Compute) for task in work.tasks] == [100, 200]


def test_a_map_that_makes_the_device_act_begins_its_standing_jobs():
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry(role=1)], [order()])).ready()
    bench.feed(on.BlocksStored(1, [], [held()]))
    assert not bench.of(do.Compute)
    bench.tell(wire.Map(3, 6, 2, [entry(role=0)]))
    assert bench.of(do.ListStreams) == [do.ListStreams("standing", "vibration")]
    bench.feed(on.StreamsListed("standing", [held()]))
    assert len(bench.of(do.Compute)) == 1


def test_own_streams_need_no_map_and_blocks_end_with_the_batches():
    bench = Bench(sources=[LIVE])
    bench.tell(order()._replace(dataset="machine"))
    for _ in range(3):
        bench.now += 0.5
        bench.feed(sampled(40))
    assert decode_block(bench.of(do.StoreBlocks)[0].blocks[0]).sample_count == 120
    run = wire.BlockRun(0, 0, 0, 120, 0, False, 9)
    bench.feed(on.BlocksStored(None, [], [wire.HeldStream(LIVE, 70_000, [run])]))
    assert [task.stop for task in bench.of(do.Compute)[0].tasks] == [100]


def test_an_order_that_cannot_be_is_refused_aloud():
    bench = Bench().ready()
    bench.tell(order()._replace(plan=b"no plan"))
    assert bench.of(do.Say) == [do.Say("standing job watch refused: no plan at all")]
    assert not bench.of(do.SaveState)


def test_a_cancelled_order_is_gone_from_the_disk():
    bench = Bench(state=State(BOOT, 3, 5, 2, [entry()], [order()])).ready()
    bench.tell(wire.Cancel(*bench.head, "watch"))
    assert bench.of(do.SaveState)[0].state.orders == []


# --- the end ---


def test_a_drain_finishes_what_was_begun():
    bench = Bench(sources=[LIVE]).ready()
    bench.tasks(1)
    bench.feed(sampled())
    bench.feed(on.StopAsked())
    assert do.PublishStatus("draining", 0) in bench.effects
    assert bench.of(do.StoreBlocks)
    bench.tasks(1, "late")
    [refused] = bench.published(wire.Partials)
    assert refused.results[0].data == b"draining"
    bench.feed(on.BlocksStored(None, [], []))
    bench.done([0])
    [sent] = bench.published(wire.Partials)
    assert not bench.of(do.Stop)
    numbers = [wire.NumberSpan(one.number, one.number) for one in (refused, sent)]
    bench.tell(wire.Ack(*bench.head, numbers))
    assert bench.kinds()[-3:] == [do.SaveState, do.PublishStatus, do.Stop]
    assert bench.of(do.PublishStatus) == [do.PublishStatus("stopped", 0)]


def test_a_drain_ends_in_time_whatever_is_left():
    bench = Bench().ready()
    bench.tasks(1)
    bench.feed(on.StopAsked())
    bench.feed(on.StopAsked())
    bench.pass_time(DRAIN_S - 0.1)
    assert not bench.of(do.Stop)
    bench.pass_time(0.2)
    assert len(bench.of(do.Stop)) == 1


def test_an_idle_device_without_a_link_ends_at_once():
    bench = Bench()
    bench.feed(on.StopAsked())
    assert bench.kinds()[-2:] == [do.SaveState, do.Stop]
    assert not bench.of(do.PublishStatus)


def test_what_is_remembered_is_told_to_whoever_asks_for_it():
    data = wire.DatasetEntry("machine", 64, 2, 0, 0, 7)
    state = State(BOOT, 3, 5, 2, [entry()], [order()], [data])
    bench = Bench(state=state).ready()
    bench.tell(wire.InventoryAsk(*bench.head, False))
    assert bench.published(wire.Memory) == []
    bench.tell(wire.InventoryAsk(*bench.head, True))
    assert bench.of(do.ListStreams) == [do.ListStreams("memory", "")]
    past = wire.Past("machine", "pi/a", 0, 5, 50, 9, 90)
    bench.feed(on.StreamsListed("memory", [], [past]))
    assert bench.published(wire.LetGo)[0].pasts == [past]
    (held,) = bench.published(wire.Held)
    assert (held.inventory, held.more) == (True, False)
    (memory,) = bench.published(wire.Memory)
    assert memory.pasts == [past]
    assert (memory.term, memory.more) == (bench.head[0], False)
    assert (memory.shards, memory.datasets) == ([entry()], [data])
    assert [one.job for one in memory.orders] == [order().job]


def test_datasets_of_the_map_are_saved_before_they_are_acted_upon():
    bench = Bench().ready()
    data = wire.DatasetEntry("machine", 64, 2, 0, 0, 7)
    bench.tell(wire.Map(3, 6, 2, [entry(role=1)], [data]))
    assert bench.kinds()[0] is do.SaveState
    assert bench.of(do.SaveState)[0].state.datasets == [data]


def test_a_long_backlog_does_not_hold_back_a_new_result():
    bench = Bench(backlog=range(1, 4_000)).ready()
    bench.tasks(1)
    bench.done([0])
    assert [message.job for message in bench.published(wire.Partials)] == ["q1"]
    assert len(bench.of(do.ReadOutbox)) <= LANE_WIDTH


def test_full_and_room_again_are_said_once_and_shown():
    bench = Bench(backlog=range(1, UNACKED_MAX)).ready()
    said = [effect.line for effect in bench.of(do.Say)]
    bench.tasks(1)
    bench.done([0])
    said += [effect.line for effect in bench.of(do.Say)]
    assert [line for line in said if "is full" in line] == [
        f"the outbox is full: {UNACKED_MAX} messages ({bench.outbox()['outbox_bytes']} bytes) wait"
        " for the gateway; new work is refused"
    ]
    assert bench.outbox()["outbox_full"] == 1
    bench.tell(wire.Ack(*bench.head, [wire.NumberSpan(1, 100)]))
    assert [e.line for e in bench.of(do.Say) if "room again" in e.line]
    health = bench.pass_time(60.0)
    shown = [e.outbox for e in health if isinstance(e, do.PublishHealth)][-1]
    assert shown["outbox_messages"] == UNACKED_MAX - 100
    assert shown["outbox_full"] == 0


def test_a_device_that_ends_to_sleep_says_for_how_long():
    bench = Bench(wakes_in_s=600)
    bench.feed(on.LinkUp())
    assert bench.of(do.PublishStatus) == [do.PublishStatus("init", 0)]
    bench.feed(on.StopAsked())
    said = bench.of(do.PublishStatus)
    bench.pass_time(6.0)
    said += bench.of(do.PublishStatus)
    assert said[-1] == do.PublishStatus("sleeping", 0, 600)
