"""One query's books."""

from array import array

from atoll.gateway.cutting import Cut, tasks_of
from atoll.gateway.query import MISSING, OPEN, Query
from atoll.gateway.records import QuerySet
from atoll.kernels import Plan

PLAN = Plan("moments")
VALUES = array("h", range(1_000))


def query(*, by_key=False, piece=100):
    cuts = [Cut("a", 0, 0, 500), Cut("b", 0, 0, 500)]
    row = QuerySet(1, "q1", "open", PLAN.text, "v", int(by_key), "c", 1, 0, 1, "", 0, "", b"")
    return Query(row, PLAN, cuts, tasks_of(cuts, PLAN, piece), 10.0)


def part(task):
    return PLAN.partial(
        VALUES[task.start : task.stop], rate=1.0, start=task.start, anchor=0, key=task.key
    )


def test_tasks_settle_once_and_the_merge_is_the_whole():
    made = query()
    for task in made.tasks:
        made.settle(task.number, part(task))
    assert (made.left, made.done, made.open_tasks()) == (0, 10, [])
    whole = [PLAN.partial(VALUES[:500], rate=1.0, key=key) for key in "ab"]
    assert made.merged() == PLAN.merge(whole)


def test_folding_changes_nothing(monkeypatch):
    monkeypatch.setattr("atoll.gateway.query.FOLD_BYTES", 100)
    made, plain = query(), query()
    for task in made.tasks:
        made.settle(task.number, part(task))
        plain.settle(task.number, part(task))
        made.fold()
    assert made.folded is not None
    assert made.merged() == plain.merged()


def test_a_result_by_key_has_every_key():
    made = query(by_key=True)
    for task in made.tasks[:5]:
        made.settle(task.number, part(task))
    merged = made.merged_by_key()
    assert set(merged) == {"a", "b"}
    assert merged["b"] == PLAN.merge([])


def test_neighbours_that_are_missing_are_one_entry():
    made = query()
    for number in (1, 2, 4, 7):
        made.give_up(number, "gone")
    assert [(e["key"], e["start"], e["stop"]) for e in made.missing_list(10)] == [
        ("a", 100, 300),
        ("a", 400, 500),
        ("b", 200, 300),
    ]
    assert len(made.missing_list(2)) == 2
    assert made.left == 6


def test_what_is_answered_is_not_given_up():
    made = query()
    made.settle(0, part(made.tasks[0]))
    made.give_up(0, "late")
    assert made.missing() == []
    assert made.state[1] == OPEN


def test_what_was_given_up_may_still_be_answered():
    """A refusal may overtake the result that was already on its way."""
    made = query()
    left = made.left
    made.give_up(2, "draining")
    assert not made.regain(1)
    assert made.regain(2)
    assert (made.left, made.state[2], made.missing()) == (left, OPEN, [])


def test_damaged_partials_are_found():
    made = query()
    for task in made.tasks:
        made.settle(task.number, b"\0" if task.number == 3 else part(task))
    assert made.drop_damaged() == [3]
    assert made.state[3] == MISSING
    assert made.missing_list(9)[0]["reason"].startswith("its partial cannot be read")
