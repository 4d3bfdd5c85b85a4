from device_rig import info_of

from atoll.runtime.spans import Shape
from atoll.runtime.standing import (
    BATCHES_MAX,
    HOLE_PATIENCE_S,
    ORDERS_MAX,
    STREAM_BATCHES_MAX,
    StandingJobs,
)
from atoll.wire import ordered
from atoll.wire.messages import BlockRun, Checkpoint, HeldStream, Mark, Result, Standing, Stretch

SHAPE = Shape(1, 0, 1)
ACTING = {("vibration", 3)}


def order(job="watch", *, every=100, dataset="vibration", marks=()):
    return Standing(1, 1, 1, job, b"plan", dataset, every, 0, list(marks))


def held(key, first_seq, blocks, *, shard=3, gap=False):
    run = BlockRun(first_seq, first_seq + blocks - 1, first_seq * 100, blocks * 100, 0, gap, 9)
    return HeldStream(info_of(key), shard, [run])


def jobs(*orders):
    made = StandingJobs()
    for one in orders or [order()]:
        assert made.take(one, SHAPE) == ""
    return made


def starts(ready):
    return [(task.key, task.start) for one in ready for task in one.tasks]


def test_new_batches_of_what_the_device_acts_for():
    made = jobs()
    made.extend([held("a", 0, 2), held("b", 0, 1, shard=4), held("own", 0, 1, shard=9)])
    ready = made.ready(ACTING, {("vibration", "own")}, 0.0)
    assert starts(ready) == [("a", 0), ("a", 100), ("own", 0)]
    assert made.ready(ACTING, set(), 0.0) == []
    assert starts(made.ready({("vibration", 4)}, set(), 0.0)) == [("b", 0)]


def test_the_position_follows_what_is_kept():
    made = jobs()
    made.extend([held("a", 0, 3)])
    made.ready(ACTING, set(), 0.0)
    made.settle("watch", [("a", 100)], kept=True)  # the second one is ready first
    assert made.orders()[0].marks == [Mark("a", 0)]
    made.settle("watch", [("a", 0)], kept=True)
    assert made.orders()[0].marks == [Mark("a", 200)]
    made.settle("watch", [("a", 200)], kept=True)
    assert made.orders()[0].marks == [Mark("a", 300)]
    assert made.moved


def test_what_could_not_be_kept_is_computed_again():
    made = jobs()
    made.extend([held("a", 0, 2)])
    made.ready(ACTING, set(), 0.0)
    made.settle("watch", [("a", 100)], kept=False)
    made.settle("watch", [("a", 0)], kept=True)
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 100)]


def test_marks_begin_where_the_gateway_says():
    made = jobs(order(marks=[Mark("a", 200)]))
    made.extend([held("a", 0, 3)])
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 200)]
    assert made.take(order(marks=[Mark("a", 100), Mark("b", 500)]), SHAPE) == ""
    assert sorted(made.orders()[0].marks) == [Mark("a", 200), Mark("b", 500)]


def test_bounds():
    made = jobs()
    made.extend([held(f"k{number:02}", 0, 9) for number in range(40)])
    ready = starts(made.ready(ACTING, set(), 0.0))
    assert len(ready) == BATCHES_MAX
    assert sum(key == "k00" for key, _ in ready) == STREAM_BATCHES_MAX
    made.settle("watch", ready[:8], kept=True)
    assert len(starts(made.ready(ACTING, set(), 0.0))) == 8
    many = StandingJobs()
    for number in range(ORDERS_MAX):
        assert many.take(order(f"j{number}"), SHAPE) == ""
    assert "more than" in many.take(order("one-too-many"), SHAPE)


def test_another_order_under_the_same_name_is_refused():
    made = jobs()
    assert "another plan" in made.take(order(every=200), SHAPE)
    assert made.take(order()._replace(boot=9, epoch=9, lease=9), SHAPE) == ""


