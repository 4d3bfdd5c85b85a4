"""Membership by events: births, leases, silence, and the rules that hold decisions back."""

from gateway_device import HEALTH
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


def test_what_is_still_to_be_read_is_no_silence():
    """The heartbeats wait in this gateway's own queue: that it has more devices than it bears is
    nobody's death, and to suspect them would be more to do.
    """
    fleet = Fleet("a", "b", "c")
    fleet.handle(on.FellBehind(fleet.wall))
    fleet.cut.update("abc")
    fleet.run(60.0)
    assert set(fleet.states().values()) == {"ready"}
    assert fleet.command("status")["overloaded"] is True
    fleet.handle(on.CaughtUp(fleet.wall))
    assert fleet.command("status")["overloaded"] is False
    assert [kind for kind, _ in fleet.events if kind == "overload"] == ["overload"] * 2
    fleet.cut.difference_update("bc")
    fleet.run(2.5)
    assert set(fleet.states().values()) == {"ready"}
    fleet.run(1.0)
    assert fleet.states() == {"a": "suspect", "b": "ready", "c": "ready"}


def intervals(fleet):
    return [told(fleet, name, wire.Lease)[-1].interval_ms for name in sorted(fleet.devices)]


def overload(fleet, seconds=6.0):
    fleet.handle(on.FellBehind(fleet.wall))
    fleet.run(seconds)
    fleet.handle(on.CaughtUp(fleet.wall))


def test_an_overloaded_gateway_has_its_devices_ask_half_as_often():
    fleet = Fleet("a", "b", "c")
    overload(fleet, 4.0)
    fleet.run(1.5)
    assert intervals(fleet) == [2_000] * 3
    for relief_s in (60.0, 120.0, 240.0):
        overload(fleet)
        fleet.run(relief_s - 1.5)
        assert intervals(fleet) == [4_000] * 3
        assert {told(fleet, n, wire.Lease)[-1].duration_ms for n in "abc"} == {10_000}
        fleet.run(3.0)
        assert intervals(fleet) == [2_000] * 3
    fleet.run(3_700.0)
    overload(fleet)
    fleet.run(62.0)
    assert intervals(fleet) == [2_000] * 3


def test_who_is_told_to_speak_rarely_is_suspected_later_and_dead_as_soon_as_ever():
    fleet = Fleet("a", "b", "c")
    overload(fleet)
    fleet.devices["a"].ask_lease()
    fleet.settle()
    fleet.cut.add("a")
    heard = fleet.now
    for after, state in ((5.8, "ready"), (6.2, "suspect"), (10.8, "suspect"), (11.2, "dead")):
        fleet.run(heard + after - fleet.now)
        assert fleet.states()["a"] == state


def test_a_large_answer_costs_a_detector_only_the_time_that_it_takes():
    fleet = Fleet("a", "b", "c")
    fleet.cut.add("a")
    fleet.run(1.0)
    fleet.handle(on.FellBehind(fleet.wall))
    fleet.run(2.0)
    fleet.handle(on.CaughtUp(fleet.wall))
    assert "overload" not in [kind for kind, _ in fleet.events]
    fleet.run(1.5)
    assert fleet.states()["a"] == "ready"
    fleet.run(1.0)
    assert fleet.states()["a"] == "suspect"


def test_behind_at_the_start_and_over_a_lost_broker_the_clock_is_right():
    fleet = Fleet("a", "b", "c")
    fleet.run(30.0)
    fleet.handle(on.FellBehind(fleet.wall))
    fleet.handle(on.LinkLost())
    fleet.run(30.0)
    fleet.handle(on.FellBehind(fleet.wall))  # before it is certain that this gateway leads
    fleet.handle(on.LinkOpened(fleet.wall))
    fleet.run(4.0)
    fleet.handle(on.CaughtUp(fleet.wall))
    fleet.run(15.0)
    fleet.cut.add("a")
    fleet.run(2.0)
    assert set(fleet.states().values()) == {"ready"}
    fleet.run(2.0)
    assert fleet.states() == {"a": "suspect", "b": "ready", "c": "ready"}


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
    assert fleet.command("devices")[0]["why"] == ["temperature: 90 degrees Celsius"]


