from atoll.runtime.tasks import TASKS_QUEUED_MAX, TaskQueue
from atoll.wire.messages import Task


def tasks(*numbers):
    return [Task(f"k{number}", number, 0, 0, 10) for number in numbers]


def test_repeated_tasks_are_taken_once():
    queue = TaskQueue()
    assert queue.admit("a", tasks(1, 2)) == (tasks(1, 2), [])
    assert queue.admit("a", tasks(2, 3)) == (tasks(3), [])
    assert queue.count == 3
    assert queue.finish("a", [1, 2])
    assert queue.is_open("a")
    assert queue.finish("a", [3])
    assert not queue.is_open("a")
    assert not queue.finish("a", [3])
    assert queue.count == 0


def test_a_full_queue_says_which_it_cannot_take():
    queue = TaskQueue()
    queue.admit("a", tasks(*range(TASKS_QUEUED_MAX - 1)))
    assert queue.admit("b", tasks(1, 2)) == (tasks(1), tasks(2))
    assert queue.room() == 0
    assert queue.admit("c", tasks(1)) == ([], tasks(1))
    assert not queue.is_open("c")
    assert queue.cancel("a")
    assert not queue.cancel("a")
    assert queue.count == 1