def test_cancelling_frees_what_was_under_way():
    made = jobs()
    made.extend([held(f"k{number:02}", 0, 9) for number in range(40)])
    made.ready(ACTING, set(), 0.0)
    assert made.cancel("watch")
    assert not made.cancel("watch")
    made.settle("watch", [("k00", 0)], kept=True)
    made.take(order("other"), SHAPE)
    made.extend([held("a", 0, 1)])
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 0)]


def test_a_hole_is_left_behind_when_patience_ends():
    made = jobs()
    made.extend([held("a", 0, 1), held("a", 2, 1)])
    assert starts(made.ready(ACTING, set(), 5.0)) == [("a", 0)]
    assert made.next_wakeup() == 5.0 + HOLE_PATIENCE_S
    assert made.ready(ACTING, set(), 6.0) == []
    assert starts(made.ready(ACTING, set(), 5.0 + HOLE_PATIENCE_S)) == [("a", 200)]


def test_patience_that_has_ended_wakes_nobody_who_may_not_compute():
    """Else a device that lost its role over a stream with a hole would spin for ever."""
    made = jobs()
    made.extend([held("a", 0, 1), held("a", 2, 1)])
    made.ready(ACTING, set(), 0.0)
    made.run_due(HOLE_PATIENCE_S)
    assert made.next_wakeup() is None
    assert starts(made.ready(ACTING, set(), HOLE_PATIENCE_S + 9.0)) == [("a", 200)]


def test_what_is_missing_at_the_front_is_waited_for_too():
    """A device that acts since a moment ago is still being sent the beginning of the stream."""
    made = jobs()
    made.extend([held("a", 5, 2, gap=True)])
    assert made.ready(ACTING, set(), 0.0) == []
    assert made.next_wakeup() == HOLE_PATIENCE_S
    made.extend([held("a", 0, 5)])
    assert starts(made.ready(ACTING, set(), 1.0))[:2] == [("a", 0), ("a", 100)]
    late = jobs()
    late.extend([held("a", 5, 2)])
    late.ready(ACTING, set(), 0.0)
    assert starts(late.ready(ACTING, set(), HOLE_PATIENCE_S)) == [("a", 500), ("a", 600)]


def test_each_job_has_a_patience_of_its_own():
    made = jobs(order("one"), order("two", every=200))
    made.extend([held("a", 0, 2), held("a", 3, 4)])
    made.ready(ACTING, set(), 0.0)
    made.settle("one", [("a", 0), ("a", 100)], kept=True)
    made.settle("two", [("a", 0)], kept=True)
    made.ready(ACTING, set(), 1.0)
    made.run_due(HOLE_PATIENCE_S + 1.0)
    ready = made.ready(ACTING, set(), HOLE_PATIENCE_S + 1.0)
    assert {one.order.job for one in ready} == {"one", "two"}


def test_a_list_that_comes_after_news_of_some_of_its_blocks():
    made = jobs()
    made.extend([held("a", 0, 1), held("a", 3, 1)])
    made.extend([held("a", 0, 5)])
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 0), ("a", 100), ("a", 200), ("a", 300)]


def test_a_hole_that_is_filled():
    made = jobs()
    made.extend([held("a", 0, 1), held("a", 2, 1)])
    made.ready(ACTING, set(), 5.0)
    made.extend([held("a", 1, 1)])
    assert starts(made.ready(ACTING, set(), 6.0)) == [("a", 100), ("a", 200)]


def test_a_hole_that_is_being_filled_is_waited_for_anew():
    """Its patience had ended while it did not act; then block by block came, and the first of them
    would have been computed alone, with another result than where all of them are.
    """
    made = jobs(order(every=200))
    made.extend([held("a", 0, 2), held("a", 6, 2)])
    made.ready(ACTING, set(), 0.0)
    made.run_due(HOLE_PATIENCE_S)
    made.extend([held("a", 2, 1)])
    now = HOLE_PATIENCE_S + 5.0
    assert made.ready(ACTING, set(), now) == []
    assert made.next_wakeup() == now + HOLE_PATIENCE_S
    made.extend([held("a", 3, 1)])
    assert starts(made.ready(ACTING, set(), now + 1.0)) == [("a", 200)]


