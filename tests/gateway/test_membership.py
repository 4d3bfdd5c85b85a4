"""Membership by events: births, leases, silence, and the rules that hold decisions back."""

from gateway_fleet import Fleet

from atoll.gateway import events as on
from atoll.gateway.profiles import PROFILES
from atoll.wire import messages as wire


def told(fleet, name, kind):
    return [m for m in fleet.devices[name].told if isinstance(m, kind)]


def test_birth_and_lease_make_a_device_ready():
    fleet = Fleet("a")
    assert fleet.states() == {"a": "ready"}
    lease = told(fleet, "a", wire.Lease)[-1]
    assert (lease.duration_ms, lease.interval_ms, lease.birth_wanted) == (10_000, 2_000, False)
    assert (lease.device_boot, lease.number, lease.lease, lease.boot) == (1, 1, 1, 1)
    assert told(fleet, "a", wire.InventoryAsk)
    assert told(fleet, "a", wire.Map)


def test_a_request_of_an_unknown_device_asks_for_its_birth():
    fleet = Fleet()
    fleet.handle(
        on.DeviceSpoke("x", wire.LeaseRequest(1, 0, 0, 5, 0, 0, 0, wire.Health(*[-1] * 8)), 0)
    )
    assert fleet.states() == {}
    fleet.add("x")
    assert fleet.states() == {"x": "ready"}


def test_silence_makes_suspect_then_dead_then_out():
    fleet = Fleet("a", "b", "c")
    fleet.cut.add("a")
    profile = PROFILES["normal"]
    for seconds, state in (
        (profile.suspect_s - 0.2, "ready"),
        (0.4, "suspect"),
        (profile.expiry_s - profile.suspect_s - 0.5, "suspect"),
        (0.6, "dead"),
        (profile.out_after_s - 1.0, "dead"),
        (1.5, "out"),
    ):
        fleet.run(seconds)
        assert fleet.states() == {"a": state, "b": "ready", "c": "ready"}


def test_a_suspect_is_probed_three_times_and_an_answer_clears_it():
    fleet = Fleet("a", "b")
    fleet.cut.add("a")
    fleet.devices["a"].told.clear()
    fleet.run(3.3)
    assert fleet.states()["a"] == "suspect"
    fleet.cut.discard("a")
    fleet.run(1.0)
    assert fleet.states()["a"] == "ready"
    fleet.devices["a"].take = fleet.devices["a"].told.append
    fleet.devices["a"].told.clear()
    fleet.handle(on.StatusSeen("a", "lost", 1, 0))
    fleet.run(0.9)
    assert len(told(fleet, "a", wire.Probe)) == 2
    fleet.run(5.0)
    assert len(told(fleet, "a", wire.Probe)) == 3


def test_a_last_will_makes_suspect_at_once():
    fleet = Fleet("a", "b")
    fleet.handle(on.StatusSeen("a", "lost", 1, 0))
    assert fleet.core.members.members["a"].state == "suspect"


def test_a_last_will_of_an_older_boot_is_old_news():
    fleet = Fleet("a")
    device = fleet.devices["a"]
    device.restart()
    device.birth()
    device.ask_lease()
    fleet.settle()
    fleet.handle(on.StatusSeen("a", "lost", 1, 0))
    assert fleet.states() == {"a": "ready"}


def test_a_device_that_says_goodbye_is_stopped_and_out_later():
    fleet = Fleet("a", "b", "c", profile="demo")
    fleet.handle(on.StatusSeen("a", "stopped", 1, 0))
    fleet.cut.add("a")
    assert fleet.states()["a"] == "stopped"
    fleet.run(1.5)
    assert fleet.states()["a"] == "stopped"
    fleet.run(1.0)
    assert fleet.states()["a"] == "out"


def test_back_before_out_it_keeps_its_shards_under_a_new_lease():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {f"k{i}": b"\1\0" * 100 for i in range(20)})
    owned = set(fleet.core.owners.owned["a"])
    fleet.cut.add("a")
    fleet.run(15)
    assert fleet.states()["a"] == "dead"
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.settle()
    assert fleet.states()["a"] == "ready"
    assert fleet.core.members.members["a"].row.lease == 2
    assert set(fleet.core.owners.owned["a"]) == owned


