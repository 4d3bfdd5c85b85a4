from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.desk import Desk
from atoll.runtime.fence import Fence
from atoll.runtime.labour import Labour
from atoll.runtime.spans import Shape
from atoll.wire import messages as wire


def labour(backlog=()):
    desk = Desk(Fence(7))
    return desk, Labour(desk, lambda plan: Shape(1, 0, 1), boot=7, backlog=list(backlog))


def tasks(count, job="q"):
    work = [wire.Task("k", number, 0, 0, 9) for number in range(count)]
    return wire.Tasks(1, 1, 1, job, b"plan", "d", work)


def done(count, job="q"):
    return on.WorkDone(job, False, [wire.Result("k", n, False, b"x", 1) for n in range(count)])


def test_it_is_done_when_everything_is_settled():
    desk, one = labour()
    desk.linked = True
    assert one.done
    one.given_tasks(tasks(2), 0.0)
    assert (one.tasks_left, one.backlog, one.done) == (2, 2, False)
    one.work_done(done(2), 0.0)
    assert (one.tasks_left, one.backlog, one.done) == (0, 1, False)
    number = (7 << 32) + 1
    one.acknowledged(wire.Ack(1, 1, 1, [wire.NumberSpan(number, number)]), 0.0)
    assert one.done


def test_without_a_link_done_means_written():
    _, one = labour([5])
    assert one.done
    one.given_tasks(tasks(1), 0.0)
    assert not one.done
    one.work_done(done(1), 0.0)
    assert one.done


def test_nothing_is_sent_again_to_nobody():
    desk, one = labour([5])
    desk.linked = True
    one.resend(0.0)
    assert desk.taken() == []
    desk.answered = True
    one.resend(0.0)
    assert desk.taken() == [do.ReadOutbox(5)]


def test_refusals_are_results_too():
    desk, one = labour()
    desk.linked = desk.draining = True
    one.given_tasks(tasks(600)._replace(tasks=tasks(600).tasks), 0.0)
    sent = [effect.message for effect in desk.taken() if isinstance(effect, do.Publish)]
    assert [len(message.results) for message in sent] == [512, 88]
    assert all(result.failed for message in sent for result in message.results)


def test_nobody_is_woken_for_a_resend_before_the_gateway_is_heard():
    """Else a device would spin for as long as the broker is there and the gateway is not."""
    desk, one = labour()
    desk.linked = True
    one.given_tasks(tasks(1), 0.0)
    one.work_done(done(1), 0.0)
    assert one.next_wakeup() is None
    desk.answered = True
    assert one.next_wakeup() is not None