def test_what_was_left_behind_for_a_hole_is_made_good_once_that_is_filled():
    """Nobody else computes it, and what lies behind waits for it at the gateway."""
    made = jobs()
    made.extend([held("a", 0, 1), held("a", 4, 1)])
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 0)]
    now = HOLE_PATIENCE_S
    made.run_due(now)
    assert starts(made.ready(ACTING, set(), now)) == [("a", 400)]
    made.extend([held("a", 2, 1)])
    assert starts(made.ready(ACTING, set(), now + 1.0)) == [("a", 200)]
    made.extend([held("a", 1, 1)])
    assert starts(made.ready(ACTING, set(), now + 2.0)) == [("a", 100)]
    made.settle("watch", [("a", 100), ("a", 400)], kept=True)
    made.extend([held("a", 3, 1), held("a", 5, 1)])
    assert starts(made.ready(ACTING, set(), now + 3.0)) == [("a", 300), ("a", 500)]
    assert made.ready(ACTING, set(), now + 4.0) == []


def test_holes_are_waited_for_at_the_same_time():
    """A stream of many holes would be behind for a minute each."""
    made = jobs()
    made.extend([held("a", 0, 1), held("a", 2, 1), held("a", 4, 1)])
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 0)]
    now = HOLE_PATIENCE_S
    made.run_due(now)
    assert starts(made.ready(ACTING, set(), now)) == [("a", 200), ("a", 400)]
    made.extend([held("a", 6, 1)])  # a new one
    assert made.ready(ACTING, set(), now) == []
    assert made.next_wakeup() == 2 * HOLE_PATIENCE_S


def test_what_the_gateway_lacks_is_computed_again():
    """A device that restarted knows how far it has got, and not what it left behind."""
    made = jobs(order(marks=[Mark("a", 500)]))
    made.extend([held("a", 0, 7)])
    assert starts(made.ready(ACTING, set(), 0.0)) == [("a", 500), ("a", 600)]
    made.look_again("watch", [Stretch("a", 100, 200), Stretch("a", 300, 900)])
    made.look_again("other", [Stretch("a", 0, 100)])
    wanted = [("a", 100), ("a", 300), ("a", 400)]  # others are under way, or come in their turn
    assert starts(made.ready(ACTING, set(), 1.0)) == wanted
    assert made.ready(ACTING, set(), 1.0) == []


def test_cuts_for_live_blocks():
    made = jobs(order(), order("slow", every=0), order("other", dataset="sound"))
    made.take(order("timed")._replace(every=0, every_ms=2_000), Shape(10, 5, 15))
    assert sorted(made.cuts("vibration", 50.0)) == [(64, 0), (100, 0), (100, 5)]


def test_a_deleted_shard_is_forgotten():
    made = jobs()
    made.extend([held("a", 0, 1)])
    made.drop_shard("vibration", 3)
    assert made.ready(ACTING, set(), 0.0) == []


ORDERED = SHAPE._replace(ordered=True)


def remembering(*checkpoints, marks=()):
    made = StandingJobs()
    one = order(marks=marks)._replace(checkpoints=list(checkpoints))
    assert made.take(one, ORDERED) == ""
    return made


def carried(start, following, anchor=0):
    data = ordered.pack(ordered.Carried(following, anchor, b"partial", b"memory %d" % following))
    return Result("a", start, False, data, 1)


def test_a_plan_that_remembers_runs_one_batch_after_the_other():
    made = remembering()
    made.extend([held("a", 0, 3)])
    for start in (0, 100, 200):
        (ready,) = made.ready(ACTING, set(), 0.0)
        assert [(task.start, task.anchor) for task in ready.tasks] == [(start, 0)]
        assert ready.checkpoints == ({"a": b"memory %d" % start} if start else {})
        assert made.ready(ACTING, set(), 0.0) == []
        made.remember("watch", [carried(start, start + 100)])
        made.settle("watch", [("a", start)], kept=True)
        (saved,) = made.orders()
        assert saved.marks == [Mark("a", start + 100)]
        assert saved.checkpoints == [Checkpoint("a", start + 100, 0, b"memory %d" % (start + 100))]