def test_many_heartbeats_keep_the_deadlines_small():
    fleet = Fleet("a", "b")
    fleet.run(300.0)
    assert len(fleet.core.members._due) <= 4


def test_heartbeats_wake_nobody():
    """A deadline that a heartbeat has moved is put in its new place when another is looked at."""
    fleet = Fleet(*(f"d{n:02}" for n in range(40)))
    fleet.run(5.0)
    began, wakes = fleet.now, 0
    for beat in range(40 * 30):  # one after the other, each every two seconds
        at = began + beat * 0.05
        while (due := fleet.core.next_wakeup()) is not None and due <= at:
            fleet.now, wakes = due, wakes + 1
            fleet.handle(on.Woken(fleet.wall))
        fleet.now = at
        fleet.devices[f"d{beat % 40:02}"].ask_lease()
        fleet.settle()
    assert set(fleet.states().values()) == {"ready"}
    assert wakes < 200  # of 1,200 heartbeats; each by itself would be 1,100


def sleep(fleet, name, seconds, *, wake_ms=None):
    """The device says that it sleeps, and falls silent."""
    wake_ms = fleet.wall + seconds * 1000 if wake_ms is None else wake_ms
    fleet.handle(on.StatusSeen(name, "sleeping", 1, fleet.wall, seconds, wake_ms))
    fleet.cut.add(name)
    fleet.settle()


def test_asleep_is_not_dead_and_awake_it_has_its_shards():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {f"k{i}": b"\1\0" * 100 for i in range(20)})
    owned = set(fleet.core.owners.owned["a"])
    sleep(fleet, "a", 3_600)
    assert fleet.states()["a"] == "sleeping"
    assert all(s.owners[0] != "a" for s in fleet.core.catalog.all_shards()), "others act for it"
    fleet.run(3_590.0, step=5.0)
    assert fleet.states()["a"] == "sleeping"
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.settle()
    assert fleet.states()["a"] == "ready"
    assert set(fleet.core.owners.owned["a"]) == owned
    assert fleet.core.moves.moved_bytes == 0


def test_a_query_waits_for_a_sleeper_that_wakes_in_time():
    fleet = Fleet("a")
    fleet.put("v", {"k": b"\1\0" * 100})
    sleep(fleet, "a", 120)
    waits = wire.Run(fleet.number(), "moments", "v", False, -1, -1, 0, 300_000)
    hurries = wire.Run(fleet.number(), "moments", "v", False, -1, -1, 0, 60_000)
    assert (fleet.ask(waits), fleet.ask(hurries)) == (None, None)
    fleet.run(61.0)
    assert fleet.reply(hurries.request).status == wire.INCOMPLETE
    assert fleet.reply(waits.request) is None
    fleet.run(59.0)
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.settle()
    fleet.run(1.0)
    assert fleet.reply(waits.request).status == wire.DONE


def test_who_oversleeps_is_suspected_then_dead_then_out():
    fleet = Fleet("a", "b", "c")
    profile = PROFILES["normal"]
    sleep(fleet, "a", 60)
    for seconds, state in (
        (60.0 + profile.suspect_s - 0.2, "sleeping"),
        (0.4, "suspect"),
        (profile.expiry_s - 0.5, "suspect"),
        (0.6, "dead"),
        (profile.out_after_s + 1.0, "out"),
    ):
        fleet.run(seconds)
        assert fleet.states()["a"] == state


def test_sleepers_are_no_silent_zone_and_no_silent_fleet():
    fleet = Fleet(profile="demo")
    for number in range(6):
        fleet.add(f"d{number}", zone="east")
    for number in range(4):
        sleep(fleet, f"d{number}", 3_600)
    fleet.cut.add("d4")
    fleet.run(6.0)
    assert fleet.states()["d4"] == "out", "a half of the two that are awake is no partition"
    assert fleet.states()["d0"] == "sleeping"


def test_an_old_promise_read_again_is_none():
    fleet = Fleet("a", "b")
    fleet.handle(on.StatusSeen("a", "sleeping", 1, fleet.wall, 60, fleet.wall - 1_000))
    assert fleet.states()["a"] == "ready"
    sleep(fleet, "b", 3_600, wake_ms=fleet.wall + 10_000)
    fleet.run(12.0)
    assert fleet.states()["b"] == "sleeping"
    fleet.run(2.0)
    assert fleet.states()["b"] == "suspect", "the wall clock says that most of it is over"


