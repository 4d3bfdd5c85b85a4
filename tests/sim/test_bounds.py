"""Queues over their bounds, and what is left in them, is noticed."""

import pytest

from atoll.gateway import moves
from atoll.runtime import tasks
from atoll.sim.bounds import busy, look_at_device, look_at_gateway
from atoll.sim.world import Violation


def test_a_device_with_too_much(stored):
    device = stored.devices["d00"]
    look_at_device(device)
    device.core._labour._tasks.count = tasks.TASKS_QUEUED_MAX + 1
    with pytest.raises(Violation, match="I11"):
        look_at_device(device)
    device.core._labour._tasks.count = -1
    with pytest.raises(Violation, match="I11"):
        look_at_device(device)


def test_a_gateway_with_too_much(stored):
    core = stored.gateway.core
    look_at_gateway(core)
    core.moves._busy["d00"] = moves.STEPS_PER_DEVICE_MAX + 1
    with pytest.raises(Violation, match="I11"):
        look_at_gateway(core)


def test_what_is_left(stored):
    device = stored.devices["d00"]
    assert busy(device) == ""
    device.disk.outbox[7] = b"x"
    assert busy(device) == "1 messages in its outbox"
    device.crash()
    assert busy(device) == "it is off"