def test_a_batch_that_is_not_kept_runs_again_from_the_same_checkpoint():
    made = remembering(Checkpoint("a", 100, 0, b"memory"), marks=[Mark("a", 100)])
    made.extend([held("a", 0, 3)])
    for _ in range(2):
        (ready,) = made.ready(ACTING, set(), 0.0)
        assert (starts([ready]), ready.checkpoints) == ([("a", 100)], {"a": b"memory"})
        made.settle("watch", [("a", 100)], kept=False)


def test_a_checkpoint_outlives_what_retention_has_dropped():
    made = remembering(Checkpoint("a", 300, 20, b"memory"), marks=[Mark("a", 300)])
    made.extend([held("a", 3, 2)])  # blocks 0 to 2 are gone, and the run's beginning with them
    (ready,) = made.ready(ACTING, set(), 0.0)
    assert [(task.start, task.anchor) for task in ready.tasks] == [(300, 20)]
    assert ready.checkpoints == {"a": b"memory"}


def test_stages_begin_anew_behind_a_gap_and_without_a_checkpoint():
    made = remembering(Checkpoint("a", 100, 0, b"memory"), marks=[Mark("a", 200)])
    made.extend([held("a", 2, 1), held("a", 3, 1, gap=True)])
    (ready,) = made.ready(ACTING, set(), 0.0)
    assert [(task.start, task.anchor) for task in ready.tasks] == [(200, 200)]
    assert ready.checkpoints == {}
    made.settle("watch", [("a", 200)], kept=True)
    (ready,) = made.ready(ACTING, set(), 0.0)
    assert [(task.start, task.anchor) for task in ready.tasks] == [(300, 300)]


def test_an_older_checkpoint_of_the_gateway_changes_nothing():
    made = remembering(Checkpoint("a", 300, 0, b"mine"), marks=[Mark("a", 300)])
    late = order(marks=[Mark("a", 100)])._replace(checkpoints=[Checkpoint("a", 100, 0, b"old")])
    assert made.take(late, ORDERED) == ""
    assert made.orders()[0].checkpoints == [Checkpoint("a", 300, 0, b"mine")]


def test_a_batch_that_was_under_way_leaves_a_later_checkpoint():
    """It began before the gateway said how far others had come meanwhile."""
    made = remembering()
    made.extend([held("a", 0, 6)])
    made.ready(ACTING, set(), 0.0)
    late = order(marks=[Mark("a", 400)])._replace(checkpoints=[Checkpoint("a", 400, 0, b"theirs")])
    assert made.take(late, ORDERED) == ""
    made.remember("watch", [carried(0, 100)])
    made.settle("watch", [("a", 0)], kept=True)
    (ready,) = made.ready(ACTING, set(), 0.0)
    assert (starts([ready]), ready.checkpoints) == ([("a", 400)], {"a": b"theirs"})


def test_a_plan_that_remembers_waits_before_a_hole_until_it_is_told():
    """Where it begins anew is to be the same on every device: the gateway says it."""
    made = remembering(Checkpoint("a", 100, 0, b"memory"), marks=[Mark("a", 100)])
    made.extend([held("a", 0, 1), held("a", 3, 2)])
    made.run_due(9 * HOLE_PATIENCE_S)
    assert made.ready(ACTING, set(), 9 * HOLE_PATIENCE_S) == []
    assert made.next_wakeup() is None
    assert made.take(order(marks=[Mark("a", 300)]), ORDERED) == ""
    (ready,) = made.ready(ACTING, set(), 9 * HOLE_PATIENCE_S)
    assert [(task.start, task.anchor) for task in ready.tasks] == [(300, 300)]
    assert ready.checkpoints == {}