def test_a_gateway_that_starts_anew_remembers_who_sleeps():
    fleet = Fleet("a", "b", "c")
    sleep(fleet, "a", 600)
    rows = [record for batch in fleet.batches for record in batch]
    rows = [row for row in rows if type(row).__name__ in ("DeviceSet", "SettingSet", "SlotSet")]
    again = Fleet(rows=rows, now=fleet.now)
    assert again.states()["a"] == "sleeping"
    again.run(590.0)
    assert again.states()["a"] == "sleeping"
    again.run(30.0)
    assert again.states()["a"] in ("suspect", "dead")


def flap(fleet, name, times):
    for _ in range(times):
        fleet.cut.add(name)
        fleet.run(15.0)
        fleet.cut.discard(name)
        fleet.devices[name].ask_lease()
        fleet.settle()


def test_a_device_that_comes_and_goes_gets_nothing_new_until_it_has_stayed():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": b"\1\0" * 100})
    owned = set(fleet.core.owners.owned["a"])
    flap(fleet, "a", 4)
    assert fleet.command("devices")[0]["why"] == [
        "it comes and goes: no new shards while others can have them"
    ]
    assert [text for kind, text in fleet.events if kind == "flap"]
    fleet.put("w", {"k": b"\1\0" * 100}, put_id=b"w" * 16)
    assert set(fleet.core.owners.owned["a"]) == owned, "what it has it keeps"
    fleet.run(1_850.0, step=1.0)
    assert fleet.command("devices")[0]["why"] == []
    fleet.put("x", {"k": b"\1\0" * 100}, put_id=b"x" * 16)
    assert set(fleet.core.owners.owned["a"]) > owned


def test_a_flapping_device_causes_few_moves():
    fleet = Fleet("a", "b", "c", "d", profile="demo")  # out after two seconds: the worst case
    fleet.put("v", {f"k{i}": b"\1\0" * 100 for i in range(64)})
    before = len(fleet.events)
    flap(fleet, "a", 20)
    homeward = [e for e in fleet.events[before:] if e[0] == "move" and "is on a now" in e[1]]
    returns = {e[1] for e in homeward}
    assert len(returns) <= 3 * 48, "shards came to it on three returns at most"
    assert fleet.core.owners.owned.get("a", {}) == {}


def test_no_capacity_is_no_shards():
    fleet = Fleet("a", "b")
    fleet.add("m", capacity=0.0)
    fleet.put("v", {f"k{i}": b"\1\0" * 100 for i in range(20)}, replicas=3)
    assert fleet.core.owners.owned.get("m", {}) == {}
    shown = fleet.command("devices")[-1]
    assert (shown["id"], shown["weight"], shown["why"]) == ("m", 0.0, ["its own streams only"])


def test_a_device_that_returns_larger_gets_more():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=1)
    device = fleet.devices["a"]
    before = len(fleet.core.owners.owned["a"])
    device.restart()
    device.capacity = 8.0
    device.birth()
    device.ask_lease()
    fleet.settle()
    fleet.run(5.0)
    assert fleet.command("devices")[0]["weight"] == 8.0
    assert len(fleet.core.owners.owned["a"]) > 1.5 * before


def test_a_lease_request_that_comes_twice_is_refused_and_counted():
    fleet = Fleet("a")
    request = wire.LeaseRequest(1, 0, 1, 77, 0, 0, 0, HEALTH)
    for _ in range(2):
        fleet.handle(on.DeviceSpoke("a", request, fleet.wall))
    assert fleet.core._desk.refused == {"old lease request": 1}


def test_a_status_of_a_boot_of_before_is_refused_and_counted():
    fleet = Fleet("a")
    fleet.devices["a"].restart()
    fleet.devices["a"].birth()
    fleet.devices["a"].ask_lease()
    fleet.settle()
    fleet.handle(on.StatusSeen("a", "stopped", 1, fleet.wall))
    assert fleet.states() == {"a": "ready"}
    assert fleet.core._desk.refused == {"stale boot": 1}