def test_the_gateways_own_lateness_is_nobodys_death():
    fleet = Fleet("a", "b", "c")
    fleet.now += 30.0  # the process was stopped; then it reads what waited
    fleet.handle(on.Woken(fleet.wall))
    assert set(fleet.states().values()) == {"ready"}
    fleet.run(2.0)
    assert set(fleet.states().values()) == {"ready"}


def test_without_a_broker_nobody_is_judged():
    fleet = Fleet("a", "b")
    fleet.handle(on.LinkLost())
    fleet.now += 100.0
    fleet.handle(on.Woken(fleet.wall))
    assert set(fleet.states().values()) == {"ready"}
    fleet.handle(on.LinkOpened(fleet.wall))
    fleet.run(3.5)
    assert set(fleet.states().values()) == {"ready"}
    fleet.cut.add("a")
    fleet.run(15.0)
    assert fleet.states() == {"a": "dead", "b": "ready"}


def test_a_silent_zone_is_a_partition_and_nobody_is_out():
    fleet = Fleet(profile="demo")
    for number in range(6):
        fleet.add(f"d{number}", zone="east" if number < 3 else "west")
    fleet.cut |= {"d0", "d1"}
    fleet.run(10.0)
    assert [fleet.states()[f"d{n}"] for n in range(3)] == ["dead", "dead", "ready"]
    assert [text for kind, text in fleet.events if kind == "hold"]
    fleet.cut.discard("d1")
    fleet.devices["d1"].ask_lease()
    fleet.run(3.0)
    assert fleet.states()["d0"] == "out"


def test_a_silent_fleet_is_our_own_fault():
    fleet = Fleet(*(f"d{n}" for n in range(6)), profile="demo")
    fleet.cut |= {f"d{n}" for n in range(6)}
    fleet.run(20.0)
    assert set(fleet.states().values()) == {"suspect"}


def test_a_zombies_messages_are_refused_but_for_its_results():
    fleet = Fleet("a", "b")
    device = fleet.devices["a"]
    old = device.head
    device.restart()
    device.birth()
    device.ask_lease()
    fleet.settle()
    before = dict(fleet.core._desk.refused)
    for message in (
        wire.LeaseRequest(*old, 99, 0, 0, 0, wire.Health(*[-1] * 8)),
        wire.Stored(*old, 1, []),
        wire.Held(*old, False, False, []),
    ):
        fleet.handle(on.DeviceSpoke("a", message, 0))
    assert fleet.core._desk.refused["stale boot"] - before.get("stale boot", 0) == 3


def test_an_older_lease_request_is_not_granted_again():
    fleet = Fleet("a")
    device = fleet.devices["a"]
    device.ask_lease()
    device.ask_lease()
    late = device.out.pop(0)
    fleet.settle()
    leases = len(told(fleet, "a", wire.Lease))
    fleet.handle(on.DeviceSpoke("a", late, 0))
    assert len(told(fleet, "a", wire.Lease)) == leases
    assert fleet.core._desk.refused == {"old lease request": 1}


def test_health_changes_the_weight_and_says_why():
    fleet = Fleet("a")
    sick = wire.Health(*[-1] * 8)._replace(temperature_mc=90_000)
    device = fleet.devices["a"]
    for _ in range(3):
        device.requests += 1
        request = wire.LeaseRequest(*device.head, device.requests, 0, 0, 0, sick)
        fleet.handle(on.DeviceSpoke("a", request, 0))
    assert fleet.core.members.members["a"].weight == 50
    assert fleet.command("devices")[0]["why"] == ["90 degrees Celsius"]


def test_many_heartbeats_keep_the_deadlines_small():
    fleet = Fleet("a", "b")
    fleet.run(300.0)
    assert len(fleet.core.members._due) <= 4
