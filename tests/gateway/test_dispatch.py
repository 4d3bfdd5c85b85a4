"""Who gets which task, how many at a time, and what is sent again."""

from gateway_data import data_of, filled, wanted

from atoll.gateway import dispatch
from atoll.wire import messages as wire


def test_work_is_spread_over_the_replicas():
    fleet = filled(data=data_of(40, most=70))
    fleet.query("moments", "v")
    shares = [device.numbers for device in fleet.devices.values()]
    assert all(shares)


def test_a_full_queue_is_asked_again():
    data = data_of(4)
    fleet = filled("a", "b", data=data)
    for device in fleet.devices.values():
        device._tasks = lambda m, d=device: d.say_results(
            m.job, [wire.Result(t.key, t.number, True, b"queue full: 9", 0) for t in m.tasks]
        )
    assert fleet.query("moments", "v") is None
    for device in fleet.devices.values():
        del device._tasks
    fleet.run(1.0)
    assert fleet.reply(fleet.requests).blob == wanted("moments", data)


def test_lost_task_messages_are_sent_again():
    data = data_of(4)
    fleet = filled("a", "b", data=data)
    for device in fleet.devices.values():
        device._tasks = lambda m: None
    assert fleet.query("moments", "v") is None
    for device in fleet.devices.values():
        del device._tasks
    fleet.run(dispatch.RESEND_S + 1.0)
    assert fleet.reply(fleet.requests).blob == wanted("moments", data)


def test_a_board_with_another_receipt_gets_no_task():
    data = data_of(10)
    fleet = filled("a", "b", data=data)
    odd = fleet.devices["a"]
    odd.receipts = [wire.KernelReceipt(r.kernel, bytes(8)) for r in odd.receipts]
    odd.restart()
    odd.birth()
    odd.ask_lease()
    fleet.settle()
    odd.told.clear()
    assert fleet.query("moments", "v").blob == wanted("moments", data)
    assert not [m for m in odd.told if isinstance(m, wire.Tasks)]
    assert any(kind == "receipt" for kind, _ in fleet.events)


def test_a_board_that_differs_in_another_kernel_works():
    data = data_of(10)
    fleet = filled("a", "b", data=data)
    odd = fleet.devices["a"]
    odd.receipts = [
        wire.KernelReceipt(r.kernel, bytes(8)) if r.kernel == "kurtosis" else r
        for r in odd.receipts
    ]
    odd.restart()
    odd.birth()
    odd.ask_lease()
    fleet.settle()
    odd.told.clear()
    fleet.query("moments", "v")
    assert [m for m in odd.told if isinstance(m, wire.Tasks)]


def test_more_tasks_than_a_device_takes_wait_their_turn(monkeypatch):
    monkeypatch.setattr("atoll.gateway.dispatch.IN_FLIGHT_MAX", 4)
    data = data_of(30, most=70)
    fleet = filled("a", "b", data=data)
    most = 0
    for device in fleet.devices.values():
        original = device._tasks

        def watch(message, original=original, device=device):
            nonlocal most
            most = max(most, len(message.tasks))
            original(message)

        device._tasks = watch
    assert fleet.query("moments", "v").blob == wanted("moments", data)
    assert most <= 4
