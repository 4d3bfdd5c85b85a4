"""Goals of a world, and the budget of what may be on its way."""

from atoll.gateway.catalog import ShardId
from atoll.gateway.goals import (
    MISPLACED_LEAST,
    MISPLACED_SHARE,
    Budget,
    Want,
    World,
    budget,
    goals_of,
)
from atoll.gateway.placement import Load, Site, shard_point
from atoll.gateway.slots import SlotTable


def world(weights, zones=None):
    table, sites = SlotTable(), {}
    for number, weight in enumerate(weights):
        if weight:
            table.admit(number, weight)
        zone = f"z{number}" if zones is None else zones[number]
        sites[number] = Site(f"d{number}", zone, weight)
    return World(5, table, sites)


def damped(site, *numbers):
    sites = {
        n: s._replace(open=False, damped=True) if n in numbers else s for n, s in site.sites.items()
    }
    return site._replace(sites=sites)


def want(shard, *, wanted=2, owners=(), **fields):
    return Want(Load(shard_point("v", shard), 1_000, wanted, owners), **fields)


def test_live_streams_stay_with_their_sampler_and_are_copied_apart():
    site = world([100, 100, 100], zones=["x", "x", "y"])
    for shard in range(20):
        (goal,) = goals_of(site, [want(shard, sampler=0)])
        assert goal == (0, 2)


def test_a_sampler_without_capacity_samples_and_takes_nothing_else():
    site = world([0, 100, 100])
    wants = [want(0, sampler=0), *(want(n) for n in range(1, 40))]
    goals = goals_of(site, wants)
    assert goals[0][0] == 0
    assert len(goals[0]) == 2
    assert all(0 not in goal for goal in goals[1:])


def test_who_stores_nothing_is_alone():
    assert goals_of(world([100, 100]), [want(0, sampler=0, alone=True)]) == [(0,)]


def test_a_copy_that_is_there_stays():
    site = world([100] * 6)
    for other in range(1, 6):
        (goal,) = goals_of(site, [want(3, sampler=0, owners=(0, other))])
        assert goal == (0, other)


def test_goals_come_in_the_order_of_the_shards():
    site = world([100] * 4)
    wants = [want(n, sampler=n % 4 if n % 3 == 0 else -1) for n in range(30)]
    goals = goals_of(site, wants)
    assert all(goal[0] == one.sampler for goal, one in zip(goals, wants, strict=True) if not
               one.sampler < 0)  # fmt: skip
    assert goals == [goals_of(site, [one])[0] if one.sampler >= 0 else goal
                     for goal, one in zip(goals, wants, strict=True)]  # fmt: skip


def test_five_in_a_hundred_are_on_their_way_at_a_time():
    assert budget(0) == budget(100) == MISPLACED_LEAST
    assert budget(1_000_000) == MISPLACED_SHARE * 1_000_000
    waiting = Budget()
    changes = [(ShardId("v", n), ("a", "b")) for n in range(100)]
    waiting.offer(changes)
    assert waiting.release(8, 100) == []
    assert waiting.release(5, 100) == changes[:3]
    assert waiting.release(0, 1_000) == changes[3:53]
    assert len(waiting) == 47


def test_a_new_plan_takes_the_place_of_what_waited():
    waiting = Budget()
    waiting.offer([(ShardId("v", n), ("a",)) for n in range(20)])
    waiting.offer([(ShardId("v", 7), ("c",))])
    assert waiting.release(0, 0) == [(ShardId("v", 7), ("c",))]
    assert not waiting


def test_who_comes_and_goes_gets_nothing_while_others_can_have_it():
    site = damped(world([100] * 4), 1)
    for goal in goals_of(site, [want(n) for n in range(40)]):
        assert len(goal) == 2
        assert 1 not in goal
    (pinned,) = goals_of(site, [want(0, sampler=0)])
    assert len(pinned) == 2
    assert 1 not in pinned


def test_who_comes_and_goes_gets_what_nobody_else_can_have():
    """A second copy on a device that flaps is better than none."""
    everybody = damped(world([100] * 4), 0, 1, 2, 3)
    for goal in goals_of(everybody, [want(n) for n in range(20)]):
        assert len(goal) == 2
    all_but_one = damped(world([100] * 4), 0, 1, 2)
    for goal in goals_of(all_but_one, [want(n) for n in range(20)]):
        assert len(goal) == 2
        assert 3 in goal, "who stays comes first"
    (pinned,) = goals_of(everybody, [want(0, sampler=2)])
    assert len(pinned) == 2
    assert pinned[0] == 2


def test_what_is_enough_stays_when_another_shard_is_short():
    site = damped(world([100] * 4), 2, 3)
    wants = [want(0, owners=(0, 1)), want(1, wanted=3, owners=(0, 1))]
    assert goals_of(site, wants)[0] == (0, 1)
    assert len(goals_of(site, wants)[1]) == 3


def test_a_drained_copy_goes_to_who_comes_and_goes_if_to_nobody_else():
    site = world([100, 0, 100])
    sites = damped(site, 2).sites | {1: site.sites[1]._replace(weight=0)}
    (goal,) = goals_of(site._replace(sites=sites), [want(0, owners=(0, 1))])
    assert set(goal) == {0, 2}


def test_one_without_slots_is_found_for_a_live_stream():
    """Who was out, and comes and goes, is given no slots: the walk does not meet it."""
    site = world([100, 0])
    sites = site.sites | {1: Site("d1", "z1", 100, open=False, damped=True)}
    (goal,) = goals_of(site._replace(sites=sites), [want(0, sampler=0)])
    assert goal == (0, 1)
