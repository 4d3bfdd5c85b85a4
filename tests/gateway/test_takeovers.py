"""What a loss cost."""

from atoll.gateway.catalog import ShardId
from atoll.gateway.desk import Desk
from atoll.gateway.takeovers import KEPT_MAX, Takeovers

ONE, TWO = ShardId("v", 1), ShardId("v", 2)


def test_from_silence_to_the_last_task_and_the_last_copy():
    desk = Desk()
    found = Takeovers(desk)
    desk.now = 10.0
    found.lost("a", 2)
    desk.now = 10.5
    found.task_done("a")
    assert found.listing() == []
    desk.now = 11.0
    found.task_done("a")
    desk.now = 15.0
    found.left("a", {ONE, TWO}, 500)
    found.shard_done(ONE)
    desk.now = 18.0
    found.shard_done(TWO)
    assert found.listing() == [
        {"device": "a", "takeover_s": 1.0, "restored_s": 8.0, "shards": 2, "bytes": 500}
    ]


def test_without_tasks_it_is_the_role_that_is_taken_over():
    desk = Desk()
    found = Takeovers(desk)
    found.lost("a", 0)
    desk.now = 3.0
    found.yielded("a")
    assert found.listing()[0]["takeover_s"] == 3.0


def test_a_device_that_comes_back_costs_nothing():
    found = Takeovers(Desk())
    found.lost("a", 1)
    found.returned("a")
    found.task_done("a")
    assert found.listing() == []


def test_only_the_last_are_kept():
    found = Takeovers(Desk())
    for number in range(KEPT_MAX + 5):
        found.lost(f"d{number}", 0)
        found.yielded(f"d{number}")
    assert len(found.listing()) == KEPT_MAX
    assert found.listing()[-1]["device"] == f"d{KEPT_MAX + 4}"
