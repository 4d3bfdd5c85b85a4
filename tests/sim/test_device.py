"""Fates of a device: power, signals, clocks."""

from atoll.gateway.member import State


def state(site, name):
    return site.gateway.core.members.members[name].state


def test_a_crash_is_noticed_and_a_boot_counted(site):
    device = site.devices["d02"]
    boot = device.disk.state.boot
    device.crash()
    site.world.run(site.world.now + 1.0)
    assert state(site, "d02") is not State.READY
    device.start()
    site.world.run(site.world.now + 5.0)
    assert (state(site, "d02"), device.disk.state.boot) == (State.READY, boot + 1)


def test_a_paused_device_does_nothing_and_goes_on(site):
    device = site.devices["d02"]
    device.pause()
    number = device.core._lease.number
    site.world.run(site.world.now + 3.0)
    assert device.core._lease.number == number
    device.resume()
    site.world.run(site.world.now + 3.0)
    assert device.core._lease.number > number
    assert state(site, "d02") is State.READY


def test_a_clock_runs_on_at_another_rate(site):
    device = site.devices["d02"]
    before = device.now
    device.set_rate(1.02)
    assert abs(device.now - before) < 1e-6
    site.world.run(site.world.now + 100.0)
    assert abs(device.now - before - 102.0) < 1e-6


def test_a_stopped_device_says_goodbye(site):
    site.devices["d03"].stop()
    site.world.run(site.world.now + 7.0)
    assert not site.devices["d03"].alive
    assert state(site, "d03") in (State.STOPPED, State.OUT)
    assert site.devices["d03"].disk.pending == []


def test_blocks_outlive_a_crash(stored):
    before = {n: {k: set(b) for k, b in d.disk.blocks.items()} for n, d in stored.devices.items()}
    for device in stored.devices.values():
        device.crash()
        device.start()
    for name, device in stored.devices.items():
        assert {k: set(b) for k, b in device.disk.blocks.items()} == before[name]


def test_one_that_runs_is_not_started_again(site):
    device = site.devices["d02"]
    boot, core = device.disk.state.boot, device.core
    device.start()
    assert (device.disk.state.boot, device.core) == (boot, core)
