from atoll.runtime import effects as do
from atoll.runtime.desk import REASONS_MAX, Desk
from atoll.runtime.fence import Fence


def test_effects_keep_their_order_and_are_taken_once():
    desk = Desk(Fence(7, map_epoch=5, lease_epoch=2))
    desk.say("one")
    desk.publish("block", "message")
    desk.do(do.Stop())
    assert desk.taken() == [do.Say("one"), do.Publish("block", "message"), do.Stop()]
    assert desk.taken() == []
    assert desk.head == (7, 5, 2)


def test_reasons_are_counted_and_bounded():
    desk = Desk(Fence(7))
    assert [desk.count("a"), desk.count("a")] == [1, 2]
    for number in range(2 * REASONS_MAX):
        desk.count(f"r{number}")
    assert len(desk.counters) == REASONS_MAX + 1
    assert desk.counters["other"] == REASONS_MAX + 1
